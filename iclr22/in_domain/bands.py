"""One factor of a certificate: its band, where it holds, and what was seen of it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from iclr22.data.factors import Factor, Grid
from iclr22.in_domain import analyses, trust

SLACK = (
    0.02  # below the coverage that is asked for, before its interval speaks against it
)


class Span(NamedTuple):
    """The values of one factor at which a band holds.

    Attributes:
      factor: its name.
      kind: ordinal, cyclic or categorical.
      numbers: grid numbers of the values, rising.
      ends: first and last value in the user's units; all of them where they are names.
      exceptions: values between the ends at which the band does not hold.
      complete: all values of the grid are there.
    """

    factor: str
    kind: str
    numbers: tuple[int, ...]
    ends: tuple
    exceptions: tuple
    complete: bool

    @property
    def text(self) -> str:
        """`[0.5, 0.8]`, `[0, 9] but 3, 6`, `square, heart` or `nowhere`."""
        if not self.numbers:
            return "nowhere"
        ends = [shown(x) for x in self.ends]
        if self.kind == "categorical":
            return ", ".join(ends)
        but = ", ".join(map(shown, self.exceptions))
        return f"[{ends[0]}, {ends[-1]}]" + (f" but {but}" if but else "")


class Band(NamedTuple):
    """What is certified of one factor.

    Attributes:
      factor: its name.
      trusted: there is a range, the band is useful, and its coverage was verified.
      verdict: the same in words.
      half_width: of the band, as a share of the factor's range on the grid (0 to 1).
      half_width_steps: in steps of the grid.
      half_width_units: in the user's units where values are equally spaced, else None.
      calibration_half_width: what held-out training images alone ask for.
      guess_half_width: what a constant answer needs for the same coverage.
      inside: the factor's own values at which the band holds.
      training: first and last value in training, in the user's units.
      where: values of other factors that it needs, of those that have a condition.
      coverage: share of verification images in that range that the band covers.
      interval: of it, 95 %, exact.
      count: of those images.
      by_value: coverage at each value of the factor, in the range and outside, other
        factors being where they need to be; None without an image.
      counts: images of each value there.
      errors: mean of prediction - truth there, as a share of the range.
      weak: values in the range at which the band covers significantly less than the floor.
    """

    factor: str
    trusted: bool
    verdict: str
    half_width: float
    half_width_steps: float
    half_width_units: float | None
    calibration_half_width: float
    guess_half_width: float
    inside: Span
    training: tuple
    where: tuple[Span, ...]
    coverage: float
    interval: tuple[float, float]
    count: int
    by_value: tuple[float | None, ...]
    counts: tuple[int, ...]
    errors: tuple[float | None, ...]
    weak: tuple


class Rules(NamedTuple):
    """See `certificate.certify`."""

    alpha: float
    floor: float
    useful: float


class Widths(NamedTuple):
    """Half widths of a band: of held-out training images, in its range, of a guess."""

    calibration: float
    found: float
    guess: float


def band(
    grid: Grid,
    k: int,
    held,
    box: Sequence[np.ndarray],
    widths: Widths,
    rules,
    values,
    signed,
) -> Band:
    """The band of factor `k` as images that had no part in it see it.

    Args:
      held: of each factor which values never occur in training.
      box: which values are trusted, bool `[size]` of each factor.
      values: whole numbers `[n, f]` of the verification images.
      signed: prediction - target of factor k, `[n]`.
    """
    factor = grid.factors[k]
    covered = np.abs(signed) <= widths.found
    inside = trust.inside(box, values)
    count, hits = int(inside.sum()), int(covered[inside].sum())
    low, high = (float(x) for x in trust.limits(hits, count))
    spans = [span(f, kept) for f, kept in zip(grid.factors, box, strict=True)]
    seen = _by_value(k, box, values, covered, signed, factor.size)
    weak = _weak(seen, box[k], rules.floor)
    ends = analyses.training_range(held)
    problem = _problem(spans[k], widths, rules, count, high)
    where = tuple(x for j, x in enumerate(spans) if j != k and not x.complete)
    units = spacing(factor)
    steps = widths.found * (factor.size - 1)
    return Band(
        factor=factor.name,
        trusted=not problem,
        verdict=_verdict(factor.name, spans[k], where, problem),
        half_width=widths.found,
        half_width_steps=steps,
        half_width_units=None if units is None else steps * units,
        calibration_half_width=widths.calibration,
        guess_half_width=widths.guess,
        inside=spans[k],
        training=tuple(plain(factor.values[int(x[k])]) for x in ends),
        where=where if spans[k].numbers else (),
        coverage=hits / count if count else float("nan"),
        interval=(low, high),
        count=count,
        by_value=tuple(seen[0]),
        counts=tuple(seen[1]),
        errors=tuple(seen[2]),
        weak=tuple(plain(factor.values[i]) for i in weak),
    )


def span(factor: Factor, kept) -> Span:
    """Trusted values of a factor, of flags `[size]`."""
    numbers = np.flatnonzero(kept)
    values = [plain(factor.values[i]) for i in numbers]
    exceptions = ()
    if factor.kind != "categorical" and len(numbers):
        values = [values[0], values[-1]]
        between = range(numbers[0], numbers[-1])
        exceptions = tuple(plain(factor.values[i]) for i in between if not kept[i])
    return Span(
        factor.name,
        factor.kind,
        tuple(numbers.tolist()),
        tuple(values),
        exceptions,
        bool(np.all(kept)),
    )


def spacing(factor: Factor) -> float | None:
    """The user's units between two neighbouring values, if that is everywhere the same."""
    if factor.kind == "categorical":
        return None
    try:
        steps = np.diff(np.asarray(factor.values, np.float64))
    except (TypeError, ValueError):
        return None
    same = np.allclose(steps, steps.mean(), rtol=1e-3, atol=0)
    return float(abs(steps.mean())) if same else None


