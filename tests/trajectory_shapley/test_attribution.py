"""Attribution of predictors: what must hold for every model, foreign ones."""

import functools
import sys
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from track_helpers import HORIZON, some_windows

from iclr22 import errors
from iclr22.trajectory_shapley import attribute as attribute_windows
from iclr22.trajectory_shapley import blocks, shapley
from iclr22.trajectory_shapley import predictor as predictors
from iclr22.trajectory_shapley.attribute import game
from iclr22.trajectory_shapley.blocks import Estimation
from iclr22.trajectory_shapley.coalitions import Rules
from iclr22.trajectory_shapley.metrics import Mixture
from iclr22.trajectory_shapley.predictor import Foreign, Predictor
from iclr22.trajectory_shapley.random_agents import with_random_agent

pytestmark = pytest.mark.eight_devices

DRAWS = 4

PARAMS = {
    "pair": np.random.default_rng(0).normal(0, 0.5, (12, 4)).astype(np.float32),
    "out": np.random.default_rng(1)
    .normal(0, 0.5, (10, HORIZON * 2))
    .astype(np.float32),
}


def _predict(xp, params, present, near, mask):
    """Mean paths `[rows, horizon, 2]` from present states and neighbours' present ones."""
    own = xp.broadcast_to(present[:, None], (*near.shape[:2], 6))
    pairs = xp.tanh(xp.concatenate([own, near], -1) @ params["pair"])
    total = (pairs * mask[..., None]).sum(1)
    features = xp.concatenate([present, total / (1 + mask.sum(1, keepdims=True))], 1)
    return xp.tanh(features @ params["out"]).reshape(-1, HORIZON, 2)


def encode(params, inputs):
    return {
        "present": inputs["history"][:, :, -1],
        "near": inputs["neighbours"][:, :, -1],
        "seed": inputs["seed"],
    }


def _path(params, codes, past, mask):
    pair = codes["present"]
    present = jnp.where(past[:, None], pair[:, 1], pair[:, 0])
    return _predict(jnp, params, present, codes["near"], mask)


def decode(params, codes, past, mask):
    mean = _path(params, codes, past, mask)[:, None]
    cov = jnp.broadcast_to(jnp.array([0.5, 0.1, 0.4]), (*mean.shape[:-1], 3))
    return Mixture(jnp.zeros(mean.shape[:2]), mean, cov)


def draw(params, codes, past, mask):
    path = _path(params, codes, past, mask)
    key = jax.random.key(0)
    noise = jax.vmap(
        lambda s: jax.random.normal(jax.random.fold_in(key, s), (DRAWS, HORIZON, 2))
    )(codes["seed"])
    return path[:, None] + noise


def decode_past_only(params, codes, past, mask):
    return decode(params, codes, past, jnp.zeros_like(mask))


MODEL = Predictor(encode, decode, draw, PARAMS)


def predict(history, neighbours, mask, kind, neighbour_kind):
    mean = _predict(np, PARAMS, history[:, -1], neighbours[:, :, -1], mask)[:, None]
    cov = np.broadcast_to([[0.5, 0.1], [0.1, 0.4]], (*mean.shape, 2))
    return {"mix_logits": np.zeros(mean.shape[:2]), "mean": mean, "cov": cov}


def sampled_paths(history, neighbours, mask, kind, neighbour_kind):
    found = predict(history, neighbours, mask, kind, neighbour_kind)["mean"]
    noise = np.random.default_rng(0).normal(size=(1, DRAWS, HORIZON, 2))
    return {"samples": found + noise}


def attribute(model, windows, **options):
    """`attribute`, fields of `Rules` and `Estimation` by name."""
    rules = {k: options.pop(k) for k in Rules._fields if k in options}
    how = {k: options.pop(k) for k in Estimation._fields if k in options}
    found = Rules(**rules), Estimation(**how)
    return attribute_windows(model, windows, *found, **options)


@functools.cache
def values(**options):
    return attribute(MODEL, some_windows(), **options)


BOTH = pytest.mark.parametrize("model", [MODEL, Foreign(predict)])


@BOTH
@pytest.mark.parametrize("baseline", ["zero", "random", "constant", "mean"])
def test_values_add_up_and_nobody_has_none(model, baseline):
    given = some_windows()
    found = attribute(model, given, baseline=baseline)
    assert found.outputs == ("nll", "nll@1", "nll@2", "nll@3")
    np.testing.assert_allclose(
        found.values.sum(1), found.full - found.empty, atol=1e-5, rtol=0
    )
    np.testing.assert_allclose(
        found.values[..., 0], found.values[..., 1:].mean(-1), atol=1e-5
    )
    assert (found.mask[:, 1:] == given.mask).all() and found.mask[:, 0].all()
    assert not found.values[~found.mask].any()
    assert found.values[found.mask].all() and not found.standard_error.any()
    assert found.coalitions == 2 ** (1 + given.mask.sum(1).max())


