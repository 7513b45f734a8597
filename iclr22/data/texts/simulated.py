"""Generated sentence pairs whose likeness is known.

A sentence names things and what they are like, in any order: "red boat and old tower".
How alike two are is how many words they share and, with more weight, how many things that
are alike (Jaccard indices): "old boat and red tower" has the same words, and no such thing.
Words alone tell the first part; what belongs together, which attention finds, the other.
"""

import numpy as np

from iclr22.data import texts
from iclr22.nn.wordpiece import MASK, SPECIAL

QUALITIES = tuple(
    "red blue green white black old new small large cold warm dark bright wet dry round "
    "heavy quiet soft empty".split()
)
THINGS = tuple(
    "boat tower house river bridge garden horse dog bird tree road field wall door window "
    "table chair lamp book stone cup coat train market school forest mountain village "
    "island harbour".split()
)
AND = "and"
BINDING = (
    0.7  # share of things in likeness; with it words alone reach a Spearman of 0.83
)
FACTS = (2, 5)  # in a sentence: from, below
SHARES = (0.7, 0.15)  # of pairs for training and for development; the rest is test


def vocabulary() -> tuple[str, ...]:
    """Tokens by number for these sentences, with the special ones."""
    return (*SPECIAL, MASK, AND, *QUALITIES, *THINGS)


def likeness(first: str, second: str, binding: float = BINDING) -> float:
    """How alike two generated sentences are, 0 to 1.

    Args:
      binding: share of things that are alike in it; the rest is that of words.
    """
    one, two = (set(x.split(f" {AND} ")) for x in (first, second))
    words = [{word for fact in facts for word in fact.split()} for facts in (one, two)]
    return (1 - binding) * _jaccard(*words) + binding * _jaccard(one, two)


def _jaccard(one: set, two: set) -> float:
    return len(one & two) / len(one | two)


def generate(
    seed: int = 0, *, pairs: int = 1000, binding: float = BINDING
) -> texts.Pairs:
    """So many different pairs; the score is their `likeness`.

    The second sentence has some facts of the first, in half of the cases with their
    qualities exchanged, and others.
    """
    random = np.random.default_rng(seed)
    found: dict[tuple[str, str], float] = {}
    while len(found) < pairs:
        one = _facts(random, int(random.integers(*FACTS)), ())
        shared = [one[i] for i in random.permutation(len(one))]
        shared = shared[: random.integers(len(one) + 1)]
        taken = {thing for _, thing in one}
        more = max(int(random.integers(*FACTS)) - len(shared), int(not shared))
        if random.random() < 0.5:
            qualities = [quality for quality, _ in shared]
            turned = qualities[1:] + qualities[:1]
            shared = [(q, x) for q, (_, x) in zip(turned, shared, strict=True)]
        two = [*shared, *_facts(random, more, taken)]
        two = [two[i] for i in random.permutation(len(two))]
        key = _sentence(one), _sentence(two)
        if key[0] != key[1]:
            found[key] = likeness(*key, binding=binding)
    first, second = zip(*found, strict=True)
    ends = np.cumsum([round(share * pairs) for share in SHARES])
    split = np.full(pairs, texts.TEST, "U5")
    split[: ends[1]], split[: ends[0]] = texts.DEV, texts.TRAIN
    return texts.make(first, second, list(found.values()), split)


def _facts(random, count: int, taken) -> list[tuple[str, str]]:
    """Qualities and things, each thing once and none that is taken."""
    free = [x for x in THINGS if x not in taken]
    things = random.choice(free, count, replace=False).tolist()
    return list(
        zip(random.choice(QUALITIES, len(things)).tolist(), things, strict=True)
    )


def _sentence(facts) -> str:
    return f" {AND} ".join(f"{quality} {thing}" for quality, thing in facts)


def synthetic(rng: np.random.Generator, size: int) -> texts.Pairs:
    """So many pairs, at least 20; they stand in for others in quick runs."""
    return generate(int(rng.integers(2**31)), pairs=max(20, size))
