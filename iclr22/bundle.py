"""Trained models as one file: an npz of arrays and JSON, nothing that executes.

A file says what it is (`kind`), in which format version, and what the columns of its input
are called; trees of parameters are nested dicts of arrays.
"""

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from iclr22 import checkpoint, errors

Model = TypeVar("Model")


class Bundle(NamedTuple):
    """What a file holds."""

    inputs: tuple[str, ...]  # names of the input's columns, in order; () if none
    about: dict[str, Any]  # JSON values
    trees: dict[str, Any]  # nested dicts of arrays, or single arrays


def save(
    path,
    kind: str,
    version: int,
    *,
    about: Mapping[str, Any],
    trees: Mapping[str, Any],
    inputs: Sequence[str] = (),
) -> None:
    """Write a model atomically.

    Args:
      kind: what it is, such as `grda model`; `load` refuses any other.
      version: of the format of this kind.
      about: JSON values.
      trees: nested dicts of arrays by name; names have no slash.
      inputs: names of the columns of the model's input.
    """
    arrays = {}
    for name, tree in trees.items():
        arrays |= checkpoint.flatten(tree, name)
    head = {"kind": kind, "version": version, "inputs": list(inputs)}
    head["trees"] = list(trees)
    text = json.dumps({"bundle": head, "about": dict(about)})
    checkpoint.write_npz(path, json=np.asarray(text), **arrays)


def load(path, kind: str, version: int, build: Callable[[Bundle], Model]) -> Model:
    """Read what `save` wrote.

    Args:
      build: makes the model; what it finds missing is a fault of the file.

    Raises:
      errors.InputError: no such file, no file of this kind, or one of another version.
    """
    try:
        return build(_read(path, kind, version))
    except FileNotFoundError:
        raise errors.InputError(f"no such file: {path}") from None
    except errors.InputError:
        raise
    except (OSError, LookupError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise errors.InputError(
            f"{path}: expected a {kind} that this project wrote; cannot read it "
            f"({str(error)[:200]})"
        ) from error


def _read(path, kind, version) -> Bundle:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    found = json.loads(str(arrays.pop("json")))
    head = found["bundle"]
    if (head["kind"], head["version"]) != (kind, version):
        raise errors.InputError(
            f"{path}: expected a {kind}, format {version}; found a {head['kind']}, format "
            f"{head['version']}. Make it again with this version."
        )
    trees = {
        name: arrays[name] if name in arrays else checkpoint.unflatten(arrays, name)
        for name in head["trees"]
    }
    return Bundle(tuple(head["inputs"]), found["about"], trees)
