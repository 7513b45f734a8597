"""Own tracks: frames by the user's numbers, degrees, far origins, short scenes, predictors
that are no functions of a row, what a verdict may say."""

import csv
import inspect

import helpers
import numpy as np
import pytest

from experiments import options as option_lib
from experiments.trajectory_shapley.experiment import EXPERIMENT
from experiments.trajectory_shapley.games import with_controls
from iclr22 import data, errors
from iclr22.data import tracks as track_lib
from iclr22.trajectory_shapley import scores, tables
from iclr22.trajectory_shapley.attribute import Attribution, attribute
from iclr22.trajectory_shapley.predictor import Foreign
from iclr22.trajectory_shapley.windows import build_windows

STEPS = {"a": (0, 1), "b": (7, 1), "c": (30, 10), "d": (5, 20)}  # first frame, step


def write(path, steps=None, frames=24, place=lambda x: x):
    """Two agents beside each other in each scene, in frames of each scene's own step."""
    rows: list[tuple] = [("scene", "frame", "agent", "x", "y")]
    for scene, (first, step) in (steps or STEPS).items():
        for i in range(frames):
            for agent in range(2):
                x, y = place(np.array([0.5 * i + 0.1 * np.sin(i), 1.0 * agent]))
                rows.append(
                    (scene, first + step * i, agent, repr(float(x)), repr(float(y)))
                )
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def still(history, neighbours, mask, kind, neighbour_kind):
    """Stands still, the surer the more neighbours are seen."""
    spread = 1 + 1 / (1 + mask.sum(1))
    cov = (
        np.broadcast_to(np.eye(2), (len(mask), 1, 12, 2, 2))
        * spread[:, None, None, None, None]
    )
    mean = np.zeros((len(mask), 1, 12, 2))
    return {"mix_logits": np.zeros((len(mask), 1)), "mean": mean, "cov": cov}


def test_every_scene_counts_in_its_own_step_and_keeps_its_numbers(tmp_path, caplog):
    path = write(tmp_path / "tracks.csv")
    with caplog.at_level("INFO", logger="absl"):
        tracks = data.load_own_tracks(path)
    assert "a 1, b 1, c 10, d 20" in caplog.text
    windows = build_windows(tracks)
    assert (
        np.bincount(windows.recording).tolist() == [10] * 4
    )  # 24 - 20 + 1, two agents
    found = attribute(Foreign(still), windows)
    for table in (
        tables.local_table(found, windows, tracks, control=False),
        tables.moments(found, windows, tracks, control=False),
    ):
        for scene, (first, step) in STEPS.items():
            frames = table["frame"][table["scene"] == scene]
            present = first + step * np.arange(7, 12)  # eight frames are history
            assert len(frames) and set(frames.tolist()) <= set(present.tolist())


def test_the_case_of_three_steps(shared):
    path = shared / "cases" / "frames_of_three_steps.csv"
    if not path.exists():
        pytest.skip("the case is not here")
    tracks = data.load_own_tracks(path)
    windows = build_windows(tracks)
    assert set(windows.recording.tolist()) == {0, 1, 2}
    assert tracks.clock[2][1] == 10


def test_a_frame_between_steps_is_named_by_its_own_scene(tmp_path):
    path = write(tmp_path / "tracks.csv", {"a": (0, 1), "c": (0, 10)})
    with open(path, "a", encoding="utf-8") as file:
        file.write("c,15,0,1,1\n")
    with pytest.raises(errors.InputError, match="line 98.*10 apart.*found frame 15"):
        data.load_own_tracks(path)


@pytest.mark.parametrize("origin", [(5e5, 5.4e6), (1e9, -1e9)])
def test_positions_far_from_zero_keep_their_digits(tmp_path, origin):
    near = data.load_own_tracks(write(tmp_path / "near.csv"))
    far = write(tmp_path / "far.csv", place=lambda x: x + origin)
    found = build_windows(data.load_own_tracks(far))
    expected = build_windows(near)
    np.testing.assert_allclose(found.history, expected.history, atol=1e-4)
    np.testing.assert_allclose(found.future, expected.future, atol=1e-5)


@pytest.mark.parametrize("kind", ["uint8", "int16", "int64", "float16", "float64"])
def test_tracks_of_any_type_give_the_same_windows(tmp_path, kind):
    tracks = data.load_own_tracks(write(tmp_path / "t.csv"))
    whole = tracks._replace(xy=np.round(20 - tracks.xy))  # backwards: bytes would wrap
    expected = build_windows(whole)
    given = whole._replace(xy=whole.xy.astype(kind))
    for found in (build_windows(given), build_windows(track_lib.sort_tracks(given))):
        np.testing.assert_allclose(found.history, expected.history, atol=1e-5)
        np.testing.assert_allclose(found.future, expected.future, atol=1e-5)
    far = whole._replace(xy=whole.xy.astype(float) + [5e5, 5.4e6])
    np.testing.assert_allclose(build_windows(far).future, expected.future, atol=1e-5)
    values = np.array([[3, 7], [9, 9]])
    mask = np.array([[1, 1], [1, 0]])
    found = scores.social_interaction_score(values.astype(kind), mask)
    assert found.tolist() == [7, 9]


