"""Which look is kept: by a labelled set, by agreement, by the teacher, the last."""

import numpy as np
import pytest
from scipy import stats

from iclr22 import errors
from iclr22.trans_encoder import selection
from iclr22.trans_encoder.selection import Look

TRUTH = np.arange(40.0)


def noisy(spread, seed):
    return TRUTH + spread * np.random.default_rng(seed).normal(size=40)


def looks(spreads, seed, devs=None):
    devs = [np.nan] * len(spreads) if devs is None else devs
    return [
        Look(10 * i, dev, noisy(x, (seed, i)))
        for i, (x, dev) in enumerate(zip(spreads, devs, strict=True))
    ]


def test_the_best_on_a_labelled_set_is_kept_the_first_of_equal_ones():
    given = [
        looks([1] * 4, 0, [0.1, 0.5, 0.5, 0.2]),
        looks([1] * 4, 1, [0, np.nan, 3, 1]),
    ]
    assert selection.choose("dev", given, TRUTH) == [1, 2]


def test_agreement_is_largest_where_both_know_most():
    given = [looks([30, 8, 1, 20], seed) for seed in range(3)]
    assert selection.choose("agreement", given, TRUTH) == [2, 2, 2]


def test_agreement_of_each_with_the_others_and_the_teacher():
    given = [looks([5, 9], seed) for seed in range(3)]
    found = selection.criteria("agreement", given, TRUTH)
    for i in range(2):
        others = [given[0][i].scores, given[2][i].scores, TRUTH]
        rho = [stats.spearmanr(given[1][i].scores, x)[0] for x in others]
        assert found[1][i] == pytest.approx(np.mean(rho))


def test_students_that_agree_before_they_know_are_not_kept():
    """At the first look both see the same thing, which is not what they were taught."""
    same = np.random.default_rng(5).normal(size=40)
    given = [
        [Look(0, np.nan, same + 0.01 * noisy(1, s)), Look(1, np.nan, noisy(12, s))]
        for s in range(2)
    ]
    alone = [stats.spearmanr(given[0][i].scores, given[1][i].scores)[0] for i in (0, 1)]
    assert alone[0] > alone[1]
    assert selection.choose("agreement", given, TRUTH) == [1, 1]


def test_a_single_student_is_kept_where_it_has_its_teachers_ranks():
    given = [looks([40, 0.4, 0.01, 0.01], 0)]
    near = [stats.spearmanr(x.scores, TRUTH)[0] for x in given[0]]
    assert near[1] > max(near) - selection.NEAR > near[0]
    assert selection.choose("agreement", given, TRUTH) == [1]


def test_the_last_is_kept_where_asked_and_where_nothing_is_known():
    given = [looks([1, 2, 3], 0)]
    assert selection.choose("last", given, TRUTH) == [2]
    assert selection.choose("dev", given, TRUTH) == [2]
    constant = [[Look(i, np.nan, np.ones(40)) for i in range(3)] for _ in range(2)]
    assert selection.choose("agreement", constant, TRUTH) == [2, 2]


def test_the_rule_follows_from_what_is_there():
    assert selection.rule_of("auto", True) == "dev"
    assert selection.rule_of("auto", False) == "agreement"
    assert selection.rule_of("last", True) == "last"
    with pytest.raises(errors.InputError, match="agreement"):
        selection.rule_of("dev", False)


def test_the_table_has_a_row_for_every_look():
    given = [looks([5, 9], 0, [0.3, 0.4]), looks([5, 9, 2], 1, [0.1, 0.2, 0.3])]
    rows = selection.table(given, TRUTH)
    assert [(x["student"], x["step"]) for x in rows] == [
        (0, 0),
        (0, 10),
        (1, 0),
        (1, 10),
        (1, 20),
    ]
    expected = selection.criteria("agreement", given, TRUTH)
    assert rows[2]["agreement"] == expected[1][0] and np.isnan(rows[4]["agreement"])
    assert rows[1]["teacher"] == stats.spearmanr(given[0][1].scores, TRUTH)[0]


def test_how_far_agreement_tells_what_is_good():
    """Two students, three looks; dev is the mean of both."""
    agreement, dev = [0.2, 0.9, 0.6], [[0.1, 0.5, 0.6], [0.3, 0.7, 0.4]]
    looks = [
        {"kind": "bi", "step": i, "student": k, "agreement": a, "dev": dev[k][i]}
        for k in range(2)
        for i, a in enumerate(agreement)
    ]
    found = selection.trust(looks)
    expected = np.corrcoef(agreement, [0.2, 0.6, 0.5])[0, 1]
    np.testing.assert_allclose(found, (expected, 0.0), atol=1e-12)
    looks[2]["dev"] = 1.0  # the mean of the last look is .7, that of most agreement .6
    assert selection.trust(looks).cost == pytest.approx(0.1)
    looks = [row | {"agreement": float("nan")} for row in looks]
    assert np.isnan(selection.trust(looks)).all()
