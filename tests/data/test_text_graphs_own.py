"""The user's own graph with texts: lines of JSON, tables, and what is wrong with them."""

import gzip
import json

import numpy as np
import pytest

from iclr22 import data, errors, graph
from iclr22.data import text_graphs

NODES = [
    {
        "id": "ann",
        "text": "a text\twith a tab\nand lines, two",
        "label": "cat",
        "split": "train",
    },
    {"id": 7, "text": "", "label": "dog", "split": "train"},
    {"id": "cid", "text": " 'kept' ", "label": None, "split": "train", "more": [1]},
    {"id": "dan", "label": "cat", "split": "val"},
    {"id": "eve", "text": "ä", "label": "dog", "split": "test"},
]
EDGES = "source,target,weight\nann,7,2\n7,ann,1\ncid,ann,0.5\neve,eve,1\n"


def lines(path, rows=NODES):
    text = "\n".join(json.dumps(row) for row in rows)
    path.write_bytes(
        gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode()
    )
    return path


def written(folder, edges=EDGES, nodes=NODES):
    (folder / "edges.csv").write_text(edges)
    return lines(folder / "nodes.jsonl", nodes), folder / "edges.csv"


def test_own_graph_comes_back(tmp_path, caplog):
    found = data.load_own_text_graph(*written(tmp_path))
    assert found.texts == (
        "a text\twith a tab\nand lines, two",
        "",
        " 'kept' ",
        "",
        "ä",
    )
    assert found.nodes.node_names.tolist() == ["ann", "7", "cid", "dan", "eve"]
    assert found.nodes.class_names == ("cat", "dog")
    assert found.nodes.labels.tolist() == [0, 1, -1, 0, 1]
    assert text_graphs.undirected_edges(found).tolist() == [[0, 0], [1, 2]]
    assert graph.links(found.nodes.graph).weights.tolist() == [2, 0.5, 2, 0.5]
    masks = {k: m[0].tolist() for k, m in found.nodes.masks.items()}
    assert masks["train"] == [True, True, False, False, False]
    assert masks["valid"] == [False, False, False, True, False] and not found.splits
    told = caplog.text
    for said in (
        "1 self loops are left out",
        "1 links were there before",
        "2 of 5 texts are empty, the first in line 2",
        "2 of 5 nodes have no links, such as dan",
    ):
        assert said in told, said


def test_directed_links_go_one_way(tmp_path):
    found = data.load_own_text_graph(*written(tmp_path), directed=True)
    links = graph.links(found.nodes.graph)
    ends = {(int(a), int(b)): float(w) for a, b, w in zip(*links, strict=True)}
    assert found.directed and ends == {(0, 1): 2, (1, 0): 1, (2, 0): 0.5}


def test_other_formats_hold_the_same(tmp_path):
    wanted = data.load_own_text_graph(*written(tmp_path))
    packed = lines(tmp_path / "nodes.jsonl.gz")
    (tmp_path / "edges.jsonl").write_text(
        '{"source": "ann", "target": 7, "weight": 2}\n\n'
        '{"source": "cid", "target": "ann", "weight": 0.5}\n'
    )
    found = data.load_own_text_graph(packed, tmp_path / "edges.jsonl")
    table = tmp_path / "nodes.csv"
    table.write_text(
        'text,id,split,label,x\n"a text\twith a tab\nand lines, two",ann,train,cat,1\n'
        ",7,train,dog,\n\" 'kept' \",cid,train,NA,\n,dan,valid,cat,\nä,eve,test,dog,\n"
    )
    third = data.load_own_text_graph(table, tmp_path / "edges.csv")
    for other in (found, third):
        assert [x.strip() for x in other.texts] == [x.strip() for x in wanted.texts]
        for name in ("labels", "node_names"):
            assert (
                getattr(other.nodes, name).tolist()
                == getattr(wanted.nodes, name).tolist()
            )
        assert other.nodes.graph.edges.tolist() == wanted.nodes.graph.edges.tolist()
        assert other.nodes.masks.keys() == wanted.nodes.masks.keys()
    new = data.load_node_texts(packed)
    assert new.ids.tolist() == wanted.nodes.node_names.tolist()
    assert new.texts == wanted.texts


def test_labels_and_splits_may_be_left_out(tmp_path):
    rows = [{"id": i, "text": f"text {i}"} for i in range(5000)]
    rows[4500]["label"] = ""
    found = data.load_own_text_graph(
        *written(tmp_path, "source,target\n0,4999\n", rows)
    )
    assert (found.nodes.labels == -1).all() and found.nodes.masks == {}
    assert found.nodes.class_names == () and found.texts[4999] == "text 4999"


