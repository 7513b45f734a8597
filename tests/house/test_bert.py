"""BERT: hidden states against loops by hand, dropout, freezing, truncation, export."""

import os
import zipfile

import bert_helpers
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from iclr22 import errors
from iclr22.nn import bert, tokens

run = jax.jit(bert.apply, static_argnums=0, static_argnames="dtype")
IDS = np.array([[2, 11, 13, 14, 3, 0], [2, 5, 3, 6, 7, 3]], np.int32)
MASK = np.array([[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1]], np.int32)
TYPES = np.array([[0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1]], np.int32)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = bert_helpers.folder(tmp_path_factory.mktemp("bert") / "model")
    return path, *bert.load(path)


def test_hidden_states_are_those_by_hand(small):
    _, config, params = small
    found = run(config, params, IDS, MASK, TYPES)
    expected = bert_helpers.hidden(bert_helpers.tensors(), IDS, MASK, TYPES)
    assert found.shape == (2, 6, 8) and found.dtype == jnp.float32
    np.testing.assert_allclose(found[0, :5], expected[0, :5], atol=2e-5)
    np.testing.assert_allclose(found[1], expected[1], atol=2e-5)


def test_what_padding_holds_does_not_matter(small):
    _, config, params = small
    alone = run(config, params, IDS[:1, :5])
    ids = np.concatenate([IDS[:1, :5], np.full((1, 4), 9, np.int32)], axis=1)
    padded = run(config, params, ids, np.arange(9)[None] < 5)
    np.testing.assert_allclose(padded[:, :5], alone, atol=1e-6)
    nothing = run(config, params, IDS, 0 * MASK)
    assert np.isfinite(nothing).all()


def test_pooler_and_vectors(small):
    _, config, params = small
    hidden = run(config, params, IDS, MASK, TYPES)
    arrays = bert_helpers.tensors()
    kernel, bias = arrays["pooler.dense.weight"], arrays["pooler.dense.bias"]
    expected = np.tanh(np.asarray(hidden)[:, 0] @ kernel.T + bias)
    np.testing.assert_allclose(bert.pooled(params, hidden), expected, atol=1e-5)
    np.testing.assert_array_equal(bert.vectors(hidden, MASK, "cls"), hidden[:, 0])
    mean = np.stack([np.mean(hidden[0, :5], 0), np.mean(hidden[1], 0)])
    np.testing.assert_allclose(bert.vectors(hidden, MASK), mean, atol=1e-6)
    with pytest.raises(errors.InputError, match="Did you mean 'mean'"):
        bert.vectors(hidden, MASK, "means")


def test_dropout_is_of_the_key_and_keeps_the_mean(small):
    _, config, params = small
    plain = run(config, params, IDS, MASK)
    key = jax.random.key(0)
    once = run(config, params, IDS, MASK, key=key)
    np.testing.assert_array_equal(run(config, params, IDS, MASK, key=key), once)
    keys = jax.random.split(key, 200)
    many = jax.vmap(lambda key: run(config, params, IDS, MASK, key=key))(keys)
    assert np.abs(many[0] - many[1]).max() > 0.1
    apart = np.abs(many.mean(axis=0) - plain)[0, :5].mean()
    assert apart < 0.5 * np.abs(many - plain)[:, 0, :5].mean()
    off = config._replace(dropout=0.0, attention_dropout=0.0)
    same = run(off, params, IDS, MASK, key=key)
    np.testing.assert_allclose(same, plain, atol=1e-6)


def test_checkpoints_change_no_gradient(small):
    config, params = bert.truncated(*small[1:], 1)
    key = jax.random.key(1)

    def total(params, config):
        return (bert.apply(config, params, IDS, MASK, key=key) ** 3).sum()

    slope = jax.jit(jax.grad(total), static_argnums=1)
    once = slope(params, config)
    again = slope(params, config._replace(checkpoints=True))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-3), once, again
    )


def test_truncated_encoder_is_that_of_its_first_layers(small):
    _, config, params = small
    short, kept = bert.truncated(config, params, 1)
    found = run(short, kept, IDS, MASK, TYPES)
    arrays = bert_helpers.tensors()
    expected = bert_helpers.hidden(arrays, IDS, MASK, TYPES, layers=1)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-5)
    assert short.layers == 1 and "layer_1" not in kept and "layer_1" in params
    for wrong in (0, 3):
        with pytest.raises(errors.InputError, match="from 1 to 2 layers"):
            bert.truncated(config, params, wrong)


def test_frozen_parameters_stay_and_have_no_state(small):
    _, config, params = small
    trained = bert.trainable(config, params, layers=1, embeddings=True)
    rule = bert.freeze(optax.adamw(1e-2), trained)
    state = rule.init(params)

    @jax.jit
    def step(params, state):
        def total(params):
            hidden = bert.apply(config, params, IDS, MASK)
            return (bert.pooled(params, hidden) ** 2).sum()

        updates, state = rule.update(jax.grad(total)(params), state, params)
        return optax.apply_updates(params, updates), state

    after, state = step(params, state)
    for name, x in params.items():
        same = name in ("word", "position", "type", "norm", "layer_0")
        for old, new in zip(*map(jax.tree.leaves, (x, after[name])), strict=True):
            assert np.array_equal(old, new) == same, name
    kept = sum(x.size for x in jax.tree.leaves(state))
    trained_size = sum(
        x.size for name in ("layer_1", "pooler") for x in jax.tree.leaves(params[name])
    )
    assert 2 * trained_size <= kept < 2 * trained_size + 10
    assert all(jax.tree.leaves(bert.trainable(config, params)))
    with pytest.raises(errors.InputError, match="from 0 to 2 frozen layers"):
        bert.trainable(config, params, layers=3)


