"""Tracks: published sets, the user's own, game logs; and how many windows they have."""

import json

import numpy as np
import pytest
from data_helpers import random_walkers

from iclr22 import data, errors
from iclr22.data import tracks
from iclr22.data.tracks import published, sportvu
from iclr22.trajectory_shapley import windows as lib

COUNTS = {  # windows of test, train, valid; neighbours: mean, most, share with <= 10
    "eth": (364, 30307, 5422, 1.8, 14, 0.99),  # constant velocity: ADE, FDE
    "hotel": (1197, 29676, 5203, 2.2, 8, 1.0),
    "univ": (24334, 9874, 2800, 8.6, 29, 0.70),
    "zara1": (2356, 28577, 5184, 2.5, 8, 1.0),
    "zara2": (5910, 26076, 4262, 4.0, 12, 1.0),
}
ERRORS = {
    "eth": (1.08, 2.28),
    "hotel": (0.32, 0.61),
    "univ": (0.52, 1.17),
    "zara1": (0.43, 0.95),
    "zara2": (0.32, 0.72),
}


def displacement(windows, dt):
    """ADE and FDE of constant velocity, and of standing still."""
    horizon = windows.future.shape[1]
    steps = dt * np.arange(1, horizon + 1)[:, None]
    guess = windows.history[:, -1, None, 2:4] * steps
    found = [np.linalg.norm(x - windows.future, axis=-1) for x in (guess, 0)]
    return tuple(float(x) for e in found for x in (e.mean(), e[:, -1].mean()))


# Published sets


@pytest.mark.parametrize("name", COUNTS)
def test_windows_of_eth_ucy_are_the_published_ones(shared, name):
    fold = data.get(name).load(shared / "data")
    found = lib.build_windows(fold.test)
    rest = [len(lib.build_windows(part).mask) for part in (fold.train, fold.valid)]
    size = found.mask.sum(axis=1)
    assert (len(found.mask), *rest) == COUNTS[name][:3]
    mean, most, share = COUNTS[name][3:]
    assert size.max() == most
    assert (size.mean().round(1), (size <= 10).mean()) == (
        pytest.approx(mean, abs=0.01),
        pytest.approx(share, abs=0.005),
    )
    assert displacement(found, 0.4)[:2] == pytest.approx(ERRORS[name], abs=0.0051)


def test_windows_of_basketball_are_the_published_ones(shared):
    fold = data.get("nba").load(shared / "data")
    parts = [lib.build_windows(part) for part in fold]
    assert sum(len(part.mask) for part in parts) == 20_040
    assert all(part.mask.all() and part.mask.shape[1] == 10 for part in parts)
    assert set(parts[2].kind) == {1, 2} and set(parts[2].neighbour_kind[0]) == {0, 1, 2}
    weights = [len(part.mask) for part in parts]
    found = np.average([displacement(part, 0.52) for part in parts], 0, weights)
    np.testing.assert_allclose(found, (20.0, 41.5, 17.0, 28.2), atol=0.051)
    recordings = [set(part.recording) for part in fold]
    assert [len(x) for x in recordings] == [20, 7, 7] and not set.union(
        recordings[0] & recordings[1],
        recordings[2] & (recordings[0] | recordings[1]),
    )


def test_stanford_drone_is_split_by_video(shared):
    fold = data.get("sdd").load(shared / "data")
    parts = [len(lib.build_windows(part).mask) for part in fold]
    assert parts == [4768, 2270, 1902] and sum(parts) == 8940
    assert {fold.test.names[i][-2:] for i in set(fold.test.recording)} == {"_3"}


def test_text_files_of_eth_ucy_give_what_the_copy_gives(shared, tmp_path, monkeypatch):
    copy = published.load_eth_ucy(shared / "data")
    (tmp_path / "eth_ucy").mkdir()
    for number, (name, file) in enumerate(published.FILES.items()):
        rows = copy.recording == number
        lines = np.column_stack([copy.frame[rows] * 10, copy.agent[rows]])
        text = [
            f"{frame:.1f}\t{agent:.1f}\t{x}\t{y}\n"
            for (frame, agent), (x, y) in zip(lines, copy.xy[rows], strict=True)
        ]
        place = tmp_path / "eth_ucy" / file.url.rpartition("/")[2]
        place.write_text("".join(text[::-1]))
        monkeypatch.setitem(published.FILES, name, data.File(file.url))
    found = published.load_eth_ucy(tmp_path)
    for one, other in zip(found, copy, strict=True):
        np.testing.assert_array_equal(one, other)
    place = tmp_path / "eth_ucy" / "crowds_zara03.txt"
    place.write_text("780 1 8.4 3.5\n790 1 8 4\n")
    assert data.read_eth_ucy(place)[0].tolist() == [78, 79]
    with pytest.raises(
        errors.InputError, match="crowds_zara03 of ETH-UCY.*found other"
    ):
        published.load_eth_ucy(tmp_path)
    place.write_text("780 1 x 3.5\n")
    with pytest.raises(errors.InputError, match="lines of four numbers"):
        data.read_eth_ucy(place)


