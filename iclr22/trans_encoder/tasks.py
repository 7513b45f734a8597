"""What is learned from: pairs of sentences without labels."""

from typing import NamedTuple

import numpy as np

from iclr22 import errors, identity
from iclr22.data.texts import Pairs
from iclr22.nn import tokens
from iclr22.nn.encoders import Encoder
from iclr22.nn.tokens import Texts


class Task(NamedTuple):
    """Pairs of sentences, each sentence once, and some pairs with scores if there are."""

    sentences: tuple[str, ...]  # all that differ
    first: np.ndarray  # [n] int64, rows of sentences
    second: np.ndarray  # [n]
    dev: tuple[np.ndarray, np.ndarray] | None = None  # [d] and [d], pairs to select by
    gold: np.ndarray | None = None  # [d], their scores
    symmetric: bool = True  # (a, b) is as similar as (b, a)

    def content(self) -> str:
        """A digest of it."""
        text = np.frombuffer("\n".join(self.sentences).encode(), np.uint8)
        return identity.content([text, self.first, self.second, self.dev, self.gold])


def of(pool: Pairs, dev: Pairs | None = None, *, symmetric: bool = True) -> Task:
    """A task from pairs of sentences; outer blanks are dropped, and pairs that are there
    already.

    Args:
      pool: pairs to learn from, whose scores are not looked at; those that will be scored
        in the end should be among them.
      dev: pairs with scores to select states by.
      symmetric: (a, b) is as similar as (b, a); false of questions and answers.

    Raises:
      errors.InputError: no pairs, one with an empty side, all of them with equal sides, dev
        pairs without scores or all with the same one.
    """
    given = _stripped(pool, "pairs")
    if not given:
        raise errors.InputError("expected pairs of sentences; found none")
    if all(a == b for a, b in given):
        raise errors.InputError(
            f"expected pairs of two sentences that differ; found {len(given)} pairs, all "
            "of a sentence with itself. There is nothing to rank."
        )
    number: dict[str, int] = {}
    first, second = _rows(dict.fromkeys(given), number)
    if dev is None:
        return Task(tuple(number), first, second, symmetric=symmetric)
    rows = _rows(_stripped(dev, "dev pairs"), number)
    return Task(tuple(number), first, second, rows, _gold(dev.score), symmetric)


def _gold(scores) -> np.ndarray:
    known = np.asarray(scores, np.float64)
    if len(known) < 2 or not np.isfinite(known).all() or np.ptp(known) == 0:
        missing = int((~np.isfinite(known)).sum())
        raise errors.InputError(
            f"expected a score for each dev pair, not all the same; found {len(known)} "
            f"pairs, {missing} without a score. Add a column score, or leave them out: "
            "without dev pairs students are compared with each other."
        )
    return known


def _stripped(pairs: Pairs, what: str) -> list[tuple[str, str]]:
    both = zip(pairs.sentence1.tolist(), pairs.sentence2.tolist(), strict=True)
    found = [(a.strip(), b.strip()) for a, b in both]
    for place, pair in enumerate(found, start=1):
        if not all(pair):
            raise errors.InputError(
                f"expected two sentences in each of the {what}; found {str(pair)[:60]} in "
                f"number {place}. Fill them in, or remove the pair."
            )
    return found


def _rows(pairs, number: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Both sides of pairs as rows; sentences get numbers as they are met."""
    rows = [[number.setdefault(x, len(number)) for x in pair] for pair in pairs]
    first, second = np.array(rows, np.int64).reshape(-1, 2).T
    return first, second


def texts(encoder: Encoder, task: Task, limit: int) -> Texts:
    """The sentences in an encoder's tokens; the share that is longer than `limit` is told.

    Raises:
      errors.InputError: a vocabulary without the special tokens.
    """
    found = tokens.encoded(encoder.vocabulary, task.sentences)
    tokens.tell_cut(tokens.alone_lengths(found, slice(None)), limit, "sentences")
    return found
