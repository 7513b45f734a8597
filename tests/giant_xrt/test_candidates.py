"""Candidates of nodes by brute force; batches of a few widths, pure functions of the step."""

import itertools

import giant_helpers
import numpy as np
import pytest
from scipy import sparse

from iclr22 import errors
from iclr22.giant_xrt import candidates, encoding
from iclr22.giant_xrt.tree import Tree
from iclr22.nn import wordpiece

PARENTS = np.array([0, 0, 1, 1, 2, 2, 2])  # of seven clusters
TREE = Tree((np.zeros(3, int), PARENTS, np.arange(14) // 2))
RANDOM = np.random.default_rng(0)
LABELS = sparse.csr_matrix(
    RANDOM.integers(0, 3, (20, 7)) * (RANDOM.random((20, 7)) < 0.3)
)
ABOVE = sparse.csr_matrix(LABELS @ TREE.matrix(1))
PREDICTED = np.array([[i % 3, -1] for i in range(20)])


def sets(found):
    parts = np.split(found.clusters, found.offsets[1:-1])
    return [set(x.tolist()) for x in parts]


@pytest.mark.parametrize("negatives", candidates.NEGATIVES)
def test_candidates_are_children_and_positives(negatives):
    above = candidates.parents(ABOVE, PREDICTED, negatives)
    found = candidates.of(above, TREE.matrix(1), LABELS)
    dense, up = LABELS.toarray(), ABOVE.toarray()
    for i, given in enumerate(sets(found)):
        chosen = set(np.flatnonzero(up[i])) if "tfn" in negatives else set()
        chosen |= {i % 3} if "man" in negatives else set()
        wanted = {k for k in range(7) if PARENTS[k] in chosen}
        assert given == wanted | set(np.flatnonzero(dense[i]))
        part = slice(found.offsets[i], found.offsets[i + 1])
        assert (np.diff(found.clusters[part]) > 0).all()
        np.testing.assert_array_equal(
            found.counts[part], dense[i][found.clusters[part]]
        )


def test_with_true_parents_alone_they_are_exactly_their_children():
    above = candidates.parents(ABOVE, None, "tfn")
    found = candidates.of(above, TREE.matrix(1), LABELS)
    up = ABOVE.toarray()
    wanted = [{k for k in range(7) if up[i, PARENTS[k]]} for i in range(20)]
    assert sets(found) == wanted


def test_the_first_level_is_scored_as_a_whole():
    ones = sparse.csr_matrix(np.ones((20, 1), bool))
    found = candidates.of(ones, TREE.matrix(0), ABOVE)
    assert sets(found) == [{0, 1, 2}] * 20 and found.of == 3
    assert found.counts.sum() == LABELS.sum()


def test_weights_of_edges_stay_positive_however_small():
    labels = sparse.csr_matrix([[1e-9, 0, 0, 0, 0, 0, 0.5]])
    above = sparse.csr_matrix([[True, True, True]])
    found = candidates.of(above, TREE.matrix(1), labels, most=3)
    assert {0, 6} < set(found.clusters.tolist())
    np.testing.assert_allclose(found.counts[found.counts > 0], [1e-9, 0.5], rtol=1e-6)


def test_a_limit_keeps_all_positives_and_draws_negatives():
    above = sparse.csr_matrix(np.ones((20, 3), bool))
    whole = candidates.of(above, TREE.matrix(1), LABELS)
    found = candidates.of(above, TREE.matrix(1), LABELS, most=3, seed=1)
    dense = LABELS.toarray()
    for i, given in enumerate(sets(found)):
        positive = set(np.flatnonzero(dense[i]))
        assert positive <= given <= sets(whole)[i]
        assert len(given) == max(3, len(positive))
    again = candidates.of(above, TREE.matrix(1), LABELS, most=3, seed=1)
    other = candidates.of(above, TREE.matrix(1), LABELS, most=3, seed=2)
    assert sets(again) == sets(found) != sets(other)


def test_chunks_of_nodes_make_no_difference(monkeypatch):
    above = candidates.parents(ABOVE, PREDICTED)
    whole = candidates.of(above, TREE.matrix(1), LABELS)
    monkeypatch.setattr(candidates, "ROWS", 7)
    for one, other in zip(
        whole, candidates.of(above, TREE.matrix(1), LABELS), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_widths_are_the_best_by_brute_force():
    lengths = RANDOM.integers(1, 90, 40)
    sizes = np.unique(-(-lengths // 8) * 8).tolist()
    for most, worth in ((1, 0), (2, 0), (3, 0), (3, 100), (3, 10**6)):

        def cost(given, worth=worth):
            padded = [min(w for w in given if w >= x) for x in lengths]
            return sum(padded) + worth * (len(given) - 1)

        options = [
            (*x, sizes[-1])
            for count in range(most)
            for x in itertools.combinations(sizes[:-1], count)
        ]
        found = candidates.widths(lengths, most, worth)
        assert len(found) <= most and cost(found) == min(map(cost, options))


def source(monkeypatch, worth=0, **changes):
    monkeypatch.setattr(wordpiece, "WORTH", worth)
    monkeypatch.setattr(candidates, "WORTH", worth)
    encoder = encoding.of_bag(giant_helpers.texts(30), width=4)
    read = encoding.read(encoder, giant_helpers.texts(30))
    above = candidates.parents(ABOVE, PREDICTED)
    found = candidates.of(above, TREE.matrix(1), LABELS)
    given = {"size": 4, "limit": 8, "seed": 3, **changes}
    return candidates.batches(read, np.arange(20) + 5, found, **given), found


def test_an_epoch_has_every_node_once_with_its_own_candidates(monkeypatch):
    batches, found = source(monkeypatch)
    seen, shapes = [], set()
    for step in range(batches.per_epoch):
        batch = batches(step)
        shapes.add((batch["ids"].shape, batch["candidates"].shape))
        for i in np.flatnonzero(batch["weight"]):
            given = batch["candidates"][i][batch["real"][i]]
            seen.append((tuple(batch["ids"][i][: batch["lengths"][i]]), tuple(given)))
            assert (batch["candidates"][i][~batch["real"][i]] == 7).all()
            assert not batch["counts"][i][~batch["real"][i]].any()
    read = batches.texts
    wanted = []
    for row in range(20):
        ids = read.tokens[read.offsets[row + 5] : read.offsets[row + 6]][:6]
        part = found.clusters[found.offsets[row] : found.offsets[row + 1]]
        wanted.append(((read.start, *ids, read.end), tuple(part)))
    assert sorted(seen) == sorted(wanted)
    assert len(shapes) <= 6


def test_batches_are_pure_and_differ_by_epoch_and_seed(monkeypatch):
    batches, _ = source(monkeypatch)
    for name, x in batches(3).items():
        np.testing.assert_array_equal(x, batches(3)[name])
    later = [batches(batches.per_epoch + i)["ids"].tolist() for i in range(3)]
    assert later != [batches(i)["ids"].tolist() for i in range(3)]
    other, _ = source(monkeypatch, seed=4)
    assert other.content() != batches.content()
    assert source(monkeypatch)[0].content() == batches.content()


def test_processes_share_a_batch(monkeypatch):
    batches, _ = source(monkeypatch)
    parts = [batches._replace(part=(i, 2))(1) for i in range(2)]
    for name, x in batches(1).items():
        both = np.concatenate([part[name] for part in parts])
        np.testing.assert_array_equal(both, x)


def test_bad_candidates_are_refused(monkeypatch):
    with pytest.raises(errors.InputError, match="tfn"):
        candidates.parents(ABOVE, None, "tnf")
    with pytest.raises(errors.InputError, match="predicted"):
        candidates.parents(ABOVE, None, "man")
    batches, found = source(monkeypatch)
    empty = found._replace(offsets=np.zeros(21, int))
    with pytest.raises(errors.InputError, match="20 of 20"):
        candidates.batches(batches.texts, np.arange(20), empty, size=4, limit=8)
