"""Next-item networks: against NumPy, truncated training, plateaus, memorisation."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close

from iclr22 import gradients, loop, plateau
from iclr22.data import batching
from iclr22.recurrent_intensity import networks, sequence


def started(network="gru", size=16, **fields):
    config, batch = sequence.example(size)
    config = config._replace(network=network, **fields)
    return config, batch, sequence.init(config, jax.random.key(1), batch)


def test_gru_equals_its_formula():
    config, batch, state = started(layers=1)
    params = jax.device_get(state.params)
    tokens = batch["tokens"][:3, :5]
    x = params["embedding"]["table"][tokens]
    body, h, width = params["body"], np.zeros((3, config.width)), config.width

    def sigmoid(v):
        return 1 / (1 + np.exp(-v))

    for t in range(5):
        i = x[:, t] @ body["input_0"]["kernel"] + body["input_0"]["bias"]
        g = h @ body["kernel_0"] + body["bias_0"]
        r = sigmoid(i[:, :width] + g[:, :width])
        z = sigmoid(i[:, width : 2 * width] + g[:, width : 2 * width])
        n = np.tanh(i[:, 2 * width :] + r * g[:, 2 * width :])
        h = (1 - z) * n + z * h
    lengths = np.full(3, 5)
    found = sequence.encode(config, state.params, tokens, lengths)
    np.testing.assert_allclose(found, h, rtol=1e-5, atol=1e-6)


def test_positions_are_sinusoids():
    found = networks.positions(7, 6)
    np.testing.assert_allclose(found[3, 2], np.sin(3 / 10_000 ** (2 / 6)), rtol=1e-6)
    np.testing.assert_allclose(found[5, 5], np.cos(5 / 10_000 ** (4 / 6)), rtol=1e-6)
    np.testing.assert_array_equal(found[0], [0, 1] * 3)


@pytest.mark.parametrize("network", ["gru", "transformer"])
def test_outputs_see_only_the_past(network):
    config, batch, state = started(network)
    tokens = batch["tokens"][:4, :8]
    changed = tokens.copy()
    changed[:, 5:] = 3
    a, b = (
        sequence.apply(config, state.params, {"tokens": x}) for x in (tokens, changed)
    )
    np.testing.assert_allclose(a[:, :5], b[:, :5], atol=1e-6)
    assert np.abs(a[:, 5:] - b[:, 5:]).max() > 1e-3


def test_loss_of_an_untrained_uniform_model_is_log_of_tokens():
    config, batch, state = started()
    params = jax.tree.map(jnp.zeros_like, state.params)
    total, sums = sequence.loss(config, params, batch)
    assert float(sums["weight"]) == batch["weight"].sum()
    np.testing.assert_allclose(total, sums["weight"] * np.log(config.tokens), rtol=1e-5)


def test_normaliser_counts_all_tokens():
    config, _, state = started()
    z = jnp.ones((2, config.width))
    table = jax.device_get(state.params["embedding"])
    logits = np.ones((2, config.width)) @ table["table"].T + table["bias"]
    expected = np.log(np.exp(logits).sum(1))
    np.testing.assert_allclose(
        sequence.log_normaliser(state.params, z), expected, rtol=1e-5
    )


def test_only_live_rows_are_computed_to_the_same_numbers(monkeypatch):
    """Rows in any order: the cut batch learns what the whole one does."""
    config, batch, state = started()
    batch = batch | {"tokens": batch["tokens"].copy()}
    batch["tokens"][6:, 3:] = 0
    batch["weight"] = (batch["tokens"] > 0).sum(1).astype(np.float32)
    step = functools.partial(sequence.train_step, config)
    short = jax.jit(step)(state, batch)
    ordered = jax.jit(step)(state, sequence.by_length(batch))
    monkeypatch.setattr(sequence, "_sizes", lambda n: [n])
    whole = jax.jit(lambda *x: step(*x))(state, batch)
    assert_trees_close(short, whole, rtol=1e-5, atol=1e-6)
    assert_trees_close(ordered, whole, rtol=1e-5, atol=1e-6)


def test_truncated_updates_carry_the_state_on():
    """A chunk as long as the history is plain back-propagation; with two, the second
    starts from the carry of the first under the updated parameters."""
    config, batch, state = started(chunk=8)
    new, _ = jax.jit(functools.partial(sequence.train_step, config))(state, batch)
    grads, sums = jax.grad(lambda p: sequence.loss(config, p, batch), has_aux=True)(
        state.params
    )
    mean, _ = gradients.mean(grads, sums, None)
    expected, _ = sequence._update(
        config, state.best, state.params, state.opt_state, mean
    )
    assert_trees_close(new.params, expected, rtol=1e-4, atol=1e-6)
    halves = config._replace(chunk=4)
    chunk = jax.jit(functools.partial(sequence._chunk, halves, batch["weight"], 16))
    held, opt_state, carry = state.params, state.opt_state, sequence._rest(config, 16)
    for part in range(2):
        piece = [batch["tokens"][:, part * 4 + i : part * 4 + 4 + i] for i in (0, 1)]
        grads, sums, carry = chunk(held, carry, *map(jnp.asarray, piece))
        mean, _ = gradients.mean(grads, sums, None)
        held, opt_state = sequence._update(halves, state.best, held, opt_state, mean)
    new, _ = jax.jit(functools.partial(sequence.train_step, halves))(state, batch)
    assert_trees_close(new.params, held, rtol=1e-4, atol=1e-6)


def test_transformer_learns_too():
    config, batch, state = started("transformer", learning_rate=0.025)
    step = jax.jit(functools.partial(sequence.train_step, config))
    losses = []
    for _ in range(40):
        state, metrics = step(state, batch)
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.5 * losses[0]


def test_gru_remembers_a_repeated_history():
    """Sheet 8.9: items 1 to 5 over and over."""
    length = 32
    tokens = np.zeros((1, length + 1), np.int32)
    tokens[0, 1:] = np.arange(length) % 5 + 1
    batch = {"tokens": tokens, "weight": np.array([length], np.float32)}
    config = sequence.Config(tokens=6, width=32, length=length)
    schedule = loop.Schedule(steps=50, scan=10)
    state = loop.fit(sequence, config, batching.Whole(batch, None), schedule)
    outputs = sequence.apply(config, state.params, {"tokens": tokens[:, :-1]})
    table = state.params["embedding"]
    said = (outputs @ table["table"].T + table["bias"]).argmax(-1)
    np.testing.assert_array_equal(said[0, 5:], tokens[0, 6:])


# Plateaus.


def judged(losses, **options):
    """Rates and kept parameters over evaluations; parameters are the evaluation's number."""
    _, _, state = started()
    params = {"x": jnp.float32(0)}
    state = state._replace(params=params, best=plateau.fresh(params))
    seen = []
    for i, loss in enumerate(losses):
        state = state._replace(params={"x": jnp.float32(i)})
        state = plateau.review(state, {"valid/loss": loss}, **options)
        kept, current = float(state.best.params["x"]), float(state.params["x"])
        seen.append((float(state.best.rate), kept, current))
    return seen


