"""First weights of a network, drawn in one piece."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from iclr22.nn import initial


def test_kernels_are_as_flax_draws_them_and_others_stay():
    given = {
        "stem": {"kernel": jnp.zeros((3, 3, 16, 200)), "bias": jnp.ones(200)},
        "head": {"kernel": jnp.zeros((300, 90))},
        "norm": {"scale": jnp.full(4, 7.0)},
    }
    found = initial.kernels(given, jax.random.key(0))
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, given)
    for name, kind in (("stem", nn.initializers.he_normal()), ("head", None)):
        kind = kind or nn.initializers.lecun_normal()
        x = np.asarray(found[name]["kernel"])
        wanted = np.asarray(kind(jax.random.key(1), x.shape))
        np.testing.assert_allclose(x.std(), wanted.std(), rtol=0.02)
        np.testing.assert_allclose(abs(x).max(), abs(wanted).max(), rtol=0.02)
        assert abs(x.mean()) < 4 * x.std() / np.sqrt(x.size)
    np.testing.assert_array_equal(found["stem"]["bias"], 1)
    np.testing.assert_array_equal(found["norm"]["scale"], 7)
    other = initial.kernels(given, jax.random.key(1))
    assert not np.allclose(other["head"]["kernel"], found["head"]["kernel"])


def test_uniform_kernels_and_their_biases_are_as_pytorch_draws_them():
    given = {
        "conv": {"kernel": jnp.zeros((4, 4, 25, 300)), "bias": jnp.ones(300)},
        "head": {"kernel": jnp.zeros((400, 90)), "bias": jnp.ones(90)},
        "norm": {"scale": jnp.full(4, 7.0), "bias": jnp.full(4, 5.0)},
    }
    found = initial.uniform(given, jax.random.key(0))
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, given)
    for name in ("conv", "head"):  # of 400 inputs each
        for x in map(np.asarray, found[name].values()):
            assert abs(x).max() <= 1 / 20
            np.testing.assert_allclose(abs(x).max(), 1 / 20, rtol=0.05)
            np.testing.assert_allclose(abs(x).mean(), 1 / 40, rtol=0.15)
            assert abs(x.mean()) < 4 * x.std() / np.sqrt(x.size)
    np.testing.assert_array_equal(found["norm"]["scale"], 7)
    np.testing.assert_array_equal(found["norm"]["bias"], 5)