def test_sets_that_are_not_downloaded_say_where_to_put_them(tmp_path):
    with pytest.raises(data.DownloadError, match=r"Put sdd_trajnet\.npz.*--data_dir"):
        data.get("sdd").load(tmp_path)


# Splits and own tracks


def test_split_is_by_scene_or_by_time():
    many = random_walkers(20, 10, scene=np.arange(20))
    parts = [set(part.recording.tolist()) for part in data.split_tracks(many)]
    assert [len(part) for part in parts] == [13, 3, 4]
    assert set.union(*parts) == set(range(20))
    one = data.split_tracks(random_walkers(2, 100))
    assert [len(part.frame) for part in one] == [130, 30, 40]
    assert one.train.frame.max() < one.valid.frame.min() < one.test.frame.min()
    with pytest.raises(errors.InputError, match="shares valid and test"):
        data.split_tracks(many, 0.6, 0.4)


TABLE = """scene,frame,agent,x,y,type
b,20,9,1.5,2,car
b,30,10,4,4,person
a,100,7,0,0,person
b,40,9,2,2,car
b,30,9,1.7,2,car
b,60,9,3,3,car
"""


def table(folder, text):
    path = folder / "tracks.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_own_table_and_arrays_give_the_same_tracks(tmp_path):
    path = table(tmp_path, TABLE)
    found = data.load_own_tracks(path, dt=0.2, radius=5, unit="ft", targets=("car",))
    assert found.names == ("a", "b") and found.kinds == ("car", "person")
    assert found.agents == (("7",), ("9", "10"))
    assert found.recording.tolist() == [0, 1, 1, 1, 1, 1]
    assert found.agent.tolist() == [0, 0, 0, 0, 0, 1]
    assert found.frame.tolist() == [10, 2, 3, 4, 6, 3]
    assert found.kind.tolist() == [1, 0, 0, 0, 0, 1]
    np.testing.assert_allclose(found.xy[1:3], [[1.5, 2], [1.7, 2]])
    assert found[7:11] == (0.2, 5.0, "ft", ("car",))
    rows = [line.split(",") for line in TABLE.splitlines()]
    arrays = dict(zip(rows[0], zip(*rows[1:], strict=True), strict=True))
    for name in ("frame", "x", "y"):
        arrays[name] = np.array(arrays[name], float)
    np.savez(tmp_path / "tracks.npz", **arrays)
    other = data.load_own_tracks(
        tmp_path / "tracks.npz", dt=0.2, radius=5, unit="ft", targets=("car",)
    )
    for one, two in zip(found[:5], other[:5], strict=True):
        np.testing.assert_array_equal(one, two)
    assert found[5:] == other[5:]


def test_far_positions_keep_their_differences(tmp_path):
    rows = "".join(f"a,{t},1,{500_000 + t / 1000},{4e6}\n" for t in range(5))
    found = data.load_own_tracks(table(tmp_path, "scene,frame,agent,x,y\n" + rows))
    np.testing.assert_allclose(np.diff(found.xy[:, 0]), 0.001, rtol=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scene,frame,agent,x\n", "header with the column y"),
        ("scene,frame,agent,x,y\n", "row for every agent and frame; found none"),
        (
            TABLE + "b,30,9,5,5,car\n",
            "lines 6 and 8: expected one row.*agent 9, scene b",
        ),
        (TABLE + "b,45,9,5,5,car\n", "line 8: expected even time steps.*10 apart.*45"),
        (TABLE + "b,50,9,nan,5,car\n", "line 8, column x: expected a finite number"),
        (TABLE + "b,50,9,1,inf,car\n", "line 8, column y: expected a finite number"),
        (TABLE + "b,50.5,9,1,1,car\n", "line 8, frame: expected a whole number"),
        (TABLE + "b,50,,1,1,car\n", "line 8, column agent.*found an empty cell"),
    ],
)
def test_own_tables_that_are_refused(tmp_path, text, message):
    with pytest.raises(errors.InputError, match=message):
        data.load_own_tracks(table(tmp_path, text))


