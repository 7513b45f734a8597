"""Cold Brew on features of GIANT: whose links are seen, what is trained, what is told."""

import helpers
import numpy as np
import pytest

from experiments.giant_xrt import isolated
from experiments.giant_xrt.experiment import EXPERIMENT
from iclr22 import cold_brew, data, errors, graph, loop, record
from iclr22.giant_xrt import pipeline

WORDS = ("--task=isolated", "--quick", "--seeds=1")


def test_giant_sees_no_link_of_isolated_nodes(tmp_path, monkeypatch):
    run, seen = helpers.parsed(EXPERIMENT, *WORDS), []

    def watched(given, encoder, options, **told):
        seen.append((given, options.variant, told["seed"]))
        return pipeline.Fitted(encoder, np.zeros((len(given.texts), 2)), None, [])

    monkeypatch.setattr(pipeline, "train", watched)
    monkeypatch.setattr(isolated, "_folder", lambda *_: tmp_path)
    cold = isolated.load(run, 3)
    found = isolated.features(run, cold, run.options.models, "giant", 3)
    assert found.shape == (240, 2)
    whole = data.get("csbm").synthetic(np.random.default_rng(3), 240)
    away = cold_brew.split_by_degree(whole.nodes.graph, "released").isolation
    links = graph.links(whole.nodes.graph)
    touched = away[links.senders] | away[links.receivers]
    ((given, variant, seed),) = seen
    assert (variant, seed, given.texts) == ("giant", 3, whole.texts)
    left = graph.links(given.nodes.graph)
    assert touched.any() and len(left.senders) == np.count_nonzero(~touched)
    assert not (away[left.senders] | away[left.receivers]).any()
    masks = whole.splits["5_per_class"]  # the kind that tests the most nodes
    np.testing.assert_array_equal(cold.split.test, masks["test"][3])
    np.testing.assert_array_equal(
        cold.split.train, masks["train"][3] | masks["valid"][3]
    )


@pytest.mark.slow
def test_what_is_recorded_is_trained_and_told(tmp_path, monkeypatch):
    short = ("--rounds.steps=2", "--width=8", "--tree.leaf=64")
    about, found = helpers.what_trains(
        EXPERIMENT, tmp_path, monkeypatch, *WORDS, *short, steps=2
    )
    helpers.assert_trains_as_recorded(about, found)
    names = {"giant-0", "teacher", "student_mlp1", "student_mlp2", "mlp"}
    assert set(about["trained"]) == names
    rows = record.read_results(tmp_path / "results.csv")
    assert {(x.variant, x.setting, x.metric) for x in rows} == {
        (variant, f"cold_brew, {model}", f"{group}/accuracy")
        for variant in ("untrained", "tfidf", "giant")
        for model in ("student", "teacher", "mlp")
        for group in ("isolation", "overall")
    }
    values = [x.value for x in rows if x.metric == "isolation/accuracy"]
    page = (tmp_path / "report.html").read_text()
    assert all(f"{x:.1f}" in page.split("The best:")[0] for x in values)
    monkeypatch.setattr(loop, "fit", None)  # started again it trains nothing
    helpers.launch(EXPERIMENT, f"--workdir={tmp_path}", *WORDS, *short)
    again = record.read_results(tmp_path / "results.csv")
    assert [x.value for x in again] == [x.value for x in rows]


@pytest.mark.parametrize("labels", ["", "a", "ab"])
def test_graphs_without_labels_are_refused(labels, tmp_path):
    """Without any, of one class, or with too few nodes."""
    lines = [
        f"{i},text {i},{(labels or ' ')[i % len(labels or ' ')]}" for i in range(8)
    ]
    (tmp_path / "nodes.csv").write_text("\n".join(["id,text,label", *lines]))
    ends = [f"{i},{(i + 1) % 8}" for i in range(8)]
    (tmp_path / "edges.csv").write_text("\n".join(["source,target", *ends]))
    words = [
        f"--{x}={tmp_path / y}.csv" for x, y in (("texts", "nodes"), ("edges",) * 2)
    ]
    run = helpers.parsed(EXPERIMENT, "--task=isolated", *words)
    told = {
        "": "classes or more; found 0",
        "a": "two classes",
        "ab": "found 2, 3 and 2",
    }
    with pytest.raises(errors.InputError, match=told[labels]):
        isolated.load(run, 0)
