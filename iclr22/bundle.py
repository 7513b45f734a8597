"""Trained models as one file: an npz of arrays and JSON, nothing that executes.

A file says what it is (`kind`), in which format version, and what the columns of its input
are called; trees of parameters are nested dicts of arrays.
"""

import json
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from iclr22 import checkpoint, errors

Model = TypeVar("Model")
Config = TypeVar("Config")


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
      trees: arrays, or nested dicts of them, by name.
      inputs: names of the columns of the model's input.

    Raises:
      TypeError: something else in a tree, or an array of a type that cannot be stored.
      ValueError: a name in a tree with a slash.
    """
    arrays: dict[str, Any] = {}
    shape = _take_apart(trees, "trees", arrays)
    head = {"kind": kind, "version": version, "inputs": list(inputs), "trees": shape}
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
        head, found = _read(path)
    except FileNotFoundError:
        raise errors.InputError(f"no such file: {path}") from None
    except Exception as error:  # zipfile, zlib and NumPy have many of their own
        raise _unreadable(path, kind, error) from error
    if (head["kind"], head["version"]) != (kind, version):
        raise errors.InputError(
            f"{path}: expected a {kind}, format {version}; found {head['kind']!r}, "
            f"format {head['version']}. Make it again with this version."
        )
    try:
        return build(found)
    except (LookupError, TypeError, ValueError) as error:
        raise _unreadable(path, kind, error) from error


def configured(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """A configuration from JSON values, if each is of the type of its field.

    Args:
      kind: a NamedTuple whose fields have defaults.

    Raises:
      TypeError, ValueError: other fields, or values of another type.
    """
    defaults = getattr(kind, "_field_defaults", {})
    several = [name for name, x in defaults.items() if isinstance(x, tuple)]
    found = kind(**dict(values) | {x: tuple(values[x]) for x in several if x in values})
    hints = typing.get_type_hints(kind)
    for name, default in defaults.items():
        value, hint = getattr(found, name), hints[name]
        wanted = (int, float) if type(default) is float else type(default)
        known = typing.get_args(hint) if typing.get_origin(hint) is Literal else [value]
        flag = isinstance(value, bool) != isinstance(default, bool)
        if flag or not isinstance(value, wanted) or value not in known:
            raise ValueError(f"{name} is {value!r}")
    return found


def fitting(model: Model, check: Callable[[Model], None]) -> Model:
    """The model, if its parts pass a check of how they fit each other.

    Raises:
      ValueError: the check failed, in whatever way: the parts are not what was written.
    """
    try:
        check(model)
    except Exception as error:
        raise ValueError(f"its parts do not fit: {error}") from error
    return model


def _unreadable(path, kind, error) -> errors.InputError:
    return errors.InputError(
        f"{path}: expected a {kind} that this project wrote; cannot read it "
        f"({str(error)[:200]})"
    )


def _read(path) -> tuple[dict, Bundle]:
    """What a file says of itself, and what it holds."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    if "json" not in arrays:
        raise ValueError("it has no description")
    found = json.loads(str(arrays["json"]))
    head = {name: found["bundle"][name] for name in ("kind", "version")}
    trees = _put_together(found["bundle"]["trees"], "trees", arrays)
    return head, Bundle(tuple(found["bundle"]["inputs"]), found["about"], trees)


def _take_apart(tree, path: str, arrays: dict[str, Any]):
    """Fill in `arrays` by path; return the nested dicts with None for each array."""
    if isinstance(tree, Mapping):
        if any("/" in name for name in tree):
            raise ValueError(f"expected names without a slash; found {sorted(tree)}")
        return {
            name: _take_apart(x, f"{path}/{name}", arrays) for name, x in tree.items()
        }
    if not hasattr(tree, "shape"):
        raise TypeError(f"expected {path} to be an array; found {type(tree).__name__}")
    arrays[path] = np.asarray(tree)
    return None


def _put_together(shape, path: str, arrays: Mapping[str, Any]):
    """The tree that `_take_apart` got."""
    if shape is None:
        return arrays[path]
    return {
        name: _put_together(x, f"{path}/{name}", arrays) for name, x in shape.items()
    }
