"""The tasks of the experiment on files of a user: what is written, what it says, what is
refused before anything is trained."""

import csv
import json

import helpers
import numpy as np
import pytest
import readme_commands

from experiments.giant_xrt import rank
from experiments.giant_xrt.experiment import EXPERIMENT
from iclr22 import data, errors, giant_xrt, record
from iclr22.giant_xrt import artifact

SHORT = ("--rounds.steps=2", "--tree.leaf=16", "--tree.least=8", "--downstream=mlp")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("own")
    readme_commands.write_own_files("giant_xrt", path)
    head = "id,text,label\n"
    texts = {
        "no_text.csv": "id,label\na,x\nb,y\n",
        "twice.csv": head + "a,one,x\na,two,y\n",
        "few.csv": head + "a,one,x\nb,two,y\nc,three,x\n",
        "unknown.csv": "source,target\nn0,nobody\n",
        "none.csv": "source,target\n",
        "loops.csv": "source,target\nn0,n0\n",
        "ends.csv": "source,target\na,b\nb,c\n",
    }
    for name, text in texts.items():
        (path / name).write_text(text)
    return path


@pytest.fixture(scope="module")
def trained(folder):
    """A run on nodes.csv and edges.csv with a bag of tokens."""
    run = folder / "run"
    words = (f"--texts={folder / 'nodes.csv'}", f"--edges={folder / 'edges.csv'}")
    helpers.launch(
        EXPERIMENT, f"--workdir={run}", *words, *SHORT, "--seeds=1", "--width=8"
    )
    return run


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_features_model_tree_and_links(folder, trained):
    features = np.load(trained / "embeddings.npy")
    found = data.load_own_text_graph(folder / "nodes.csv", folder / "edges.csv")
    assert [x["id"] for x in read(trained / "ids.csv")] == list(found.nodes.node_names)
    model = artifact.load(trained / "model.npz")
    np.testing.assert_allclose(
        features, giant_xrt.encode(model, found.texts), atol=1e-5
    )
    assert features.shape == (90, 8)
    tree = read(trained / "tree.csv")
    sizes = np.bincount([int(x["level"]) for x in tree])
    assert tuple(sizes) == model.tree.sizes[:-1]
    for level in range(len(sizes)):
        assert sum(int(x["nodes"]) for x in tree if x["level"] == str(level)) == 90
    words = set(" ".join(found.texts).split())
    assert all(set(x["words"].split()) <= words for x in tree) and tree[0]["words"]
    known = {(x["source"], x["target"]) for x in read(folder / "edges.csv")}
    links = read(trained / "links.csv")
    assert len(links) == 90 * 10
    for x in links:
        ends = x["source"], x["target"]
        assert ends[0] != ends[1] and not {ends, ends[::-1]} & known


def test_rows_are_of_what_is_labelled(trained):
    rows = record.read_results(trained / "results.csv")
    variants = {x.variant for x in rows if x.metric == "test/accuracy"}
    assert variants == {"giant", "untrained", "tfidf", "two_hop"}
    assert {x.setting for x in rows} == {"60_20_20, mlp"}
    gaps = {x.variant: x.value for x in rows if x.metric == "gap/accuracy"}
    values = {x.variant: x.value for x in rows if x.metric == "test/accuracy"}
    for name, gap in gaps.items():
        assert gap == pytest.approx(values[name] - values["untrained"], abs=1e-9)
    page = (trained / "report.html").read_text()
    assert "whose texts and links were seen" in page and "100 %" in page


def test_the_graph_is_one_of_cold_brew(trained):
    found = data.load_own_graph(trained / "graph.npz")
    features = np.load(trained / "embeddings.npy")
    np.testing.assert_array_equal(found.graph.nodes, features)
    assert found.class_names == ("topic 0", "topic 1", "topic 2")