def test_rate_is_cut_after_patience_and_the_best_is_reloaded():
    found = judged([3, 2, 2.5, 2.5, 2.5, 1.9], patience=2)
    assert found[1] == (1, 1, 1)
    assert found[3] == (1, 1, 3)  # two without improvement are tolerated
    assert found[4] == (0.25, 1, 1)  # the third cuts, and goes back
    assert found[5] == (0.25, 5, 5)


def test_tiny_improvements_are_kept_but_do_not_reset_patience():
    found = judged([1, 0.99999, 0.99998, 0.99997], patience=1)
    assert [x[0] for x in found] == [1, 1, 0.25, 0.25]
    assert found[-1][1] == 3


def test_negative_patience_never_cuts():
    assert {x[0] for x in judged([1] * 9, patience=-1)} == {1.0}


def test_interrupted_training_reviews_to_the_same_numbers(tmp_path):
    config, batch = sequence.example()
    valid = {"valid": batching.Whole(batch, 0)}
    source = batching.make({"tokens": batch["tokens"], "weight": batch["weight"]}, 8)
    review = functools.partial(plateau.review, patience=0)

    def train(folder, steps):
        plan = loop.Schedule(steps, evaluate_every=2, save_every=2)
        return loop.fit(
            sequence,
            config,
            source,
            plan,
            directory=tmp_path / folder,
            valid=valid,
            review=review,
        )

    whole = train("whole", 8)
    train("cut", 4)
    assert_trees_close(whole, train("cut", 8), rtol=0, atol=0)
