"""The Cold Brew experiment as its users see it: tables, tasks, own graphs, mistakes."""

import csv
import types

import helpers
import jax
import numpy as np
import pytest
from absl import flags

from experiments import run as runner
from experiments.cold_brew import classify
from experiments.cold_brew.experiment import EXPERIMENT
from iclr22 import cold_brew, data, errors, record

VARIANTS = ["gcn", "gcn_no_loops", "sage", "mlp", "graphmlp", "label_propagation"]
VARIANTS += ["teacher", "teacher_features", "mlp1", "student"]  # by contract
METRICS = {f"{x}/accuracy" for x in ("isolation", "tail", "head", "overall")}
FILES = ("student.npz", "embeddings.npz", "predictions.csv", "degrees.csv")
MLPS = ("student", "mlp", "graph_mlp")


def short(steps: int) -> dict:
    """Flags for so many updates of everything."""
    return {"epochs": steps} | {f"{name}.steps": steps for name in MLPS}


SHORT = short(10) | {"selection": "last"}
STUDENT = {"student.width": 8, "student.steps": 10, "lookup.neighbors": 3}
TINY = {  # by task
    "classify": STUDENT | {"mlp.steps": 10},
    "link": STUDENT | {"link_pairs": 40},
    "deep": {"deep_layers": 3},
    "screen": {
        "mlp.steps": 10,
        "screen_layers": 2,
        "screen_norms": "none",
        "screen_residuals": "none",
        "screen_mlp_widths": 8,
        "screen_rates": 5e-3,
    },
}
NODES, NEW = 150, 20  # of the user's own graph: to train on, without edges


def command(*arguments, **options):
    """Start the experiment as a user does, briefly."""
    cache = f"--compile_cache={jax.config.jax_compilation_cache_dir}"
    given = words(options)
    return helpers.start("-m", "experiments.cold_brew", cache, *given, *arguments)


def words(options) -> list[str]:
    """Flags as they are typed."""
    return [f"--{k}={v}" for k, v in options.items()]


def study(folder, *, own=None, **options) -> runner.Run:
    """A tiny run of one seed in this process, on synthetic data or the user's own."""
    task, runs = options.get("task", "classify"), []

    def kept(run):
        runs.append(run)
        EXPERIMENT.study(run)

    given = {"workdir": folder} | ({"nodes": own} if own else {"quick": 1}) | options
    if task in TINY:
        given = {"seeds": 1, "hidden": 8, "epochs": 10} | TINY[task] | given
    helpers.launch(EXPERIMENT._replace(study=kept), *words(given))
    return runs[0]


def table(path):
    """Rows of a CSV file as dicts."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def column(path, name) -> list[str]:
    return [row[name] for row in table(path)]


def drawn():
    """A graph of the user's own, its last nodes new; classes are easy to tell apart."""
    size = (NODES + NEW, 3)
    found = data.degree_corrected_sbm(np.random.default_rng(1), *size, noise=0.4)
    inside = np.maximum(found.graph.senders, found.graph.receivers) < NODES
    ends = np.stack([found.graph.senders[inside], found.graph.receivers[inside]])
    split = np.random.default_rng(2).choice(["train", "valid", "test"], NODES)
    names = np.array([f"größe-{i}" for i in range(NODES + NEW)])
    x = np.float32(found.graph.nodes)
    return types.SimpleNamespace(x=x, y=found.labels, ends=ends, split=split, ids=names)


