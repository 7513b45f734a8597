"""Readers of the original files of published graphs."""

import json
import pickle

import numpy as np
import pytest
from data_helpers import Trap

from iclr22 import errors
from iclr22.data import pickles
from iclr22.data.graphs import files, published


def python2_array(array):
    """A NumPy array as Python 2 pickled it, protocol 0."""
    kind = array.dtype.str
    shape = "".join(f"I{size}\n" for size in array.shape)
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        + f"(I1\n({shape}tcnumpy\ndtype\n(S'{kind[1:]}'\nI0\nI1\ntR".encode()
        + f"(I3\nS'{kind[0]}'\nNNNI-1\nI-1\nI0\ntbI00\n".encode()
        + b"S"
        + repr(array.tobytes())[1:].encode()
        + b"\ntb"
    )


def python2_matrix(dense):
    """A SciPy matrix of compressed rows as Python 2 pickled it, protocol 0."""
    rows, columns = np.nonzero(dense)
    counts = np.bincount(rows, minlength=len(dense))
    parts = {
        "indptr": np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
        "indices": columns.astype(np.int32),
        "data": dense[rows, columns].astype(np.float64),
    }
    begin = (
        "ccopy_reg\n_reconstructor\n(cscipy.sparse.csr\ncsr_matrix\nc__builtin__\nobject"
        f"\nNtR(dS'_shape'\n(I{dense.shape[0]}\nI{dense.shape[1]}\ntsS'maxprint'\nI50\ns"
    )
    items = [b"S'%s'\n%ss" % (k.encode(), python2_array(v)) for k, v in parts.items()]
    return begin.encode() + b"".join(items) + b"b"


def test_planetoid_quirks(tmp_path):
    """Nodes 0 to 502 are in allx, 503 to 506 in tx but in another order, 505 nowhere."""
    rng = np.random.default_rng(0)
    dense = rng.integers(0, 3, (507, 4)) * rng.integers(0, 2, (507, 4))
    one_hot = np.eye(3, dtype=np.int32)[rng.integers(0, 3, 507)]
    test = [506, 503, 504]
    neighbours = {i: [] for i in range(507)} | {0: [1, 1, 0, 506], 1: [0], 506: [0]}
    entries = "".join(
        f"I{i}\n(l{''.join(f'I{j}{chr(10)}a' for j in js)}s"
        for i, js in neighbours.items()
    )
    content = {
        "x": python2_matrix(dense[:3]),
        "y": python2_array(one_hot[:3]),
        "tx": python2_matrix(dense[test]),
        "ty": python2_array(one_hot[test]),
        "allx": python2_matrix(dense[:503]),
        "ally": python2_array(one_hot[:503]),
        "graph": b"ccollections\ndefaultdict\n(c__builtin__\nlist\ntR"
        + entries.encode(),
    }
    for name, pickled in content.items():
        (tmp_path / f"ind.small.{name}").write_bytes(pickled + b".")
    (tmp_path / "ind.small.test.index").write_text("506\n503\n504\n")
    paths = [tmp_path / p.format("small") for p in published.PLANETOID.paths]
    found = files.read_planetoid(paths)
    dense[505] = 0
    np.testing.assert_array_equal(found.graph.nodes, dense)
    labels = np.where(np.arange(507) == 505, -1, one_hot.argmax(1))
    np.testing.assert_array_equal(found.labels, labels)
    assert found.graph.senders.tolist() == [1, 506, 0, 0]
    assert found.graph.receivers.tolist() == [0, 0, 1, 506]
    where = {split: np.flatnonzero(mask[0]) for split, mask in found.masks.items()}
    assert where["train"].tolist() == [0, 1, 2]
    assert where["valid"].tolist() == list(range(3, 503))
    assert where["test"].tolist() == [503, 504, 506]


HOSTILE = {
    "reduce": b"cos\nmkdir\n(S'%s'\ntR.",
    "inst": b"(S'%s'\nios\nmkdir\n.",
    "obj": b"(cos\nmkdir\nS'%s'\no.",
    "eval": b'c__builtin__\neval\n(S\'__import__("os").mkdir("%s")\'\ntR.',
    "getattr": b"c__builtin__\ngetattr\n(c__builtin__\nlist\nS'%s'\ntR.",
    "factory": b"ccollections\ndefaultdict\n(cos\nmkdir\ntR(S'%s'\nI1\ns.",
    "dotted": b"\x80\x04\x8c\x0bcollections\x8c\x17defaultdict.__class__%s\x93.",
    "numpy": b"cnumpy\nload\n(S'%s'\ntR.",
    "persistent": b"P%s\n.",
    "extension": b"\x82\x01%s.",
    "object array": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\n"
    b"tR(I1\n(I1\ntcnumpy\ndtype\n(S'O8'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI63\ntbI00\n"
    b"S'%s'\ntb.",
    "text": b"%s",
    "empty": b"",
}


@pytest.mark.parametrize("kind", [*HOSTILE, *range(6)])
def test_pickles_are_never_executed(tmp_path, monkeypatch, kind):
    trap = tmp_path / "sprung"
    monkeypatch.setenv("TRAP", str(trap))
    path = tmp_path / "ind.cora.x"
    hostile = HOSTILE.get(kind)
    if hostile is None:  # as Python 3 writes it, in every protocol
        path.write_bytes(pickle.dumps([Trap()], protocol=kind))
    else:
        path.write_bytes(hostile.replace(b"%s", str(trap).encode()))
    with pytest.raises(
        errors.InputError, match="(?s)ind.cora.x: .* It was not executed"
    ):
        pickles.read(path)
    assert not trap.exists()


def test_truncated_pickle_is_an_error(tmp_path):
    whole = python2_matrix(np.eye(3)) + b"."
    path = tmp_path / "x"
    path.write_bytes(whole)
    parts = pickles.read(path)
    assert parts["indices"].tolist() == [0, 1, 2] and parts["_shape"] == (3, 3)
    for end in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:end])
        with pytest.raises(errors.InputError):
            pickles.read(path)


@pytest.mark.parametrize("kind", ["facebook", "twitch"])
def test_musae_files(tmp_path, kind):
    paths = [tmp_path / name for name in ("features", "target", "edges")]
    listed = {"2": [4, 1], "0": [], "1": [0, 0], "3": [2]}
    paths[0].write_text(json.dumps(listed))
    if kind == "facebook":
        rows = [
            '0,9,"A, b",tvshow',
            "1,8,Ü,company",
            "2,7,c,tvshow",
            "3,6,d,politician",
        ]
        header, pairs, labels = (
            "id,facebook_id,page_name,page_type",
            "id_1,id_2",
            [2, 0, 2, 1],
        )
    else:  # the table is not in the order of the nodes
        rows = ["7,1,True,5,False,3", "8,1,False,5,False,0", "9,1,True,5,False,1"]
        rows += ["6,1,False,5,True,2"]
        header, pairs, labels = (
            "id,days,mature,views,partner,new_id",
            "from,to",
            [0, 1, 0, 1],
        )
    paths[1].write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    paths[2].write_text(f"{pairs}\n0,1\n1,0\n2,2\n3,1\n")
    found = files.read_musae(paths)
    assert found.labels.tolist() == labels
    assert found.graph.senders.tolist() == [1, 0, 3, 1]
    dense = [[0] * 5, [1, 0, 0, 0, 0], [0, 1, 0, 0, 1], [0, 0, 1, 0, 0]]
    np.testing.assert_array_equal(found.graph.nodes, dense)
    assert [m.sum() for m in found.masks.values()] == [2, 1, 1]
