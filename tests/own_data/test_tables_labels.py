"""Labels of every method: which are unknown, how classes are numbered, columns by name."""

import numpy as np
import pytest
from small_tables import EDGES, LINKS, NODES, SAMPLES

from iclr22 import data, errors
from iclr22.data import checks
from iclr22.data.domains import own as domains
from iclr22.data.graphs import own as graphs


@pytest.mark.parametrize(
    "word", ["", "NA", "NaN", "nan", "None", "N/A", "<NA>", "null"]
)
def test_words_for_unknown_are_no_classes(word, tmp_path):
    for name, text in (("nodes", NODES), ("samples", SAMPLES)):
        text = text.replace("cid,,", f"cid,{word},").replace("west,,", f"west,{word},")
        (tmp_path / f"{name}.csv").write_text(text)
    (tmp_path / "edges.csv").write_text(EDGES)
    (tmp_path / "links.csv").write_text(LINKS)
    found = data.load_own_graph(tmp_path / "nodes.csv", tmp_path / "edges.csv")
    assert found.class_names == ("cat", "dog") and found.labels.tolist() == [
        0,
        1,
        -1,
        1,
    ]
    found = data.load_own_domains(tmp_path / "samples.csv", tmp_path / "links.csv")
    assert found.class_names == ("cat", "dog") and found.y.tolist() == [0, 1, 1, -1]
    assert found.sources.tolist() == [True, True, False]
    np.savez(tmp_path / "a.npz", z=np.eye(4), y=np.array(["cat", "dog", word, "dog"]))
    splits, names = data.from_file(tmp_path / "a.npz")
    assert names == ("cat", "dog") and splits["train"]["y"].tolist() == [0, 1, 1]
    assert splits["train"]["names"].tolist() == ["0", "1", "3"]
    np.savez(
        tmp_path / "g.npz",
        x=np.eye(4),
        y=np.array(["cat", "dog", word, "dog"]),
        edge_index=np.array([[0], [1]]),
    )
    assert data.load_own_graph(tmp_path / "g.npz").labels.tolist() == [0, 1, -1, 1]


LABELS = [  # as written, classes, numbers
    (["0", "1", "-1", "1"], ("0", "1"), [0, 1, -1, 1]),
    (["0", "1", "-1.0", "1"], ("0", "1"), [0, 1, -1, 1]),
    (["5", "7", "-1", "100"], ("5", "7", "100"), [0, 1, -1, 2]),
    (["-2", "1", "-1", "1"], ("-2", "-1", "1"), [0, 2, 1, 2]),  # numbers below 0, too
    (["a", "1", "-1", "1"], ("-1", "1", "a"), [2, 1, 0, 1]),  # a name among others
    (["0.5", "1", "-1", "1"], ("-1", "0.5", "1"), [1, 2, 0, 2]),
    (["1", "1.0", "01", "0"], ("0", "01", "1", "1.0"), [2, 3, 1, 0]),
    (["10", "9", "nan", "NA"], ("9", "10"), [1, 0, -1, -1]),
]


@pytest.mark.parametrize("labels, names, numbers", LABELS)
def test_labels_are_numbered_as_they_sort(labels, names, numbers):
    y, class_names = checks.classes("x.csv", labels)
    assert class_names == names and y.tolist() == numbers


def test_equal_numbers_have_one_order_in_every_process():
    """Whatever order a set has, which depends on the process."""
    labels = ["1", "1.0", "01", "1e0", "0", "00"]
    orders = {checks.classes("x.csv", labels[i:] + labels[:i])[1] for i in range(6)}
    assert orders == {("0", "00", "01", "1", "1.0", "1e0")}


@pytest.mark.parametrize("kind", [np.int64, np.float32, np.uint8])
def test_numbers_with_holes_make_no_phantom_classes(kind, tmp_path):
    y = np.array([0, 3, 3, 7] + [0] * 4).astype(kind)
    ends = np.array([[0], [1]])
    np.savez(tmp_path / "g.npz", x=np.eye(8), y=y, edge_index=ends)
    found = data.load_own_graph(tmp_path / "g.npz")
    assert found.class_names == ("0", "3", "7")
    assert found.labels.tolist() == [0, 1, 1, 2, 0, 0, 0, 0]
    np.savez(tmp_path / "i.npz", x=np.eye(8), y=y)
    splits, names = data.from_file(tmp_path / "i.npz")
    assert names == found.class_names and splits["train"]["y"].max() == 2
    y = np.where(np.arange(8) == 5, np.nan, y)
    np.savez(tmp_path / "g.npz", x=np.eye(8), y=y, edge_index=ends)
    assert data.load_own_graph(tmp_path / "g.npz").labels[5] == -1


def test_masks_as_other_libraries_have_them(tmp_path):
    train, val = np.array([1, 1, 0, 0]), np.array([0, 0, 1, 0])

    def load(**masks):
        ends = np.array([[0, 1], [1, 2]])
        np.savez(
            tmp_path / "g.npz", x=np.eye(4), y=[0, 1, 0, 1], edge_index=ends, **masks
        )
        return data.load_own_graph(tmp_path / "g.npz").masks

    wanted = load(train_mask=train > 0, valid_mask=val > 0)
    for masks in (
        {"train_mask": train > 0, "val_mask": val > 0},
        {"train_mask": train, "val_mask": val.astype(np.uint8)},
    ):
        found = load(**masks)
        assert all((found[split] == wanted[split]).all() for split in wanted)
    several = np.stack([train, train, 1 - train], axis=1)
    assert load(train_mask=several)["train"].tolist() == several.T.astype(bool).tolist()
    with pytest.raises(
        errors.InputError, match="one of valid_mask and val_mask; found b"
    ):
        load(train_mask=train > 0, val_mask=val > 0, valid_mask=val > 0)
    with pytest.raises(errors.InputError, match="train_mask of .* Mark the nodes"):
        load(train_mask=np.array([0, 1, 2, 3]))


# Prediction


def test_columns_are_found_by_name_others_told_labels_not_needed(tmp_path, caplog):
    (tmp_path / "new.csv").write_text("note,income,id,age\nhello,7,zoe,1\n")
    with caplog.at_level("WARNING", logger="absl"):
        names, x = graphs.read_features(
            tmp_path / "new.csv", features=("age", "income")
        )
    assert names.tolist() == ["zoe"] and x.tolist() == [[1, 7]]
    assert "not read, the model does not know: note" in caplog.text
    with pytest.raises(
        errors.InputError, match="the 2 features .*; found no size. Add"
    ):
        graphs.read_features(tmp_path / "new.csv", features=("age", "size"))
    (tmp_path / "new.csv").write_text("b,note,domain,a\n2,hello,north,1\n")
    x, of = domains.read_samples(tmp_path / "new.csv", features=("a", "b"))
    assert x.tolist() == [[1, 2]] and of.tolist() == ["north"]
    with pytest.raises(errors.InputError, match="the 2 features .*; found no c. Add"):
        domains.read_samples(tmp_path / "new.csv", features=("a", "c"))
    (tmp_path / "new.csv").write_text("b,label,domain,a\n2,what,north,1\n")
    assert domains.read_samples(tmp_path / "new.csv")[0].tolist() == [[2, 1]]
    np.savez(tmp_path / "new.npz", x=np.eye(2), domain=["north", "west"])
    assert domains.read_samples(tmp_path / "new.npz")[1].tolist() == ["north", "west"]