def plain(value):
    """A value of a factor as JSON has it."""
    return value.item() if isinstance(value, np.generic) else value


def shown(value) -> str:
    """A value of a factor in a sentence."""
    return f"{value:.4g}" if isinstance(value, int | float) else str(value)


def _by_value(k, box, values, covered, signed, size):
    """Coverage, counts and mean errors at each value, other factors being inside."""
    others = [x if j != k else np.ones_like(x) for j, x in enumerate(box)]
    rows = trust.inside(others, values)
    place = values[rows, k]
    count = np.bincount(place, minlength=size)
    hits = np.bincount(place, covered[rows], minlength=size)
    total = np.bincount(place, signed[rows], minlength=size)
    shares = [float(h / n) if n else None for h, n in zip(hits, count, strict=True)]
    means = [float(t / n) if n else None for t, n in zip(total, count, strict=True)]
    return shares, count.tolist(), means


def _weak(seen, kept, floor):
    """Numbers of trusted values that turn out bad."""
    count = np.array(seen[1])
    hits = np.array([0 if x is None else x for x in seen[0]]) * count
    level = 2 * trust.LEVEL / max(int(kept.sum()), 1)
    return np.flatnonzero(
        kept & (count > 0) & (trust.limits(hits, count, level)[1] < floor)
    )


def _problem(own, widths, rules, count, high) -> str:
    """Why a band is not to be trusted, or nothing."""
    if not own.numbers:
        return "there is no range in which the band holds"
    if not widths.found <= rules.useful * widths.guess:
        return (
            f"the band of +-{widths.found:.3g} of the range is too wide; a constant answer "
            f"needs +-{widths.guess:.3g}"
        )
    if not count:
        return "no image was left to verify it"
    if high < 1 - rules.alpha - SLACK:
        return f"the coverage is {high:.3f} at most, {1 - rules.alpha:g} was asked for"
    return ""


def _verdict(name, own, where, problem) -> str:
    if problem:
        return f"do not trust {name}: {problem}"
    if own.complete:
        text = f"trust {name} everywhere"
    elif own.kind == "categorical":
        text = f"trust {name} only where it is {_either(own)}"
    else:
        text = f"trust {name} inside {own.text} only"
    conditions = " and ".join(
        f"{x.factor} is {_either(x) if x.kind == 'categorical' else 'in ' + x.text}"
        for x in where
    )
    return f"{text}, where {conditions}" if conditions else text


def _either(own) -> str:
    return " or ".join(map(shown, own.ends))
