"""Graphs with texts: parts, splits, published counts, WordNet, the generated ones."""

import gzip
import pathlib

import numpy as np
import pytest

from iclr22 import data, errors, graph
from iclr22.data import text_graphs
from iclr22.data.text_graphs import files, simulated, wordnet
from iclr22.data.texts import wordnet as nouns

# Nodes, undirected edges, nodes without any, largest degree, labelled nodes.
KNOWN = {
    "citeseer_texts": (3186, 4225, 86, 95, 3186),
    "cora_cane": (2277, 4771, 72, 92, 2211),
    "wordnet_graph": (117659, 183789, 1009, 674, 117659),
}


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


@pytest.mark.parametrize("name", ["citeseer_texts", "cora_cane"])
def test_published_counts(name, shared):
    found = data.get(name).load(str(shared / "data"))
    check(name, found)
    assert list(found.splits) == ["60_20_20", "20_per_class"]
    assert (
        found.nodes.class_names == data.get(name).info.class_names
        or name != "citeseer_texts"
    )
    for masks in found.splits.values():
        assert (np.stack(list(masks.values())).sum(axis=0) <= 1).all()
        assert masks["train"].shape == (10, len(found.texts))
    classes = len(found.nodes.class_names)
    assert (found.splits["20_per_class"]["train"].sum(axis=1) == 20 * classes).all()


def check(name, found):
    nodes, edges, alone, degree, labelled = KNOWN[name]
    assert (len(found.texts), len(pairs(found))) == (nodes, edges)
    assert text_graphs.isolated(found).sum() == alone
    assert graph.degrees(found.nodes.graph).max() == degree
    assert (found.nodes.labels >= 0).sum() == labelled


@pytest.mark.slow
def test_wordnet_counts():
    try:
        found = data.get("wordnet_graph").load()
    except errors.InputError:
        pytest.skip("needs WordNet 3.0 (Debian: wordnet-base)")
    check("wordnet_graph", found)
    assert len(set(found.nodes.labels.tolist())) == 45
    assert np.mean([len(x.split()) for x in found.texts]) == pytest.approx(
        14.9, abs=0.1
    )


SYNSETS = {  # file: place, topic, words, pointers, gloss
    "data.noun": [
        ("00000100", 3, ["thing"], [("~", "00000200", "n")], "whatever there is"),
        (
            "00000200",
            5,
            ["dog", "domestic_dog"],
            [("@", "00000100", "n"), ("+", "00000100", "v")],
            'it barks; "the dog barked"',
        ),
    ],
    "data.verb": [("00000100", 31, ["bark"], [("+", "00000200", "n")], "make noise")],
    "data.adj": [
        ("00000100", 0, ["able(p)"], [("&", "00000200", "s")], "that can"),
        ("00000200", 0, ["capable"], [], "good"),
    ],
    "data.adv": [("00000100", 2, ["ably"], [("\\", "00000100", "a")], "well")],
}


def write_wordnet(folder):
    folder.mkdir(exist_ok=True)
    for name, meanings in SYNSETS.items():
        lines = ["  1 A licence.  "]
        for place, topic, words, pointers, gloss in meanings:
            names = " ".join(f"{word} 0" for word in words)
            to = "".join(f" {kind} {x} {part} 0000" for kind, x, part in pointers)
            head = f"{place} {topic:02} {name[5]} {len(words):02x} {names}"
            lines.append(f"{head} {len(pointers):03}{to} | {gloss}  ")
        (folder / name).write_text("\n".join(lines) + "\n")
    return folder


def test_wordnet_is_read_as_a_graph(tmp_path):
    found = wordnet.load_folder(write_wordnet(tmp_path))
    assert found.texts[:2] == (
        "thing: whatever there is",
        'dog, domestic dog: it barks; "the dog barked"',
    )
    assert found.texts[3] == "able: that can"
    names = found.nodes.node_names
    assert names.tolist() == [
        *("n00000100", "n00000200", "v00000100"),
        *("a00000100", "a00000200", "r00000100"),
    ]
    assert pairs(found) == [[0, 1], [1, 2], [3, 4], [3, 5]]
    classes = [found.nodes.class_names[x] for x in found.nodes.labels]
    assert classes[:3] == ["noun.Tops", "noun.animal", "verb.cognition"]
    assert len(found.nodes.class_names) == 45
    path = tmp_path / "data.adv"
    path.write_text(path.read_text().replace("\\ 00000100", "\\ 00000300"))
    with pytest.raises(errors.InputError, match="found none at .*00000300"):
        wordnet.load_folder(tmp_path)
    path.unlink()
    with pytest.raises(errors.InputError, match="data.adv: expected the adverbs"):
        wordnet.load_folder(tmp_path)


