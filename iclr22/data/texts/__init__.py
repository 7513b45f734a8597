"""Pairs of sentences, some of which people have scored: what they are.

Loaders return `Pairs`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from iclr22 import errors

TRAIN, DEV, TEST, UNLABELLED = "train", "dev", "test", "unlabelled"


class Pairs(NamedTuple):
    """Sentence pairs; host arrays.

    Attributes:
      sentence1: `[n]`, texts.
      sentence2: `[n]`, what is beside them.
      score: float32 `[n]`, how alike people found them, on whatever scale; 0 and 1 where
        they only said whether; NaN where unknown.
      split: `[n]`, `train`, `dev`, `test` or `unlabelled`.
      subset: `[n]`, where they are from; "" where nothing is told.
    """

    sentence1: np.ndarray
    sentence2: np.ndarray
    score: np.ndarray
    split: np.ndarray
    subset: np.ndarray

    @property
    def binary(self) -> bool:
        """Whether scores are yes or no: then the measure is the area under the curve."""
        known = self.score[~np.isnan(self.score)]
        return bool(len(known)) and set(known.tolist()) <= {0.0, 1.0}


def make(
    sentence1, sentence2, score=None, split: Any = TRAIN, subset: Any = ""
) -> Pairs:
    """Pairs of lists of texts `[n]`; a score, split or subset may be one for all."""
    n = len(sentence1)

    def column(values):
        return np.full(n, values) if isinstance(values, str) else np.array(values, str)

    score = np.full(n, np.nan) if score is None else np.asarray(score)
    return Pairs(
        sentence1=text_array(sentence1),
        sentence2=text_array(sentence2),
        score=score.astype(np.float32),
        split=column(split),
        subset=column(subset),
    )


def text_array(values) -> np.ndarray:
    """Texts `[n]` as objects: of one width they would all be as wide as the longest."""
    found = np.empty(len(values), object)
    found[:] = list(values)
    return found


def select(pairs: Pairs, rows) -> Pairs:
    """These rows, numbers or bool `[n]`."""
    return Pairs(*(x[rows] for x in pairs))


def of_split(pairs: Pairs, *names: str) -> Pairs:
    """The pairs of these splits that have a score.

    Raises:
      errors.InputError: there are none.
    """
    found = select(pairs, np.isin(pairs.split, names) & ~np.isnan(pairs.score))
    if not len(found.score):
        known = ", ".join(sorted(set(pairs.split.tolist()))) or "none"
        raise errors.InputError(
            f"expected pairs with scores in the split {' or '.join(names)}; found none "
            f"(splits: {known}). Add scores, or choose another."
        )
    return found


def joined(several: Sequence[Pairs]) -> Pairs:
    """Pairs one after the other."""
    return Pairs(*map(np.concatenate, zip(*several, strict=True)))


def unique(pairs: Pairs) -> Pairs:
    """Without what was there before: the same two sentences side by side."""
    both = [a + b for a, b in zip(pairs.sentence1, pairs.sentence2, strict=True)]
    first = {}
    for row, key in enumerate(both):
        first.setdefault(key, row)
    return select(pairs, np.fromiter(first.values(), int, len(first)))


def pool(*groups: Sequence[Pairs]) -> Pairs:
    """What a method without labels is trained on: all pairs of all splits, without scores.

    Args:
      groups: of data sets; what is twice within a group is taken once.
    """
    found = joined([unique(joined(group)) for group in groups])
    hidden = np.full(len(found.score), np.nan, np.float32)
    return found._replace(score=hidden, split=np.full(len(hidden), UNLABELLED))


def describe(pairs: Pairs) -> dict[str, int]:
    """What a report tells: pairs, different ones and different sentences, scored ones, and
    those whose two sentences are the same."""
    one, two = pairs.sentence1.tolist(), pairs.sentence2.tolist()
    return {
        "pairs": len(one),
        "different": len(set(zip(one, two, strict=True))),
        "sentences": len({*one, *two}),
        "scored": int((~np.isnan(pairs.score)).sum()),
        "same": sum(a == b for a, b in zip(one, two, strict=True)),
    }
