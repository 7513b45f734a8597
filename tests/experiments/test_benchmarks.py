"""Benchmarks, on sizes that take no time."""

import csv
import importlib
import pkgutil
import types

import helpers
import numpy as np
import pytest

import iclr22
from experiments import benchmarks, paper
from experiments.benchmarks import __main__ as all_benchmarks
from experiments.benchmarks import message_passing, products, scaling
from iclr22 import errors


def dense(p):
    matrix = np.zeros((len(p.x), len(p.x)))
    np.add.at(matrix, (p.rows, p.columns), p.values)
    return matrix


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("name", products.FORMULATIONS)
def test_formulations_compute_the_same(name, steps, monkeypatch):
    monkeypatch.setattr(products, "WIDTH", 4)  # some rows in several pieces
    p = products.problem(40, 200, 3)
    matrix = dense(p)
    assert np.max(np.sum(matrix > 0, axis=1)) > 8 and not matrix.any(1).all()
    assert not np.allclose(matrix, matrix.T)
    *_, found = message_passing.measure(name, p, steps=steps, runs=1)
    power = np.linalg.matrix_power
    expected = power(matrix, steps) @ p.x, power(matrix.T @ matrix, steps) @ p.x
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert message_passing.difference(found, np.stack(expected)) < 1e-3
    assert message_passing.difference(found + 0.1, np.stack(expected)) > 1e-3


def run(*options, expect=0):
    """What the program prints."""
    tiny = ("--nodes=40", "--edges=200", "--features=3", "--runs=1")
    module = "experiments.benchmarks.message_passing"
    process = helpers.start("-m", module, *tiny, *options)
    return helpers.finish(process, expect=expect)


def test_message_passing_prints_and_writes_a_table(tmp_path):
    path = tmp_path / "found.csv"
    options = ("--formulations=product", "--scales=1", f"--csv={path}")
    out, _ = run(*options)
    table = [[x.strip() for x in line.split("|")[1:-1]] for line in out.splitlines()]
    assert [row[:2] for row in table[2:]] == [["1x", "scipy"], ["1x", "product"]]
    assert {len(row) for row in table} == {7}
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    for row, (_, name, forward, *_) in zip(rows, table[2:], strict=True):
        assert (row["formulation"], row["nodes"]) == (name, "40")
        assert float(row["forward_ms"]) == pytest.approx(float(forward), rel=0.01)
        assert float(row["difference"]) < 1e-3 and row["device"] and row["date"]


def test_message_passing_says_what_it_leaves_out(tmp_path):
    out, _ = run("--memory_gib=0", f"--csv={tmp_path / 'found.csv'}")
    lines = out.splitlines()[2:]
    assert len(lines) == 3 and all("skipped: needs 0.0 GiB" in x for x in lines)
    _, err = run("--formulations=produkt", expect=1)
    assert "Did you mean 'product'" in err


def test_all_benchmarks_are_listed_once_and_named_right():
    found = {module.name for module in pkgutil.iter_modules(benchmarks.__path__)}
    others = {"__main__", "numbers", "products"}  # no benchmarks
    assert sorted(all_benchmarks.SHARED) == sorted(found - others)
    names = list(all_benchmarks.modules())
    assert names == [*paper.there(), *all_benchmarks.SHARED]
    every = [importlib.import_module(x) for x in all_benchmarks.modules().values()]
    full = all_benchmarks.calls([], False)
    assert len(full) == sum(len(x.CALLS) for x in every)
    assert list(dict.fromkeys(call.benchmark for call in full)) == names
    quick = all_benchmarks.calls([], True)
    assert [call.arguments for call in quick] == [x.QUICK for x in every]
    for call in (*full, *quick):
        assert all(word.startswith("--") for word in call.arguments)
    (only,) = all_benchmarks.calls(["streaming"], True)
    assert only.title == "streaming --quick"
    with pytest.raises(errors.InputError, match="Did you mean 'streaming'"):
        all_benchmarks.calls(["streeming"], True)


def test_one_table_of_all_benchmarks_and_failures_at_the_end(
    tmp_path, monkeypatch, capsys
):
    tiny = ("--nodes=40", "--edges=200", "--features=3", "--runs=1", "--scales=1")
    tiny += ("--formulations=product", f"--csv={tmp_path / 'own.csv'}")
    module = "experiments.benchmarks.message_passing"
    listed = [
        all_benchmarks.Call("wrong", module, ("--formulations=produkt",)),
        all_benchmarks.Call("message_passing", module, tiny),
    ]
    monkeypatch.setattr(all_benchmarks, "calls", lambda only, quick: listed)
    flags = {"quick": True, "only": [], "csv": str(tmp_path / "all.csv")}
    monkeypatch.setattr(all_benchmarks, "FLAGS", types.SimpleNamespace(**flags))
    with pytest.raises(SystemExit, match="failed: wrong --formulations=produkt"):
        all_benchmarks.main([])
    out = capsys.readouterr().out
    with open(tmp_path / "all.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    whats = {f"{a}, {b}" for a in ("scipy", "product") for b in ("forward", "both")}
    assert {row["what"] for row in rows} == whats and len(rows) == 4
    for row in rows:
        assert row["benchmark"] == "message_passing" and row["unit"] == "ms"
        assert float(row["value"]) > 0 and row["device"] and row["date"]
        assert f"| {row['what']} | 1x |" in out


@pytest.mark.slow
def test_streaming_times_every_pipeline():
    from experiments.benchmarks import streaming

    rows = list(streaming.measure((1,), base=32, batch=8, steps=3))
    assert [row[:3] for row in rows] == [
        (name, "1x", ahead) for name in streaming.PIPELINES for ahead in (0, 2)
    ]
    assert all(0 <= idle <= 1 and each > 0 for *_, idle, each, _ in rows)


def test_weak_scaling_has_a_problem_for_every_stage_that_trains():
    named = set()
    for method in paper.there():
        benchmark = importlib.import_module(f"experiments.{method}.benchmark")
        assert {name.partition(".")[0] for name in benchmark.SCALING} == {method}
        assert set(getattr(benchmark, "PAIRS", ())) <= set(benchmark.SCALING)
        named |= set(benchmark.SCALING)
    trained = iclr22.trained()
    assert named == {x for x in trained if x.partition(".")[0] in paper.there()}
    for name in named:
        size, wider, _ = scaling.problem_of(name)
        assert size >= 256 and set(wider) <= set(trained[name].Config._fields)
    assert scaling.problem_of("toy.stage") == (256, {}, False)


@pytest.mark.slow
def test_weak_scaling_compares_one_process_with_two():
    names = sorted(iclr22.trained())[:2]
    words = ("-m", "experiments.benchmarks.scaling", f"--only={','.join(names)}")
    process = helpers.start(*words, "--size=16", "--calls=1")
    out, _ = helpers.finish(process, timeout=300)
    lines = [line.split() for line in out.splitlines()]
    rows = [x for x in lines if x and x[0] in names]
    assert len(rows) == 2
    for row in rows:
        alone, apart, together, *ratios = map(float, row[1:])
        wanted = alone / together, apart / together
        np.testing.assert_allclose(ratios, wanted, rtol=0.2, atol=0.02)


def test_weak_scaling_refuses_an_unknown_stage():
    process = helpers.start("-m", "experiments.benchmarks.scaling", "--only=nothing")
    _, err = helpers.finish(process, expect=1)
    assert "error: Unknown stage 'nothing'" in err and "Traceback" not in err
