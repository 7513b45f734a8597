"""Certificates as files, and as the gate of a build."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from iclr22 import checkpoint, errors
from iclr22.data import checks
from iclr22.in_domain import bands

FORMAT = "iclr22 in-domain certificate 1"
LONGEST = 1 << 26  # bytes of a file


class Certificate(NamedTuple):
    """Bands of all factors.

    Attributes:
      bands: one of each factor.
      alpha: share of images that a band may miss.
      floor: coverage of a single value below which it is not trusted.
      images: numbers of images that calibrate, search and verify.
    """

    bands: tuple[bands.Band, ...]
    alpha: float
    floor: float
    images: tuple[int, int, int]

    @property
    def passed(self) -> bool:
        """Every factor has a range in which it is trusted."""
        return all(x.trusted for x in self.bands)

    def write(self, path) -> None:
        """As JSON, atomically: `format`, `alpha`, `floor`, `images` (calibrate, search,
        verify), `passed`, and `factors`, a list with the attributes of `bands.Band`."""
        names = "calibrate", "search", "verify"
        checkpoint.write_json(
            path,
            {
                "format": FORMAT,
                "alpha": self.alpha,
                "floor": self.floor,
                "images": dict(zip(names, self.images, strict=True)),
                "passed": self.passed,
                "factors": [_plain(x) for x in self.bands],
            },
        )


def gate(
    certificate: Certificate,
    *,
    require: Mapping[str, tuple] | None = None,
    widest: Mapping[str, float] | None = None,
) -> tuple[str, ...]:
    """What speaks against a release, in words; nothing where it may go ahead.

    Args:
      require: of some factors the lowest and highest value, in the user's units, that must
        be trusted, with all between; of a factor with names, the names. By default every
        factor must be trusted somewhere.
      widest: of some factors the largest half width, in the user's units where values are
        equally spaced, else in steps of the grid.

    Raises:
      errors.InputError: an unknown factor.
    """
    known = {x.factor: x for x in certificate.bands}
    for name in (*(require or {}), *(widest or {})):
        if name not in known:
            raise errors.nearest(name, known, "factor")
    chosen = known if require is None else require
    said = [known[x].verdict for x in chosen if not known[x].trusted]
    for name, wanted in (require or {}).items():
        if known[name].trusted and not _holds(known[name], wanted):
            text = known[name].inside.text
            said.append(f"{name}: {list(wanted)} must be trusted; only {text} is")
    for name, most in (widest or {}).items():
        x = known[name]
        width = x.half_width_units
        width = x.half_width_steps if width is None else width
        if not width <= most:
            said.append(f"{name}: the band may be +-{most:g}; it is +-{width:.4g}")
    return tuple(said)


def _holds(band, wanted) -> bool:
    span = band.inside
    if span.kind == "categorical":
        return set(wanted) <= set(span.ends)
    (a, b), (low, high) = sorted(span.ends), sorted(wanted)
    return a <= low and high <= b and not any(low <= x <= high for x in span.exceptions)


def _plain(x) -> Any:
    """NamedTuples as objects, NaN and infinity as null."""
    if hasattr(x, "_asdict"):
        found = {k: _plain(v) for k, v in x._asdict().items()}
        return found | ({"text": x.text} if isinstance(x, bands.Span) else {})
    if isinstance(x, tuple | list):
        return [_plain(v) for v in x]
    return None if isinstance(x, float) and not np.isfinite(x) else x


def read(path) -> Certificate:
    """A certificate that `write` wrote.

    Raises:
      errors.InputError: no such file, no JSON, another format, or keys that are missing.
    """
    place = checks.existing(path)
    if place.stat().st_size > LONGEST:
        raise errors.InputError(
            f"{path}: expected a certificate of {LONGEST} bytes at most; found "
            f"{place.stat().st_size}"
        )
    try:
        about = json.loads(place.read_bytes().decode("utf-8"))
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise errors.InputError(
            f"{path}: expected JSON of a certificate; found none ({str(error)[:100]})"
        ) from None
    form = about.get("format") if isinstance(about, dict) else None
    if form != FORMAT:
        raise errors.InputError(
            f"{path}: expected a certificate with format {FORMAT!r}; found "
            f"{str(form)[: errors.LONG]!r}"
        )
    try:
        counts = about["images"]
        images = int(counts["calibrate"]), int(counts["search"]), int(counts["verify"])
        found = tuple(_band(x) for x in about["factors"])
        return Certificate(found, float(about["alpha"]), float(about["floor"]), images)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise errors.InputError(
            f"{path}: expected the keys of a certificate; {type(error).__name__} at "
            f"{str(error)[:100]}. Write it again with this version"
        ) from None


def _band(given) -> bands.Band:
    """A band of its JSON."""
    found: dict[str, Any] = {name: _frozen(given[name]) for name in bands.Band._fields}
    found["inside"] = _span(given["inside"])
    found["where"] = tuple(_span(x) for x in given["where"])
    for name, kind in bands.Band.__annotations__.items():
        if kind is float:
            found[name] = float("nan" if found[name] is None else found[name])
    return bands.Band(**found)


def _span(given) -> bands.Span:
    found: dict[str, Any] = {x: _frozen(given[x]) for x in bands.Span._fields}
    return bands.Span(**found)


def _frozen(x) -> Any:
    return tuple(_frozen(v) for v in x) if isinstance(x, list) else x
