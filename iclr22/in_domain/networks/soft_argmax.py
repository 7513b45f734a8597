"""A network that reads where something is, not what the image looks like: model 18.

Each map of a small convolutional network is read by its spatial soft-argmax, the place that
a softmax over the map expects. Places are linear in where things are, also where nothing
was in training, so that a linear layer goes on beyond the training range; of size and shape
tell the masses of other maps. This bias is made by hand (Finn et al.,
ICRA 2016, have such a layer): it helps where a factor moves something or makes it larger,
and nothing else.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from iclr22.nn.conv import Conv

MAPS = 16
HIDDEN = 64
EXPERTS = 4
SMALLEST = 1e-4  # mass below which its root no longer falls steeply


class SoftArgmax(nn.Module):
    """Convolutions, then places of some maps and masses of others.

    Attributes:
      outputs: factors.
      positions: the outputs that are linear in expected places; others are read from masses.
    """

    outputs: int
    positions: tuple[int, ...] = ()

    @nn.compact
    def __call__(self, x, weight=None):
        """`(outputs [n, outputs], features [n, d])` of images `[n, h, w, c]`."""
        del weight
        x = nn.relu(Conv(MAPS, name="conv0")(x))
        x = nn.relu(Conv(MAPS, stride=2, name="conv1")(x))
        places = expected_places(Conv(MAPS, name="where")(x))
        sizes = roots(Conv(MAPS, name="amount")(x))
        linear = nn.Dense(self.outputs, name="places")(places)
        other = Experts(self.outputs, name="experts")(sizes)
        chosen = jnp.isin(jnp.arange(self.outputs), jnp.array(self.positions, int))
        features = jnp.concatenate([places, sizes], axis=-1)
        return jnp.where(chosen, linear, other), features


class Experts(nn.Module):
    """Linear in the roots of masses, so that it goes on beyond sizes of training; which
    line it is, is read from their shares, which tell shapes, not sizes.

    Attributes:
      outputs: factors.
    """

    outputs: int

    @nn.compact
    def __call__(self, sizes):
        """`[n, outputs]` of roots of masses `[n, d]`."""
        shares = sizes / (jnp.mean(sizes, axis=-1, keepdims=True) + 10 * SMALLEST)
        hidden = nn.relu(nn.Dense(HIDDEN, name="hidden")(shares))
        gate = jax.nn.softmax(nn.Dense(EXPERTS, name="gate")(hidden))
        lines = nn.Dense(EXPERTS * self.outputs, name="lines")(sizes)
        lines = lines.reshape(-1, EXPERTS, self.outputs)
        return jnp.einsum("nk,nkf->nf", gate, lines)


def expected_places(maps):
    """Where a softmax over each map expects to be, `[n, 2 c]` from -1 to 1: across, down.

    Args:
      maps: `[n, h, w, c]`.
    """
    n, h, w, c = maps.shape
    share = jax.nn.softmax(maps.reshape(n, h * w, c), axis=1).reshape(maps.shape)
    across = jnp.einsum("nhwc,w->nc", share, jnp.linspace(-1, 1, w))
    down = jnp.einsum("nhwc,h->nc", share, jnp.linspace(-1, 1, h))
    return jnp.concatenate([across, down], axis=-1)


def roots(maps):
    """Roots of the mean of each map above 0, `[n, c]`: of an area, its length."""
    return jnp.sqrt(jnp.mean(nn.relu(maps), axis=(1, 2)) + SMALLEST)
