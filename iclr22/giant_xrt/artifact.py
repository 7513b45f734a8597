"""A fitted encoder as a file: with its vocabulary, the tree and the heads of its levels.

`save` and `load` are for this project: one `.npz` of plain arrays and JSON. `export` writes
a folder that Hugging Face and sentence-transformers read.
"""

import os
import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np

from iclr22 import bundle, errors
from iclr22.giant_xrt import encoding
from iclr22.giant_xrt.encoding import Encoder
from iclr22.giant_xrt.rounds import Fitted
from iclr22.giant_xrt.tree import Tree
from iclr22.nn import bert

KIND, VERSION = "giant_xrt model", 1


class Model(NamedTuple):
    """What a run leaves."""

    encoder: Encoder
    tree: Tree
    heads: tuple[dict[str, Any], ...]  # kernel [K + 1, h], bias [K + 1] of each level


def of(fitted: Fitted) -> Model:
    """The model of a run."""
    return Model(fitted.encoder, fitted.tree, fitted.heads)


def save(path, model: Model) -> None:
    """Write a model as one file."""
    encoder = model.encoder
    config = encoder.config._asdict() | {"bert": encoder.config.bert._asdict()}
    about = {"config": config, "vocabulary": list(encoder.vocabulary)}
    trees = {
        "params": encoder.params,
        "tree": {str(i): x for i, x in enumerate(model.tree.parents)},
        "heads": {str(i): x for i, x in enumerate(model.heads)},
    }
    bundle.save(path, KIND, VERSION, about=about, trees=trees)


def load(path) -> Model:
    """Read what `save` wrote.

    Raises:
      errors.InputError: not such a file, or one whose parts do not fit each other.
    """
    return bundle.load(path, KIND, VERSION, _build)


def _build(found: bundle.Bundle) -> Model:
    about, trees = found.about, found.trees
    inner = bundle.configured(bert.Config, about["config"]["bert"])
    rest = {name: x for name, x in about["config"].items() if name != "bert"}
    config = bundle.configured(encoding.Config, rest)._replace(bert=inner)
    vocabulary = tuple(map(str, about["vocabulary"]))
    parents = tuple(x.astype(np.int64) for x in _in_order(trees["tree"]))
    model = Model(
        Encoder(config, trees["params"], vocabulary),
        Tree(parents),
        tuple(_in_order(trees["heads"])),
    )
    return bundle.fitting(model, _check)


def _in_order(tree) -> list:
    return [tree[str(i)] for i in range(len(tree))]


def _check(model: Model) -> None:
    """Parts are of sizes that fit each other."""
    config, sizes = model.encoder.config, model.tree.sizes
    tokens = config.vocabulary if config.kind == "bag" else config.bert.vocabulary
    if len(model.encoder.vocabulary) > tokens:
        raise ValueError(f"{len(model.encoder.vocabulary)} tokens")
    key = jax.eval_shape(lambda: jax.random.key(0))
    wanted = jax.eval_shape(lambda k: encoding.init(config, k), key)
    _check_shapes(wanted, model.encoder.params)
    for above, below in zip((1, *sizes), model.tree.parents, strict=False):
        if below.ndim != 1 or below.min() < 0 or below.max() >= above:
            raise ValueError("a tree with parents that are not there")
    for head in model.heads:
        count = len(head["bias"])
        if count - 1 not in sizes or head["kernel"].shape != (count, config.features):
            raise ValueError(f"a head of {head['kernel'].shape}")


def _check_shapes(wanted, found) -> None:
    shapes = jax.tree.map(lambda x: tuple(x.shape), wanted)
    if shapes != jax.tree.map(lambda x: tuple(np.shape(x)), found):
        raise ValueError("parameters of other names or shapes")
    if not all(np.isfinite(x).all() for x in jax.tree.leaves(found)):
        raise ValueError("parameters that are not finite")


def export(folder: str | os.PathLike, encoder: Encoder) -> pathlib.Path:
    """Write a Transformer as a folder that other libraries read; one that was trained
    without a pooler gets one of zeros, which nobody uses.

    Raises:
      errors.InputError: a bag of tokens, which those libraries do not know.
    """
    config, params = encoder.config, dict(encoder.params)
    if config.kind != "bert":
        raise errors.InputError(
            "expected a Transformer to export; found a bag of tokens. Keep it with save."
        )
    if "pooler" not in params:
        width = config.bert.width
        none = {"kernel": np.zeros((width, width)), "bias": np.zeros(width)}
        params["pooler"] = none
    pooling = "mean" if config.pooling == "mean" else "cls"
    given = config.bert, params, encoder.vocabulary
    bert.save(folder, *given, pooling=pooling, tokens=config.tokens)
    return pathlib.Path(folder)
