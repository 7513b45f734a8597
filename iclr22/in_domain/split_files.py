"""Splits of images that are there: proposed with counts, checked for leaks, kept in files."""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from iclr22 import checkpoint, errors, numeric, record
from iclr22.data import checks
from iclr22.data.factors import FactorImages
from iclr22.in_domain import splits
from iclr22.in_domain.evaluating import rows_of

BLOCK = 4096  # images that are compared at a time


class Proposal(NamedTuple):
    """A split that could be made.

    Attributes:
      kind: of `splits.KINDS`.
      train, test: numbers of images.
      kept: by split factor the values that training keeps, or that count as low.
      problem: why it cannot be made, else empty.
    """

    kind: str
    train: int
    test: int
    kept: dict[str, tuple]
    problem: str = ""

    @property
    def share(self) -> float:
        """Of all images, for training."""
        return self.train / max(self.train + self.test, 1)


class Checked(NamedTuple):
    """What there is to know of a split that has no leak by its points.

    Attributes:
      train, test: numbers of images.
      unused: images in neither part.
      twins: test points and training points `[k, 2]` whose images are the same, one
        training point for each test point; drawn sets have some, as the first and last
        orientation of dSprites.
    """

    train: int
    test: int
    unused: int
    twins: np.ndarray


def proposals(
    data: FactorImages, *, fraction: float = splits.FRACTION, seed: int = 0
) -> list[Proposal]:
    """Every kind of split with its exact counts, or with the reason why it cannot be made.

    Args:
      data: images.
      fraction, seed: as of `splits.make_split`.
    """
    found = []
    for kind in splits.KINDS:
        kept = {}
        try:
            train, test = splits.make_split(data, kind, seed=seed, fraction=fraction)
            if kind != "random":
                kept = splits.kept_values(data, kind, fraction=fraction)
        except errors.InputError as error:
            found.append(Proposal(kind, 0, 0, {}, str(error)))
            continue
        values = {
            x.name: tuple(x.values[i] for i in np.flatnonzero(kept[x.name]))
            for x in data.grid.factors
            if x.name in kept
        }
        found.append(Proposal(kind, len(train), len(test), values))
    return found


def check_split(data: FactorImages, train, test, *, content: bool = True) -> Checked:
    """Raise if a split leaks by its points, and tell which images are in both parts.

    Args:
      data: images.
      train, test: flat grid indices.
      content: compare images too, byte by byte in grey levels; it looks at all of them.

    Raises:
      errors.InputError: an index outside the grid or of an image that is not there, twice
        in a part, or in both.
    """
    parts = {}
    for name, points in (("train", train), ("test", test)):
        parts[name] = numeric.whole(points, name, low=0, high=data.grid.count - 1)
        _check_points(data, name, parts[name])
    both = np.intersect1d(*parts.values())
    if len(both):
        raise errors.InputError(
            f"expected points that are for training or for test; found {len(both):,} in "
            f"both, the first {both[0]} ({_told(data, both[0])}). Remove them from one"
        )
    twins = np.zeros((0, 2), np.int64)
    if content:
        twins = _twins(data, parts["train"], parts["test"])
    of_train, of_test = len(parts["train"]), len(parts["test"])
    return Checked(of_train, of_test, len(data.index) - of_train - of_test, twins)


def _check_points(data, name, points):
    if not len(points):
        raise errors.InputError(f"{name}: expected points; found none")
    values, counts = np.unique(points, return_counts=True)
    if (counts > 1).any():
        again = values[counts > 1]
        raise errors.InputError(
            f"{name}: expected every point once; found {again[0]} "
            f"({_told(data, again[0])}) {counts.max()} times"
        )
    absent = np.setdiff1d(values, data.index)
    if len(absent):
        raise errors.InputError(
            f"{name}: expected points that have an image; found {len(absent):,} that have "
            f"none, the first {absent[0]} ({_told(data, absent[0])})"
        )


def _told(data, point) -> str:
    """Values of the factors of a point."""
    numbers = data.grid.numbers([point])[0]
    pairs = zip(data.grid.factors, numbers, strict=True)
    return checks.short(", ".join(f"{x.name} {x.values[i]}" for x, i in pairs), 200)


def _twins(data, train, test) -> np.ndarray:
    seen: dict[int, int] = {}
    for points, words in _hashed(data, train):
        for point, word in zip(points, words, strict=True):
            seen.setdefault(word, point)
    found = [
        (point, seen[word])
        for points, words in _hashed(data, test)
        for point, word in zip(points, words, strict=True)
        if word in seen
    ]
    return np.array(found, np.int64).reshape(-1, 2)


def _hashed(data, points):
    """Points and hashes of their images, some at a time."""
    rows = rows_of(data, points)
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        x = data.x[part] if data.x is not None else np.rint(255 * data.images(part))
        x = x.astype(np.uint8, copy=False)
        yield points[start : start + BLOCK].tolist(), [hash(i.tobytes()) for i in x]


def write_split(
    path, data: FactorImages, train, test, *, names: Sequence[str] = ()
) -> None:
    """Keep a split in a file, for `read_split` or for other programs.

    Args:
      path: `.npz`, with `train`, `test` (flat grid indices), `factors` and `sizes`; or
        `.csv`, with a row for each image: `part`, if wanted `image`, and its factors.
      train, test: flat grid indices.
      names: of the images in the order of `data`, for the table.

    Raises:
      errors.InputError: another kind of file.
    """
    if pathlib.Path(path).suffix == ".npz":
        checkpoint.write_npz(
            path,
            train=np.asarray(train, np.int64),
            test=np.asarray(test, np.int64),
            factors=np.array(data.grid.names),
            sizes=np.array(data.grid.sizes),
        )
        return
    if pathlib.Path(path).suffix != ".csv":
        raise errors.InputError(f"{path}: expected a name that ends in .npz or .csv")
    header = ["part", *(["image"] if len(names) else []), *data.grid.names]
    rows = []
    for part, points in (("train", train), ("test", test)):
        numbers = data.grid.numbers(np.asarray(points))
        places = rows_of(data, points) if len(names) else range(len(numbers))
        for place, row in zip(places, numbers, strict=True):
            values = (x.values[i] for x, i in zip(data.grid.factors, row, strict=True))
            rows.append([part, *([names[place]] if len(names) else []), *values])
    record.write_csv(path, header, rows)


def read_split(path, data: FactorImages) -> tuple[np.ndarray, np.ndarray]:
    """Training and test points that `write_split` kept as `.npz`.

    Raises:
      errors.InputError: another file, a split of another grid, or one that leaks.
    """
    path = checks.existing(path, "a split in an .npz")
    found = checks.read_npz(path)
    missing = [x for x in ("train", "test", "factors", "sizes") if x not in found]
    if missing:
        raise errors.InputError(
            f"{path}: expected a split with train, test, factors and sizes; found no "
            f"{missing[0]}."
        )
    names, sizes = found["factors"].tolist(), found["sizes"].tolist()
    if names != list(data.grid.names) or sizes != list(data.grid.sizes):
        there = ", ".join(f"{n} {s}" for n, s in zip(names, sizes, strict=False))
        raise errors.InputError(
            f"{path}: expected a split of the factors {', '.join(data.grid.names)} with "
            f"{data.grid.sizes} values; found {checks.short(there, 200)}."
        )
    try:
        check_split(data, found["train"], found["test"], content=False)
    except errors.InputError as error:
        raise errors.InputError(f"{path}: {error}") from None
    return found["train"].astype(np.int64), found["test"].astype(np.int64)
