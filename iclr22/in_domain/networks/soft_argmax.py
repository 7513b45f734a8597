"""A network that reads where something is, not what the image looks like: model 18.

Each map of a small convolutional network is read by its spatial soft-argmax, the place that
a softmax over the map expects (Finn et al., ICRA 2016). Places are linear in where things
are, also where nothing was in training, so that a linear layer goes on beyond the training
range. Of size and shape tell the masses of other maps, whose roots are lengths. A hue is the
mean hue of the pixels that a softmax looks at, so it is read right where no such colour was
in training; geometry is read from what hues do not change.

This bias is made by hand: it says which outputs are positions and which are hues, and helps
where a factor moves something, makes it larger or paints it, and nowhere else.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from iclr22.nn.conv import Conv

MAPS = 16
HIDDEN = 64
EXPERTS = 4
SMALLEST = 1e-4  # mass below which its root no longer falls steeply
SHARP = 4.0  # times a step of colour, is an edge
EPSILON = 1e-6  # grey has no angle


class SoftArgmax(nn.Module):
    """Places of some maps, masses of others, and hues.

    Attributes:
      outputs: factors.
      positions: the outputs that are linear in places.
      hues: the outputs that are hues; images have colours then. All others are read from
        masses, in colour images also from places and spreads.
    """

    outputs: int
    positions: tuple[int, ...] = ()
    hues: tuple[int, ...] = ()

    @nn.compact
    def __call__(self, x, weight=None):
        """`(outputs [n, outputs], features [n, d])` of images `[n, h, w, c]`."""
        del weight
        coloured = x.shape[-1] > 1
        shade = brightness(x) if coloured else x
        seen = jnp.concatenate([shade, edges(x)], axis=-1) if coloured else x
        maps = Trunk(name="trunk")(seen)
        moving = Trunk(wide=True, name="moving")(shade) if coloured else maps
        places = expected_places(Conv(MAPS, use_bias=False, name="where")(moving))
        found = nn.Dense(self.outputs, name="places")(places)
        sizes = roots(Conv(MAPS, name="amount")(maps))
        lengths = sizes
        if coloured:
            extent = Conv(MAPS, use_bias=False, name="extent")(maps)
            lengths = jnp.concatenate(
                [sizes, expected_places(extent), spreads(extent)], axis=-1
            )
        other = Experts(self.outputs, name="experts")(sizes, lengths)
        found = jnp.where(_chosen(self.outputs, self.positions), found, other)
        features = [places, lengths]
        if self.hues:
            colours = Hues(len(self.hues), name="hues")(x, maps)
            found = found.at[:, jnp.array(self.hues)].set(colours)
            features.append(colours)
        return found, jnp.concatenate(features, axis=-1)


def _chosen(outputs, which):
    return jnp.isin(jnp.arange(outputs), jnp.array(which, int))


class Trunk(nn.Module):
    """Convolutions that halve an image once: maps `[n, h / 2, w / 2, c]`.

    Attributes:
      wide: one more, of 5 x 5 pixels.
    """

    wide: bool = False

    @nn.compact
    def __call__(self, x):
        """Maps of images `[n, h, w, c]`."""
        x = nn.relu(Conv(MAPS, name="conv0")(x))
        x = nn.relu(Conv(MAPS, stride=2, name="conv1")(x))
        return nn.relu(Conv(MAPS, 5, name="conv2")(x)) if self.wide else x


class Hues(nn.Module):
    """Mean hues of what softmaxes look at, on the scale of a line through them.

    Attributes:
      count: of hues.
    """

    count: int

    @nn.compact
    def __call__(self, x, maps):
        """`[n, count]` of colour images `[n, h, w, 3]` and maps `[n, h / 2, w / 2, c]`."""
        n, h, w, _ = maps.shape
        down, across = jnp.meshgrid(
            jnp.linspace(-1, 1, h), jnp.linspace(-1, 1, w), indexing="ij"
        )
        grid = jnp.broadcast_to(jnp.stack([down, across], -1), (n, h, w, 2))
        look = Conv(self.count, use_bias=False, name="look")(
            jnp.concatenate([maps, grid], axis=-1)
        )
        share = jax.nn.softmax(look.reshape(n, h * w, self.count), axis=1)
        pixels = hue(x[:, ::2, ::2]).reshape(n, h * w)
        seen = jnp.einsum("npk,np->nk", share, pixels)
        scale = self.param("scale", nn.initializers.ones, (self.count,))
        shift = self.param("shift", nn.initializers.zeros, (self.count,))
        return scale * seen + shift


class Experts(nn.Module):
    """Linear in lengths, so that it goes on beyond sizes of training; which line it is, is
    read from shares of masses, which tell shapes, not sizes.

    Attributes:
      outputs: factors.
    """

    outputs: int

    @nn.compact
    def __call__(self, sizes, lengths):
        """`[n, outputs]` of roots of masses `[n, d]` and all lengths `[n, e]`."""
        shares = sizes / (jnp.mean(sizes, axis=-1, keepdims=True) + 10 * SMALLEST)
        hidden = nn.relu(nn.Dense(HIDDEN, name="hidden")(shares))
        gate = jax.nn.softmax(nn.Dense(EXPERTS, name="gate")(hidden))
        lines = nn.Dense(EXPERTS * self.outputs, name="lines")(lengths)
        lines = lines.reshape(-1, EXPERTS, self.outputs)
        return jnp.einsum("nk,nkf->nf", gate, lines)


def expected_places(maps):
    """Where a softmax over each map expects to be, `[n, 2 c]` from -1 to 1: across, down.

    Args:
      maps: `[n, h, w, c]`.
    """
    return _moments(maps, 1)


def spreads(maps):
    """Deviation of the place around what is expected, `[n, 2 c]`: across, down."""
    squares = _moments(maps, 2) - expected_places(maps) ** 2
    return jnp.sqrt(jnp.maximum(squares, 0) + SMALLEST)


def _moments(maps, power):
    n, h, w, c = maps.shape
    share = jax.nn.softmax(maps.reshape(n, h * w, c), axis=1).reshape(maps.shape)
    across = jnp.einsum("nhwc,w->nc", share, jnp.linspace(-1, 1, w) ** power)
    down = jnp.einsum("nhwc,h->nc", share, jnp.linspace(-1, 1, h) ** power)
    return jnp.concatenate([across, down], axis=-1)


def roots(maps):
    """Roots of the mean of each map above 0, `[n, c]`: of an area, its length."""
    return jnp.sqrt(jnp.mean(nn.relu(maps), axis=(1, 2)) + SMALLEST)


def brightness(x):
    """What hues do not change, `[n, h, w, 2]`: the brightest channel, and saturation."""
    top, bottom = x.max(axis=-1, keepdims=True), x.min(axis=-1, keepdims=True)
    return jnp.concatenate([top, (top - bottom) / (top + 100 * SMALLEST)], axis=-1)


def edges(x):
    """How far colours are from those of the pixel above and of that to the left, about 0
    to 1, `[n, h, w, 2]`: contours, whatever their hues."""

    def steps(axis):
        square = jnp.sum((x - jnp.roll(x, 1, axis)) ** 2, axis=-1, keepdims=True)
        return jnp.tanh(SHARP * jnp.sqrt(square + SMALLEST))

    return jnp.concatenate([steps(1), steps(2)], axis=-1)


def hue(x):
    """Angle of colours `[.., 3]` around grey, in turns from -0.05 to 0.95; red is 0."""
    red, green, blue = x[..., 0], x[..., 1], x[..., 2]
    across = red - (green + blue) / 2 + EPSILON
    angle = jnp.arctan2(jnp.sqrt(0.75) * (green - blue) + EPSILON, across)
    return jnp.mod(angle / (2 * jnp.pi) + 0.05, 1.0) - 0.05
