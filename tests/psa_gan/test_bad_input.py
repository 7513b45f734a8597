"""What cannot be done is one clear error, before anything is trained."""

import numpy as np
import pytest
import readme_commands
import series_helpers as files

from iclr22 import data, errors
from iclr22.data.series import layouts
from iclr22.psa_gan import artifact, gan


@pytest.fixture(scope="module", autouse=True)
def trained():
    with pytest.MonkeyPatch.context() as found:
        yield files.untrained(found)


def _gaps(x):
    x = x.copy()
    x[np.arange(len(x)) % 8 > 2] = np.nan
    return x


def _empty(x):
    return np.full(len(x), np.nan)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tables of a user, most of them with something wrong."""
    path = tmp_path_factory.mktemp("own")
    readme_commands.write_own_files("psa_gan", path)
    times = files.hours(300)
    a, b = files.wave(300, 24), files.wave(300, 24, seed=1)
    write = {
        "good": (times, a, b),
        "constant": (times, 0 * a + 3, 0 * a + 7),
        "short": (times[:12], a[:12], b[:12]),
        "tiny": (times[:18], a[:18], b[:18]),
        "brief": (times[:60], a[:60], b[:60]),
        "gaps": (times, _gaps(a), _gaps(b)),
        "empty": (times, a, _empty(b)),
        "backwards": ([*times[:50], times[20], *times[51:]], a, b),
        "repeats": ([*times[:50], times[49], *times[51:]], a, b),
        "mixed": ([*times[:50], "2024-01-03 02:17", *times[51:]], a, b),
        "days": ([x[:10] for x in files.hours(300, minutes=1440)], a, b),
    }
    for name, (when, *columns) in write.items():
        files.wide(path / f"{name}.csv", when, *columns)
    files.wide(path / "others.csv", times, a, b, names="az")
    files.wide(path / "more.csv", times, a, b, a)
    off = [("x", t, 1.0 + i % 5) for i, t in enumerate(times)]
    off += [("y", f"{t[:-2]}30", 1.0 + i % 7) for i, t in enumerate(times[20:])]
    files.table(path / "off.csv", ("id", "time", "value"), off)
    return path


OWN = {  # what is asked of which file: what is said
    "constant": "series that vary; found 2 that are constant, such as 'a'",
    "short": "at least 16 values, .*the longest has 12. Choose a shorter length",
    "tiny": "expected 20 windows or more of 16 values.*found 6.*or give more",
    "brief --task=compare": "seasonal_bootstrap: series '",
    "gaps": "16 values, 50 % of them known .*the longest has 300",
    "empty": r"empty.csv: expected numbers in series 'b'; found none. Remove it",
    "backwards": r"backwards.csv, line 52: .*time runs backwards. Sort the rows",
    "repeats": r"repeats.csv, line 52: .*time repeats.*keep one for each time",
    "mixed": "mixed.csv: expected times of one frequency; found most 1 h apart",
    "good --start=2024-01-01T00:30": "--start on the grid of series 'a'",
    "good --start=2023-12-31T23:30": "--start whole steps of h before 2024-01-01",
    "good --start=tomorrow": "--start as a time such as 2024-.*found tomorrow",
    "good --items=c": "Unknown series 'c'. Known: a, b",
    "good --low=5 --high=3": "--low, --high: expected bounds with a number betwe",
    "good --low=0.2 --high=0.8 --integer": "a whole number between them",
    "good --low=few": "expected a number as --low; found few",
    "good --low=nan": "expected a number as --low; found nan",
    "good --length=48": "power of two from 8 on; found 48",
    "good --model=psa_gam": "Did you mean 'psa_gan'",
    "good --model=none.npz": "none.npz: expected a model of an earlier run; found none",
    "good --model=psa_gan_c --start=2023-12-20": "among the 8 before the place",
    "good --samples=0": "expected --samples of 1 or more; found 0",
    "good --count=-3": "expected --count of 0 or more; found -3",
    "good --windows=5": "expected --windows of 20 or more; found 5",
    "good --steps=1": "expected --steps of 2 or more; found 1",
    "good --encoder.batch=0": "expected --encoder.batch of 1 or more; found 0",
    "good --holdout=1": "expected --holdout from 0 to below 1",
    "good --step=fortnight": "a step such as 1h.*'fortnight'",
    "good --task=fill": "good.csv: expected missing values to fill; found none",
    "good --task=fill --hide=200": "series 'a': expected 600 values .*found 300",
    "good --task=cold_start": "begin later than others.*none, all begin at 2024",
    "good --task=cold_start --items=q": "Unknown series 'q'. Known: a, b",
    "off --task=cold_start": "'y' to begin whole steps of h after 2024",
    "loads --task=cold_start --model=psa_gan_c": "continues no values",
    "brief --task=forecast --forecaster.context=60": "for the forecaster .*at least 66 v",
    "brief --task=forecast --gap=48": "more than 60 values, the last 2 times 6",
    "good --task=forecast --forecaster.steps=0": "--forecaster.steps of 1 or",
    "good --task=compare --variant=psa_gan,shuffle": "Did you mean 'shuffled'",
}


@pytest.mark.parametrize("case", OWN)
def test_own_series_that_cannot_be_used_are_told(case, folder, tmp_path, trained):
    name, *words = case.split()
    trained.clear()
    with pytest.raises(errors.InputError, match=OWN[case]) as told:
        files.launch(tmp_path, f"--series={folder / name}.csv", *words)
    assert not trained and len(str(told.value)) < 500


PAIRS = {
    ("good", "others"): "others.csv: expected the 2 series .*found 2, no 'b'",
    ("good", "more"): "more.csv: .*found 3, 'c', which is not real",
    ("good", "days"): "days.csv: expected synthetic series of the step h.*found D",
    ("good", "short"): "short.csv: expected a series of at least 16.*longest has 13",
    ("good", "tiny"): "tiny.csv: expected 10 windows or more of 16 values; found 6",
    ("good", "none"): "none.csv: expected a file of series; found none there",
    ("short", "good"): "expected a series of at least 16 values",
    ("constant", "good"): "series that vary",
}


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_files_that_do_not_match_are_told(pair, folder, tmp_path, trained):
    trained.clear()
    given = zip(("real", "synthetic"), pair, strict=True)
    words = [f"--{flag}={folder / name}.csv" for flag, name in given]
    with pytest.raises(errors.InputError, match=PAIRS[pair]):
        files.launch(tmp_path, "--task=score", *words)
    assert not trained


def test_a_score_needs_both_files(folder, tmp_path):
    with pytest.raises(errors.InputError, match="found no --synthetic"):
        files.launch(tmp_path, "--task=score", f"--real={folder / 'good.csv'}")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Of two series of another name, that continues eight values."""
    path = tmp_path_factory.mktemp("model")
    panel = data.load_own_series(
        files.wide(path / "p.csv", files.hours(50), *np.eye(2, 50), names="pq")
    )
    layout = layouts.layout(panel)
    config = gan.Config(series=2, length=8, context=8, width=4, embedding=2)
    batch = {"features": layouts.features(layout, [0], [0], 8)}
    params = files.random_params(gan, config, batch)
    made = artifact.Model("gan", config, {"generator": params["generator"]}, layout)
    artifact.save(path / "model.npz", made)
    return path / "model.npz"


@pytest.mark.parametrize("task", ["generate", "fill --hide=24", "cold_start"])
def test_a_generator_of_other_series_is_refused(task, folder, model, tmp_path):
    name = "loads" if task == "cold_start" else "good"
    words = [f"--series={folder / name}.csv", f"--model={model}"]
    with pytest.raises(errors.InputError, match="2 series of step h that the model"):
        files.launch(tmp_path, *words, *f"--task={task}".split())


def test_a_generator_that_continues_needs_values(model, tmp_path):
    with pytest.raises(errors.InputError, match="continues 8 values.*found none"):
        files.launch(tmp_path, "--task=generate", f"--model={model}")
