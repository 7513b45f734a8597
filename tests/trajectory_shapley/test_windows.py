"""Windows of tracks: states, neighbours, what may be known, and random agents."""

import numpy as np
import pytest
from data_helpers import random_walkers, walkers

from iclr22 import data, errors
from iclr22.trajectory_shapley import random_agents
from iclr22.trajectory_shapley import windows as lib


def columns(windows):
    return windows._asdict().items()


def test_states_and_slots_by_hand():
    x = np.array([0, 1, 3, 6, 10.0])
    target = np.stack([x, 0 * x], axis=1)
    near, far, out = target + (0, 2), target + (0, 3), target + (0, 3.1)
    found = lib.build_windows(
        walkers([target, far, near, out]), history=3, horizon=2, radius=3
    )
    assert found.frame.tolist() == [2] * 4 and found.agent.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(
        found.history[0],
        [[-3, 0, 2, 0, 0, 0], [-2, 0, 2, 0, 0, 0], [0, 0, 4, 0, 4, 0]],
    )
    np.testing.assert_array_equal(found.future[0], [[3, 0], [7, 0]])
    np.testing.assert_array_equal(found.neighbour_agent[0, :2], [2, 1])
    assert found.mask.sum(1).tolist() == [2, 3, 3, 2]
    mine = [[-3, 2, -2, 0, -4, 0], [-2, 2, -2, 0, -4, 0], [0, 2, 0, 0, 0, 0]]
    np.testing.assert_array_equal(found.neighbours[0, 0], mine)
    np.testing.assert_allclose(lib.distance(found)[0], [2, 3, np.inf])
    np.testing.assert_allclose(found.current[0], [-1, -2.025, 4, 0, 4, 0])
    fewer = lib.build_windows(
        walkers([target, far, near, out]), history=3, horizon=2, neighbours=1
    )
    np.testing.assert_array_equal(fewer.neighbours, found.neighbours[:, :1])


def test_gaps_cut_runs_and_missing_rows_of_neighbours_are_zero():
    whole = random_walkers(2, 12, radius=99.0)
    gap = data.select_tracks(
        whole, ~((whole.agent == 1) & np.isin(whole.frame, [0, 4]))
    )
    found = lib.build_windows(gap, history=3, horizon=2)
    assert found.frame[found.agent == 0].tolist() == [*range(2, 10)]
    assert found.frame[found.agent == 1].tolist() == [7, 8, 9]
    of = {int(t): i for i, t in enumerate(found.frame[:8])}
    there = found.neighbours[:8, 0].any(axis=-1)
    assert there[of[2]].tolist() == [False, True, True]
    assert not found.mask[of[4]].any() and not there[of[4]].any()
    assert there[of[5]].tolist() == [False, False, True]
    assert not found.neighbours[of[5], 0, -1, 2:].any()  # its velocity is not known yet
    assert found.neighbours[of[6], 0, :, 2:].any(axis=-1).tolist() == [
        False,
        True,
        True,
    ]


def test_inputs_do_not_depend_on_the_future():
    rng = np.random.default_rng(1)
    whole = random_walkers(6, 30, radius=99.0)
    whole = data.select_tracks(whole, rng.random(len(whole.frame)) > 0.05)
    found = lib.build_windows(whole, history=4, horizon=3)
    for now in (8, 15, 22):
        later = whole.frame > now
        noise = rng.normal(0, 5, whole.xy.shape).astype(np.float32)
        changed = whole._replace(xy=whole.xy + noise * later[:, None])
        target = int(found.agent[found.frame == now][0])
        alone = data.select_tracks(changed, ~later | (whole.agent == target))
        for other in (changed, alone):  # the others change, or are seen no more
            other = lib.build_windows(other, history=4, horizon=3)
            one, two = (
                lib.select(x, (x.frame == now) & (x.agent == target))
                for x in (found, other)
            )
            assert len(one.mask) == len(two.mask) == 1
            slots = min(one.mask.shape[1], two.mask.shape[1])
            for name in ("history", "neighbours", "mask", "neighbour_agent"):
                first, second = getattr(one, name), getattr(two, name)
                if name != "history":
                    first, second = first[:, :slots], second[:, :slots]
                np.testing.assert_array_equal(first, second, name)
            assert one.mask.sum() == two.mask.sum()
            np.testing.assert_array_equal(one.current[:, 2:], two.current[:, 2:])


def test_windows_do_not_move_with_the_scene_and_stay_in_it():
    one = random_walkers(3, 10, radius=50.0)
    two = random_walkers(3, 10, radius=50.0, scene=[0, 1, 1])
    found, cut = (lib.build_windows(x, history=3, horizon=2) for x in (one, two))
    moved = lib.build_windows(one._replace(xy=one.xy + 64), history=3, horizon=2)
    for name, column in columns(moved):
        np.testing.assert_allclose(column, getattr(found, name), atol=1e-4)
    assert found.mask.sum(1).tolist() == [2] * 18
    assert cut.mask.sum(1).tolist() == [0] * 6 + [1] * 12