def write_arxiv(root, titles=None):
    """Four papers in the layout of the archive; texts in another order, one too many."""
    folder = root / "arxiv"
    tables = {
        "raw/edge.csv.gz": "0,1\n2,0\n1,0\n",
        "raw/node-label.csv.gz": "4\n0\n1\n0\n",
        "split/time/train.csv.gz": "0\n3\n",
        "split/time/valid.csv.gz": "1\n",
        "split/time/test.csv.gz": "2\n",
        "mapping/nodeidx2paperid.csv.gz": "node idx,paper id\n0,90\n1,70\n2,80\n3,200971\n",
    }
    for name, text in tables.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()))
    rows = [
        "90\tninth\tan abstract",
        "80\teighth\t",
        "75\tunused\tx",
        '70\t"seventh\ty',
    ]
    text = "titleabs.tsv\0\0 0000644\x00200971\tfirst\tof all\n" + "\n".join(
        titles or rows
    )
    (folder / "titleabs.tsv.gz").write_bytes(gzip.compress(f"{text}\n\0\0\n".encode()))
    return str(root)


def test_arxiv_is_joined_by_number_of_the_paper(tmp_path):
    found = data.get("arxiv").load(write_arxiv(tmp_path))
    assert found.texts == (
        "ninth\nan abstract",
        '"seventh\ny',
        "eighth",
        "first\nof all",
    )
    assert pairs(found) == [[0, 1], [0, 2]] and not found.directed
    assert found.nodes.labels.tolist() == [4, 0, 1, 0]
    assert found.nodes.node_names.tolist() == ["90", "70", "80", "200971"]
    assert {k: np.flatnonzero(m[0]).tolist() for k, m in found.nodes.masks.items()} == {
        "train": [0, 3],
        "valid": [1],
        "test": [2],
    }


def test_arxiv_files_that_are_not_whole(tmp_path):
    with pytest.raises(errors.InputError, match="raw/edge.csv.gz: expected the files"):
        data.get("arxiv").load(str(tmp_path))
    write_arxiv(tmp_path, ["90\tninth\tx"])
    with pytest.raises(errors.InputError, match="4 papers, 2 of them without a text"):
        data.get("arxiv").load(str(tmp_path))
    path = pathlib.Path(write_arxiv(tmp_path)) / "arxiv" / "raw" / "node-label.csv.gz"
    path.write_bytes(gzip.compress(b"4\nx\n"))
    with pytest.raises(
        errors.InputError, match="node-label.csv.gz: expected 1 columns"
    ):
        data.get("arxiv").load(str(tmp_path))
    path.write_bytes(b"4\n")
    with pytest.raises(
        errors.InputError, match="node-label.csv.gz: expected 1 columns"
    ):
        data.get("arxiv").load(str(tmp_path))


def test_copies_that_are_not_there_are_named(tmp_path, monkeypatch):
    for name in ("citeseer_texts", "cora_cane"):
        with pytest.raises(
            errors.InputError, match="tag/.*jsonl.gz: expected a file of"
        ):
            data.get(name).load(str(tmp_path))
    monkeypatch.setattr(nouns, "INSTALLED", str(tmp_path / "installed"))
    with pytest.raises(errors.InputError, match="Debian: wordnet-base"):
        data.get("wordnet_graph").load(str(tmp_path))
    write_wordnet(tmp_path / "installed")
    assert len(data.get("wordnet_graph").load(str(tmp_path)).texts) == 6


def test_converted_files_come_back(tmp_path):
    nodes, links = tmp_path / "x_nodes.jsonl.gz", tmp_path / "x_graph.npz"
    lines = '{"id": "a", "label": "u", "text": "one\\ttwo"}\n{"id": 2, "text": null}\n'
    nodes.write_bytes(gzip.compress(lines.encode()))
    split = np.array([[0, 1], [2, 255]], np.uint8)
    np.savez(
        links,
        edges=np.array([[0, 1]], np.int32),
        y=np.array([0, -1], np.int16),
        class_names=np.array(["u"]),
        split_some=split,
        split_other=split,
    )
    found = files.read_converted(nodes, links)
    assert found.texts == ("one\ttwo", "") and pairs(found) == [[0, 1]]
    assert found.nodes.node_names.tolist() == ["a", "2"]
    assert found.nodes.masks["train"].tolist() == [[True, False], [False, False]]
    assert list(found.splits) == ["some", "other"]


def test_generated_texts_tell_their_class_with_few_words():
    params = simulated.Params(nodes=600, classes=3, alone=0.1)
    found = simulated.generate(2, params)
    assert found.texts == simulated.generate(2, params).texts
    known = set(simulated.vocabulary(params))
    assert len(known) == 5 + params.other_words + 3 * params.topic_words
    words = [x.split() for x in found.texts]
    assert {len(x) for x in words} == {30} and known.issuperset(
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
    assert len(hits) / (600 * 30) == pytest.approx(0.2, abs=0.01)
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
