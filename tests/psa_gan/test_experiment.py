"""The tasks of the experiment on files of a user: what is written, in which format, when.

Networks stay as they begin; `tests/experiments` runs the commands as they are."""

import json

import helpers
import numpy as np
import pytest
import readme_commands
import series_helpers as files

from iclr22 import data, record
from iclr22.data.series.calendar import Step


@pytest.fixture(scope="module")
def monkeymodule():
    with pytest.MonkeyPatch.context() as found:
        yield found


@pytest.fixture(scope="module", autouse=True)
def trained(monkeymodule):
    """Configurations that reached the loop."""
    return files.untrained(monkeymodule)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """loads.csv, a.csv and b.csv, and runs on them."""
    path = tmp_path_factory.mktemp("own")
    readme_commands.write_own_files("psa_gan", path)
    return path


@pytest.fixture(scope="module")
def generated(folder):
    """A run that trained a generator of loads.csv."""
    return files.launch(folder / "run", f"--series={folder / 'loads.csv'}")


def panel_of(path):
    return data.load_own_series(path)


def check_recorded(run, trained):
    """What the loop got is what config.json tells; of a growing one the last depth."""
    about = json.loads((run / "config.json").read_text())
    deepest = [x for x in trained if getattr(x, "depth", 1) == 1]
    helpers.assert_trains_as_recorded(about, deepest)


def metrics(run):
    rows = record.read_results(run / "results.csv")
    return {(row.variant, row.metric) for row in rows}


def test_a_long_table_comes_back(folder, generated):
    real = panel_of(folder / "loads.csv")
    made = panel_of(generated / "synthetic.csv")
    lines = [
        (x / name).read_text().splitlines()
        for x, name in ((folder, "loads.csv"), (generated, "synthetic.csv"))
    ]
    assert lines[0][0] == lines[1][0] == "id,time,value,size"
    assert len(lines[0]) == len(lines[1])
    cells = [[x.split(",") for x in each[1:]] for each in lines]
    assert [(a, b, d) for a, b, _, d in cells[0]] == [
        (a, b, d) for a, b, _, d in cells[1]
    ]
    assert {len(x[2].partition(".")[2]) for x in cells[1]} == {1}  # decimals
    assert real.ids == made.ids and real.step == made.step == Step(1, "h")
    assert not any(np.isnan(x).any() for x in made.values)
    np.testing.assert_array_equal(real.static, made.static)


def test_a_trained_generator_is_scored_and_certified(generated):
    found = metrics(generated)
    each = {"psa_gan", "seasonal_bootstrap", "block_bootstrap", "real", "shuffled"}
    for variant in each | {"noise"}:
        assert (variant, "context_fid/ratio") in found
        assert (variant, "tstr/nrmse") in found
    assert ("psa_gan", "membership/auc") in found
    told = json.loads((generated / "certificate.json").read_text())
    assert {"passed", "auc", "reasons"} <= set(told)
    assert "Release certificate" in (generated / "report.html").read_text()


def test_a_later_run_draws_from_a_kept_generator(folder, generated, tmp_path, trained):
    before = len(trained)
    common = (
        f"--series={folder / 'loads.csv'}",
        f"--model={generated / 'model.npz'}",
    )
    again = files.launch(tmp_path / "again", *common)
    first = (generated / "synthetic.csv").read_bytes()
    assert (again / "synthetic.csv").read_bytes() == first
    other = files.launch(tmp_path / "other", *common, "--draw=1")
    assert (other / "synthetic.csv").read_bytes() != first
    words = ("--task=generate", common[1], "--items=new")
    alone = files.launch(tmp_path / "alone", *words)
    rows = files.read(alone / "synthetic.csv")  # no file whose format it could have
    assert list(rows[0]) == ["id", "time", "value"] and len(rows) == 200
    assert len(trained) == before  # nothing is trained


