"""Small encoders and graphs with texts for tests of GIANT-XRT."""

import jax
import numpy as np

from iclr22.giant_xrt import encoding
from iclr22.nn import bert, encoders, vocabularies

WORDS = "graph node text tree link neural model data paper code proof group".split()


def texts(count, seed=0, longest=9):
    """Texts of a few words; the second is empty."""
    random = np.random.default_rng(seed)
    found = [
        " ".join(random.choice(WORDS, random.integers(1, longest)))
        for _ in range(count)
    ]
    return [*found[:1], "", *found[2:]]


def of_bert(pooling="mean", tokens=8, seed=0):
    """A Transformer of two layers with random weights."""
    words = vocabularies.of_texts([" ".join(WORDS)] * 2)
    config = bert.Config(
        len(words), 8, 2, 2, 16, 16, dropout=0.0, attention_dropout=0.0
    )
    params = jax.device_get(
        jax.jit(bert.init, static_argnums=0)(config, jax.random.key(seed))
    )
    params = jax.tree.map(
        lambda x: 8 * x if x.ndim == 2 else x, params
    )  # far from equal
    return encoding.of_bert(
        encoders.Encoder(config, params, words), pooling=pooling, tokens=tokens
    )


def topics(nodes=96, count=4, links=4, seed=0):
    """`(texts, edges [2, e], topic [n])`: nodes link within their topic, whose words they
    have."""
    random = np.random.default_rng(seed)
    topic = np.arange(nodes) % count
    own = np.array([[f"w{t}x{i}" for i in range(6)] for t in range(count)])
    found = [
        " ".join([*random.choice(own[t], 4), *random.choice(WORDS, 2)]) for t in topic
    ]
    first = np.repeat(np.arange(nodes), links)
    second = (first + count * random.integers(1, nodes // count, len(first))) % nodes
    return found, np.stack([first, second]), topic
