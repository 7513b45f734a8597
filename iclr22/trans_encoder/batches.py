"""Batches of texts and of pairs, pure functions of the step.

A batch is of one of at most two widths: short examples are shuffled among themselves, long
ones too, and their batches among each other, in every epoch anew. Differs: released code
shuffles all examples and pads every batch to its own longest, a program for each length.

  `alone`: ids [batch, 2, width] int32, two texts, and lengths [batch, 2] (bi-encoder); or
    both views of one text, of which the second may be damaged (contrast, autoencoder);
  `together`: ids [batch, width], lengths [batch], first [batch]: tokens of segment 0;
  both: label [batch] where there are labels, weight [batch], 0 on padding.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from iclr22 import errors, identity, parallel
from iclr22.data import batching
from iclr22.nn import tokens, wordpiece
from iclr22.nn.tokens import Texts

Damage = Callable[[np.random.Generator, Texts, np.ndarray, np.ndarray], tuple]


class Batches(NamedTuple):
    """Examples of two texts each; see `pairs`, `views`."""

    texts: Texts
    first: np.ndarray  # [n] rows of texts
    second: np.ndarray  # [n]
    labels: np.ndarray | None  # [n] float32
    together: bool  # both texts in one array
    groups: tuple[np.ndarray, ...]  # examples by width
    widths: tuple[int, ...]  # of arrays
    size: int  # examples of a batch
    limit: int  # tokens of a row
    seed: int = 0  # of order and damage
    part: tuple[int, int] = (0, 1)  # (index, count) of this process
    damage: Damage | None = None  # of the second text

    def content(self) -> str:
        """Digest of what all batches are made from."""
        arrays = [self.texts.tokens, self.texts.offsets, self.first, self.second]
        arrays += [] if self.labels is None else [self.labels]
        sizes = self.widths, self.size, self.limit, self.seed, self.together
        how = getattr(self.damage, "args", ())  # of a partial function
        return "-".join([identity.content(arrays), *map(str, (*sizes, how))])

    @property
    def counts(self) -> tuple[int, ...]:
        """Batches of an epoch by width; the last of each is padded."""
        return batching.per_epoch(self.groups, self.size)

    @property
    def per_epoch(self) -> int:
        """Batches of an epoch."""
        return sum(self.counts)

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """Batch number `step`."""
        which, rows = batching.of_groups(self.groups, self.size, self.seed, step)
        return self.rows(rows, self.widths[which], step)

    def rows(self, rows, width: int, step: int = 0) -> dict[str, np.ndarray]:
        """These examples as a padded batch, this process's part of it."""
        mine = batching.own(self.size, self.part)
        rows, weight = (x[mine] for x in batching.padded(rows, self.size))
        batch = self._arrays(rows, width, step) | {"weight": weight}
        return batch if self.labels is None else batch | {"label": self.labels[rows]}

    def _arrays(self, rows, width, step):
        first, second = self.first[rows], self.second[rows]
        if self.together:
            found = tokens.together(self.texts, first, second, width, self.limit)
            return dict(found._asdict())
        cut = functools.partial(tokens.alone, width=width, limit=self.limit)
        both = [cut(self.texts, x) for x in (first, second)]
        ids, lengths = [x.ids for x in both], [x.lengths for x in both]
        if self.damage:
            random = np.random.default_rng((self.seed, step, self.part[0]))
            ids[1], lengths[1] = self.damage(random, self.texts, ids[1], lengths[1])
        return {"ids": np.stack(ids, 1), "lengths": np.stack(lengths, 1)}


def pairs(
    texts: Texts,
    first,
    second,
    labels,
    *,
    together: bool,
    size: int,
    limit: int,
    seed: int = 0,
    devices: int = 1,
) -> Batches:
    """Pairs with soft labels.

    Args:
      first, second: `[n]` rows of texts.
      labels: `[n]`.
      together: both in one array, for a cross-encoder.
      size: examples of a batch; made to fit the devices.
      limit: tokens that a row is cut to.

    Raises:
      errors.InputError: no pairs, or arrays of different lengths.
    """
    if not len(first) == len(second) == len(labels) or not len(first):
        raise errors.InputError(
            "expected as many first sentences as second ones and labels, one or more; "
            f"found {len(first)}, {len(second)} and {len(labels)}"
        )
    first, second = (np.asarray(x, np.int64) for x in (first, second))
    if together:
        lengths = tokens.together_lengths(texts, first, second)
        tokens.tell_cut(lengths, limit, "pairs")
    else:
        lengths = np.maximum(*(tokens.alone_lengths(texts, x) for x in (first, second)))
    labels = np.asarray(labels, np.float32)
    return _batches(
        texts, (first, second, labels), together, lengths, size, limit, seed, devices
    )


def views(
    texts: Texts,
    *,
    size: int,
    limit: int,
    seed: int = 0,
    devices: int = 1,
    damage: Damage | None = None,
) -> Batches:
    """Every text twice.

    Args:
      damage: `(random, texts, ids [n, width], lengths [n]) -> (ids, lengths)` of the second
        view.

    Raises:
      errors.InputError: no texts.
    """
    rows = np.arange(len(texts.lengths))
    if not len(rows):
        raise errors.InputError("expected sentences; found none")
    lengths = tokens.alone_lengths(texts, rows)
    given = (rows, rows, None)
    found = _batches(texts, given, False, lengths, size, limit, seed, devices)
    return found._replace(damage=damage)


def _batches(texts, given, together, lengths, size, limit, seed, devices):
    lengths = np.minimum(lengths, limit)
    widths = wordpiece.worth(lengths)
    of = np.searchsorted(widths, lengths)
    groups = tuple(np.flatnonzero(of == i) for i in range(len(widths)))
    used = [i for i, x in enumerate(groups) if len(x)]
    size = max(1, -(-min(size, len(lengths)) // devices)) * devices
    return Batches(
        texts,
        *given,
        together=together,
        groups=tuple(groups[i] for i in used),
        widths=tuple(widths[i] for i in used),
        size=size,
        limit=limit,
        seed=seed,
        part=parallel.part(),
    )


def chunks(texts: Texts, first, second=None, *, size: int, limit: int):
    """Chunks of one size in order of length, for evaluation; yields `(rows, batch)`.

    Args:
      first: rows of texts; alone if there is no `second`.
      size: rows of a chunk, the last one padded by its first row.
    """
    first = np.asarray(first, np.int64)
    second = None if second is None else np.asarray(second, np.int64)
    if not len(first):
        return
    if second is None:
        lengths = tokens.alone_lengths(texts, first)
    else:
        lengths = tokens.together_lengths(texts, first, second)
    lengths = np.minimum(lengths, limit)
    widths = wordpiece.worth(lengths)
    order = np.argsort(lengths, kind="stable")
    ends = np.searchsorted(lengths[order], widths, side="right")
    for begin, end, width in zip([0, *ends], ends, widths, strict=False):
        for low in range(begin, end, size):
            rows = order[low : min(low + size, end)]
            filled, _ = batching.padded(rows, size)
            if second is None:
                found = tokens.alone(texts, first[filled], width, limit)
            else:
                given = first[filled], second[filled]
                found = tokens.together(texts, *given, width, limit)
            yield rows, dict(found._asdict())