def test_flags_say_what_is_drawn(folder, generated, tmp_path):
    run = files.launch(
        tmp_path / "run",
        f"--series={folder / 'loads.csv'}",
        f"--model={generated / 'model.npz'}",
        *("--samples=2", "--items=new,north", "--start=2024-03-01T06:00"),
        *("--count=40", "--low=150", "--high=260.5", "--integer"),
    )
    rows = files.read(run / "synthetic.csv")
    assert [x["id"] for x in rows[::40]] == ["new#0", "north#0", "new#1", "north#1"]
    assert rows[0]["time"] == "2024-03-01 06:00"
    assert rows[39]["time"] == "2024-03-02 21:00"
    values = np.array([float(x["value"]) for x in rows])
    assert values.min() >= 150 and values.max() <= 260
    np.testing.assert_array_equal(values, np.rint(values))
    assert {x["size"] for x in rows[:40]} == {"1.5"}


STEPS = {
    "months": (files.months(144), 12, Step(1, "M")),
    "business": (files.business_days(300), 5, Step(1, "B")),
    "quarters": (files.hours(600, minutes=15), 96, Step(15, "min")),
}


@pytest.mark.parametrize("name", STEPS)
def test_wide_tables_of_any_step_come_back(name, tmp_path):
    times, period, step = STEPS[name]
    columns = [files.wave(len(times), period, level=-20.0 * i, seed=i) for i in (0, 1)]
    path = files.wide(
        tmp_path / "own.csv", times, *columns, form="{:.0f}", first="when"
    )
    run = files.launch(tmp_path / "run", f"--series={path}", "--holdout=0")
    made = panel_of(run / "synthetic.csv")
    assert made.step == step
    rows = files.read(run / "synthetic.csv")
    assert [x["when"] for x in rows] == times and list(rows[0]) == ["when", "a", "b"]
    assert all(float(x["b"]).is_integer() and "." not in x["b"] for x in rows)
    assert not (run / "certificate.json").exists()
    assert "choose a larger --holdout" in (run / "report.html").read_text()


def test_one_short_series_of_another_format(tmp_path):
    path = tmp_path / "one.jsonl"
    values = [round(float(x), 1) for x in files.wave(60, 24)]
    entry = {"start": "2024-01-01 00:00", "target": values, "item_id": "x"}
    path.write_text(json.dumps(entry) + "\n")
    run = files.launch(tmp_path / "run", f"--series={path}", "--step=1h")
    (line,) = (run / "synthetic.jsonl").read_text().splitlines()
    made = json.loads(line)
    assert list(made) == list(entry) and len(made["target"]) == 60
    assert (made["start"], made["item_id"]) == (entry["start"], "x")
    text = (run / "report.html").read_text()  # what cannot be made of so few values
    assert "left out: seasonal_bootstrap" in text


def test_gaps_are_filled_with_bands(folder, tmp_path):
    run = files.launch(
        tmp_path / "run", f"--series={folder / 'loads.csv'}", "--task=fill"
    )
    real, whole = (panel_of(x) for x in (folder / "loads.csv", run / "filled.csv"))
    for before, after in zip(real.values, whole.values, strict=True):
        known = ~np.isnan(before)
        np.testing.assert_array_equal(before[known], after[known])
        assert not np.isnan(after).any()
    rows = files.read(run / "bands.csv")
    assert {x["id"] for x in rows} == {"north"} and len(rows) == 10
    numbers = np.array([[float(x[k]) for k in ("low", "value", "high")] for x in rows])
    assert np.all(np.diff(numbers, axis=1) >= 0) and np.ptp(numbers) > 0
    again = files.launch(
        tmp_path / "again",
        f"--series={folder / 'loads.csv'}",
        "--task=fill",
        f"--model={run / 'model.npz'}",
    )
    for name in ("filled.csv", "bands.csv"):
        assert (again / name).read_bytes() == (run / name).read_bytes()


def test_hidden_values_measure_filling(folder, tmp_path):
    words = (f"--series={folder / 'a.csv'}", "--task=fill", "--hide=24")
    found = metrics(files.launch(tmp_path, *words))
    assert ("psa_gan", "fill/coverage") in found
    ways = {"psa_gan", "last", "mean", "linear", "seasonal", "seasonal_week"}
    assert {v for v, m in found if m == "fill/nrmse"} == ways