BAD = [
    ("id,body\na,x\n", EDGES, "nodes.csv: expected .*; found no text, but id, body"),
    ("id,text\na,\nb,\n", EDGES, "nodes.csv: expected texts; found empty ones only"),
    ("id,text\na,x\na,y\n", EDGES, "nodes.csv, line 3: expected an id of its own"),
    ("id,text\na,x\n,y\n", EDGES, "nodes.csv, line 3, column id: expected a name"),
    ("id,text\n", EDGES, "expected a row for every node"),
    ("id,text\na,x\nb,y\n", "source,target\na,c\n", "edges.csv, line 2: .*'c'"),
    ("id,text\na,x\nb,y\n", "source,target\n", "edges.csv: expected links between"),
    (
        "id,text\na,x\nb,y\n",
        "source,target\na,a\n",
        "edges.csv: expected links between",
    ),
    (
        "id,text\na,x\nb,y\n",
        "source,target,weight\na,b,-1\n",
        "edges.csv, line 2, column weight: expected a finite number of at least 0",
    ),
    ("id,text\na,x\nb,y\n", "from,to\na,b\n", "edges.csv, line 1: .*column source"),
    (
        "id,text,label\na,x,u\nb,y,u\n",
        "source,target\na,b\n",
        "labels of at least two classes, or none at all; found 'u'",
    ),
    (
        "id,text,label,split\na,x,u,train\nb,y,v,test\n",
        "source,target\na,b\n",
        "at least two classes in train; found u",
    ),
    (
        "id,text,label,split\na,x,u,trian\nb,y,v,test\n",
        "source,target\na,b\n",
        "line 2: expected a split train, .*Did you mean train",
    ),
]


@pytest.mark.parametrize(("nodes", "edges", "message"), BAD)
def test_bad_tables_are_refused_with_file_and_line(nodes, edges, message, tmp_path):
    (tmp_path / "nodes.csv").write_text(nodes)
    (tmp_path / "edges.csv").write_text(edges)
    with pytest.raises(errors.InputError, match=message):
        data.load_own_text_graph(tmp_path / "nodes.csv", tmp_path / "edges.csv")


LINES = [
    (b'{"id": "a"}\n{"id": "b"}', "nodes.jsonl: expected .*; found no text, but id"),
    (b'{"id": "a", "text": "x"}\n\n{"text": "y"}', "line 3: .* no id, but text"),
    (b'{"id": "a", "text": "x"}\n[1]', r"line 2: expected an object .*found '\[1\]'"),
    (b'{"id": "a", "text": "x"}\n{"id": ', "line 2: expected an object of JSON"),
    (b'{"id": "a", "text": ["x"]}', "line 1, text: expected a text or a number"),
    (b'{"id": "a", "text": "\\ud800"}', "line 1, text: expected a text or a number"),
    (b'{"id": "a", "text": "\xe9"}', "line 1: expected lines of JSON in UTF-8"),
    (b"[" * 100_000, "line 1: expected an object of JSON"),
    (b"", "expected a row for every node"),
]


@pytest.mark.parametrize(("content", "message"), LINES)
def test_bad_lines_are_refused_with_their_number(content, message, tmp_path):
    path = tmp_path / "nodes.jsonl"
    path.write_bytes(content)
    with pytest.raises(errors.InputError, match=message):
        data.load_node_texts(path)
    packed = tmp_path / "cut.jsonl.gz"
    packed.write_bytes(gzip.compress(np.random.default_rng(0).bytes(5000))[:-900])
    with pytest.raises(errors.InputError, match="cut.jsonl.gz, line 1: expected lines"):
        data.load_node_texts(packed)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(errors.InputError, match="none.jsonl: expected a .jsonl"):
        data.load_node_texts(tmp_path / "none.jsonl")


def test_damaged_files_are_refused_or_read(tmp_path):
    written(tmp_path)
    random = np.random.default_rng(0)
    whole = {x: (tmp_path / x).read_bytes() for x in ("nodes.jsonl", "edges.csv")}
    refused = 0
    for _ in range(150):
        for name, content in whole.items():
            place = int(random.integers(len(content)))
            piece = random.bytes(int(random.integers(3)))
            cut = place + int(random.integers(4))
            (tmp_path / name).write_bytes(content[:place] + piece + content[cut:])
        try:
            found = data.load_own_text_graph(
                tmp_path / "nodes.jsonl", tmp_path / "edges.csv"
            )
            assert len(found.texts) == len(found.nodes.labels) <= 5
        except errors.InputError as error:
            refused += 1
            assert len(str(error)) < 2000
    assert 75 < refused < 150
