"""Images of a search: who trains the network, who is compared with, who is augmented."""

from typing import NamedTuple

import numpy as np
from absl import logging

from iclr22 import errors, identity
from iclr22.data import batching, checks


class Parts(NamedTuple):
    """Rows of the data by what they are for; no row is in two, unless `told` says so."""

    train: np.ndarray  # the network that gradients are of
    valid: np.ndarray  # images as they are, whose gradient is to be met
    search: np.ndarray  # images that are augmented
    held: np.ndarray  # neither of them saw these; what is reported is measured here
    told: str = ""  # where a class was too small for all four


def parted(
    labels, validation: int, *, train: float = 0.7, seed: int = 0, names=()
) -> Parts:
    """Divide rows into four parts, class by class.

    Of each class `validation` images or a tenth, whichever is more, are compared with, as
    many (and one) are held back, `train` of the rest train the network, others are
    augmented. A class that is too small for that has none held back: all parts but the
    first then serve in its place.

    Args:
      labels: `[n]` int, classes from 0.
      validation: images of a class that a group compares with.
      names: of classes, for messages.

    Raises:
      errors.InputError: one class; a class with fewer than `validation + 1` images.
    """
    labels = np.asarray(labels)
    counts = np.bincount(labels)
    _check(counts, validation, names)
    random = np.random.default_rng((seed, 3))
    enough = counts.min() >= 2 * validation + 3
    found: dict[str, list] = {name: [] for name in Parts._fields[:4]}
    for label in range(len(counts)):
        rows = random.permutation(np.flatnonzero(labels == label))
        most = (len(rows) - 2) // 2 if enough else len(rows) - 1
        count = min(max(validation, len(rows) // 10), most)
        held = min(count + 1, len(rows) - count - 2) if enough else 0
        valid, back, rest = np.split(rows, [count, count + held])
        cut = min(max(1, round(train * len(rest))), len(rest) - 1) or 1
        found["valid"].append(valid)
        found["held"].append(back)
        found["train"].append(rest[:cut])
        found["search"].append(rest[cut:] if len(rest) > 1 else rest)
    told = (
        ""
        if enough
        else (
            f"the smallest class has {counts.min()} images; {2 * validation + 3} of each are "
            "needed to hold some back, so what is reported is of images that the search saw"
        )
    )
    if told:
        logging.warning("%s", told)
        found["held"] = [*found["valid"], *found["search"]]
    rows = {name: np.sort(np.concatenate(x)) for name, x in found.items()}
    return Parts(**rows, told=told)


def _check(counts, validation: int, names) -> None:
    if len(counts) < 2:
        raise errors.InputError(
            f"expected images of at least two classes; found {len(counts)}"
        )
    least = int(counts.argmin())
    if counts[least] <= validation:
        name = names[least] if len(names) else least
        raise errors.InputError(
            f"expected at least {validation + 1} images of each class ({validation} to "
            f"compare with, one to augment); found {counts[least]} of class "
            f"{checks.short(name)}. Add images, leave the class out, or set --validation."
        )


class Groups(NamedTuple):
    """Groups of a class each: batches of `matching`, a pure function of the step.

    Attributes:
      x: uint8 `[n, h, w, c]`, all images.
      y: int `[n]`, their classes.
      valid: rows that are compared with.
      search: rows of which one of each group is augmented.
      groups: of a batch.
      validation: images of a group that are compared with.
      balanced: every class as often as others; otherwise every image.
      seed: of all draws.
      devices: that a batch divides over, filled up with groups of weight 0.
      part: (index, count): this process takes every batch's slice number `index`.
    """

    x: np.ndarray
    y: np.ndarray
    valid: np.ndarray
    search: np.ndarray
    groups: int
    validation: int
    balanced: bool = True
    seed: int = 0
    devices: int = 1
    part: tuple[int, int] = (0, 1)

    def content(self) -> str:
        """Digest of what all batches are made from."""
        arrays = {name: getattr(self, name) for name in ("x", "y", "valid", "search")}
        rest = (self.groups, self.validation, self.balanced, self.seed)
        return identity.content(arrays) + "-" + "-".join(map(str, rest))

    def __call__(self, step: int) -> dict:
        """Batch number `step`, this process's groups of it."""
        size = -(-self.groups // self.devices) * self.devices
        own = np.arange(size)[batching.own(size, self.part)]
        rows = [self._rows(step, group) for group in own]
        search, valid = (np.array(x) for x in zip(*rows, strict=True))
        return {
            "x": self.x[valid],
            "image": self.x[search],
            "y": self.y[search].astype(np.int32),
            "row": own.astype(np.int32),
            "weight": (own < self.groups).astype(np.float32),
        }

    def _rows(self, step: int, group: int):
        """The row that is augmented and those that it is compared with."""
        random = np.random.default_rng((self.seed, step, int(group)))
        rows = self.search
        if self.balanced:
            rows = rows[self.y[rows] == random.integers(self.y.max() + 1)]
        row = random.choice(rows)
        others = self.valid[self.y[self.valid] == self.y[row]]
        others = others[others != row]
        return row, random.choice(
            others, self.validation, len(others) < self.validation
        )