@pytest.mark.parametrize("options", [{}, {"baseline": "random"}, {"max_exact": 3}])
def test_foreign_and_own_predictors_agree(options):
    given = some_windows()
    own = attribute(MODEL, given, **options)
    foreign = attribute(Foreign(predict), given, **options)
    for a, b in zip(own[:5], foreign[:5], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@BOTH
def test_windows_are_their_own_games(model):
    given = some_windows()
    found = attribute(model, given)
    row = int(given.mask.sum(1).argmax())
    value_fn, slots = game(model, given, row)
    single = shapley.shapley_values(value_fn, 1 + len(slots), chunk=16)
    np.testing.assert_allclose(
        found.values[row, np.r_[0, 1 + slots]], single.values, atol=1e-5
    )
    assert shapley.interaction_values(value_fn, 1 + len(slots))[0, 1].any()


@BOTH
def test_permuted_neighbours_have_permuted_values(model):
    given = some_windows()
    order = np.random.default_rng(0).permutation(given.mask.shape[1])
    names = ("neighbours", "mask", "neighbour_kind", "neighbour_agent")
    moved = given._replace(**{name: getattr(given, name)[:, order] for name in names})
    found, turned = attribute(model, given), attribute(model, moved)
    np.testing.assert_allclose(
        turned.values[:, 1:], found.values[:, 1:][:, order], atol=1e-5
    )
    np.testing.assert_allclose(turned.values[:, 0], found.values[:, 0], atol=1e-5)


def test_what_empty_slots_hold_does_not_matter():
    given = some_windows()
    noise = np.where(given.mask[..., None, None], given.neighbours, 7)
    found = attribute(MODEL, given._replace(neighbours=noise))
    assert (found.values == values().values).all()


def test_past_only_model_has_no_values_of_neighbours():
    model = Predictor(encode, decode_past_only, None, PARAMS)
    found = attribute(model, some_windows())
    assert not found.values[:, 1:].any()
    np.testing.assert_allclose(found.values[:, 0], found.full - found.empty, atol=1e-12)


@BOTH
def test_identical_neighbours_have_equal_values(model):
    given = some_windows()
    twice = given.neighbours.copy()
    twice[:, 1] = twice[:, 0]
    both = given.mask[:, 1]
    found = attribute(model, given._replace(neighbours=twice))
    np.testing.assert_allclose(found.values[both, 1], found.values[both, 2], atol=1e-6)
    assert both.any()


def test_values_do_not_depend_on_where_the_scene_is():
    moved = some_windows(shift=128.0)
    assert (moved.current[:, 2:] == some_windows().current[:, 2:]).all()
    found = attribute(MODEL, moved)
    assert (found.values == values().values).all()


@pytest.mark.parametrize("estimator", ["exact", "permutation", "banzhaf"])
def test_chunks_and_devices_do_not_change_values(estimator):
    options = {"estimator": estimator, "samples": 4, "metrics": ("nll", "min_ade")}
    small = attribute(MODEL, some_windows(), chunk=8, **options)
    large = attribute(MODEL, some_windows(), chunk=4096, mode="pmap", **options)
    np.testing.assert_allclose(small.values, large.values, atol=1e-6)
    assert small.outputs[-1] == "min_ade" and small.values[..., -1].any()


def test_other_parameters_do_not_compile_again():
    traced = []

    def decode_counted(*arguments):
        traced.append(0)
        return decode(*arguments)

    for scale in (1, 2, 3):
        params = {name: scale * x for name, x in PARAMS.items()}
        model = Predictor(encode, decode_counted, None, params)
        found = attribute(model, some_windows())
        if scale == 1:
            first, count = found, len(traced)
    assert len(traced) == count and (found.values != first.values).any()


def test_blocks_do_not_change_exact_values(monkeypatch):
    monkeypatch.setattr(blocks, "ROWS", 70)
    found = attribute(MODEL, some_windows())
    np.testing.assert_allclose(found.values, values().values, atol=1e-6)


def test_sampled_values_agree_within_their_standard_errors():
    exact = values()
    few = exact.mask.sum(1) < 5
    assert few.any() and not few.all()
    for estimator, samples in (("permutation", 6), ("stratified", 3)):
        found = values(estimator=estimator, samples=samples)
        np.testing.assert_allclose(found.values[few], exact.values[few], atol=1e-5)
        assert not found.standard_error[few].any()
        assert found.standard_error[~few, 0].any()
        off = ((found.values - exact.values)[~few] ** 2).sum()
        assert 0.3 < off / (found.standard_error[~few] ** 2).sum() < 3
        if estimator == "permutation":
            gap = found.values.sum(1) - (found.full - found.empty)
            assert np.abs(gap).max() < 1e-10
    found = values(estimator="banzhaf", samples=200)
    target = values(estimator="banzhaf_exact")
    off = np.abs(found.values - target.values)[found.mask][:, 0]
    assert (off <= 4.5 * found.standard_error[found.mask][:, 0] + 1e-6).all()
    gap = np.abs(target.values.sum(1) - (target.full - target.empty))
    assert gap.max() > 1e-3


def test_far_neighbours_share_a_value():
    given = some_windows()
    found = attribute(MODEL, given, max_exact=3)
    many = given.mask.sum(1) > 2
    assert many.any() and found.coalitions == 8
    assert found.mask[many].sum() == 3 * many.sum()
    assert (found.mask[many, :3]).all() and not found.values[many, 3:].any()
    np.testing.assert_allclose(found.values.sum(1), found.full - found.empty, atol=1e-5)
    np.testing.assert_allclose(found.values[~many], values().values[~many], atol=1e-6)
    controlled = attribute(
        MODEL,
        with_random_agent(given, given, 0),
        max_exact=3,
        control=True,
    )
    assert controlled.mask[:, -1].all() and controlled.mask.sum(1).max() == 3


def test_coalitions_share_random_numbers():
    model = Predictor(encode, decode_past_only, None, PARAMS)
    model = model._replace(
        samples=lambda params, codes, past, mask: draw(
            params, codes, past, jnp.zeros_like(mask)
        )
    )
    found = attribute(model, some_windows(), metrics=("min_ade", "min_fde"))
    assert found.outputs == ("min_ade", "min_fde")
    assert not found.values[:, 1:].any() and found.values[:, 0].all()


def test_foreign_samples_have_a_kernel_estimate():
    metrics = ("nll", "min_ade", "min_fde")
    found = attribute(Foreign(sampled_paths), some_windows(), metrics=metrics)
    assert len(found.outputs) == 1 + HORIZON + 2 and np.isfinite(found.values).all()
    np.testing.assert_allclose(found.values.sum(1), found.full - found.empty, atol=1e-5)


def test_interrupted_attribution_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "ROWS", 64)
    calls = []

    def interrupted(*arguments):
        calls.append(len(arguments[0]))
        if len(calls) == 5:
            raise KeyboardInterrupt
        return predict(*arguments)

    options = {"directory": tmp_path, "chunk": 64}
    with pytest.raises(KeyboardInterrupt):
        attribute(Foreign(interrupted), some_windows(), **options)
    before, calls[:] = len(calls), range(10, 20)
    found = attribute(Foreign(interrupted), some_windows(), **options)
    again = len(calls)
    whole = attribute(Foreign(predict), some_windows(), chunk=64)
    assert before == 5 and (found.values == whole.values).all()
    attribute(Foreign(interrupted), some_windows(), **options)
    assert len(calls) == again + 3  # only the trial before all work
    attribute(Foreign(interrupted), some_windows(), seed=1, **options)
    assert len(calls) > again + 4


