"""Published graphs with texts: counts, WordNet, ogbn-arxiv, converted copies."""

import gzip
import pathlib

import numpy as np
import pytest

from iclr22 import data, errors, graph
from iclr22.data import text_graphs
from iclr22.data.text_graphs import files, wordnet
from iclr22.data.texts import wordnet as nouns

# Nodes, undirected edges, nodes without any, largest degree, labelled nodes.
KNOWN = {
    "citeseer_texts": (3186, 4225, 86, 95, 3186),
    "cora_cane": (2277, 4771, 72, 92, 2211),
    "wordnet_graph": (117659, 183789, 1009, 674, 117659),
}


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


def pairs(found):
    return text_graphs.undirected_edges(found).T.tolist()


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
