"""GIANT-XRT: node features from raw text that know the graph."""
