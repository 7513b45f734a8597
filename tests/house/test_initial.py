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
