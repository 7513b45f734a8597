"""Steps along the mean of a sum over devices, in parts, and in other types."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import assert_trees_close

from iclr22 import errors, gradients, parallel

pytestmark = pytest.mark.eight_devices

ROWS = 64  # eight on each device
FLAT = {
    "none": np.zeros(ROWS),
    "one": np.eye(ROWS)[37],
    "little": np.full(ROWS, 1e-3),  # a sum below 1 is a sum like any other
    "some": np.random.default_rng(1).random(ROWS) > 0.4,
    "first device": np.arange(ROWS) < 8,
    "fractions": np.random.default_rng(2).random(ROWS),
}


def rows(weight=None, seed=0):
    """A batch; what weighs nothing is far off."""
    rng = np.random.default_rng(seed)
    weight = np.ones(ROWS) if weight is None else weight
    x = rng.normal(size=(ROWS, 3)) + 1000 * (weight == 0)[:, None]
    batch = {"x": x, "y": rng.normal(size=ROWS), "weight": weight}
    return jax.tree.map(np.float32, batch)


def params():
    return {"w": jnp.array([0.5, -1.0, 2.0]), "b": jnp.float32(0.25)}


def objective(params, batch, key):
    """Squared errors, noisy where there is a key; `(total, sums)`."""
    errors_ = batch["x"] @ params["w"] + params["b"] - batch["y"]
    if key is not None:
        errors_ += jax.random.normal(key, errors_.shape)
    weight = batch["weight"]
    sums = {"loss": weight @ errors_**2, "size": weight @ abs(errors_)}
    return sums["loss"], sums | {"weight": jnp.sum(weight)}


def with_aux(params, batch, key):
    total, sums = objective(params, batch, key)
    return total, (sums, jnp.sum(batch["x"]))


def mean_gradient(mode, batch, **options):
    """`gradients.mean_gradient` on eight devices, without a key; `(gradient, metrics)`."""

    def step(state, batch, *, axis_name=None):
        grads, metrics, _ = gradients.mean_gradient(
            with_aux, state, batch, None, axis_name=axis_name, **options
        )
        return grads, metrics

    on = parallel.devices(mode)
    state = parallel.replicate(on, params())
    return parallel.compile_step(on, step)(state, parallel.shard(on, batch))


def by_hand(batch):
    """The same, example by example."""
    x, y, weight = (np.float64(batch[name]) for name in ("x", "y", "weight"))
    w, b = (np.float64(params()[name]) for name in ("w", "b"))
    total = {"w": np.zeros(3), "b": 0.0, "loss": 0.0, "size": 0.0}
    for i in np.flatnonzero(weight):
        error = x[i] @ w + b - y[i]
        total["w"] += weight[i] * 2 * error * x[i]
        total["b"] += weight[i] * 2 * error
        total["loss"] += weight[i] * error**2
        total["size"] += weight[i] * abs(error)
    total = {name: value / max(np.sum(weight), 1e-9) for name, value in total.items()}
    grads = {name: total.pop(name) for name in ("b", "w")}
    return grads, total


@pytest.mark.parametrize("mode", parallel.MODES)
@pytest.mark.parametrize("parts", [1, 4])
def test_mean_over_devices_with_masks_equals_brute_force(mode, parts):
    assert parallel.devices(mode).mesh.size == 8
    for name, weight in FLAT.items():
        batch = rows(weight)
        found = mean_gradient(mode, batch, parts=parts)
        assert set(found[1]) == {"loss", "size"}
        expected = by_hand(batch)
        assert_trees_close(found, expected, rtol=1e-5, atol=1e-6, err_msg=name)


OPTIMIZER = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-2))


def as_it_was(state, batch, *, axis_name=None):
    """One update, written out as every stage once did."""
    key = jax.random.fold_in(state.key, state.step)
    key = parallel.fold_axis(key, axis_name)
    found = jax.grad(objective, has_aux=True)(state.params, batch, key)
    grads, sums = parallel.reduce(found, axis_name)
    count = jnp.maximum(sums.pop("weight"), 1e-9)
    grads = jax.tree.map(lambda g: g / count, grads)
    updates, opt_state = OPTIMIZER.update(grads, state.opt_state, state.params)
    new = optax.apply_updates(state.params, updates)
    state = state._replace(step=state.step + 1, params=new, opt_state=opt_state)
    return state, {name: x / count for name, x in sums.items()}


def updated(state, batch, *, axis_name=None, **options):
    return gradients.update(
        OPTIMIZER, state, objective, batch, axis_name=axis_name, **options
    )


def trained(step, mode, count=4):
    """`(state, metrics)` after some steps with other weights in each."""
    on = parallel.devices(mode)
    start = functools.partial(gradients.start, OPTIMIZER)
    state = parallel.place(on, start, jax.random.key(3), params())
    compiled, history = parallel.compile_step(on, step), []
    for i in range(count):
        weight = np.random.default_rng(i).random(ROWS) > 0.3
        batch = parallel.shard(on, rows(weight, seed=i))
        state, metrics = compiled(state, batch)
        history.append(metrics)
    return jax.device_get((state._replace(key=None), history))


@pytest.mark.parametrize("mode", parallel.MODES)
def test_update_equals_the_lines_it_stands_for_to_the_bit(mode):
    found, expected = (trained(step, mode) for step in (updated, as_it_was))
    assert_trees_close(found, expected, rtol=0, atol=0)
    assert found[0].step == 4 and found[0].best is None


@pytest.mark.parametrize("mode", parallel.MODES)
@pytest.mark.parametrize("options", [{}, {"parts": 4}])
def test_update_compiles_once(mode, options):
    traces = []

    def counted(state, batch, *, axis_name=None):
        traces.append(axis_name)
        return updated(state, batch, axis_name=axis_name, **options)

    trained(counted, mode)
    assert len(traces) == 1


def test_pmap_equals_jit():
    def calm(state, batch, *, axis_name=None):
        return gradients.update(
            OPTIMIZER,
            state,
            lambda params, batch, key: objective(params, batch, None),
            batch,
            axis_name=axis_name,
            parts=2,
        )

    found = [trained(calm, mode) for mode in parallel.MODES]
    assert_trees_close(*found, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("weight", [FLAT["some"], np.arange(ROWS) % 4 != 1])
def test_parts_are_a_sum_with_a_key_each(weight):
    batch, key = rows(weight), jax.random.key(5)
    found = jax.jit(functools.partial(gradients.mean_gradient, with_aux, parts=4))(
        params(), batch, key
    )
    total = None
    for i in range(4):
        part = {name: x[i::4] for name, x in batch.items()}
        own = jax.random.fold_in(key, i)
        one, (sums, aux) = jax.grad(with_aux, has_aux=True)(params(), part, own)
        total = jax.tree.map(jnp.add, total, (one, sums)) if total else (one, sums)
    grads, sums = total
    count = sums.pop("weight")
    expected = jax.tree.map(lambda x: x / count, (grads, sums))
    assert_trees_close(found[:2], expected, rtol=1e-5)
    assert found[2] == pytest.approx(float(aux), rel=1e-6)


def test_every_device_has_its_share_of_every_part():
    on = parallel.devices("jit")
    step = functools.partial(updated, parts=4)
    start = functools.partial(gradients.start, OPTIMIZER)
    state = parallel.place(on, start, jax.random.key(3), params())
    compiled = parallel.compile_step(on, step)
    text = compiled.lower(state, parallel.shard(on, rows())).compile().as_text()
    assert "all-reduce" in text
    for moved in ("all-to-all", "collective-permute", "all-gather"):
        assert moved not in text


@pytest.mark.parametrize(
    ("batch", "parts", "shape"),
    [
        (rows(), 7, "[64]"),
        (rows(), 0, "[64]"),
        (rows() | {"a": np.float32(1)}, 4, "[]"),
        (rows() | {"a": np.zeros((5, 2), np.float32)}, 4, "[5, 2]"),
    ],
)
def test_rows_that_do_not_divide_are_refused(batch, parts, shape):
    with pytest.raises(errors.InputError) as caught:
        gradients.mean_gradient(with_aux, params(), batch, None, parts=parts)
    text = str(caught.value)
    assert f"divide into {parts} parts" in text and text.endswith(f"shape {shape}")


def test_float32_is_what_there_is_without_a_type():
    run = functools.partial(gradients.mean_gradient, with_aux)
    given = params(), rows(), jax.random.key(0)
    plain, named = (
        jax.make_jaxpr(functools.partial(run, **options))(*given)
        for options in ({}, {"dtype": "float32"})
    )
    assert str(plain) == str(named)


@pytest.mark.parametrize("parts", [1, 4])
def test_bfloat16_is_for_the_objective_only(parts, monkeypatch):
    monkeypatch.setattr(gradients, "compute_dtype", jnp.dtype)
    seen = []

    def rounded(params, batch, key):
        x = batch["x"].astype(params["w"].dtype)
        outputs = x @ params["w"] + params["b"]
        seen.append((params["w"].dtype.name, outputs.dtype.name))
        weighted = batch["weight"] @ (outputs - batch["y"]) ** 2
        sums = {"loss": weighted, "weight": jnp.sum(batch["weight"])}
        return weighted, (sums | {"top": jnp.max(outputs)}, outputs[0])

    batch = rows()
    found = gradients.mean_gradient(
        rounded, params(), batch, None, parts=parts, dtype="bfloat16"
    )
    assert set(seen) == {("bfloat16", "bfloat16")}
    assert {x.dtype for x in jax.tree.leaves(found)} == {np.dtype("float32")}
    grads, metrics = by_hand(batch)
    assert_trees_close(found[0], grads, rtol=0.05, atol=0.05)
    assert metrics["loss"] == pytest.approx(float(found[1]["loss"]), rel=0.02)
    assert metrics["loss"] != float(found[1]["loss"])


def test_state_of_bfloat16_steps_stays_float32_and_compiles_once(monkeypatch):
    monkeypatch.setattr(gradients, "compute_dtype", jnp.dtype)
    traces = []

    def counted(state, batch, *, axis_name=None):
        traces.append(axis_name)
        return updated(state, batch, axis_name=axis_name, dtype="bfloat16")

    rounded, exact = trained(counted, "jit"), trained(updated, "jit")
    assert len(traces) == 1
    kinds = [[x.dtype for x in jax.tree.leaves(found)] for found in (rounded, exact)]
    assert kinds[0] == kinds[1]
    assert_trees_close(rounded[0].params, exact[0].params, atol=0.02)


def test_type_that_does_not_fit_the_device_is_refused():
    assert gradients.compute_dtype("float32") == jnp.float32
    with pytest.raises(errors.InputError, match="Unknown compute type 'float16'"):
        gradients.compute_dtype("float16")
    if jax.default_backend() != "cpu":
        assert gradients.compute_dtype("bfloat16") == jnp.bfloat16
        return
    wanted = "expected an accelerator for bfloat16; found a CPU.*Use float32"
    with pytest.raises(errors.InputError, match=wanted):
        gradients.mean_gradient(with_aux, params(), rows(), None, dtype="bfloat16")


def test_cast_changes_floating_leaves_only():
    tree = {"x": jnp.ones(2), "n": jnp.arange(2), "key": jax.random.key(0)}
    kinds = jax.tree.map(lambda x: x.dtype, gradients.cast(tree, "bfloat16"))
    assert kinds == {"x": jnp.bfloat16, "n": jnp.int32, "key": tree["key"].dtype}


def test_start_has_an_optimiser_for_what_is_trained():
    both = {"student": params(), "teacher": params()}
    state = gradients.start(
        optax.sgd(0.1, momentum=0.9), jax.random.key(0), both, trained="student"
    )
    assert state.step == 0 and state.params is both and state.best is None
    found = [x.shape for x in jax.tree.leaves(state.opt_state)]
    assert found == [(), (3,)]
    kept = gradients.start(optax.sgd(0.1), jax.random.key(0), both, keep_best=True).best
    assert_trees_close(kept.params, both)
    assert (
        kept.loss == np.inf and kept.params["teacher"]["w"] is not both["teacher"]["w"]
    )


def test_step_key_is_of_the_step_and_of_the_device():
    state = gradients.start(optax.sgd(0.1), jax.random.key(0), params())
    on = parallel.devices("pmap")

    def step(state, batch, *, axis_name=None):
        key = gradients.step_key(state, axis_name)
        drawn = parallel.gather(jax.random.normal(key, (1,)), axis_name)
        return state._replace(step=state.step + 1), {"drawn": drawn}

    compiled = parallel.compile_step(on, step)
    batch, drawn = parallel.shard(on, rows()), []
    state = jax.tree.map(jnp.array, state)
    for _ in range(2):
        state, metrics = compiled(state, batch)
        drawn += metrics["drawn"].tolist()
    assert len(set(drawn)) == 16
    fixed = gradients.start(optax.sgd(0.1), jax.random.key(0), params())
    keys = [gradients.step_key(fixed) for _ in range(2)]
    assert keys[0] == keys[1] != gradients.step_key(fixed._replace(step=1))
