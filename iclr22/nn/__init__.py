"""Flax Linen networks shared by several methods, one idea per file."""