def test_windows_without_any_neighbour_have_values_of_the_past():
    given = some_windows()
    alone = given._replace(
        mask=given.mask[:, :0],
        neighbours=given.neighbours[:, :0],
        neighbour_kind=given.neighbour_kind[:, :0],
        neighbour_agent=given.neighbour_agent[:, :0],
    )
    found = attribute(MODEL, alone)
    np.testing.assert_allclose(found.values[:, 0], found.full - found.empty, atol=1e-12)
    assert found.coalitions == 2


def _returning(change):
    def wrong(*arguments):
        found = predict(*arguments)
        change(found)
        return found

    return wrong


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            _returning(lambda x: x.update(mean=x["mean"][..., 0])),
            r"mean \[B, K, T, 2\]",
        ),
        (
            _returning(lambda x: x.update(mean=x["mean"][:, :, :2])),
            r"found shape \[2, 1, 2",
        ),
        (_returning(lambda x: x.pop("cov")), r"samples \[B, S, T, 2\] or mix_logits"),
        (_returning(lambda x: x.update(cov=x["cov"] * np.nan)), "must be finite"),
        (lambda *x: x[0], "found ndarray"),
        (
            lambda h, *_: {"samples": np.zeros((len(h), 5, HORIZON))},
            r"samples \[B, S, T, 2",
        ),
        (
            lambda h, *_: {"samples": np.random.normal(size=(len(h), 5, HORIZON, 2))},
            "same random numbers",
        ),
        (
            lambda h, *_: {"samples": np.zeros((len(h), 1, HORIZON, 2))},
            "needs 3 or more",
        ),
    ],
)
def test_wrong_outputs_are_one_clear_error(wrong, message):
    with pytest.raises(errors.InputError, match=message):
        attribute(Foreign(wrong), some_windows())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ("min_ade",)}, "needs samples"),
        ({"metrics": ("nl",)}, "Did you mean 'nll'"),
        ({"baseline": "zeros"}, "Did you mean 'zero'"),
        ({"estimator": "shapley"}, "Unknown estimator"),
        ({"max_exact": 1}, "max_exact must be 2"),
    ],
)
def test_wrong_options_are_one_clear_error(options, message):
    with pytest.raises(errors.InputError, match=message):
        attribute(Foreign(predict), some_windows(), **options)


def test_predictors_are_loaded_by_name(monkeypatch):
    module = types.ModuleType("my_model")
    module.predict, module.number = predict, 3
    monkeypatch.setitem(sys.modules, "my_model", module)
    assert predictors.load("my_model:predict").predict is predict
    for name, message in (
        ("my_model", "module:function"),
        ("no_such_model:predict", "cannot be imported"),
        ("my_model:predikt", "Did you mean 'predict'"),
        ("my_model:number", "must be a function"),
    ):
        with pytest.raises(errors.InputError, match=message):
            predictors.load(name)
