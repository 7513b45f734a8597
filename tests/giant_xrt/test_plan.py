"""Plans: what a training takes, and how much of it fits into a time."""

import numpy as np
import pytest
import scipy.sparse as sp

from iclr22 import errors
from iclr22.giant_xrt import encoding, learning, matcher, plan, targets, tree

SIZES = (16, 64, 256, 3186)
SPEED = plan.Speed(step=0.5, text=0.01)
CONFIG = matcher.Config(encoder=encoding.Config(vocabulary=100, tokens=64))
OPTIONS = learning.Options(steps=(40, 80), most_clusters=256, top=4)


def test_seconds_are_those_of_updates_and_passes():
    made = plan.make(SIZES, np.full(3000, 3), CONFIG, OPTIONS, SPEED)
    assert [x.clusters for x in made.rounds] == [16, 64, 256]
    assert [x.steps for x in made.rounds] == [40, 80, 80]
    passes = 2 * 3186 * 0.01
    expected = [20 + passes, 40 + passes, 40 + passes]
    np.testing.assert_allclose([x.seconds for x in made.rounds], expected)
    assert made.seconds == pytest.approx(sum(expected) + 3186 * 0.01)
    assert made.memory == max(x.memory for x in made.rounds) > 3186 * 128 * 4


@pytest.mark.parametrize("negatives", ["tfn", "man"])
def test_candidates_are_those_of_neighbours_spread_at_random(negatives):
    random = np.random.default_rng(0)
    labels = random.random((300, 400)) < 0.01
    degrees = labels.sum(1)
    made = tree.random_tree(400, leaf=10, splits=4, seed=1)
    levels = targets.up(sp.csr_matrix(labels.astype(np.float32)), made)
    options = OPTIONS._replace(negatives=negatives)
    found = plan.make(made.sizes, degrees, CONFIG, options, SPEED).rounds
    assert found[0].candidates == made.sizes[0]
    for level in (1, 2):
        parents = np.diff(levels[level - 1].indptr).mean()
        parents = 4.0 if negatives == "man" else parents
        expected = parents * made.sizes[level] / made.sizes[level - 1]
        assert found[level].candidates == pytest.approx(expected, rel=0.03)


def test_candidates_have_a_cap_and_both_ways_overlap():
    full = OPTIONS._replace(negatives="tfn+man", top=100)
    made = plan.make(SIZES, np.full(9, 50), CONFIG, full, SPEED)
    assert made.rounds[1].candidates == pytest.approx(64)  # all there are
    capped = full._replace(most_candidates=30)
    made = plan.make(SIZES, np.full(9, 50), CONFIG, capped, SPEED)
    assert made.rounds[2].candidates == 30


@pytest.mark.parametrize("minutes", [2.0, 4.0, 7.0, 60.0])
def test_chosen_rounds_fit_into_the_time(minutes):
    most = OPTIONS._replace(steps=(200,))
    chosen = plan.within(minutes, SIZES, CONFIG, most, SPEED)
    made = plan.make(SIZES, [1], CONFIG, chosen, SPEED)
    assert made.seconds <= 60 * minutes
    steps = [x.steps for x in made.rounds]
    assert len(steps) == len(chosen.steps)
    assert min(steps) >= plan.FEW and max(steps) <= 200
    assert (len(steps), steps[0]) == {
        2.0: (1, 48),
        4.0: (2, 80),
        7.0: (3, 131),
        60.0: (3, 200),
    }[minutes]


def test_short_plans_of_few_updates_are_left_as_they_are():
    few = OPTIONS._replace(steps=(5,))
    assert plan.within(60, SIZES, CONFIG, few, SPEED).steps == (5, 5, 5)


def test_no_time_is_one_clear_error():
    with pytest.raises(errors.InputError, match="about 1.9 minutes; found 1. Choose"):
        plan.within(1, SIZES, CONFIG, OPTIONS, SPEED)
    with pytest.raises(errors.InputError, match="whole numbers from 0; found -1"):
        plan.make(SIZES, [-1], CONFIG, OPTIONS, SPEED)


def test_larger_encoders_are_assumed_to_be_slower():
    small = CONFIG._replace(encoder=encoding.Config(kind="bert", tokens=64))
    bert = small.encoder.bert
    large = small._replace(
        encoder=small.encoder._replace(bert=bert._replace(layers=2 * bert.layers))
    )
    first, second = plan.assumed(small), plan.assumed(large)
    assert second.step == pytest.approx(2 * first.step)
    assert plan.assumed(small, tokens=16).text == pytest.approx(first.text / 4)
    assert plan.assumed(CONFIG).text < first.text
    assert not first.measured


def test_table_has_a_line_for_each_round():
    made = plan.make(SIZES, np.full(3000, 3), CONFIG, OPTIONS, SPEED)
    lines = plan.table(made).split("\n")
    assert lines[0].startswith(
        "3000 of 3186 nodes are learned from; levels 16 > 64 > 256"
    )
    assert lines[2].split()[:4] == ["1", "16", "16.0", "40"]
    assert "0.5 s per update and 100 texts/s (measured)" in lines[-1]
    assert len(lines) == 6