def test_degrees_are_recognised_and_projected(tmp_path):
    zurich = np.array([8.55, 47.37])
    metre = np.array([1 / np.cos(np.radians(zurich[1])), 1]) * 180 / np.pi / 6_371_008.8
    path = write(tmp_path / "deg.csv", place=lambda x: zurich + x * metre)
    with pytest.raises(errors.InputError, match="look like degrees.*--unit=deg"):
        data.load_own_tracks(path)
    tracks = data.load_own_tracks(path, unit="deg")
    assert tracks.unit == "m"
    expected = build_windows(data.load_own_tracks(write(tmp_path / "m.csv")))
    found = build_windows(tracks)
    np.testing.assert_allclose(found.future, expected.future, rtol=1e-4, atol=1e-4)
    turned = write(tmp_path / "turned.csv", place=lambda x: (10, 120) + x * metre)
    with pytest.raises(errors.InputError, match="Exchange the columns"):
        data.load_own_tracks(turned, unit="deg")


def _normalised(history, neighbours, mask, kind, neighbour_kind):
    """Batch norm in training mode."""
    found = still(history, neighbours, mask, kind, neighbour_kind)
    scale = history[:, -1, 2:4] - history[:, -1, 2:4].mean(0)
    return found | {"mean": found["mean"] + scale[:, None, None]}


def _negative(*given):
    return (found := still(*given)) | {"cov": -found["cov"]}


def _skewed(*given):
    return (found := still(*given)) | {"cov": found["cov"] + [[0, 1.0], [0, 0]]}


def _singular(*given):
    return (found := still(*given)) | {"cov": 0 * found["cov"] + 1}


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_normalised, "differs with what else is in the call.*model.eval"),
        (_negative, "cov of a predictor must be symmetric and positive definite"),
        (_skewed, "symmetric"),
        (_singular, "positive definite"),
    ],
)
def test_predictors_without_an_answer_of_a_row_are_refused(function, message, tmp_path):
    windows = build_windows(data.load_own_tracks(write(tmp_path / "t.csv")))
    with pytest.raises(errors.InputError, match=message):
        attribute(Foreign(function), windows)


def test_a_predictor_that_writes_into_its_inputs_changes_nothing(tmp_path):
    windows = build_windows(data.load_own_tracks(write(tmp_path / "t.csv")))

    def careless(history, neighbours, mask, kind, neighbour_kind):
        found = still(history, neighbours, mask, kind, neighbour_kind)
        found["mean"] += history[:, -1, 2:4][:, None, None]
        history[:], neighbours[:], mask[:] = 7, 7, False
        return found

    def careful(*given):
        return careless(*(x.copy() for x in given))

    before = [x.copy() for x in windows]
    expected, found = (attribute(Foreign(f), windows) for f in (careful, careless))
    np.testing.assert_array_equal(found.values, expected.values)
    for x, y in zip(windows, before, strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_single_short_scene_is_offered_attribution_without_control(tmp_path):
    tracks = data.load_own_tracks(write(tmp_path / "t.csv", {"a": (0, 1)}))
    windows = build_windows(tracks)
    with pytest.raises(errors.InputError, match="--nocontrol"):
        with_controls(windows, windows, 0)
    with_controls(windows, windows, 0, away=2)  # 20 s of slow frames are few
    found = scores.summarise(
        attribute(Foreign(still), windows), None, windows, control=False
    )
    assert np.isfinite(found.sis[0]) and found.past[0] == pytest.approx(0)


@pytest.mark.parametrize("flag", ["windows", "neighbours", "max_exact", "draws"])
def test_counts_of_nothing_are_refused(flag):
    extra = {"estimator": "permutation"} if flag == "draws" else {}
    with pytest.raises(errors.InputError, match=f"--{flag} of 1 or more; found 0"):
        given = {"tracks": "t.csv", flag: 0} | extra
        option_lib.resolve(EXPERIMENT, given, dataset="t.csv", own=True)


def attributed(near, n=24):
    """Values of a past of 4 and two neighbours."""
    values = np.zeros((n, 3, 1))
    values[:, 0], values[:, 1:] = 4, near
    ends = np.zeros((n, 1))
    mask = np.ones((n, 3), bool)
    return Attribution(values, 0 * values, mask, ends, ends, ("nll",), 8)


def test_a_verdict_says_ignores_of_zeros_only(tmp_path):
    windows = build_windows(data.load_own_tracks(write(tmp_path / "t.csv")))
    pairs = np.random.default_rng(0).normal(size=(2, len(windows.mask), 2, 1))
    n = len(windows.mask)

    def said(real, random):
        given = attributed(real, n), attributed(random, n)
        return scores.verdict(scores.summarise(*given, windows, control=False))

    assert "ignores neighbours" in said(0.0, 0.0)
    assert "ignores" not in said(*pairs) and "told apart from random" in said(*pairs)
    assert "uses neighbours" in said(2 + 0 * pairs[0], 0.1 * pairs[1])


def test_errors_of_rows_name_the_users_frame(tmp_path):
    tracks = data.load_own_tracks(write(tmp_path / "t.csv"))
    row = int(np.flatnonzero(tracks.recording == 2)[3])
    assert track_lib.describe_row(tracks, row) == "scene c, agent 0, frame 60"


def test_a_single_short_scene_end_to_end(tmp_path, monkeypatch):
    path = write(tmp_path / "one.csv", {"c": (30, 10)})
    source = "import numpy as np\n\n\n" + inspect.getsource(still)
    (tmp_path / "standing.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    words = f"--tracks={path}", "--predictor=standing:still", "--windows=4"
    with pytest.raises(errors.InputError, match="--nocontrol"):
        helpers.launch(EXPERIMENT, *words, f"--workdir={tmp_path / 'with'}")
    helpers.launch(EXPERIMENT, *words, "--nocontrol", f"--workdir={tmp_path / 'run'}")
    with open(tmp_path / "run" / "local.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["player"] for row in rows} == {"past", "0", "1"}
    assert {int(row["frame"]) for row in rows} <= set(range(100, 150, 10))
    assert "No verdict" in (tmp_path / "run" / "report.html").read_text()