def test_forecasts_follow_the_last_value(folder, tmp_path, trained):
    trained.clear()
    run = files.launch(
        tmp_path, f"--series={folder / 'loads.csv'}", "--task=forecast", "--low=0"
    )
    rows = files.read(run / "forecast.csv")
    assert [x["id"] for x in rows[::6]] == ["north", "south", "new"]
    assert rows[0]["time"] == "2024-01-22T00:00:00" and len(rows) == 18
    numbers = np.array([[float(x[k]) for k in ("low", "mean", "high")] for x in rows])
    assert np.all(np.diff(numbers, axis=1) >= 0) and numbers.min() >= 0
    check_recorded(run, trained)
    ways = {"generator", "last", "mean", "linear", "seasonal", "nothing", "real"}
    found = metrics(run)
    assert ways <= {v for v, m in found if m == "far/nrmse"}


def test_young_series_get_a_history(folder, tmp_path, trained):
    trained.clear()
    run = files.launch(
        tmp_path, f"--series={folder / 'loads.csv'}", "--task=cold_start"
    )
    real, made = (panel_of(x) for x in (folder / "loads.csv", run / "history.csv"))
    check_recorded(run, trained)
    assert made.lengths.tolist() == [504, 504, 504]
    new = made.values[made.ids.index("new")]
    np.testing.assert_array_equal(new[304:], real.values[real.ids.index("new")])
    assert not np.isnan(new).any() and np.ptp(new[:304]) > 0
    for name in ("north", "south"):
        np.testing.assert_array_equal(
            made.values[made.ids.index(name)], real.values[real.ids.index(name)]
        )


def scored(tmp_path, synthetic, real):
    words = ("--task=score", f"--real={real}", f"--synthetic={synthetic}")
    run = files.launch(tmp_path, *words)
    rows = record.read_results(run / "results.csv")
    return {row.variant: row.value for row in rows if row.metric == "context_fid/ratio"}


def test_files_of_any_generator_are_scored(folder, tmp_path):
    real = panel_of(folder / "a.csv")
    copy = scored(tmp_path / "copy", folder / "a.csv", folder / "a.csv")
    assert (
        0 <= copy["synthetic"] < 3 * copy["real"]
    )  # of an encoder that learned nothing
    random, times = np.random.default_rng(0), files.hours(504)
    rows = [
        (f"{name}#{i}", t, f"{x + 1000:.2f}")
        for i in range(3)
        for name in real.ids
        for t, x in zip(times, random.normal(size=504), strict=True)
    ]
    path = files.table(tmp_path / "samples.csv", ("id", "time", "value"), rows)
    far = scored(tmp_path / "far", path, folder / "a.csv")
    assert far["synthetic"] > max(1, 10 * copy["synthetic"])
    assert far["real"] == copy["real"]
    text = (tmp_path / "far" / "report.html").read_text()
    assert "no better than shuffled windows" in text


def test_encoders_are_compared_on_known_generators(tmp_path):
    words = ("--task=encoders", "--encoders=2", "--dataset=loads")
    run = files.launch(tmp_path, *words)
    rows = record.read_results(run / "results.csv")
    assert {row.setting for row in rows} == {"16, known"}
    found = {(row.variant, row.metric): row.value for row in rows}
    ratio = {v: x for (v, metric), x in found.items() if metric == "context_fid/ratio"}
    assert len(ratio) == 11 and ratio["noise_0.02"] < ratio["uniform"]
    for name in set(ratio) - {"shuffled"}:
        assert found[name, "context_fid/whitened_spread"] > 0
    assert -1 <= found["all", "encoders/agreement_of_means"] <= 1
    assert "2 encoders of each kind" in (run / "report.html").read_text()


def test_other_data_have_values_to_hide(tmp_path):
    run = files.launch(tmp_path, "--task=fill", "--dataset=climate")
    rows = record.read_results(run / "results.csv")
    assert {row.setting for row in rows} == {"16, 12 hidden"}  # of five years


@pytest.mark.parametrize(
    "words",
    [
        ("--variant=psa_gan_c,timegan,noise",),
        ("--task=fill", "--model=psa_gan_c"),
        ("--task=cold_start", "--model=timegan"),
        ("--task=generate", "--model=no_fade"),
    ],
    ids=" ".join,
)
def test_what_is_trained_is_what_is_recorded(words, tmp_path, trained):
    trained.clear()
    run = files.launch(tmp_path, "--dataset=loads", *words)
    check_recorded(run, trained)
    if "--task=cold_start" in words:
        found = {v for v, m in metrics(run) if m == "cold/nrmse"}
        assert found == {"generator", "seasonal", "nothing", "real"}
