"""Generated graphs with texts.

In a contextual stochastic block model nodes of one class are linked more often than others,
and features tell the class with noise. Here the features are texts: a few words are of the
topic of the class, the others are of no topic. A class has many words and a text few of
them, so that texts of one class may share none: neighbours tell which words belong together.
"""

from typing import NamedTuple

import numpy as np

from iclr22.data import text_graphs
from iclr22.data.text_graphs import TextGraph
from iclr22.nn.wordpiece import MASK, SPECIAL

CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
SCATTER = 101_807  # shares no factor with 70 ** 3, the number of words


class Params(NamedTuple):
    """What a graph is drawn by."""

    nodes: int = 2000  # in all
    classes: int = 6  # equally large
    degree: float = 12.0  # mean number of neighbours
    inside: float = 0.7  # share of the neighbours that are of the same class
    words: int = 20  # in a text
    topic: float = 0.2  # share of the words that are of the topic
    topic_words: int = 150  # words of each topic
    other_words: int = 1500  # words of no topic
    alone: float = 0.05  # share of the nodes whose links are taken away


DEFAULT = Params()


def word(number: int) -> str:
    """A made-up word of three syllables, another for each number below 343,000."""
    syllables, number = [], number * SCATTER % (len(CONSONANTS) * len(VOWELS)) ** 3
    for _ in range(3):
        number, rest = divmod(number, len(CONSONANTS) * len(VOWELS))
        consonant, vowel = divmod(rest, len(VOWELS))
        syllables.append(CONSONANTS[consonant] + VOWELS[vowel])
    return "".join(reversed(syllables))


def vocabulary(params: Params = DEFAULT) -> tuple[str, ...]:
    """Tokens by number for these texts, with the special ones."""
    count = params.other_words + params.classes * params.topic_words
    return (*SPECIAL, MASK, *map(word, range(count)))


def generate(seed: int = 0, params: Params = DEFAULT) -> TextGraph:
    """A graph with texts whose classes are known.

    Classes are named by numbers. Splits are of two kinds, ten of each: `60_20_20`, and
    `5_per_class`, where only 5 nodes of each class are for training. Frequencies of words
    fall as 1 / (10 + rank) within a topic and among the others.
    """
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(params.nodes) % params.classes)
    inside, outside = probabilities(params)
    edges = block_edges(random, labels, inside, outside)
    alone = random.random(params.nodes) < params.alone
    edges = edges[:, ~alone[edges].any(axis=0)]
    drawn = int(random.integers(2**31))
    return text_graphs.make(
        _texts(random, labels, params),
        edges,
        labels=labels,
        class_names=tuple(map(str, range(params.classes))),
        splits={
            text_graphs.SHARES: text_graphs.draw_shares(labels, seed=drawn),
            "5_per_class": text_graphs.draw_per_class(labels, 5, seed=drawn),
        },
    )


def probabilities(params: Params) -> tuple[float, float]:
    """Of a link between two nodes of one class, and of two classes."""
    own = params.nodes / params.classes
    others = params.nodes - own
    inside = min(1.0, params.degree * params.inside / own)
    outside = params.degree * (1 - params.inside) / others if others else 0.0
    return inside, min(1.0, outside)


def block_edges(random, labels, inside: float, outside: float) -> np.ndarray:
    """Node numbers `[2, e]` of a stochastic block model: every pair is linked
    independently; work and memory grow with the links, not with the pairs.

    Args:
      labels: classes `[n]` from 0.
      inside, outside: probabilities of links within a class and between classes.
    """
    groups = [np.flatnonzero(labels == c) for c in range(labels.max() + 1)]
    found = [np.zeros((2, 0), np.int64)]
    for a, one in enumerate(groups):
        for b, two in enumerate(groups[a:], a):
            pairs = len(one) * len(two)
            count = random.binomial(pairs, inside if a == b else outside)
            code = random.choice(pairs, count, replace=False, shuffle=False)
            ends = np.stack([one[code // len(two)], two[code % len(two)]])
            found.append(ends[:, ends[0] < ends[1]] if a == b else ends)
    return np.concatenate(found, axis=1)


def _texts(random, labels, params: Params) -> list[str]:
    """A text of each node: words of its topic at random places among others."""
    shape = len(labels), params.words
    of_topic = random.random(shape) < params.topic
    topic = random.choice(params.topic_words, shape, p=_falling(params.topic_words))
    topic += params.other_words + labels[:, None] * params.topic_words
    other = random.choice(params.other_words, shape, p=_falling(params.other_words))
    names = np.array(
        list(map(word, range(params.other_words + params.classes * params.topic_words)))
    )
    return [" ".join(row) for row in names[np.where(of_topic, topic, other)].tolist()]


def _falling(count: int) -> np.ndarray:
    share = 1 / (10 + np.arange(count))
    return share / share.sum()


def synthetic(rng: np.random.Generator, size: int) -> TextGraph:
    """A graph of so many nodes, at least 40, in three classes; it stands in for others in
    quick runs."""
    params = Params(
        nodes=max(40, size), classes=3, degree=6.0, topic_words=40, other_words=200
    )
    return generate(int(rng.integers(2**31)), params)