def write_table(path, *columns, header):
    lines = [header, *(",".join(map(str, row)) for row in zip(*columns, strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_nodes(path, mine, rows=slice(0, NODES), order=None, **columns):
    """nodes.csv with features, in some order, and these columns besides."""
    order = range(mine.x.shape[1]) if order is None else order
    header = ",".join(["id", *columns, *(f"f{j}" for j in order)])
    columns = (mine.ids[rows], *columns.values(), *mine.x[rows].T[list(order)])
    return write_table(path, *columns, header=header)


def write_csv(folder, mine, **columns):
    """Flags for the two tables; three nodes have no label."""
    labels = np.array([*"abc", ""])[np.append(mine.y[: NODES - 3], [3, 3, 3])]
    nodes = write_nodes(folder / "nodes.csv", mine, **{"label": labels} | columns)
    senders, receivers = mine.ids[mine.ends]
    edges = folder / "edges.csv"
    write_table(edges, senders, receivers, header="source,target")
    return {"nodes": nodes, "edges": edges}


def write_npz(path, mine, **changes):
    """The same graph as arrays."""
    masks = {f"{x}_mask": mine.split == x for x in ("train", "valid", "test")}
    arrays = {"x": mine.x[:NODES], "y": mine.y[:NODES], "edge_index": mine.ends}
    np.savez(path, **arrays | masks | changes)
    return path


# From the command line. Both programs start together, because compiling takes long.


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """What two programs wrote and said: synthetic data, and the user's own graph."""
    quick, own = (tmp_path_factory.mktemp(x) for x in ("quick", "own"))
    given = write_csv(own, drawn()) | {"lookup.neighbors": 5, "seeds": 1}
    given |= {"epochs": 30, "student.steps": 30, "mlp.steps": 30}
    given |= {"variants": "gcn,mlp,student"}
    processes = (
        command("--quick", variants=",".join(VARIANTS), workdir=quick / "run", **SHORT),
        command(workdir=own / "run", **given),
    )
    said = [helpers.finish(process, timeout=240) for process in processes]
    return dict(
        zip(("quick", "own"), zip((quick, own), said, strict=True), strict=True)
    )


def test_quick_run_has_the_contracted_table_and_files(finished):
    folder, (out, err) = finished["quick"]
    folder /= "run"
    helpers.check_outputs(folder, out, "cold_brew")
    assert "Traceback" not in err and "Warning" not in err
    rows = [x for x in table(folder / "results.csv") if x["setting"] == "released"]
    found = {(row["variant"], row["seed"], row["metric"]) for row in rows}
    assert len(rows) == len(found)
    assert found == {(v, s, m) for v in VARIANTS for s in "01" for m in METRICS}
    assert all(0 <= float(row["value"]) <= 100 for row in rows)
    assert not any(row["published"] for row in table(folder / "results.csv"))
    figures = {path.stem for path in (folder / "figures").iterdir()}
    assert figures == {"accuracy", "degrees", "embeddings"}
    predictions = table(folder / "predictions.csv")
    with np.load(folder / "embeddings.npz") as arrays:
        assert len(arrays["teacher"]) == len(arrays["student"]) == len(predictions)
        assert {"isolation", "tail", "head"} <= set(arrays["groups"])
    buckets = table(folder / "degrees.csv")
    assert list(buckets[0]) == ["degree_from", "nodes", *VARIANTS]
    assert cold_brew.load(folder / "student.npz").class_names == tuple("0123")


def test_second_run_computes_nothing_anew(finished):
    folder = finished["quick"][0] / "run"

    def state():
        files = [x for x in folder.rglob("*") if x.is_file()]
        drawn_again = ("report.html", "config.json", "results.csv", "degrees.csv")
        kept = [x for x in files if x.name not in drawn_again and x.suffix != ".png"]
        return {x: x.stat().st_mtime_ns for x in kept}

    before, results = state(), (folder / "results.csv").read_bytes()
    assert any("training" in x.parts for x in before)
    variants = ",".join(VARIANTS)
    again = command("--quick", variants=variants, workdir=folder, **SHORT)
    out, err = helpers.finish(again)
    helpers.check_outputs(folder, out, "cold_brew")
    assert state() == before and (folder / "results.csv").read_bytes() == results
    assert "resumed at" not in err


def test_own_graph_is_predicted_by_teacher_and_student(finished):
    folder, (out, _) = finished["own"]
    helpers.check_outputs(folder / "run", out, "cold_brew")
    mine, rows = drawn(), table(folder / "run" / "predictions.csv")
    assert [row["id"] for row in rows] == mine.ids[:NODES].tolist()
    assert [row["label"] for row in rows[-3:]] == 3 * [""]
    assert all(row["predicted"] in tuple("abc") for row in rows)
    touched = np.isin(np.arange(NODES), mine.ends)
    for row, edges in zip(rows, touched, strict=True):
        assert edges or row["by"] == "student"
        assert row["group"] != "isolation" or row["by"] == "student"
    right = [row["predicted"] == "abc"[y] for row, y in zip(rows, mine.y, strict=False)]
    assert np.mean(right) > 0.8
    assert {row["dataset"] for row in table(folder / "run" / "results.csv")} == {
        "nodes"
    }


def test_new_nodes_are_predicted_from_either_file(finished, tmp_path):
    mine, (folder, _) = drawn(), finished["own"]
    student = folder / "run" / "student.npz"
    turned = range(mine.x.shape[1])[::-1]  # columns are found by their names
    new = write_nodes(tmp_path / "new.csv", mine, slice(NODES, None), turned)
    given = {"task": "predict", "student": student, "nodes": new}
    process = command(workdir=tmp_path / "one", **given)
    features = {"x": mine.x[NODES:], "ids": mine.ids[NODES:]}
    np.savez(tmp_path / "new.npz", **features)
    given = {"task": "predict", "student": str(student)}
    study(tmp_path / "two", own=tmp_path / "new.npz", **given)
    out, _ = helpers.finish(process)
    assert len(out.strip().splitlines()) == 1
    one, two = (tmp_path / x / "predictions.csv" for x in ("one", "two"))
    rows = table(one)
    assert [row["id"] for row in rows] == mine.ids[NODES:].tolist()
    assert column(one, "predicted") == [*map("abc".__getitem__, mine.y[NODES:])]
    for row in rows:
        assert len(row["weights"].split()) == 5
        assert set(row["neighbors"].split()) <= set(mine.ids[:NODES])
    for name in ("id", "predicted", "neighbors"):
        assert column(one, name) == column(two, name)
    np.testing.assert_allclose(
        *(np.float64(column(x, "probability")) for x in (one, two)), atol=2e-4
    )


# In this process.


@pytest.mark.parametrize(
    ("task", "selection"),
    [
        ("link", "validation"),
        pytest.param("screen", "validation", marks=pytest.mark.slow),
        ("deep", "last"),
    ],
)
def test_other_tasks_give_finite_rows(task, selection, tmp_path):
    chosen = {} if task == "screen" else {"selection": selection}
    run = study(tmp_path, task=task, **chosen)
    rows = record.read_results(tmp_path / "results.csv")
    assert rows and all(np.isfinite(row.value) for row in rows)
    found = {(row.variant, row.metric) for row in rows}
    expected = {
        "link": {(x, "isolation/mrr") for x in ("gcn", "teacher", "mlp1", "student")},
        "screen": {
            (x, "overall/accuracy") for x in ("gnn", "mlp", "label_propagation")
        },
        "deep": {(x, m) for x in ("gcn", "teacher") for m in METRICS},
    }
    assert expected[task] <= found and not any(row.published for row in rows)
    assert run.summary and list((tmp_path / "figures").iterdir())


@pytest.fixture
def modified_only(monkeypatch):
    """Leave out the graph with all its edges, which is one of the table's rows."""
    monkeypatch.setattr(classify, "_unmodified", lambda models: {"rows": []})


def test_selection_on_test_nodes_is_named_so(modified_only, tmp_path):
    variants = ("teacher", "label_propagation", "student")
    asked = {"selection": "test_max", "split": "paper"}
    run = study(tmp_path, variants=",".join(variants), **asked)
    rows = record.read_results(tmp_path / "results.csv")
    assert {row.setting for row in rows} == {"paper"}
    by_variant = {v: {x.metric for x in rows if x.variant == v} for v in variants}
    watched = {f"{metric}_test_max" for metric in METRICS}
    assert by_variant == dict.fromkeys(variants, watched) | {
        "label_propagation": METRICS  # nothing is trained, so nothing is chosen
    }
    assert "Chosen on test nodes" in run.summary
    trained = {x.name for x in (tmp_path / "training").iterdir()}
    assert trained and all("-final-" in x for x in trained)


def test_labels_of_test_nodes_do_not_change_predictions(modified_only, tmp_path):
    mine = drawn()
    test = np.flatnonzero(mine.split == "test")
    others = mine.y[:NODES].copy()
    others[test] = np.random.default_rng(0).permutation(others[test])
    assert np.mean(others[test] != mine.y[test]) > 0.5
    files = []
    for name, y in (("one", mine.y[:NODES]), ("two", others)):
        path = write_npz(tmp_path / f"{name}.npz", mine, y=y)
        study(tmp_path / name, own=path, variants="student")
        files.append(tmp_path / name / "predictions.csv")
    one, two = map(table, files)
    assert [x["label"] for x in one] != [x["label"] for x in two]
    for a, b in zip(one, two, strict=True):
        assert a | {"label": ""} == b | {"label": ""}


# Mistakes. Nothing is trained before they are found.


@pytest.fixture
def refused(tmp_path):
    """Function that runs the program in this process and returns its one complaint."""

    def launch(**options) -> str:
        folder = tmp_path / "run"
        given = words(options | {"workdir": folder, "resume": 0})
        complaints = errors.InputError, OSError, flags.IllegalFlagValueError
        with pytest.raises(complaints) as caught:
            helpers.launch(EXPERIMENT, *given)
        assert not (folder / "training").exists()
        assert not list((folder / "cells").glob("*"))
        (line,) = str(caught.value).splitlines()
        return line

    yield launch
    flags.FLAGS.unparse_flags()


ZEROS = ",0" * 15
OWN_MISTAKES = {  # file, line added to it, what is said about it
    "unknown id": ("edges", "größe-1,nobody", "found 'nobody', which no node has"),
    "duplicated id": ("nodes", f"größe-7,a,,0{ZEROS}", "found 'größe-7' again"),
    "NaN": ("nodes", f"x,a,,nan{ZEROS}", "f0: expected a finite number; found 'nan'"),
    "unknown split": ("nodes", f"x,a,trian,0{ZEROS}", "Did you mean train?"),
    "no edge": ("edges", None, "expected edges between different nodes; found none"),
}


@pytest.mark.parametrize("mistake", OWN_MISTAKES)
def test_mistakes_in_tables_are_named(mistake, refused, tmp_path):
    mine = drawn()
    given = write_csv(tmp_path, mine, split=mine.split)
    name, line, message = OWN_MISTAKES[mistake]
    path = tmp_path / f"{name}.csv"
    before = path.read_text(encoding="utf-8")
    after = f"{before}{line}\n" if line else "source,target\n"
    path.write_text(after, encoding="utf-8")
    assert message in refused(**given)


def test_splits_without_labels_are_refused(refused, tmp_path):
    mine = drawn()
    names = np.array([*"abc", ""])
    train = mine.split == "train"
    only = np.where(train, 3, mine.y[:NODES])
    given = write_csv(tmp_path, mine, split=mine.split, label=names[only])
    message = refused(**given)
    assert "expected labels of at least two classes in train; found none" in message
    given = write_csv(tmp_path, mine, split=np.where(train, "train", ""))
    assert "expected labelled nodes to test on" in refused(**given)
    three = [np.flatnonzero(mine.y == y)[0] for y in range(3)]
    few = np.where(np.isin(np.arange(NODES), three), "train", "test")
    given = write_csv(tmp_path, mine, split=few)
    assert "expected training nodes to choose on" in refused(**given)


def test_mistakes_in_flags_are_named(refused, tmp_path):
    for options, message in (
        ({"quick": 1, "lookup.neighbors": 5000}, "--lookup.neighbors in 1.."),
        (
            {"quick": 1, "lookup.neighbors": 0, "task": "link"},
            "--lookup.neighbors in 1..",
        ),
        ({"quick": 1, "variants": "gcn,studnet"}, "Did you mean 'student'"),
        ({"split": "papr"}, "should be one of <released|paper>"),
        ({"split_index": 7, "dataset": "texas", "quick": 1}, "in 0..0; found 7"),
        ({"dataset": "citeser"}, "Unknown data set 'citeser'. Did you mean 'citeseer'"),
        ({"edges": "edges.csv"}, "--edges needs --nodes"),
        ({"task": "predict"}, "--task=predict needs --student"),
        ({"nodes": "none.csv"}, "no such file or folder: none.csv"),
    ):
        assert message in refused(**options), options


def test_mistakes_in_predictions_are_named(refused, finished, tmp_path):
    mine, (folder, _) = drawn(), finished["own"]
    new = write_nodes(tmp_path / "new.csv", mine, slice(NODES, None))
    given = {"task": "predict", "nodes": new}
    assert "needs --student" in refused(**given)
    for file in (tmp_path / "student.npz", folder / "run" / "embeddings.npz"):
        assert file.name in refused(**given, student=file)
    mine.x = mine.x[:, :-1]
    write_nodes(new, mine, slice(NODES, None))
    given["student"] = folder / "run" / "student.npz"
    message = refused(**given)
    assert "expected the 16 features" in message and "found no f15" in message
    np.savez(tmp_path / "new.npz", x=mine.x[NODES:])
    message = refused(**given | {"nodes": tmp_path / "new.npz"})
    assert "expected features [nodes, 16]" in message


def test_mistakes_end_the_program_with_one_line(tmp_path):
    given = {"lookup.neighbors": 5000, "workdir": tmp_path / "run"}
    out, err = helpers.finish(command("--quick", **given), expect=1)
    (line,) = [x for x in err.splitlines() if "error" in x]
    assert line.startswith("error: expected --lookup.neighbors in 1..") and not out
    assert "Traceback" not in err
