"""What a run leaves: of each encoder a bi- and a cross-encoder, and a static one; files.

`save` and `load` are for this project: one `.npz` of plain arrays and JSON. `export` writes
folders that Hugging Face and sentence-transformers read.
"""

import os
import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np

from iclr22 import bundle
from iclr22.nn import bert, body
from iclr22.trans_encoder import bi_encoder, cross_encoder, static
from iclr22.trans_encoder.static import Static

KIND, VERSION = "trans_encoder model", 1
STAGES = {"bi": bi_encoder, "cross": cross_encoder}


class Part(NamedTuple):
    """One student."""

    config: Any  # of its stage
    params: Any
    vocabulary: tuple[str, ...]


class Model(NamedTuple):
    """Students of one run; `bi` and `cross` have one for each encoder."""

    bi: tuple[Part, ...]
    cross: tuple[Part, ...] = ()
    static: Static | None = None


def of(result, encoders) -> Model:
    """The best students of a run.

    Args:
      result: of `distillation.distil`.
      encoders: that it was given.
    """

    def parts(students):
        return tuple(
            Part(x.config, x.params, encoder.vocabulary)
            for x, encoder in zip(students, encoders, strict=True)
        )

    return Model(parts(result.bi), parts(result.cross))


def save(path, model: Model) -> None:
    """Write a model as one file; a vocabulary that several share is in it once."""
    words = list(dict.fromkeys(x.vocabulary for x in (*model.bi, *model.cross)))
    about: dict[str, Any] = {"vocabularies": [list(x) for x in words]}
    trees: dict[str, Any] = {}
    for kind in STAGES:
        about[kind] = []
        for i, part in enumerate(getattr(model, kind)):
            config = part.config._asdict() | {"bert": part.config.bert._asdict()}
            number = words.index(part.vocabulary)
            about[kind].append({"config": config, "vocabulary": number})
            trees[f"{kind}_{i}"] = part.params
    if model.static is not None:
        about["static"] = list(model.static.vocabulary)
        trees["static"] = {"table": model.static.table, "removed": model.static.removed}
    bundle.save(path, KIND, VERSION, about=about, trees=trees)


def load(path) -> Model:
    """Read what `save` wrote.

    Raises:
      errors.InputError: not such a file, or one whose parts do not fit each other.
    """
    return bundle.load(path, KIND, VERSION, _build)


def _build(found: bundle.Bundle) -> Model:
    about, trees = found.about, found.trees
    words = [tuple(map(str, x)) for x in about["vocabularies"]]
    parts = {}
    for kind, stage in STAGES.items():
        parts[kind] = tuple(
            _part(stage, x, trees[f"{kind}_{i}"], words)
            for i, x in enumerate(about[kind])
        )
    table = None
    if "static" in about:
        given = bundle.Bundle((), {"vocabulary": about["static"]}, trees["static"])
        table = static.built(given)
    return bundle.fitting(Model(parts["bi"], parts["cross"], table), _check)


def _part(stage, about, params, words) -> Part:
    inner = bundle.configured(bert.Config, about["config"]["bert"])
    rest = {k: x for k, x in about["config"].items() if k != "bert"}
    config = bundle.configured(stage.Config, rest)._replace(bert=inner)
    return Part(config, params, words[about["vocabulary"]])


def _check(model: Model) -> None:
    """Parameters are those of the configurations; nothing is compiled."""
    if not model.bi:
        raise ValueError("no bi-encoder")
    for kind, stage in STAGES.items():
        for part in getattr(model, kind):
            if len(part.vocabulary) > part.config.bert.vocabulary:
                raise ValueError(f"{len(part.vocabulary)} tokens")
            key = jax.eval_shape(lambda: jax.random.key(0))
            config = part.config
            fresh = jax.eval_shape(lambda k, s=stage, c=config: s.init(c, k, None), key)
            _check_alike(fresh.params, part.params)


def _check_alike(wanted, found) -> None:
    shapes = jax.tree.map(lambda x: tuple(x.shape), wanted)
    if shapes != jax.tree.map(lambda x: tuple(np.shape(x)), found):
        raise ValueError("parameters of other names or shapes")
    if not all(np.isfinite(x).all() for x in jax.tree.leaves(found)):
        raise ValueError("parameters that are not finite")


def export(folder: str | os.PathLike, model: Model) -> list[pathlib.Path]:
    """Write each student as a folder (`bi_0`, `cross_0`, ...) that other libraries read;
    a bi-encoder gets a pooler of zeros, which nobody uses."""
    written = []
    for kind in STAGES:
        for i, part in enumerate(getattr(model, kind)):
            path = pathlib.Path(folder) / f"{kind}_{i}"
            config, params = part.config, part.params
            if kind == "bi":
                width = config.bert.width
                none = {"kernel": np.zeros((width, width)), "bias": np.zeros(width)}
                params = {"pooler": none, **body.plain(params)}
            pooling = config.pooling if kind == "bi" else "cls"
            bert.save(
                path,
                config.bert,
                params,
                part.vocabulary,
                pooling=pooling,
                tokens=config.tokens,
            )
            written.append(path)
    return written
