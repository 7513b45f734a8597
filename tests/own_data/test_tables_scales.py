"""Features and targets in whatever unit they are measured."""

import numpy as np
import pytest

from iclr22 import cold_brew, data, errors, graph, grda, sparse
from iclr22.cold_brew import scaling
from iclr22.grda import adversarial, linear

RNG = np.random.default_rng(0)
WORDS = (RNG.random((60, 40)) < 0.1).astype(np.float32)
MEASURED = np.column_stack(
    [RNG.random(60), 1000 * RNG.normal(size=60), 1.7e9 + 86400 * RNG.random(60)]
)


def as_sparse(x):
    offsets = np.concatenate([[0], np.cumsum((x != 0).sum(axis=1))])
    return sparse.from_rows(offsets, np.nonzero(x)[1], x[x != 0], x.shape[1])


@pytest.mark.parametrize(
    "x, kind",
    [
        (WORDS, "rows"),
        (WORDS * RNG.integers(1, 9, WORDS.shape), "rows"),  # counts
        (WORDS * RNG.random(40), "rows"),  # weighted words
        (np.eye(6)[RNG.integers(0, 6, 60)], "rows"),  # one of six
        (MEASURED, "columns"),
        (RNG.random((60, 2)), "columns"),
        (RNG.normal(size=(60, 3)), "columns"),
        (np.hstack([WORDS, MEASURED[:, :2]]), "columns"),
        (np.hstack([WORDS, 30_000 + 1000 * RNG.random((60, 1))]), "columns"),  # income
        (RNG.integers(20, 70, (60, 3)).astype(float), "columns"),  # ages
    ],
)
def test_the_data_say_which_scale_they_need(x, kind):
    assert scaling.kind_of(x) == scaling.kind_of(as_sparse(x)) == kind
    scale = scaling.scale_of(x)
    assert scale.kind == kind and scale(x).dtype == np.float32
    for named in scaling.KINDS:
        assert scaling.scale_of(x, named).kind == named
    with pytest.raises(errors.InputError, match="scale of features 'row'"):
        scaling.scale_of(x, "row")


def test_scales_do_what_they_say():
    rows = scaling.scale_of(WORDS)
    np.testing.assert_array_equal(rows(WORDS), graph.normalise_rows(WORDS))
    columns = scaling.scale_of(MEASURED)
    found = columns(MEASURED)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=0), 1, atol=1e-5)
    units = np.array([[1e3, -1e-6, 60.0]])
    again = scaling.scale_of(MEASURED * units)(MEASURED * units)
    np.testing.assert_allclose(again * np.sign(units), found, atol=1e-4)
    constant = np.hstack([MEASURED, np.full((60, 1), 5.1)])
    assert (scaling.scale_of(constant)(constant)[:, 3] == 0).all()
    few = as_sparse(np.where(WORDS > 0, MEASURED[:, 1:2], 0))
    scaled = scaling.scale_of(few, "columns")(few)
    spread = sparse.to_dense(few).std(axis=0)
    dense = sparse.to_dense(scaled)
    np.testing.assert_allclose(
        dense[:, 3], sparse.to_dense(few)[:, 3] / spread[3], 1e-4
    )
    plain = scaling.scale_of(MEASURED, "none")
    np.testing.assert_array_equal(plain(MEASURED), MEASURED.astype(np.float32))


def test_cora_is_scaled_as_before():
    cora = data.get("cora").load()
    groups = cold_brew.split_by_degree(cora.graph)
    task = cold_brew.task_of(cora, groups.isolation, np.arange(2708) < 600)
    before = graph.normalise_rows(cora.graph.nodes)
    assert task.scale.kind == "rows"
    np.testing.assert_array_equal(task.x.values, before.values)


def targets(scale, shift):
    """A regression on five domains, in other units."""
    found = data.generate_domains(
        np.random.default_rng(0), domains=5, points=10, sources=3, angles=1.0
    )
    y = found.x @ np.array([[1.0, 0.5], [0.0, 1.0]])
    y = np.where(np.arange(len(y))[:, None] % 7 == 0, np.nan, y)
    return found._replace(y=scale * y + shift, class_names=(), standardise=True)


def test_units_of_targets_change_nothing(tmp_path):
    """Training on y and on 7 y + 285 gives the same model, in its own units."""
    config = adversarial.Config(hidden=8, steps=6, batch=4)
    options = grda.Options(method="source_only", adversarial=config, snapshots=1)
    said, scores = [], []
    for scale, shift in ((1.0, 0.0), (7.0, 285.0)):
        found = targets(scale, shift)
        fitted = grda.train(found, options, directory=tmp_path / str(scale))
        said.append((grda.predict(fitted.model, found.x, found.domain) - shift) / scale)
        scores.append(np.array(fitted.scores))
        known = np.isfinite(found.y).all(axis=1) & found.sources[found.domain]
        np.testing.assert_allclose(
            fitted.model.target_scale.shift, found.y[known].mean(axis=0)
        )
    np.testing.assert_allclose(*said, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(*scores, rtol=1e-2, atol=1e-3)
    grda.save(tmp_path / "model.npz", fitted.model)
    kept = grda.load(tmp_path / "model.npz")
    again = grda.predict(kept, found.x, found.domain)
    np.testing.assert_allclose((again - shift) / scale, said[1], rtol=1e-6)


def test_plain_baselines_equal_their_definitions():
    rng = np.random.default_rng(1)
    x, true = rng.normal(size=(400, 3)), np.array([[2.0, 0], [-1, 0], [0, 0]])
    shares = 1 / (1 + np.exp(-(x @ true)[:, 0] + 0.5))
    y = (rng.random(400) > shares).astype(int)
    said = linear.logistic_regression(x, y, x, 2)
    np.testing.assert_allclose(said.sum(axis=1), 1)
    assert np.abs(said[:, 0] - shares).mean() < 0.05
    # At the minimum the gradient vanishes: for the intercept, shares are met exactly.
    assert said[:, 1].mean() == pytest.approx(y.mean(), abs=1e-3)
    none = linear.logistic_regression(x, np.zeros(400, int), x, 2)
    assert (none[:, 0] > 0.95).all()
    mean = linear.constant(np.array([[1.0], [2.0], [6.0]]), 4)
    assert mean.tolist() == [[3.0]] * 4
