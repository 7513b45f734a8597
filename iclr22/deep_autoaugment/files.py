"""Policies as JSON files, which are read without executing anything.

    {"format": "deep-autoaugment-policy-1", "image_size": [32, 32], "fill": [125, 123, 114],
     "normalise": {"mean": [...], "std": [...]},
     "layers": [[{"op": "shear_x", "level": 0, "value": -0.3, "prob": 0.5}, ...], ...],
     "meta": {...}}

A mixture has `"policies": [{"layers": ...}, ...]` and `"weights"` in place of `"layers"`.
"""

import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from iclr22 import checkpoint, errors
from iclr22.data import checks
from iclr22.deep_autoaugment import applying, policy, space
from iclr22.deep_autoaugment.policy import Entry, Mixture, Policy
from iclr22.deep_autoaugment.space import Transformation

FORMAT = "deep-autoaugment-policy-1"
HIGHEST = 30  # level that is read; baselines have finer magnitudes than a search
LONGEST = 16_000_000  # bytes of a file that is read

_PUBLISHED = {
    "Identity": "identity",
    "ShearX": "shear_x",
    "ShearY": "shear_y",
    "TranslateX": "translate_x",
    "TranslateY": "translate_y",
    "Rotate": "rotate",
    "AutoContrast": "autocontrast",
    "Invert": "invert",
    "Equalize": "equalize",
    "Solarize": "solarize",
    "Posterize": "posterize",
    "Contrast": "contrast",
    "Color": "color",
    "Brightness": "brightness",
    "Sharpness": "sharpness",
    "RandFlip": "flip",
    "RandCutout": "cutout",
    "RandCrop": "crop",
    "RandResizeCrop_imagenet": space.RESIZED_CROP,
}


def save_policy(
    path,
    found: Policy | Mixture,
    *,
    image_size: tuple[int, int],
    fill: Sequence[int] = applying.FILL,
    normalise: Mapping[str, Sequence[float]] | None = None,
    meta: Mapping[str, Any] | None = None,
) -> None:
    """Write a policy.

    Args:
      image_size: height and width of the images that it was found on.
      fill: colour of cutouts and of what surrounds a crop.
      normalise: `mean` and `std` of each channel, of what a network gets afterwards.
      meta: JSON values about its origin: cosines, seed, a digest of the data.

    Raises:
      errors.InputError: a policy that cannot be applied.
    """
    policy.checked(found)
    about = {"format": FORMAT, "image_size": list(image_size), "fill": list(fill)}
    about |= {"normalise": dict(normalise or {}), "meta": dict(meta or {})}
    if isinstance(found, Mixture):
        about["policies"] = [{"layers": _rows(x)} for x in found.policies]
        about["weights"] = list(found.weights)
    else:
        about["layers"] = _rows(found)
    checkpoint.write_json(path, about)


def _rows(found: Policy):
    return [[entry._asdict() for entry in layer] for layer in found.layers]


def load_policy(path) -> Policy | Mixture:
    """Read what `save_policy` wrote, or what was written by hand in its format.

    Raises:
      errors.InputError: no such file, no JSON (with the line), another format, no layers,
        unknown operations (with the nearest name), levels or values out of range,
        probabilities that are negative or do not sum to 1; with the layer and entry.
    """
    return policy_of(path, read(path))


def read(path) -> dict[str, Any]:
    """All that a policy file says, as JSON values.

    Raises:
      errors.InputError: no such file, no JSON, or another format.
    """
    about = _json(path)
    form = about.get("format")
    if form != FORMAT:
        found = "none" if form is None else repr(form)[: errors.LONG]
        raise errors.InputError(
            f"{path}: expected a policy with format {FORMAT!r}; found {found}. Write it "
            "again with save_policy of this version"
        )
    return about


def _json(path) -> dict[str, Any]:
    """An object of a JSON file of a sensible size."""
    place = checks.existing(path)
    if place.stat().st_size > LONGEST:
        raise errors.InputError(
            f"{path}: expected a policy of {LONGEST} bytes at most; found "
            f"{place.stat().st_size}"
        )
    try:
        found = json.loads(place.read_bytes().decode("utf-8"))
    except UnicodeDecodeError as error:
        raise errors.InputError(
            f"{path}: expected text in UTF-8; found bytes that are none at {error.start}"
        ) from None
    except json.JSONDecodeError as error:
        raise errors.InputError(
            f"{path}, line {error.lineno}: expected JSON; found none there ({error.msg}, "
            f"column {error.colno})"
        ) from None
    except (RecursionError, ValueError) as error:
        raise errors.InputError(f"{path}: expected JSON of a policy; {error}") from None
    if not isinstance(found, dict):
        raise errors.InputError(
            f"{path}: expected a JSON object; found {type(found).__name__}"
        )
    return found


