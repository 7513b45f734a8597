"""Networks of PSA-GAN: counts, shapes, attention, fade-in, spectral normalisation."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from iclr22.psa_gan import networks, spectral
from iclr22.psa_gan.networks import Block, Discriminator, Generator

SERIES, FEATURES, BATCH = 414, 5, 3


def inputs(length, context=0, seed=0):
    random = np.random.default_rng(seed)
    series = random.integers(0, SERIES, BATCH)
    features = random.uniform(-0.5, 0.5, (BATCH, length, FEATURES)).astype(np.float32)
    noise = random.normal(size=(BATCH, length)).astype(np.float32)
    given = series, features, noise
    if context:
        given += (random.normal(size=(BATCH, context)).astype(np.float32),)
    return given


@functools.cache
def built(kind, length, **options):
    network = kind(series=SERIES, length=length, **options)
    given = inputs(length, options.get("context", 0))
    start = jax.jit(functools.partial(networks.init, network))
    return network, start(jax.random.key(0), *given), given


def applied(network, variables, *given, **options):
    """As one program."""
    call = functools.partial(network.apply, **options)
    return np.asarray(jax.jit(call)(variables, *given))


@pytest.mark.parametrize(
    ("length", "generator", "discriminator", "continuing"),
    [
        (16, 11669, 11262, 19957),
        (32, 17433, 14530, 34009),
        (64, 23197, 17798, 48061),
        (128, 28961, 21066, 62113),
        (256, 34725, 24334, 76165),
    ],
)
def test_parameter_counts_are_those_of_the_paper(
    length, generator, discriminator, continuing
):
    def counted(kind, **options):
        network = kind(series=SERIES, length=length, **options)
        given = inputs(length, options.get("context", 0))
        start = functools.partial(networks.init, network)
        return sum(
            int(np.prod(x.shape))
            for x in jax.tree.leaves(
                jax.eval_shape(start, jax.random.key(0), *given)["params"]
            )
        )

    assert counted(Generator) == generator
    assert counted(Discriminator) == discriminator
    assert counted(Generator, context=64) == continuing


def test_lengths_double_with_the_depth():
    network, variables, given = built(Generator, 64)
    judge, judged, _ = built(Discriminator, 64)
    for depth, length in enumerate((8, 16, 32, 64)):
        assert networks.length_of(depth) == length
        assert networks.depth_of(length) == depth
        windows = applied(network, variables, *given, depth=depth)
        assert windows.shape == (BATCH, length)
        scores = applied(judge, judged, *given[:2], windows, depth=depth)
        assert scores.shape == (BATCH,)
        assert np.all(np.abs(windows) < 100) and np.all(np.abs(scores) < 100)


@pytest.mark.parametrize("skip", ["identity", "random"])
def test_fade_in(skip):
    network, variables, given = built(Generator, 16, skip=skip)
    full = applied(network, variables, *given, depth=1)
    faded = applied(network, variables, *given, depth=1, fade=1.0)
    np.testing.assert_allclose(faded, full, rtol=1e-5, atol=1e-6)
    new = applied(network, variables, *given, depth=1, fade=0.0)
    before = applied(network, variables, *given, depth=0)
    doubled = networks.double(before[..., None], "linear")[..., 0]
    same = np.allclose(new, doubled, atol=1e-5)
    assert same == (skip == "identity")


def test_fade_in_of_the_discriminator():
    network, variables, given = built(Discriminator, 16)
    series, features, x = given
    call = functools.partial(applied, network, variables, series, features)
    np.testing.assert_allclose(
        call(x, depth=1, fade=1.0), call(x, depth=1), rtol=1e-5, atol=1e-6
    )
    low = networks.pool(x[..., None], 2)[..., 0]
    np.testing.assert_allclose(
        call(x, depth=1, fade=0.0), call(low, depth=0), rtol=1e-5, atol=1e-6
    )


def test_pooling_undoes_doubling_and_lines_stay_lines():
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    back = networks.pool(networks.double(x, "nearest"), 2)
    np.testing.assert_allclose(back, x, rtol=1e-6)
    line = np.arange(6.0)[None, :, None]
    doubled = np.asarray(networks.double(line, "linear"))[0, 1:-1, 0]
    np.testing.assert_allclose(doubled, np.arange(0.25, 5, 0.5))


def test_attention_has_no_share_at_first_but_a_gradient():
    x = np.random.default_rng(0).normal(size=(2, 8, 4)).astype(np.float32)
    block = Block(6, 3, 2, 3, True)
    variables = block.init(jax.random.key(1), x)
    out = block.apply(variables, x)
    other = jax.tree.map(lambda p: p, variables)
    for name in ("queries", "keys", "values"):
        changed = jax.tree.map(lambda p: p + 1, variables["params"][name])
        other["params"] = other["params"] | {name: changed}
    np.testing.assert_array_equal(block.apply(other, x), out)

    def loss(params):
        return jnp.sum(block.apply(variables | {"params": params}, x) ** 2)

    assert abs(float(jax.grad(loss)(variables["params"])["share"])) > 1e-3


@pytest.mark.parametrize("limit", [1 << 22, 40, 1])
def test_attention_equals_its_definition(limit, monkeypatch):
    monkeypatch.setattr(networks, "SCORES", limit)
    q, k, v = np.random.default_rng(0).normal(size=(3, 2, 7, 4))
    scores = np.einsum("bqd,bkd->bqk", q, k) / 2
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    np.testing.assert_allclose(networks.attend(q, k, v), weights @ v, rtol=1e-4)
    ones = networks.attend(q, k, np.ones_like(v))
    np.testing.assert_allclose(ones, 1, rtol=1e-5)  # weights sum to 1


def test_power_iteration_finds_the_largest_singular_value():
    weight = jax.random.normal(jax.random.key(0), (5, 9))
    u, v = spectral.iterate(weight, jnp.ones(5), jnp.zeros(9), 50)
    found = spectral.normalised(weight, u, v)
    assert np.linalg.norm(found, 2) == pytest.approx(1, abs=1e-3)
    diagonal = jnp.diag(jnp.array([3.0, 1.0]))
    u, v = spectral.iterate(diagonal, jnp.ones(2), jnp.zeros(2), 50)
    found = spectral.normalised(diagonal, u, v)
    np.testing.assert_allclose(found, np.diag([1, 1 / 3]), atol=1e-5)


def test_vectors_move_only_where_they_may_and_carry_no_gradient():
    x = np.random.default_rng(0).normal(size=(2, 6, 4)).astype(np.float32)
    layer = spectral.Spectral(5, 3)
    variables = layer.init(jax.random.key(0), x)
    read = layer.apply(variables, x)
    written, after = layer.apply(variables, x, mutable=["spectral"])
    before = variables["spectral"]["vectors"]
    assert not np.array_equal(after["spectral"]["vectors"]["u"], before["u"])
    np.testing.assert_allclose(read, written, rtol=0.05, atol=0.05)
    again = layer.apply(variables, x)
    np.testing.assert_array_equal(read, again)
    weight = variables["params"]["weight"].reshape(-1, 5).T
    grown = spectral.normalised(3 * weight, **before)
    np.testing.assert_allclose(grown, spectral.normalised(weight, **before), rtol=1e-5)


def test_settled_vectors_are_those_of_other_weights():
    x = np.random.default_rng(0).normal(size=(2, 6, 4)).astype(np.float32)
    layer = spectral.Spectral(5, 3)
    variables = layer.init(jax.random.key(0), x)
    other = np.random.default_rng(1).normal(size=(3, 4, 5)).astype(np.float32)
    params = {"weight": other, "bias": np.zeros(5, np.float32)}
    moved = {"a": params}, {"a": variables["spectral"]}
    found = spectral.settled({"params": moved[0], "spectral": moved[1]})
    vectors = found["spectral"]["a"]["vectors"]
    flat = other.reshape(-1, 5).T
    size = vectors["u"] @ flat @ vectors["v"]
    assert size == pytest.approx(np.linalg.norm(flat, 2), rel=1e-4)
    assert found["params"]["a"] is params


def test_convolution_equals_a_sum_over_shifts():
    random = np.random.default_rng(0)
    x, weight = random.normal(size=(2, 6, 3)), random.normal(size=(3, 3, 4))
    found = spectral.convolve(x, weight.reshape(-1, 4), 3)
    expected = np.zeros((2, 6, 4))
    for t in range(6):
        for j in range(3):
            if 0 <= t + j - 1 < 6:
                expected[:, t] += x[:, t + j - 1] @ weight[j]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_local_output_reaches_from_zero_to_one():
    network, variables, given = built(Generator, 16, output="local")
    z = np.array([[0.0, 1.0, 5.0, 2.0], [3.0, -7.0, 0.0, 3.5]])
    scaled = np.asarray(network._scaled(z))
    np.testing.assert_allclose(scaled.min(1), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.max(1), 1, atol=1e-6)
    assert applied(network, variables, *given, depth=1).shape == (BATCH, 16)


def test_noise_and_context_matter():
    network, variables, given = built(Generator, 16, context=8)
    out = applied(network, variables, *given, depth=1)
    for place in (2, 3):
        other = list(given)
        other[place] = other[place] + 1
        assert not np.allclose(applied(network, variables, *other, depth=1), out)
