"""Results, summaries, metrics by step, and the metrics themselves."""

import json
import math
import sys
import types

import numpy as np
import pytest

from iclr22 import errors, metrics, record

ROW = record.Result(
    "diva",
    "mine, größe",
    'a "quoted"\nvariant',
    "size=5",
    3,
    "test/error",
    1 / 3,
    "0.90-0.99",
    1.25,
    "8 x cpu",
    "abc123+",
    "2026-01-31",
)
PLAIN = ROW._replace(published="", seconds="", device="", commit="", date="", seed=0)


def test_results_come_back_equal(tmp_path):
    path = tmp_path / "deep" / "results.csv"
    rows = [ROW, PLAIN, PLAIN._replace(value=math.inf), PLAIN._replace(value=1e-30)]
    record.write_results(path, rows)
    assert record.read_results(path) == rows
    header = path.read_text(encoding="utf-8").splitlines()[0].split(",")
    required = "method,dataset,variant,setting,seed,metric,value,published"
    assert header == [*required.split(","), "seconds", "device", "commit", "date"]


def test_results_need_their_columns_and_ignore_others(tmp_path):
    path = tmp_path / "results.csv"
    path.write_text("method,dataset,variant,seed,metric,value\na,b,c,0,test/x,1\n")
    with pytest.raises(errors.InputError, match=r"lacks columns \['published', 'set"):
        record.read_results(path)
    head = ",".join(record.Result._fields[:8])
    path.write_text(f"{head},notes\na,b,c,d,0,test/x,1,,hello\n")
    expected = record.Result("a", "b", "c", "d", 0, "test/x", 1.0)
    assert record.read_results(path) == [expected]


def test_summary_is_mean_and_t_interval():
    values = [1.0, 2.0, 4.0, 9.0]
    rows = [PLAIN._replace(seed=i, value=v) for i, v in enumerate(values)]
    single = PLAIN._replace(metric="test/other", value=7.0)
    found = record.summarise([rows[0], single, *rows[1:]])
    assert [x.metric for x in found] == ["test/error", "test/other"]
    assert found[0].mean == 4.0 and found[0].seeds == 4
    deviation = math.sqrt(sum((v - 4) ** 2 for v in values) / 3)
    # 3.182446 is the 97.5 % quantile of t with 3 degrees of freedom (tables)
    assert found[0].interval == pytest.approx(3.182446 * deviation / 2, rel=1e-6)
    assert found[1].mean == 7.0 and math.isnan(found[1].interval)
    assert found[1].seeds == 1


@pytest.mark.parametrize("field", ["dataset", "variant", "setting", "metric", "method"])
def test_summary_keeps_apart_what_differs(field):
    rows = [PLAIN, PLAIN._replace(seed=1), PLAIN._replace(**{field: "other"})]
    assert sorted(x.seeds for x in record.summarise(rows)) == [1, 2]


def test_writer_appends_lines_and_closes_with_a_table(tmp_path):
    writer = record.Writer(tmp_path)
    writer.write(1, train__loss=np.float32(0.5))
    writer.write(2, **{"train/loss": 0.25, "valid/accuracy": 90})
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert list(map(json.loads, lines)) == [
        {"step": 1, "train/loss": 0.5},
        {"step": 2, "train/loss": 0.25, "valid/accuracy": 90.0},
    ]
    writer.close()
    assert (tmp_path / "metrics.csv").read_text().splitlines() == [
        "step,train/loss,valid/accuracy",
        "1,0.5,",
        "2,0.25,90.0",
    ]


@pytest.mark.parametrize(
    "torn", ["", '{"step": 4, "train/lo', "{", '{"step": 4, "a": 1']
)
def test_torn_last_line_is_dropped(tmp_path, torn):
    path = tmp_path / "metrics.jsonl"
    kept = [{"step": i, "a": 1.0} for i in (1, 2, 3)]
    path.write_text("".join(json.dumps(x) + "\n" for x in kept) + torn)
    assert record.read_metrics(path) == kept
    writer = record.Writer(tmp_path, resume_at=2)
    assert record.read_metrics(path) == kept[:2]
    writer.write(3, a=5)
    writer.close()
    assert record.read_metrics(path) == [*kept[:2], {"step": 3, "a": 5.0}]
    assert record.read_metrics(tmp_path / "none.jsonl") == []