def policy_of(where, about: Mapping[str, Any]) -> Policy | Mixture:
    """The policy in JSON values; `where` they are from, for messages.

    Raises:
      errors.InputError: as `load_policy`.
    """
    if ("layers" in about) == ("policies" in about):
        raise errors.InputError(
            f'{where}: expected either "layers" or "policies"; found '
            f"{'both' if 'layers' in about else 'neither'}"
        )
    if "layers" in about:
        found = _policy(where, about["layers"])
    else:
        several = _listed(where, "policies", about["policies"])
        parts = [
            _policy(f"{where}, policy {place}", _field(where, each, "layers"))
            for place, each in enumerate(several)
        ]
        weights = _listed(where, "weights", about.get("weights"))
        for weight in weights:
            _number(where, "weights", weight)
        found = Mixture(tuple(parts), tuple(map(float, weights)))
    try:
        return policy.checked(found)
    except errors.InputError as error:
        raise errors.InputError(f"{where}: {error}") from None


def _policy(where, layers) -> Policy:
    return Policy(
        tuple(
            tuple(
                _entry(f"{where}, layer {place}, entry {number}", entry)
                for number, entry in enumerate(_listed(where, f"layer {place}", layer))
            )
            for place, layer in enumerate(_listed(where, "layers", layers))
        )
    )


def _entry(where: str, given) -> Entry:
    """An entry whose operation is known, with a level and a value that it can have."""
    op, level, value, prob = (_field(where, given, name) for name in Entry._fields)
    if not isinstance(op, str):
        raise errors.InputError(f'{where}: expected the name of "op"; found {op!r}')
    if isinstance(level, bool) or not isinstance(level, int):
        raise errors.InputError(f"{where}: expected a whole level; found {level!r}")
    if not 0 <= level <= HIGHEST:
        raise errors.InputError(
            f"{where}: expected a level from 0 to {HIGHEST}; found {level}"
        )
    _number(where, "value", value)
    _number(where, "prob", prob)
    try:
        space.checked(Transformation(op, level, float(value)))
    except errors.InputError as error:
        raise errors.InputError(f"{where}: {error}") from None
    return Entry(op, level, float(value), float(prob))


def _field(where, given, name: str):
    if not isinstance(given, dict) or name not in given:
        found = ", ".join(given) if isinstance(given, dict) else repr(given)
        raise errors.InputError(
            f"{where}: expected {name!r}; found {found[: errors.LONG] or 'nothing'}"
        )
    return given[name]


def _listed(where, name: str, given) -> list:
    if not isinstance(given, list) or not given:
        found = "an empty one" if given == [] else repr(given)[: errors.LONG]
        raise errors.InputError(f"{where}: expected a list of {name}; found {found}")
    return given


def _number(where, name: str, given):
    real = isinstance(given, (int, float)) and not isinstance(given, bool)
    if not real or not math.isfinite(given):
        raise errors.InputError(
            f"{where}: expected a number as {name}; found {repr(given)[: errors.LONG]}"
        )


def load_published(path, name: str, least: float = policy.LEAST) -> Policy:
    """A policy of the authors' own searches, from their numbers.

    Args:
      path: JSON of objects by name, each with `op` and `mag_index` of N transformations
        (the level 0 to 12 on the line of its operation) and `probs` `[layers, N]`.
      name: such as `cifar_2`; those of ImageNet have cutouts of 60 pixels.
      least: as in `policy.of_probabilities`.

    Raises:
      errors.InputError: no such file or name, or another content.
    """
    about = {key: x for key, x in _json(path).items() if isinstance(x, dict)}
    if name not in about:
        raise errors.nearest(name, about, "published policy")
    try:
        ops, levels = about[name]["op"], about[name]["mag_index"]
        shares = np.asarray(about[name]["probs"], np.float64)
        cutout = 60.0 if space.RESIZED_CROP in map(_PUBLISHED.get, ops) else 16.0
        made = [
            _published(_PUBLISHED[op], level, cutout)
            for op, level in zip(ops, levels, strict=True)
        ]
    except (LookupError, TypeError, ValueError) as error:
        raise errors.InputError(
            f"{pathlib.Path(path).name}, {name}: expected op, mag_index and probs of a "
            f"published policy; found others ({error!r})"
        ) from None
    return policy.of_probabilities(made, shares, least)


def _published(op: str, level: int, cutout: float) -> Transformation:
    if op in space.RANGES:
        return Transformation(op, level, space.value(op, level))
    plain = {"cutout": cutout, "crop": 4.0, space.RESIZED_CROP: space.SMALLEST_AREA}
    return Transformation(op, space.MIDDLE, plain.get(op, 0.0))
