"""Features of new texts, suggested links and their ranks, by brute force."""

import giant_helpers
import numpy as np
import pytest

from iclr22 import errors, neighbours
from iclr22.giant_xrt import artifact, beam, encoding, use
from iclr22.giant_xrt.tree import Tree

RANDOM = np.random.default_rng(0)
COUNT = 30
FEATURES = RANDOM.normal(size=(COUNT, 4)).astype(np.float32)
FEATURES[7] = FEATURES[3]  # equal scores
EDGES = RANDOM.integers(0, COUNT, (2, 40))
HELD = np.array([[0, 1, 2, 2], [9, 8, 11, 12]])
TREE = Tree((np.zeros(3, int), np.arange(COUNT) % 3))


def model():
    head = {
        "kernel": RANDOM.normal(size=(4, 4)).astype(np.float32),
        "bias": RANDOM.normal(size=4).astype(np.float32),
    }
    encoder = encoding.of_bag(["a"], width=4)
    return artifact.Model(encoder, TREE, (head,))


MODEL = model()


def scores(share):
    """All pairs, known ones left in."""
    unit = FEATURES / np.linalg.norm(FEATURES, axis=1, keepdims=True)
    head = MODEL.heads[0]
    logits = FEATURES @ head["kernel"][:3].T + head["bias"][:3]
    of_cluster = beam.log_score(logits, "l3-hinge")
    return unit @ unit.T + share * of_cluster[:, np.arange(COUNT) % 3]


def known(directed):
    there = np.eye(COUNT, dtype=bool)
    there[tuple(EDGES)] = True
    return there if directed else there | there.T


@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.parametrize("directed", [False, True])
def test_suggestions_are_the_best_that_are_not_there(share, directed, monkeypatch):
    inner = neighbours.nearest
    monkeypatch.setattr(  # small blocks
        neighbours, "nearest", lambda *x, **y: inner(*x, **y, rows=7, columns=11)
    )
    found = use.suggest_links(
        FEATURES, EDGES, 5, directed=directed, model=MODEL, share=share
    )
    wanted = np.where(known(directed), -np.inf, scores(share))
    best = np.sort(wanted, axis=1)[:, ::-1][:, :5]
    np.testing.assert_allclose(found.scores, best, rtol=1e-4, atol=1e-5)
    own = np.take_along_axis(wanted, found.nodes, 1)
    np.testing.assert_allclose(own, best, rtol=1e-4, atol=1e-5)
    assert all(len(set(row)) == 5 for row in found.nodes.tolist())


def test_a_node_that_knows_all_others_gets_none():
    edges = np.stack([np.zeros(COUNT - 1, int), np.arange(1, COUNT)])
    found = use.suggest_links(FEATURES, edges, 3)
    assert (found.nodes[0] == -1).all() and np.isneginf(found.scores[0]).all()
    assert (found.nodes[1:] > 0).all()


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_ranks_are_counted_among_what_is_not_there(share, monkeypatch):
    monkeypatch.setattr(use, "NUMBERS", 3 * COUNT)
    value = use.mean_reciprocal_rank(FEATURES, EDGES, HELD, model=MODEL, share=share)
    every, there = scores(share), known(False)
    for a, b in HELD.T:
        there[a, b] = there[b, a] = True
    ranks = []
    for a, b in [*HELD.T, *HELD[::-1].T]:
        others = every[a][~there[a]]
        ties = np.isclose(others, every[a, b], rtol=1e-6, atol=1e-7)
        ranks.append(1 + ((others > every[a, b]) & ~ties).sum() + ties.sum() / 2)
    np.testing.assert_allclose(value, 100 * np.mean(1 / np.array(ranks)), rtol=1e-5)


def test_equal_scores_count_half_a_rank():
    features = np.ones((5, 2), np.float32)
    value = use.mean_reciprocal_rank(features, [[0], [1]], [[0], [2]], directed=True)
    np.testing.assert_allclose(value, 100 / 2)  # ties with nodes 3 and 4


def test_links_of_good_features_rank_first():
    _, edges, topic = giant_helpers.topics()
    features = np.eye(4, dtype=np.float32)[topic]
    found = use.suggest_links(features, edges, 3)
    assert (topic[found.nodes] == topic[:, None]).all()


def test_new_texts_are_encoded_alone():
    found = use.encode(MODEL, ["a", "", "a a"])
    np.testing.assert_allclose(found[0], found[2], atol=1e-6)
    assert found.shape == (3, 4) and not found[1].any()
    np.testing.assert_array_equal(found, use.encode(MODEL.encoder, ["a", "", "a a"]))
    with pytest.raises(errors.InputError, match="place 1"):
        use.encode(MODEL, ["a", None])
    with pytest.raises(errors.InputError, match="none"):
        use.encode(MODEL, [])


def test_the_share_of_seen_nodes():
    assert use.seen(["a", "b", "c", "d"], ["b", "x"]) == 25
    assert use.seen([], ["b"]) == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: use.suggest_links(FEATURES, EDGES, 30), "30"),
        (lambda: use.suggest_links(FEATURES, [[0], [30]]), "30"),
        (lambda: use.suggest_links(FEATURES, EDGES, share=1.0), "model"),
        (
            lambda: use.suggest_links(
                FEATURES[:9], [[0], [1]], 2, model=MODEL, share=1.0
            ),
            "9",
        ),
        (lambda: use.mean_reciprocal_rank(FEATURES, EDGES, np.zeros((2, 0))), "held"),
        (lambda: use.suggest_links(FEATURES, [[0, 1]]), "edges"),
    ],
)
def test_what_does_not_fit_is_refused(call, words):
    with pytest.raises(errors.InputError, match=words):
        call()


def test_features_together_have_the_mean_of_both_cosines():
    random = np.random.default_rng(0)
    one, two = random.normal(size=(6, 3)), 5 * random.normal(size=(6, 4))
    both = use.together(one, two)

    def cosines(x):
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        return unit @ unit.T

    expected = (cosines(one) + cosines(two)) / 2
    np.testing.assert_allclose(cosines(both), expected, atol=1e-6)