def test_biases_and_norms_do_not_decay(small):
    _, _, params = small
    found = bert.decayed(params)
    assert found["word"] == {"embedding": True}
    assert found["layer_0"]["query"] == {"kernel": True, "bias": False}
    assert found["layer_1"]["norm"] == {"scale": False, "bias": False}


def test_fresh_parameters_have_the_form_of_published_ones(small):
    _, config, params = small
    fresh = bert.init(config, jax.random.key(0))
    shapes = jax.tree.map(jnp.shape, (fresh, params))
    assert shapes[0] == shapes[1]
    assert 0.015 < np.std(fresh["layer_0"]["inner"]["kernel"]) < 0.025
    with pytest.raises(errors.InputError, match="divides into 3 heads"):
        bert.init(config._replace(heads=3), jax.random.key(0))


def test_too_many_tokens_and_bfloat16_on_a_cpu_are_refused(small):
    _, config, params = small
    with pytest.raises(errors.InputError, match="at most 16 tokens.*found 17"):
        bert.apply(config, params, np.ones((1, 17), np.int32))
    if jax.default_backend() == "cpu":
        with pytest.raises(errors.InputError, match="bfloat16.*found a CPU"):
            bert.apply(config, params, IDS, dtype="bfloat16")


def test_half_precision_is_near(small, monkeypatch):
    """As on an accelerator."""
    _, config, params = small
    full = run(config, params, IDS, MASK, TYPES)
    monkeypatch.setattr(bert.gradients, "compute_dtype", jnp.dtype)
    half = jax.jit(lambda p: bert.apply(config, p, IDS, MASK, TYPES, dtype="bfloat16"))
    found = half(params)
    assert found.dtype == jnp.bfloat16
    np.testing.assert_allclose(found.astype(jnp.float32), full, atol=0.25)


# Published weights: measured values, of the sheet of this method.

ENCODERS = "ICLR22_ENCODERS"  # folder with the wheels
SENTENCES = (
    "A plane is taking off.",
    "An air plane is taking off.",
    "A man is playing a large flute.",
)
REFERENCE = {
    "L6": {
        "mean": (0.390737, 0.168086, -0.343969, 0.381931, 0.137769),
        "cls": (0.422496, 0.080711, -0.228527, 0.320399, 0.037618),
        "pair": (0.311806, 0.051021, -0.228178, 0.307112, 0.038378),
        "norm": 5.97531,
        "cosines": (0.93930, 0.06214, 0.06750),
        "pooler": (-0.016143, 0.034301, -0.002782, 0.084139, -0.066887),
    },
    "L3": {
        "mean": (-0.112112, 0.061598, 0.151666, 0.285863, 0.121118),
        "cls": (-0.479848, 0.179641, 0.104919, 0.290650, 0.281840),
        "pair": (-0.579360, 0.146292, 0.225202, 0.288610, 0.177539),
        "norm": 4.88897,
        "cosines": (0.95907, 0.11272, 0.08572),
    },
}


def published(name):
    """Path of a wheel in the folder that the variable names, or skip."""
    folder = os.environ.get(ENCODERS)
    for entry in sorted(os.listdir(folder)) if folder else ():
        path = os.path.join(folder, entry)
        if entry.endswith(".whl") and zipfile.is_zipfile(path):
            inside = zipfile.ZipFile(path).namelist()
            six = any(x.endswith("vocab.txt") for x in inside)
            three = any(x.endswith("MiniLM-L3-v2.onnx") for x in inside)
            if six if name == "L6" else three:
                return path
    pytest.skip(f"needs the packaged {name} in the folder {ENCODERS}")


@pytest.mark.parametrize("name", REFERENCE)
def test_published_weights_give_the_reference_activations(name):
    vocabulary = bert.read_vocabulary(published("L6"))
    config, params = bert.load(published(name), published("L6"))
    size = sum(x.size for key in params for x in jax.tree.leaves(params[key]))
    pooler = 384 * 385
    assert size == (22_713_216 if name == "L6" else 17_241_984 + pooler)
    texts = tokens.encoded(vocabulary, SENTENCES)
    rows = tokens.alone(texts, np.arange(3), 32)
    expected = REFERENCE[name]
    hidden = run(config, params, rows.ids, rows.mask, rows.types)
    mean = np.asarray(bert.vectors(hidden, rows.mask))
    near = {"atol": 1e-4, "rtol": 0}
    np.testing.assert_allclose(mean[0, :5], expected["mean"], **near)
    np.testing.assert_allclose(hidden[0, 0, :5], expected["cls"], **near)
    np.testing.assert_allclose(np.linalg.norm(mean[0]), expected["norm"], **near)
    unit = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    cosines = (unit @ unit.T)[np.triu_indices(3, 1)]
    np.testing.assert_allclose(cosines, expected["cosines"], **near)
    if "pooler" in expected:
        pooled = bert.pooled(params, hidden)
        np.testing.assert_allclose(pooled[0, :5], expected["pooler"], **near)
    pair = tokens.together(texts, [0], [1], 16)
    assert pair.ids[0].tolist() == [
        *(101, 1037, 4946, 2003, 2635, 2125, 1012, 102),
        *(2019, 2250, 4946, 2003, 2635, 2125, 1012, 102),
    ]
    assert pair.types[0].tolist() == [0] * 8 + [1] * 8
    hidden = run(config, params, pair.ids, pair.mask, pair.types)
    np.testing.assert_allclose(hidden[0, 0, :5], expected["pair"], **near)