def test_new_run_drops_all_old_lines(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "a": 1}\n')
    record.Writer(tmp_path).close()
    assert (tmp_path / "metrics.jsonl").read_text() == ""


def test_other_processes_write_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("iclr22.parallel.is_main", lambda: False)
    writer = record.Writer(tmp_path / "run")
    writer.write(1, a=1)
    writer.close()
    assert not (tmp_path / "run").exists()


def test_writer_works_without_tensorboard(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    writer = record.Writer(tmp_path)
    writer.write(1, a=1)
    writer.close()
    assert sorted(x.name for x in tmp_path.iterdir()) == [
        "metrics.csv",
        "metrics.jsonl",
    ]


def test_writer_hands_scalars_to_tensorboard(tmp_path, monkeypatch):
    calls = []

    class Board:
        def __init__(self, folder, **options):
            calls.append(("open", folder, options))

        def add_scalar(self, *arguments):
            calls.append(arguments)

        def close(self):
            calls.append("close")

    fake = types.SimpleNamespace(SummaryWriter=Board)
    monkeypatch.setitem(sys.modules, "tensorboardX", fake)
    writer = record.Writer(tmp_path, resume_at=4)
    writer.write(5, train__loss=0.5)
    writer.close()
    opened = ("open", str(tmp_path / "events"), {"purge_step": 5})
    assert calls == [opened, ("train/loss", 0.5, 5), "close"]


def test_writer_makes_an_event_file(tmp_path):
    pytest.importorskip("tensorboardX")
    writer = record.Writer(tmp_path)
    writer.write(1, train__loss=0.5)
    writer.close()
    (events,) = (tmp_path / "events").iterdir()
    assert b"train/loss" in events.read_bytes()


def scored(seed, ties):
    rng = np.random.default_rng(seed)
    score = rng.normal(size=60)
    score = np.round(2 * score) if ties else score
    return score, rng.random(60) < 0.3


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_auc_equals_counting_pairs(seed, ties):
    score, positive = scored(seed, ties)
    pairs = np.sign(score[positive][:, None] - score[~positive])
    assert metrics.auc(score, positive) == pytest.approx(np.mean((pairs + 1) / 2))
    assert metrics.auc(positive + 0.0, positive) == 1
    assert metrics.auc(np.zeros(60), positive) == 0.5


def test_f1_by_hand():
    flagged = np.array([True, True, True, False, False])
    positive = np.array([True, False, True, True, False])
    # precision 2/3, recall 2/3
    assert metrics.f1(flagged, positive) == pytest.approx(2 / 3)
    assert metrics.f1(~positive, positive) == 0
    assert metrics.f1(positive, positive) == 1


def test_best_f1_by_hand():
    positive = np.array([True, False, True, False])
    # thresholds flag 1, 2, 3, 4: F1 is 2/3, 1/2, 4/5, 2/3
    assert metrics.best_f1(np.array([4.0, 3, 2, 1]), positive) == pytest.approx(0.8)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_best_f1_is_the_best_over_all_thresholds(seed, ties):
    score, positive = scored(seed, ties)
    order = np.argsort(~positive)  # positives first: the order of ties must not help
    score, positive = score[order], positive[order]
    best = max(metrics.f1(score >= t, positive) for t in score)
    assert metrics.best_f1(score, positive) == pytest.approx(best)


def test_best_f1_of_equal_scores_flags_all():
    positive = np.array([True, False, False])
    assert metrics.best_f1(np.zeros(3), positive) == pytest.approx(0.5)


def test_interval_of_student_is_that_of_scipy():
    from scipy import stats

    values = np.random.default_rng(0).normal(size=7)
    mean, half = metrics.student(values)
    low, high = stats.t.interval(0.95, 6, values.mean(), stats.sem(values))
    np.testing.assert_allclose((mean - half, mean + half), (low, high))
    assert math.isnan(metrics.student([1.0])[1])