def test_short_tracks_are_refused():
    short = random_walkers(2, 19)
    with pytest.raises(errors.InputError, match="at least 20 consecutive .* has 19"):
        lib.build_windows(short)
    with pytest.raises(errors.InputError, match=r"scenes of at least 20.*s0 \(19 fr"):
        data.check_tracks(short)
    data.check_tracks(random_walkers(2, 20))
    with pytest.raises(errors.InputError, match="history of 2 frames or more"):
        lib.build_windows(short, history=1)


def test_random_agents_are_of_other_scenes_and_of_the_kinds_asked_for():
    rng = np.random.default_rng(0)
    scene = np.repeat(np.arange(8), 5)
    given = random_walkers(40, 8, scene=scene, radius=99.0, kinds=("a", "b"))
    kind = rng.integers(0, 2, 40)[given.agent].astype(np.int32)
    found = lib.build_windows(given._replace(kind=kind), history=3, horizon=2)
    found = found._replace(current=np.zeros_like(found.current))  # all stand still
    # Say in the states where they come from: scene, then kinds of target and agent.
    marks = np.stack([found.recording, found.kind, found.kind], axis=1)[:, None, None]
    marks = np.broadcast_to(marks, (*found.mask.shape, 3, 3)).copy()
    marks[..., 2] = found.neighbour_kind[..., None]
    states = np.concatenate([marks, marks], axis=-1).astype(np.float32)
    pool = found._replace(neighbours=states * found.mask[..., None, None])
    for made, places in (
        (random_agents.with_random_agent(found, pool, 0), np.s_[:, -1:]),
        (random_agents.with_random_neighbours(found, pool, 0), np.s_[:, :]),
    ):
        mask, states = made.mask[places], made.neighbours[places][..., 0, :]
        assert (states[..., 0] != found.recording[:, None])[mask].all()
        assert (states[..., 1] == found.kind[:, None])[mask].all()
        np.testing.assert_array_equal(
            states[..., 2][mask], made.neighbour_kind[places][mask]
        )
        assert (made.neighbour_agent[places] == -1).all()
    added = random_agents.with_random_agent(found, pool, 0)
    assert added.mask[:, -1].all() and added.mask.shape[1] == found.mask.shape[1] + 1
    np.testing.assert_array_equal(added.neighbours[:, :-1], found.neighbours)
    assert {*added.neighbours[:, -1, 0, 0]} == set(range(8))
    every = random_agents.with_random_neighbours(found, pool, 0)
    np.testing.assert_array_equal(every.mask, found.mask)
    np.testing.assert_array_equal(every.neighbour_kind, found.neighbour_kind)
    again = random_agents.with_random_neighbours(found, pool, 0)
    np.testing.assert_array_equal(every.neighbours, again.neighbours)


def test_random_neighbours_come_together_where_a_window_has_as_many():
    scene = np.repeat(
        np.arange(8), [4, 4, 4, 3, 3, 3, 2, 5]
    )  # the last is like no other
    found = lib.build_windows(random_walkers(28, 25, scene=scene, radius=99.0))
    found = found._replace(current=np.zeros_like(found.current))  # all stand still
    shape = found.neighbours.shape
    number = np.arange(1, 1 + len(found.mask), dtype=np.float32)
    marked = np.broadcast_to(number[:, None, None, None], shape)
    pool = found._replace(neighbours=marked * found.mask[..., None, None])
    made = random_agents.with_random_neighbours(found, pool, 0)
    source = made.neighbours[..., 0, 0]
    for row, mask, own in zip(source, found.mask, found.recording, strict=True):
        assert own == 7 or len({*row[mask]}) == 1
        assert (found.recording[row[mask].astype(int) - 1] != own).all()


def test_random_agents_move_as_they_did_where_they_come_from():
    found = lib.build_windows(
        random_walkers(12, 30, scene=np.arange(12) // 3, radius=99.0)
    )
    own = found.neighbours[..., -1, 2:] + found.current[:, None, 2:]
    for made in (
        random_agents.with_random_agent(found, found, 0),
        random_agents.with_random_neighbours(found, found, 0),
    ):
        moves = (made.neighbours[..., -1, 2:] + made.current[:, None, 2:])[made.mask]
        apart = np.abs(moves[:, None] - own[found.mask]).max(-1).min(1)
        assert apart.max() < 1e-4


def test_random_agents_of_one_scene_are_far_in_time():
    found = lib.build_windows(random_walkers(3, 130, radius=1e3))
    found = found._replace(current=np.zeros_like(found.current))
    pool = found._replace(
        neighbours=np.broadcast_to(
            found.frame[:, None, None, None], found.neighbours.shape
        ).astype(np.float32)
    )
    added = random_agents.with_random_agent(found, pool, 1)
    assert (np.abs(added.neighbours[:, -1, 0, 0] - found.frame) >= 50).all()
    with pytest.raises(errors.InputError, match="pool of random agents.*found none"):
        random_agents.with_random_agent(found, lib.select(found, found.frame < 40), 1)
    lonely = lib.build_windows(random_walkers(1, 30))
    added = random_agents.with_random_agent(lonely, found, 0)
    assert added.mask.shape == (len(lonely.mask), 1)
    with pytest.raises(errors.InputError, match="among 0 neighbours"):
        nobody = found._replace(mask=found.mask & False)
        random_agents.with_random_agent(found, nobody, 1)
