"""Scores, intervals, the verdict, groups and tables of known values."""

import numpy as np
import pytest
from track_helpers import HORIZON, TIME, some_windows, tracks

from iclr22.trajectory_shapley import scores, tables
from iclr22.trajectory_shapley.attribute import Attribution
from iclr22.trajectory_shapley.windows import distance


def test_social_interaction_score_is_the_largest_neighbour():
    near = np.array([[1.0, 5, 2], [-3, -2, 9], [4, 4, 4]])
    mask = np.array([[True, False, True], [True, True, False], [False] * 3])
    assert scores.social_interaction_score(near, mask).tolist() == [2, -2, 0]


def drawn_attribution(near, past=4.0, agent=0.5):
    """Values with one output: the past, neighbours `[windows, slots]`, a control agent."""
    n = len(near)
    columns = [np.full((n, 1), past), near, np.full((n, 1), agent)]
    found = np.concatenate(columns, 1)[..., None]
    mask = np.ones(found.shape[:2], bool)
    ends = np.zeros((n, 1))
    return Attribution(found, 0 * found, mask, ends, ends, ("nll",), 8)


def wide_windows():
    given = some_windows()
    ones = np.ones((len(given.mask), 3), bool)
    return given._replace(
        mask=ones,
        neighbours=given.neighbours[:, :3],
        neighbour_kind=given.neighbour_kind[:, :3],
        neighbour_agent=given.neighbour_agent[:, :3],
    )


def test_scores_and_verdict_of_known_values():
    given = wide_windows()
    n = len(given.mask)
    given = given._replace(recording=np.arange(n, dtype=np.int32) % 6)
    rng = np.random.default_rng(0)
    used = drawn_attribution(2 + 0.1 * rng.normal(size=(n, 2)))
    noise = drawn_attribution(0.1 * rng.normal(size=(n, 2)))
    strangers = drawn_attribution(0.1 * rng.normal(size=(n, 1)), agent=0.0)
    found = scores.summarise(used, strangers, given)
    sis = used.values[:, 1:3, 0].max(1).mean()
    assert found.sis[0] == pytest.approx(sis) and found.past[0] == 4
    assert found.random_agent == pytest.approx((0.5, 0.5, 0.5))
    assert found.ratio[0] == pytest.approx(sis / 4)
    assert found.delta_sis[0] == pytest.approx(found.sis[0] - found.sis_random[0])
    assert found.neighbour_mean[0] == pytest.approx(used.values[:, 1:3].mean())
    assert all(low <= mean <= high for mean, low, high in found)
    assert "uses neighbours" in scores.verdict(found)
    others = drawn_attribution(noise.values[::-1, 1:3, 0], agent=-9)
    none = scores.summarise(noise, others, given)
    assert none.delta_sis[1] < 0 < none.delta_sis[2]
    assert "cannot be told apart from random agents" in scores.verdict(none)
    assert "Cannot say" in scores.verdict(scores.summarise(used, None, given))


def test_intervals_treat_a_recording_as_one():
    rng = np.random.default_rng(0)
    cluster = np.repeat(np.arange(20), 30)
    x = rng.normal(size=20)[cluster][:, None]
    for number, count in ((cluster, 20), (np.arange(600), 600)):
        ((mean, low, high),) = scores.intervals(x, np.ones_like(x), number)
        expected = 2 * 1.96 * x.std() / np.sqrt(count)
        assert high - low == pytest.approx(expected, rel=0.1) and low < mean < high


def test_few_recordings_are_cut_into_stretches():
    given = wide_windows()
    frame = np.arange(len(given.mask), dtype=np.int32) * 30
    given = given._replace(frame=frame, recording=0 * frame)
    expected = frame // 50
    found = scores.clusters(given)
    assert (np.diff(found)[np.diff(expected) == 0] == 0).all()
    assert len(np.unique(found)) == len(np.unique(expected))


def test_groups_times_and_tables():
    given = wide_windows()
    real = drawn_attribution(np.arange(2.0 * len(given.mask)).reshape(-1, 2))
    groups = tables.by_distance(real, given, edges=[0, 1, np.inf])
    apart = distance(given)[:, :2]
    near = real.values[:, 1:3, 0]
    assert groups["0-1 m"][0] == pytest.approx(near[apart < 1].mean())
    assert len(tables.by_distance(real, given)) == 4
    kinds = tables.by_kind(real, given, ("walker", "biker"))
    same = given.neighbour_kind[:, :2] == given.kind[:, None]
    assert kinds["same kind"][0] == pytest.approx(near[same].mean())
    curves = tables.over_time(real, given, ("scene 0", "scene 1"), real)
    assert set(curves) == {"scene 0", "scene 1"}
    source = tracks()._replace(agents=tuple([tuple("abcdef")] * 2))
    table = tables.local_table(real, given, source)
    assert len(set(map(len, table.values()))) == 1
    assert len(table["value"]) == 4 * len(given.mask)
    assert (
        {"past", "random agent"}
        < set(table["player"])
        <= {
            *"abcdef",
            "past",
            "random agent",
        }
    )
    top = tables.moments(real, given, source, 3)
    assert top["value"][0] == near.max() and (np.diff(top["value"]) < 0).all()
    span = TIME + HORIZON
    for scene in set(top["scene"]):
        frames = np.sort(top["frame"][top["scene"] == scene])
        assert (np.diff(frames) >= span).all()
