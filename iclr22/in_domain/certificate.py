"""A certificate of the ranges of factors in which a regressor can be trusted.

Each factor gets a band, prediction +- half width, that should cover 90 % of images: split
conformal prediction from images that were not trained on (Lei et al., JASA 2018). It does so
for images like those; elsewhere nothing is promised, and a model that does not leave its
training range fails. So labelled audit images from inside and outside of the training range
say where a band holds (`trust.search`): an interval of the factor itself, and conditions on
the others. In there the half width is set anew, and the coverage is verified on images that
had no part in any of it.

    codes = parts(inside)  # calibrate, search, verify
    found = certify(predictions, numbers, grid, codes, held)
    found.write("certificate.json")
    gate(read("certificate.json"), require={"x": (0, 0.6)})  # reasons against a release
"""

import numpy as np

from iclr22 import errors, numeric
from iclr22.data.factors import Grid
from iclr22.in_domain import analyses, bands, evaluating, splits, trust
from iclr22.in_domain.certificate_files import Certificate, gate, read

__all__ = [
    "CALIBRATE",
    "SEARCH",
    "VERIFY",
    "audit",
    "certify",
    "gate",
    "parts",
    "read",
    "without",
]

CALIBRATE, SEARCH, VERIFY = 0, 1, 2
FEWEST = 50  # images that calibrate, and that verify
HELD = 2 * FEWEST  # images like those of training from which `parts` takes enough


def parts(inside, *, verify: float = 0.5, seed: int = 0) -> np.ndarray:
    """Draw which images calibrate, search and verify: codes `[n]`.

    Args:
      inside: bool `[n]`, True for held-out images of the training split, False for audit
        images that the split leaves out.
      verify: share of either that is kept for the verification.
      seed: of the draw.
    """
    inside = np.asarray(inside, bool)
    found = np.where(inside, CALIBRATE, SEARCH)
    random = np.random.default_rng([seed, 3])
    for kind in (True, False):
        rows = random.permutation(np.flatnonzero(inside == kind))
        found[rows[: round(verify * len(rows))]] = VERIFY
    return found


def audit(
    grid: Grid, train, count: int, *, between: bool = True, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Points to draw audit images at, each value of a factor as often: `(numbers [count, f],
    inside [count])`; the latter tells those that are like the training points.

    Args:
      train: flat grid indices of the training points.
      between: anywhere up to half a step from a grid point, so that no image was trained
        on; factors without an order stay whole. Otherwise points of the grid, each at most
        once: take those that are inside out of the training (`without`).
      seed: of the draw.

    Raises:
      errors.InputError: more points than there are.
    """
    random = np.random.default_rng([seed, 7])
    train = np.asarray(train)
    if not between:
        if count > grid.count:
            raise errors.InputError(
                f"expected at most {grid.count} audit images, the whole grid; found {count}"
            )
        chosen = random.choice(grid.count, count, replace=False)
        return grid.numbers(chosen), np.isin(chosen, train)
    numbers = random.integers(0, grid.sizes, (count, len(grid.sizes))).astype(float)
    moved = numbers + random.uniform(-0.5, 0.5, numbers.shape)
    ordered = np.array([x.kind != "categorical" for x in grid.factors])
    moved = np.clip(moved, 0, np.array(grid.sizes) - 1)
    moved = np.where(ordered, moved, numbers)
    near = np.isin(grid.flat(np.rint(moved).astype(np.int64)), train)
    out = analyses.outside(moved, grid, splits.held_out(grid, train))
    return moved, near & ~out.any(axis=1)


def without(grid: Grid, train, numbers) -> np.ndarray:
    """Training points that are left when audit images of the grid are held out."""
    return np.setdiff1d(train, grid.flat(numbers))


def certify(
    predictions,
    numbers,
    grid: Grid,
    codes,
    held,
    *,
    alpha: float = 0.1,
    floor: float = 0.6,
    useful: float = 0.5,
) -> Certificate:
    """Find and verify the ranges in which bands cover 1 - alpha of images.

    The images should be drawn alike over the whole grid, and none of them trained on:
    coverage is that of this drawing.

    Args:
      predictions: of the targets, `[n, f]`.
      numbers: true values `[n, f]`, whole or between (which count with the nearer value).
      grid: of the factors.
      codes: `[n]`: CALIBRATE (like the training images), SEARCH or VERIFY; see `parts`.
      held: of each factor which values never occur in training, bool `[size]`.
      alpha: share of images that a band may miss.
      floor: a value at which a band covers significantly less is not trusted. Errors are
        not alike everywhere: at some values of training a band covers less than on average.
      useful: a band must be at most so wide, compared with that of a constant answer.

    Raises:
      errors.InputError: other shapes, NaN, or fewer than 50 images that calibrate or verify.
    """
    numbers, held = analyses.checked(numbers, grid, held)
    predictions = evaluating.checked(predictions, len(numbers), len(grid.sizes))
    codes = numeric.whole(codes, "codes", low=CALIBRATE, high=VERIFY)
    rules = bands.Rules(alpha, floor, useful)
    totals = _check(codes, len(numbers), rules)
    targets = numbers / (np.array(grid.sizes, np.float64) - 1)
    signed, values = predictions - targets, np.rint(numbers).astype(np.int64)
    looked, test = codes != VERIFY, codes == VERIFY
    found = []
    for k in range(len(grid.sizes)):
        distance = np.abs(signed[looked, k])
        first = trust.half_width(distance[codes[looked] == CALIBRATE], alpha)
        box = _box(grid, held, distance <= first, values[looked], rules)
        width = trust.half_width(distance[trust.inside(box, values[looked])], alpha)
        guess = trust.half_width(np.abs(targets[looked, k] - 0.5), alpha)
        widths = bands.Widths(first, width, guess)
        seen = values[test], signed[test, k]
        found.append(bands.band(grid, k, held, box, widths, rules, *seen))
    return Certificate(tuple(found), alpha, floor, totals)


def _box(grid, held, covered, values, rules):
    """Values of each factor, bool `[size]`, at which a band holds, without stragglers."""
    ordered = [x.kind != "categorical" for x in grid.factors]
    maps = [
        trust.slices(values[:, j], size, ordered[j])
        for j, size in enumerate(grid.sizes)
    ]
    places = np.stack([x[values[:, j]] for j, x in enumerate(maps)], axis=1)
    sizes = [int(x[-1]) + 1 for x in maps]
    box = trust.search(covered, places, sizes, ordered, rules.floor, rules.alpha)
    box = [kept[x] for kept, x in zip(box, maps, strict=True)]
    for kept, missing, factor in zip(box, held, grid.factors, strict=True):
        if factor.kind != "categorical" and kept.any():
            low, high = trust.span(kept, ~missing)
            kept[:low] = kept[high + 1 :] = False
    return box


def _check(codes, count, rules) -> tuple[int, int, int]:
    """Numbers of images that calibrate, search and verify."""
    if len(codes) != count:
        raise errors.InputError(
            f"codes: expected one for each of {count} images; found {len(codes)}"
        )
    for name, value in rules._asdict().items():
        if not 0 < value < 1:
            raise errors.InputError(
                f"{name}: expected a share between 0 and 1; found {value}"
            )
    found = np.bincount(codes, minlength=3).tolist()
    for code, what in ((CALIBRATE, "calibrate"), (VERIFY, "verify")):
        if found[code] < FEWEST:
            raise errors.InputError(
                f"expected {FEWEST} images or more that {what}; found {found[code]}. "
                "Hold out more images"
            )
    return found[0], found[1], found[2]
