"""Training from given parameters, and numbers that are measured on the host."""

import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close
from toy_method import BATCHES, TOY, Config, apply, data, fit

from iclr22 import errors, gradients, loop, parallel, plateau, record, states

pytestmark = pytest.mark.eight_devices

GIVEN = {"weights": np.array([[1.0, -1.0, 2.0]]), "bias": np.array(0.5)}  # float64


def params_of(state):
    return jax.device_get(state.params)


@pytest.mark.parametrize("mode", parallel.MODES)
def test_begin_is_where_training_begins(mode):
    state = fit(None, steps=0, begin=GIVEN, mode=mode)
    assert_trees_close(state.params, jax.tree.map(np.float32, GIVEN), rtol=0)
    assert state.step == 0 and state.params["weights"].dtype == np.float32
    assert_trees_close(
        state.key, jax.random.key(2)
    )  # all else is as it would have been
    moved = params_of(fit(None, steps=1, begin=GIVEN, mode=mode))
    batch = BATCHES(0)
    residuals = batch["x"] @ GIVEN["weights"][0] + GIVEN["bias"] - batch["y"]
    rate, weight = Config().rate, batch["weight"]
    step = rate * 2 * (weight * residuals) @ batch["x"] / np.sum(weight)
    np.testing.assert_allclose(
        moved["weights"][0], GIVEN["weights"][0] - step, atol=5e-3
    )
    bias = GIVEN["bias"] - rate * 2 * weight @ residuals / np.sum(weight)
    assert moved["bias"] == pytest.approx(bias, rel=1e-5)


@pytest.mark.parametrize("mode", parallel.MODES)
def test_begin_from_an_earlier_run_continues_it(mode):
    """Without noise that knows its step and without momentum the two are one."""

    def still(config, state, batch, *, axis_name=None):
        new, metrics = TOY.train_step(config, state, batch, axis_name=axis_name)
        key = jax.random.fold_in(state.key, state.step)
        noise = 1e-3 * jax.random.normal(key, new.params["weights"].shape)
        weights = new.params["weights"] - noise
        return new._replace(params=new.params | {"weights": weights}), metrics

    method = types.SimpleNamespace(**vars(TOY) | {"train_step": still})
    train = functools.partial(loop.fit, method, Config(), mode=mode)
    first = train(BATCHES, loop.Schedule(8))
    kept = jax.tree.map(np.array, jax.device_get(first.params))
    rest = train(lambda step: BATCHES(step + 8), loop.Schedule(5), begin=first.params)
    whole = train(BATCHES, loop.Schedule(13))
    assert_trees_close(rest.params, whole.params, rtol=1e-5, atol=1e-6)
    assert_trees_close(first.params, kept, rtol=0)  # nothing was written over


@pytest.mark.parametrize("mode", parallel.MODES)
@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_begin_is_left_as_it_was_and_can_be_used_again(kind, mode):
    given = jax.tree.map(lambda x: kind(np.float32(x)), GIVEN)
    found = [params_of(fit(None, begin=given, mode=mode)) for _ in range(2)]
    assert_trees_close(given, jax.tree.map(np.float32, GIVEN), rtol=0)
    assert_trees_close(*found, rtol=0)


def test_begin_may_be_made_from_fresh_parameters():
    seen = []

    def grown(fresh):
        seen.append(jax.tree.map(jnp.shape, fresh))
        return fresh | {"weights": fresh["weights"].at[1:].set(3.0)}

    state = fit(None, steps=0, config=Config(width=2), begin=grown)
    assert seen == [{"weights": (2, 3), "bias": ()}]
    assert state.params["weights"].tolist() == [[0, 0, 0], [3, 3, 3]]


@pytest.mark.parametrize("mode", parallel.MODES)
def test_begin_is_the_best_so_far_where_that_is_kept(mode):
    config = Config(keep_best=True, rate=1e3)  # every step makes it worse
    review = functools.partial(plateau.review, patience=-1)
    best = jax.tree.map(np.float32, GIVEN)

    def valid():
        return [BATCHES(0)]

    options = {"config": config, "mode": mode, "evaluate_every": 1}
    state = fit(None, steps=0, begin=best, **options)
    assert_trees_close(state.best.params, best, rtol=0)
    assert state.best.loss == np.inf and state.best.rate == 1
    state = fit(None, steps=2, begin=best, review=review, valid=valid, **options)
    assert np.isfinite(state.best.loss) and state.best.params["bias"] != best["bias"]


CASES = {
    "missing": ({"weights": GIVEN["weights"]}, "['bias'] of shape []", "none"),
    "shape": (
        GIVEN | {"weights": np.ones((1, 4))},
        "['weights'] of shape [1, 3]",
        "[1, 4]",
    ),
    "depth": (GIVEN | {"bias": {"x": np.ones(())}}, "['bias'] of shape []", "none"),
    "array": (np.ones(3), "['bias'] of shape []", "none"),
    "function": (lambda fresh: {}, "['bias'] of shape []", "none"),
}


