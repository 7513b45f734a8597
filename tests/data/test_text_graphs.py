"""Graphs with texts: parts, splits, the generated ones."""

import numpy as np
import pytest

from iclr22 import data, errors, graph
from iclr22.data import text_graphs
from iclr22.data.text_graphs import simulated


def small():
    masks = {"train": np.array([[1, 1, 0, 0, 0]], bool)}
    return text_graphs.make(
        list("abcde"),
        [[0, 1, 3, 3, 1], [1, 0, 1, 3, 2]],
        labels=np.array([0, 1, 1, 0, -1]),
        class_names=("x", "y"),
        splits={"one": masks, "two": masks},
        weights=np.array([1, 2, 3, 4, 5]),
    )


def pairs(found):
    return text_graphs.undirected_edges(found).T.tolist()


def test_parts_of_a_graph():
    found = small()
    assert pairs(found) == [[0, 1], [1, 2], [1, 3]]
    assert graph.links(found.nodes.graph).weights.tolist() == [2, 2, 5, 3, 5, 3]
    assert text_graphs.isolated(found).tolist() == [0, 0, 0, 0, 1]
    assert found.nodes.graph.nodes.shape == (5, 0) and list(found.splits) == [
        "one",
        "two",
    ]
    one_way = text_graphs.make("ab", [[1], [0]], directed=True)
    assert one_way.nodes.graph.senders.tolist() == [1] and one_way.splits == {}
    assert not text_graphs.isolated(one_way).any()


def test_a_graph_with_features_is_one_that_others_read(tmp_path):
    found = simulated.generate(1, simulated.Params(nodes=60, classes=3))
    x = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    np.savez(tmp_path / "graph.npz", **text_graphs.arrays(found, x))
    again = data.load_own_graph(tmp_path / "graph.npz")
    np.testing.assert_array_equal(again.graph.nodes, x)
    for name in ("senders", "receivers", "edges"):
        same = getattr(again.graph, name), getattr(found.nodes.graph, name)
        np.testing.assert_array_equal(*same)
    np.testing.assert_array_equal(again.labels, found.nodes.labels)
    assert again.class_names == found.nodes.class_names
    assert again.node_names.tolist() == found.nodes.node_names.tolist()
    for split, mask in found.nodes.masks.items():
        np.testing.assert_array_equal(again.masks[split], mask)


def test_chosen_nodes_are_numbered_anew():
    found = text_graphs.select(small(), [3, 1, 4])
    assert found.texts == ("d", "b", "e") and pairs(found) == [[0, 1]]
    assert found.nodes.labels.tolist() == [0, 1, -1]
    assert found.nodes.node_names.tolist() == ["3", "1", "4"]
    assert found.splits["two"]["train"].tolist() == [[False, True, False]]
    assert graph.links(found.nodes.graph).weights.tolist() == [3, 3]
    mask = np.array([1, 1, 1, 0, 0], bool)
    assert text_graphs.select(small(), mask).texts == ("a", "b", "c")


def test_hidden_nodes_leave_with_their_links():
    whole = simulated.generate(1, simulated.Params(nodes=100))
    kept, rows, hidden = text_graphs.hide(whole, 0.2, seed=3)
    assert len(hidden) == 20 and sorted([*rows, *hidden]) == list(range(100))
    assert kept.texts == tuple(whole.texts[i] for i in rows)
    wanted = {
        (int(a), int(b)) for a, b in pairs(whole) if not {a, b} & set(hidden.tolist())
    }
    assert {(int(rows[a]), int(rows[b])) for a, b in pairs(kept)} == wanted
    other = text_graphs.hide(whole, 0.2, seed=4)
    assert set(other.hidden) != set(hidden)
    with pytest.raises(
        errors.InputError, match="share: expected some of the 100 nodes"
    ):
        text_graphs.hide(whole, 0.001)
    masks = text_graphs.inductive_masks(whole.nodes.masks, whole.nodes.labels, hidden)
    assert np.flatnonzero(masks["test"][7]).tolist() == hidden.tolist()
    assert not (masks["train"] | masks["valid"])[:, hidden].any()


def test_drawn_splits():
    labels = np.repeat([0, 1, 2, -1], [50, 30, 6, 14])
    masks = text_graphs.draw_shares(labels, splits=3)
    assert [m[2].sum() for m in masks.values()] == [52, 17, 17]
    again = text_graphs.draw_per_class(labels, 5, valid=10, splits=3)
    for s in range(3):
        for each in (masks, again):
            assert (
                np.stack([m[s] for m in each.values()]).sum(axis=0) == (labels >= 0)
            ).all()
        assert np.bincount(labels[again["train"][s]]).tolist() == [5, 5, 3]
        assert again["valid"][s].sum() == 10
    assert (masks["test"][0] != masks["test"][1]).any()
    with pytest.raises(errors.InputError, match="labelled nodes to split; found none"):
        text_graphs.draw_shares(np.full(4, -1))


def test_generated_texts_tell_their_class_with_few_words():
    params = simulated.Params(nodes=600, classes=3, alone=0.1)
    found = simulated.generate(2, params)
    assert found.texts == simulated.generate(2, params).texts
    known = set(simulated.vocabulary(params))
    assert len(known) == 5 + params.other_words + 3 * params.topic_words
    words = [x.split() for x in found.texts]
    assert {len(x) for x in words} == {20} and known.issuperset(
        x for some in words for x in some
    )
    topics = {
        simulated.word(params.other_words + i): i // params.topic_words
        for i in range(3 * params.topic_words)
    }
    hits = [
        (topics[w], y)
        for x, y in zip(words, found.nodes.labels, strict=True)
        for w in x
        if w in topics
    ]
    assert all(topic == y for topic, y in hits)
    assert len(hits) / (600 * 20) == pytest.approx(0.2, abs=0.01)
    alone = text_graphs.isolated(found)
    assert alone.mean() == pytest.approx(0.1, abs=0.03)
    # links to nodes that are alone are lost
    mean = graph.degrees(found.nodes.graph)[~alone].mean()
    assert mean == pytest.approx(12 * 0.9, rel=0.07)
    same = found.nodes.labels[text_graphs.undirected_edges(found)]
    assert (same[0] == same[1]).mean() == pytest.approx(0.7, abs=0.03)
    assert found.splits["5_per_class"]["train"].sum(axis=1).tolist() == [15] * 10


def test_blocks_are_linked_as_often_as_said():
    labels = np.arange(3000) % 2
    ends = simulated.block_edges(np.random.default_rng(0), labels, 0.02, 0.005)
    assert np.unique(np.sort(ends, axis=0), axis=1).shape == ends.shape
    same = np.equal(*labels[ends]).sum()
    inside, outside = 2 * 1500 * 1499 / 2, 1500**2
    assert same == pytest.approx(0.02 * inside, abs=4 * np.sqrt(0.02 * inside))
    other = ends.shape[1] - same
    assert other == pytest.approx(0.005 * outside, abs=4 * np.sqrt(0.005 * outside))
    assert len({simulated.word(i) for i in range(20_000)}) == 20_000