def test_own_files_and_arguments_that_are_refused(tmp_path):
    with pytest.raises(errors.InputError, match="columns scene, .*; found none there"):
        data.load_own_tracks(tmp_path / "none.csv")
    path = table(tmp_path, TABLE)
    with pytest.raises(errors.InputError, match="dt and radius above 0"):
        data.load_own_tracks(path, dt=0)
    with pytest.raises(errors.InputError, match="type of agents 'cat'"):
        data.load_own_tracks(path, targets=("cat",))
    np.savez(tmp_path / "t.npz", scene=[1], frame=[1], agent=[1], x=[1.0])
    with pytest.raises(errors.InputError, match="not y"):
        data.load_own_tracks(tmp_path / "t.npz")
    given = random_walkers(2, 4)
    bad = given._replace(xy=given.xy * np.where(given.frame == 2, np.nan, 1)[:, None])
    with pytest.raises(errors.InputError, match="scene s0, agent 0, frame 2.*finite"):
        tracks.sort_tracks(bad)
    with pytest.raises(errors.InputError, match="one position of an agent in a frame"):
        tracks.sort_tracks(given._replace(frame=given.frame // 2))


# Game logs


def log(folder, events, name="game.json"):
    path = folder / name
    path.write_text(json.dumps({"gameid": "1", "events": events}))
    return path


def event(number, first, count, players=range(10), drop=()):
    """Moments of 40 ms from `first` on; player p is at (p, moment)."""
    moments = []
    for i in range(first, first + count):
        rows = [[-1, -1, 50, i, 3.0]]
        rows += [[7 if k < 5 else 8, p, p, i, 0] for k, p in enumerate(players)]
        moments.append([1, 1000 + 40 * i, 720 - i / 25, 24, None, rows[::-1]])
    moments = [m for i, m in enumerate(moments) if i not in drop]
    teams = {"home": {"teamid": 8}, "visitor": {"teamid": 7}}
    return {"eventId": number, "moments": moments, **teams}


def test_game_logs_are_cut_into_events_of_ten_players(tmp_path):
    missing = event("4", 2000, 300)
    missing["moments"][30][5].pop()
    path = log(
        tmp_path,
        [
            event("1", 0, 300),
            event("2", 100, 300),  # all but 100 moments are known by then
            event("3", 250, 400),  # from moment 400 on it is new: 250 moments
            missing,
            event("5", 3000, 500, drop=[240]),  # cut into 240 and 259 moments
            event("6", 4000, 100),
        ],
    )
    found = sportvu.read_sportvu([path])
    assert found.names == ("game/1", "game/3", "game/5", "game/5.1")
    assert found.kinds == ("ball", "home", "guest") and found.dt == pytest.approx(0.4)
    frames = np.bincount(found.recording) / 11
    assert frames.tolist() == [30, 25, 24, 26]
    first = data.select_tracks(found, (found.recording == 1) & (found.frame == 1))
    assert first.xy[:, 1].tolist() == [410] * 11
    assert first.xy[:, 0].tolist() == [50, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4]
    assert first.kind.tolist() == [0] + [1] * 5 + [2] * 5
    assert found.agents[0] == ("-1", *"5678901234")
    windows = lib.build_windows(found)
    assert len(windows.mask) == 10 * (11 + 6 + 5 + 7)
    parts = sportvu.load_sportvu([path])
    assert [len(set(part.recording)) for part in parts] == [2, 1, 1]


def test_game_logs_that_are_refused(tmp_path):
    with pytest.raises(errors.InputError, match="SportVU game log.*FileNotFound"):
        sportvu.read_sportvu([tmp_path / "none.json"])
    path = log(tmp_path, [{"moments": []}])
    with pytest.raises(errors.InputError, match="event 0: expected home, visitor"):
        sportvu.read_sportvu([path])
    changing = event("1", 0, 300)
    changing["moments"][9][5][0][1] = 99  # somebody is replaced
    with pytest.raises(errors.InputError, match="9 s or more.*found none"):
        sportvu.read_sportvu([log(tmp_path, [changing])])
    with pytest.raises(errors.InputError, match="three events of play or more"):
        sportvu.load_sportvu([log(tmp_path, [event("1", 0, 300)])])
