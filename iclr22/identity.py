"""Whose a directory of a training is: nothing continues there with other data.

`training.json` beside the checkpoints tells the stage, its configuration, the seed and a
digest of the data that they belong to.
"""

import hashlib
import json
import pathlib
import re
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from iclr22 import checkpoint, errors, parallel

FILE = "training.json"


def hashed(arrays: Iterable[tuple[str, Any]]) -> bytes:
    """SHA-256 of names, shapes, types and numbers of host arrays, in their order."""
    found = hashlib.sha256()
    for name, x in arrays:
        x = np.ascontiguousarray(x)
        found.update(f"{name} {x.dtype} {x.shape}\n".encode())
        found.update(x.reshape(-1).view(np.uint8).data)
    return found.digest()


def content(tree) -> str:
    """A word for a pytree of host arrays: of other content, another one."""
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return hashed((jax.tree_util.keystr(p), x) for p, x in leaves).hex()[:16]


def describe(method, config, seed: int, batches, first) -> dict[str, Any]:
    """What `claim` compares.

    Args:
      batches: of `loop.fit`. With a `content()`, a digest of all they are made from, that
        counts, otherwise the first batch.
      first: that batch.
    """
    whole = getattr(batches, "content", None)
    of = "all" if whole else f"first batch of {parallel.part()[1]} processes"
    if hasattr(config, "_asdict"):
        fields = {name: _text(value) for name, value in config._asdict().items()}
    else:
        fields = {"config": _text(config)}
    return {
        "stage": getattr(method, "__name__", type(method).__name__),
        "seed": seed,
        "config": fields,
        "data": {of: whole() if whole else content(first)},
    }


def _text(value) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def claim(directory, about: dict[str, Any], *, going: bool) -> None:
    """Write `training.json`, or refuse a directory with checkpoints of another training.

    Args:
      about: of `describe`; data are compared where they were looked at in the same way.
      going: there are checkpoints.

    Raises:
      errors.InputError: they are of other data, another configuration, stage or seed.
    """
    path = pathlib.Path(directory) / FILE
    if going:
        try:
            found = json.loads(path.read_text())
            differing = list(_differences(found, about))
        except (OSError, ValueError, AttributeError, TypeError):
            differing = [f"{FILE}, which tells of what, cannot be read"]
        if differing:
            raise errors.InputError(
                f"{directory} holds checkpoints of another training "
                f"({'; '.join(differing)}). Choose another directory (--workdir)."
            )
    else:
        checkpoint.write_json(path, about)


def _differences(found, wanted):
    for name in ("stage", "seed"):
        if found[name] != wanted[name]:
            yield f"{name}: {found[name]} there, {wanted[name]} now"
    for name in wanted["config"] | found["config"]:
        there, here = (x["config"].get(name, "none") for x in (found, wanted))
        if there != here:
            yield f"{name}: {there} there, {here} now"
    for how, digest in wanted["data"].items():
        if found["data"].get(how, digest) != digest:
            yield "other data"
