"""Benchmarks, on sizes that take no time."""

import csv
import pkgutil
import types

import helpers
import numpy as np
import pytest

import iclr22
from experiments import benchmarks
from experiments.benchmarks import __main__ as all_benchmarks
from experiments.benchmarks import message_passing
from iclr22 import errors


def dense(p):
    matrix = np.zeros((len(p.x), len(p.x)))
    np.add.at(matrix, (p.rows, p.columns), p.values)
    return matrix


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("name", message_passing.FORMULATIONS)
def test_formulations_compute_the_same(name, steps, monkeypatch):
    monkeypatch.setattr(message_passing, "WIDTH", 4)  # some rows in several pieces
    p = message_passing.problem(40, 200, 3)
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


def test_cold_brew_times_every_model():
    from experiments.cold_brew import benchmark as cold_brew
    from iclr22 import data

    found = data.degree_corrected_sbm(np.random.default_rng(0), 80)
    times = cold_brew.measure(found, "own", repeat=1)
    assert set(times) == {"gcn", "teacher", "sage", "mlp", "mlp1", "mlp2", "top_k"}
    assert all(value > 0 for value in times.values())


def test_cold_brew_scales_and_says_what_failed():
    module = ("-m", "experiments.cold_brew.benchmark", "--scale", "--repeat=1")
    out, _ = helpers.finish(helpers.start(*module, "--graphs=80,citeser"))
    table = [[x.strip() for x in line.split("|")[1:-1]] for line in out.splitlines()]
    assert table[2][:2] == ["drawn", "80"] and len(table) == 4
    assert all(float(x.replace(",", "")) > 0 for x in table[2][1:])
    assert table[3][0] == "citeser" and "failed" in table[3][1]


def test_grda_times_every_method():
    from experiments.grda import benchmark as grda
    from iclr22 import data

    found = data.generate_domains(np.random.default_rng(0), 4, 12, sources=2)
    times = grda.measure("own", found, hidden=8, repeat=1)
    expected = {f"own {x}" for x in ("source_only", "grda", "dann", "grda_plus")}
    assert set(times) == expected and all(value > 0 for value in times.values())


@pytest.mark.slow
def test_recurrent_intensity_times_every_part():
    from experiments.recurrent_intensity import benchmark as recurrent_intensity

    times = recurrent_intensity.measure(scale=0.002, repeat=1)
    expected = {"gru epoch", "transformer epoch", "online prices", "hawkes fit"}
    assert set(times) == expected | {"audiences"}
    assert all(wall > 0 for wall, _ in times.values())


def test_all_benchmarks_are_listed_once_and_named_right():
    found = {module.name for module in pkgutil.iter_modules(benchmarks.__path__)}
    names = [benchmark.name for benchmark in all_benchmarks.BENCHMARKS]
    assert sorted(names) == sorted(found - {"run", "numbers"})
    assert len(all_benchmarks.calls([], False)) == len(names) + 2
    assert [name for name, _ in all_benchmarks.calls(["grda"], True)] == ["grda"]
    with pytest.raises(errors.InputError, match="Did you mean 'grda'"):
        all_benchmarks.calls(["grad"], True)


def test_one_table_of_all_benchmarks_and_failures_at_the_end(
    tmp_path, monkeypatch, capsys
):
    tiny = ("--nodes=40", "--edges=200", "--features=3", "--runs=1", "--scales=1")
    tiny += ("--formulations=product", f"--csv={tmp_path / 'own.csv'}")
    listed = (
        all_benchmarks.Benchmark("cold_brew", quick=("--dataset=corra",)),
        all_benchmarks.Benchmark("message_passing", quick=tiny),
    )
    monkeypatch.setattr(all_benchmarks, "BENCHMARKS", listed)
    flags = {"quick": True, "only": [], "csv": str(tmp_path / "all.csv")}
    monkeypatch.setattr(all_benchmarks, "FLAGS", types.SimpleNamespace(**flags))
    with pytest.raises(SystemExit, match="failed: cold_brew --dataset=corra"):
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


def test_weak_scaling_knows_every_stage_that_trains():
    from experiments.benchmarks import scaling

    assert set(scaling.PROBLEMS) == set(iclr22.trained())


@pytest.mark.slow
def test_weak_scaling_compares_one_process_with_two():
    words = ("-m", "experiments.benchmarks.scaling", "--only=diva,grda.plus")
    process = helpers.start(*words, "--size=16", "--calls=1")
    out, _ = helpers.finish(process, timeout=300)
    lines = [line.split() for line in out.splitlines()]
    rows = [x for x in lines if x and x[0] in ("diva", "grda.plus")]
    assert len(rows) == 2
    for row in rows:
        alone, apart, together, *ratios = map(float, row[1:])
        wanted = alone / together, apart / together
        np.testing.assert_allclose(ratios, wanted, rtol=0.2, atol=0.02)
