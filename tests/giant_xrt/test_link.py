"""The rival: batches of edges, and that it brings neighbours together."""

import giant_helpers
import numpy as np
import pytest

from iclr22 import errors
from iclr22.giant_xrt import encoding, link
from iclr22.nn import tokens

TEXTS, EDGES, TOPIC = giant_helpers.topics()


def batches(**changes):
    read = encoding.read(encoding.of_bag(TEXTS, width=4), TEXTS)
    return link.Batches(read, EDGES[:, :10], 4, 8, 3)._replace(**changes)


def test_an_epoch_has_every_edge_once_from_either_end():
    source = batches()
    pairs, starts = [], []
    width = 8
    row = {tuple(tokens.alone(source.texts, [i], width).ids[0]): i for i in range(96)}
    for step in range(3):
        batch = source(step)
        for ids, weight in zip(batch["ids"], batch["weight"], strict=True):
            if weight:
                a, b = (row[tuple(x)] for x in ids)
                pairs.append(tuple(sorted((a, b))))
                starts.append(a)
    assert sorted(pairs) == sorted(tuple(sorted(x)) for x in EDGES[:, :10].T.tolist())
    assert 0 < sum(a in EDGES[0, :10] for a in starts)
    np.testing.assert_array_equal(source(1)["ids"], source(1)["ids"])
    assert batches(seed=4).content() != source.content()


def test_processes_share_a_batch():
    parts = [batches(part=(i, 2))(2) for i in range(2)]
    for name, x in batches()(2).items():
        both = np.concatenate([part[name] for part in parts])
        np.testing.assert_array_equal(both, x)


def gap(encoder):
    """Mean cosine of neighbours less that of all pairs."""
    found = encoding.embed(encoder, TEXTS)
    unit = found / np.linalg.norm(found, axis=1, keepdims=True)
    cosine = unit @ unit.T
    return cosine[EDGES[0], EDGES[1]].mean() - cosine.mean()


def test_neighbours_come_together():
    encoder = encoding.of_bag(TEXTS, width=8, tokens=10)
    config = link.Config(learning_rate=1e-2, batch=64, steps=60, dropout=0.0)
    found = link.fit(TEXTS, EDGES, encoder, config)
    assert gap(found) > gap(encoder) + 0.1
    assert found.vocabulary == encoder.vocabulary and found.config == encoder.config


def test_loops_alone_are_refused():
    encoder = encoding.of_bag(TEXTS, width=4)
    with pytest.raises(errors.InputError, match="found 0"):
        link.fit(TEXTS, [[1, 2], [1, 2]], encoder, link.Config())
