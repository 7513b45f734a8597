"""Pairs within a split: who may be whose partner, and how often."""

import numpy as np
import pytest

from iclr22 import errors
from iclr22.data.factors import Factor, FactorImages, Grid
from iclr22.in_domain import pairs
from iclr22.in_domain.partners import Partners

GRID = Grid(
    (
        Factor("shape", ("a", "b", "c"), "categorical"),
        Factor("turn", tuple(range(5)), "cyclic"),
        Factor("x", tuple(range(9))),
    )
)


def split(share=0.4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.permutation(GRID.count)[: int(share * GRID.count)]  # in any order


def data(rows=None):
    index = np.arange(GRID.count) if rows is None else rows
    return FactorImages(GRID, index, None, "none", 8, 1, ("x",))


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_partner_differs_in_exactly_one_factor(share):
    index = split(share)
    at = np.arange(len(index))
    found = Partners(GRID, index).changed(at, np.random.default_rng(0))
    differ = GRID.numbers(index) != GRID.numbers(index[found])
    assert (differ.sum(1) == 1).all()
    assert differ.any(0).all()


def test_partners_are_uniform_over_those_that_agree():
    index = split(0.5)
    others = np.flatnonzero(
        (GRID.numbers(index) != GRID.numbers(index[:1])).sum(1) == 1
    )
    at = np.zeros(6000, int)
    found = Partners(GRID, index).changed(at, np.random.default_rng(0))
    counts = np.bincount(found, minlength=len(index))
    assert set(np.flatnonzero(counts)) == set(others)
    factor = (GRID.numbers(index[others]) != GRID.numbers(index[:1])).argmax(1)
    for j in set(factor):
        own = counts[others[factor == j]]
        np.testing.assert_allclose(own.sum(), 2000, rtol=0.1)
        np.testing.assert_allclose(own, own.mean(), rtol=0.3)


def test_partner_differs_in_at_most_the_drawn_number():
    index = split()
    at = np.tile(np.arange(len(index)), 20)
    found = Partners(GRID, index).changed(at, np.random.default_rng(0), 0)
    differ = (GRID.numbers(index[at]) != GRID.numbers(index[found])).sum(1)
    assert set(differ) == {1, 2}  # all but one of the three at most
    found = Partners(GRID, index).changed(at, np.random.default_rng(0), 3)
    differ = (GRID.numbers(index[at]) != GRID.numbers(index[found])).sum(1)
    assert set(differ) == {1, 2, 3}


def test_a_point_without_a_partner_is_its_own():
    index = GRID.flat([[0, 0, 0], [1, 1, 1]])
    partners = Partners(GRID, index)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(partners.changed([0, 1], rng), [0, 1])
    found = partners.moved([1, 0, 0], rng, 1e-6)  # nobody moves
    np.testing.assert_array_equal(found, [1, 0, 0])


def test_a_point_that_none_follows_has_one_that_differs_in_one_factor():
    index = GRID.flat([[0, 0, 0], [0, 0, 8]])
    partners = Partners(GRID, index)
    partners._places = lambda numbers: (numbers[..., 0] * 0, numbers[..., 0] < 0)
    np.testing.assert_array_equal(
        partners.moved([0, 1], np.random.default_rng(0), 0.1), [1, 0]
    )


def test_transitions_have_the_shares_of_a_laplace_density():
    """On a whole grid each factor goes its own way; outside is drawn again."""
    index, scale = np.arange(GRID.count), 0.2
    start = GRID.flat([[1, 0, 3]])
    found = Partners(GRID, index).moved(
        np.repeat(start, 20_000), np.random.default_rng(0), scale
    )
    numbers = GRID.numbers(index[found])
    share = [
        np.bincount(numbers[:, j], minlength=n) / 20_000
        for j, n in enumerate(GRID.sizes)
    ]
    np.testing.assert_allclose(share[0], [0.1, 0.8, 0.1], atol=0.02)
    x = np.exp(-np.abs(np.arange(9) - 3) / (scale * 8))
    np.testing.assert_allclose(share[2], x / x.sum(), atol=0.02)
    laps = np.arange(5)[:, None] + 5 * np.arange(-9, 10)
    turn = np.exp(-np.abs(laps) / (scale * 4)).sum(1)
    np.testing.assert_allclose(share[1], turn / turn.sum(), atol=0.02)


@pytest.mark.parametrize("kind", ["beta_vae", "ada_gvae", "slow_vae", "pcl"])
def test_batches_are_pairs_of_the_split_and_functions_of_the_step(kind):
    rows = split()
    made = pairs.make(data(), rows, kind, 16, seed=3)
    batches = [made(step) for step in range(2 * made.base.per_epoch)]
    again = pairs.make(data(), rows, kind, 16, seed=3)
    assert made.content() == again.content()
    for name, x in again(5).items():
        np.testing.assert_array_equal(x, batches[5][name])
    first = np.concatenate([b["factors"][b["weight"] > 0] for b in batches])
    flat, counts = np.unique(GRID.flat(first), return_counts=True)
    np.testing.assert_array_equal(flat, np.sort(rows))  # each once an epoch
    assert (counts == 2).all()
    np.testing.assert_array_equal(batches[0]["row"], np.arange(16))
    assert ("factors2" in batches[0]) == (kind != "beta_vae")
    if kind != "beta_vae":
        second = np.concatenate([b["factors2"] for b in batches])
        assert np.isin(GRID.flat(second), rows).all()
    if kind == "pcl":
        np.testing.assert_array_equal(batches[0]["label"], np.arange(16) % 2 == 0)


def test_pairs_that_follow_are_nearer_than_others():
    made = pairs.make(data(), np.arange(GRID.count), "pcl", 128, scale=0.1)
    batches = [made(step) for step in range(20)]
    apart = np.concatenate([abs(b["factors"] - b["factors2"])[:, 2] for b in batches])
    label = np.concatenate([b["label"] for b in batches]) > 0
    assert apart[label].mean() < 1 < 2.5 < apart[~label].mean()


def test_processes_have_parts_of_one_batch():
    made = pairs.make(data(), split(), "pcl", 12)
    whole = made(2)
    parts = [made._replace(part=(i, 3))(2) for i in range(3)]
    for name, x in whole.items():
        np.testing.assert_array_equal(np.concatenate([p[name] for p in parts]), x)


def test_stored_images_of_some_points_are_found_by_row():
    points = np.sort(split())
    x = np.arange(len(points), dtype=np.uint8)[:, None, None, None]
    some = data(points)._replace(x=x)
    rows = np.arange(0, len(points), 2)
    batch = pairs.make(some, rows, "ada_gvae", 8)(0)
    assert (batch["x"] % 2 == 0).all() and (batch["x2"] % 2 == 0).all()
    numbers = [GRID.numbers(points[batch[n].ravel()]) for n in ("x", "x2")]
    assert ((numbers[0] != numbers[1]).sum(1) <= 1).all()


def test_other_images_or_choices_are_other_batches():
    rows = split()
    kinds = {
        pairs.make(data(), r, k, 16, **o).content()
        for r, k, o in (
            (rows, "pcl", {}),
            (rows[1:], "pcl", {}),
            (rows, "slow_vae", {}),
            (rows, "pcl", {"scale": 0.2}),
            (rows, "pcl", {"seed": 1}),
        )
    }
    assert len(kinds) == 5


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "slowvae"}, "slow_vae"),
        ({"changed": 4}, "0 to 3"),
        ({"scale": 0.0}, "above 0"),
        ({"rows": np.zeros(0, int)}, "above 0"),
    ],
)
def test_bad_choices_are_refused(given, message):
    options = {"rows": split(), "kind": "ada_gvae"} | given
    rows, kind = options.pop("rows"), options.pop("kind")
    with pytest.raises(errors.InputError, match=message):
        pairs.make(data(), rows, kind, 8, **options)