def test_new_texts_get_features_from_a_kept_model(folder, trained, tmp_path):
    new = f"--texts={folder / 'new.csv'}"
    for model in (trained, trained / "model.npz"):
        words = (f"--workdir={tmp_path}", "--noresume", new, f"--model={model}")
        helpers.launch(EXPERIMENT, "--task=encode", *words)
        found = np.load(tmp_path / "embeddings.npy")
        features = np.load(trained / "embeddings.npy")[:7]
        np.testing.assert_allclose(found, features, atol=1e-5)
        assert [x["id"] for x in read(tmp_path / "ids.csv")][:2] == ["new 0", "new 1"]


def test_what_is_recorded_is_trained(folder, tmp_path, monkeypatch):
    words = (
        *("--quick", "--seeds=1", "--variant=giant,frozen,link,random_tree"),
        *("--learning_rate=0.125", "--link.temperature=0.5", "--rounds.steps=3,2"),
        *("--hide=0.2", "--held_links=0.1"),
    )
    about, found = helpers.what_trains(EXPERIMENT, tmp_path, monkeypatch, *words)
    helpers.assert_trains_as_recorded(about, found)
    configs = {name: x["config"] for name, x in about["trained"].items()}
    assert {"giant-0", "giant-1", "random_tree-0", "link"} <= set(configs)
    assert configs["giant-0"]["learning_rate"] == 0.125
    assert [configs[f"giant-{i}"]["steps"] for i in (0, 1)] == [3, 2]
    rounds = [x for x in configs if x.startswith("giant-")]
    assert configs["link"]["steps"] == sum(configs[x]["steps"] for x in rounds)
    settings = {x.setting for x in record.read_results(tmp_path / "results.csv")}
    assert all("20 % hidden" in x or x.startswith("bag") for x in settings)


def test_the_engine_ranks_unseen_nodes(folder, tmp_path):
    words = ("--task=rank", "--quick", "--seeds=2", f"--workdir={tmp_path}")
    helpers.launch(EXPERIMENT, *words)
    rows = record.read_results(tmp_path / "results.csv")
    values = [x.value for x in rows if x.metric == "xmc/p_at_1"]
    assert len(values) == 2 and all(0 <= x <= 100 for x in values) and max(values) > 1
    labels = np.eye(10)
    from scipy import sparse

    train, test = rank.split(sparse.csr_matrix(labels))
    order = np.random.RandomState(0).permutation(10)
    assert sorted(order[:2]) == list(test) and len(train) == 8


CASES = {
    "--texts=no_text.csv --edges=ends.csv": "text",
    "--texts=twice.csv --edges=ends.csv": "'a'",
    "--texts=few.csv --edges=ends.csv": "Choose smaller leaves",
    "--texts=nodes.csv --edges=unknown.csv": "nobody",
    "--texts=nodes.csv --edges=none.csv": "none",
    "--texts=nodes.csv --edges=loops.csv": "links between different nodes",
    "--texts=nodes.csv": "--texts needs --edges",
    "--edges=edges.csv": "--edges needs --texts",
    "--encoder=nowhere": "no such file or folder: nowhere",
    "--encoder=nodes.csv": "nodes.csv",
    "--variant=gaint": "Did you mean 'giant'",
    "--downstream=mpl": "Did you mean 'mlp'",
    "--hide=0.95": "--hide from 0 to 0.9",
    "--task=encode": "--task=encode needs --model=RUN",
    "--task=encode --model=nodes.csv": "--task=encode needs --texts=new.csv",
    "--task=encode --model=nodes.csv --texts=new.csv": "nodes.csv",
    "--task=encode --top=3": "--top is read by --task=fit",
    "--width=8 --encoder=bert": "--width is read by",
}


@pytest.mark.parametrize("words", CASES)
def test_bad_input_is_told_before_anything_is_trained(
    words, folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(folder)
    given = (*words.split(), f"--workdir={tmp_path}")
    assert CASES[words] in helpers.refused(EXPERIMENT, monkeypatch, *given)


def test_a_damaged_model_is_refused(folder, trained, tmp_path):
    whole = (trained / "model.npz").read_bytes()
    (tmp_path / "model.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(errors.InputError, match="model.npz"):
        artifact.load(tmp_path / "model.npz")
    about = json.loads((trained / "config.json").read_text())
    assert about["options"]["encoder"] == "bag"