@pytest.mark.parametrize("name", CASES)
def test_begin_that_does_not_fit_is_named(name, tmp_path):
    begin, wanted, found = CASES[name]
    with pytest.raises(errors.InputError) as caught:
        fit(tmp_path, begin=begin)
    text = f"begin: expected {wanted}, as in the model; found {found}"
    assert str(caught.value) == text
    fit(tmp_path, steps=1)  # nothing is left behind that stands in the way


def test_begin_with_more_than_the_model_has_is_refused():
    with pytest.raises(errors.InputError) as caught:
        fit(None, begin=GIVEN | {"scale": np.ones(2)})
    text = "begin: the model has no parameter ['scale']; it has ['bias'], ['weights']"
    assert str(caught.value) == text


def test_containers_of_begin_may_differ():
    """What comes from a file has lists where a model has tuples."""
    on, array = parallel.devices(), jnp.ones(2)
    state = TOY.State(jnp.int32(0), (array, {"a": array}), (), jax.random.key(0))
    found = gradients.begun(on, state, [np.zeros(2), {"a": np.full(2, 5.0)}])
    assert_trees_close(found.params, (np.zeros(2), {"a": np.full(2, 5.0)}))


def test_begin_is_not_looked_at_where_a_run_continues(tmp_path):
    whole = fit(tmp_path / "whole", begin=GIVEN)

    def cut(step):
        if step == 12:
            raise KeyboardInterrupt
        return BATCHES(step)

    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "cut", cut, begin=GIVEN)
    resumed = fit(tmp_path / "cut", begin=lambda fresh: 1 / 0)
    assert_trees_close(whole, resumed, rtol=0)
    lines = [(tmp_path / x / "metrics.jsonl").read_text() for x in ("whole", "cut")]
    assert lines[0] == lines[1]


HELD = data(21, seed=5)


def rank_correlation(params):
    """Of what the model says and what is so."""
    said = np.asarray(apply(Config(), params, HELD["x"]))
    ranks = [np.argsort(np.argsort(x)) for x in (said, HELD["y"])]
    return {"valid/spearman": np.corrcoef(*ranks)[0, 1], "host/bias": params["bias"]}


@pytest.mark.parametrize("mode", parallel.MODES)
def test_measured_numbers_are_logged_and_reviewed_like_means(mode, tmp_path):
    seen = []

    def review(state, means):
        seen.append((int(state.step), dict(means)))
        return state

    options = {"evaluate_every": 5, "review": review, "measure": rank_correlation}
    options["valid"] = lambda: [BATCHES(0)]
    state = fit(tmp_path, steps=12, mode=mode, **options)
    assert [step for step, _ in seen] == [5, 10, 12]
    names = ["host/bias", "valid/loss", "valid/spearman"]
    assert all(sorted(means) == names for _, means in seen)
    logged = record.read_metrics(tmp_path / "metrics.jsonl")
    logged = [x for x in logged if "valid/spearman" in x]
    assert logged == [{"step": step, **means} for step, means in seen]
    last = rank_correlation(state.params)
    assert logged[-1]["valid/spearman"] == last["valid/spearman"] > 0.9
    assert logged[-1]["host/bias"] == float(last["host/bias"])
    assert "valid/spearman" in (tmp_path / "metrics.csv").read_text().splitlines()[0]


def test_measure_works_without_means_and_only_where_somebody_looks(tmp_path):
    fit(tmp_path, steps=6, evaluate_every=3, measure=rank_correlation)
    lines = record.read_metrics(tmp_path / "metrics.jsonl")
    assert [x["step"] for x in lines if "valid/spearman" in x] == [3, 6]
    fit(None, steps=2, measure=lambda params: 1 / 0)  # neither a file nor a review


def test_resumed_run_measures_the_same(tmp_path):
    def train(folder, batches=BATCHES):
        fit(folder, batches, evaluate_every=5, measure=rank_correlation)

    def cut(step):
        if step == 13:
            raise KeyboardInterrupt
        return BATCHES(step)

    train(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", cut)
    train(tmp_path / "cut")
    lines = [(tmp_path / x / "metrics.jsonl").read_text() for x in ("whole", "cut")]
    assert lines[0] == lines[1] and lines[0].count("spearman") == 4


def test_checkpoint_of_a_begun_run_is_an_ordinary_one(tmp_path):
    state = fit(tmp_path, steps=5, begin=GIVEN)
    saved = states.Checkpoints(tmp_path / "checkpoints")
    assert_trees_close(saved.restore(5, state), state, rtol=0)
    saved.close()
