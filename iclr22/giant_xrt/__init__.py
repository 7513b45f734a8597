"""GIANT-XRT: node features from raw text.

Chien et al., "Node Feature Extraction by Self-Supervised Multi-scale Neighborhood
Prediction", ICLR 2022. An encoder learns from a node's text in which clusters of a tree its
neighbours are. Stages: `matcher`, a round of that, `link`, the rival that learns single
links, and `downstream.classifier`, what features are measured by. `fit` trains an encoder on
texts and edges, `encode` and `suggest_links` use it, `artifact` keeps it, `pipeline.train`
trains a variant. The engine for extreme multi-label classification is usable alone: `pifa`,
`build_tree`, `fit_linear`, `predict`.
"""

from iclr22.giant_xrt.artifact import Model, export, load, save
from iclr22.giant_xrt.fitting import fit
from iclr22.giant_xrt.linear import fit_linear, predict
from iclr22.giant_xrt.pifa import pifa
from iclr22.giant_xrt.tree import build_tree
from iclr22.giant_xrt.use import encode, suggest_links

STAGES = ("matcher", "link", "downstream.classifier")
