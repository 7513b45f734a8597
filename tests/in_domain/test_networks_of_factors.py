"""Networks that read factors: sizes, and what each is, written out in another way."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from iclr22 import errors
from iclr22.in_domain import networks
from iclr22.in_domain.networks import cnn, p4, slices, stn
from iclr22.in_domain.regressor import Config

FILES = [name for name in networks.NAMES if name.endswith("k")]  # at weights of others
RNG = np.random.default_rng(0)


def images(n, side, channels=1):
    return np.random.default_rng(1).random((n, side, side, channels), np.float32)


def shapes(config, x):
    return jax.eval_shape(lambda: networks.init(config, jax.random.key(0), x))


def drawn(config, x, seed=0):
    """Weights that are nowhere zero, for the comparison of two ways."""
    rng = np.random.default_rng(seed)

    def one(leaf):
        bound = 1 / np.sqrt(max(1, np.prod(leaf.shape[:-1])))
        return rng.uniform(-bound, bound, leaf.shape).astype(np.float32)

    return jax.tree.map(one, shapes(config, x)["weights"])


def count(config, x):
    leaves = jax.tree.leaves(shapes(config, x)["weights"])
    return sum(leaf.size for leaf in leaves)


@pytest.mark.parametrize(
    ("channels", "outputs", "expected"),
    [(1, 5, 379_077), (3, 6, 380_358), (3, 7, 380_615)],
)
def test_cnn_has_the_published_number_of_parameters(channels, outputs, expected):
    config = Config("cnn", outputs=outputs)
    assert count(config, images(1, 64, channels)) == expected


def test_backbones_have_the_layout_of_imagenet_but_at_tiny():
    x = images(1, 64, 3)
    assert count(Config("resnet50", "full", outputs=7), x) == 25_557_032 - 993 * 2049
    tiny = [count(Config(n, outputs=7), x) for n in ("resnet50", "densenet121")]
    assert tiny[0] < 11_689_512 / 15 and tiny[1] < 7_978_856 / 100


@pytest.mark.parametrize("network", [n for n in networks.NAMES if n not in FILES])
def test_all_are_called_alike(network):
    x = images(3, 32, 3) if network != "readout" else RNG.random((3, 10), np.float32)
    config = Config(network, outputs=4, positions=(0, 1))
    params = shapes(config, x)
    assert set(params) == {"weights", "stats"}

    def run(weights, stats, x):
        return networks.forward(config, weights, stats, x, np.ones(3, np.float32))

    outputs, features, stats = jax.eval_shape(
        run, params["weights"], params["stats"], x
    )
    assert outputs.shape == (3, 4) and features.shape[0] == 3 and features.ndim == 2
    assert jax.tree.structure(stats) == jax.tree.structure(params["stats"])


def test_unknown_network_is_refused():
    with pytest.raises(errors.InputError, match="coord_conv"):
        networks.module(Config("coordconv", outputs=1))


class Plain(nn.Module):
    """The network of the benchmark's code, with Linen's own layers."""

    outputs: int
    extra: bool = False

    @nn.compact
    def __call__(self, x):
        for index, width in enumerate((32, 32, 64)[: cnn.halvings(*x.shape[1:3])]):
            x = self._with_places(x)
            layer = nn.Conv(width, (4, 4), 2, padding=1, name=f"conv{index}")
            x = nn.relu(layer(x))
        x = self._with_places(x)
        layer = nn.Conv(256, x.shape[1:3], padding="VALID", name="last")
        x = nn.relu(layer(x))[:, 0, 0]
        return nn.Dense(self.outputs, name="head")(x)

    def _with_places(self, x):
        if not self.extra:
            return x
        _, h, w, _ = x.shape
        down, across = np.meshgrid(
            np.linspace(-1, 1, h), np.linspace(-1, 1, w), indexing="ij"
        )
        places = np.stack([across, down], -1).astype(np.float32)
        places = np.broadcast_to(places, (len(x), *places.shape))
        return jnp.concatenate([x, places], -1)


@pytest.mark.parametrize("network", ["cnn", "coord_conv"])
@pytest.mark.parametrize(("side", "n"), [(32, 2), (13, 40)])  # 40: in two slices
def test_cnn_and_its_gradients_equal_layers_of_linen(network, side, n):
    x, config = images(n, side), Config(network, outputs=3)
    weights = drawn(config, x)

    def ours(weights, x):
        return networks.forward(config, weights, {}, x)[0]

    def theirs(weights, x):
        plain = weights["trunk"] | {"head": weights["head"]}
        return Plain(3, network == "coord_conv").apply({"params": plain}, x)

    def both(run):
        def total(weights, x):
            return jnp.sum(jnp.sin(run(weights, x)))

        return jax.jit(lambda w, x: (run(w, x), jax.grad(total, (0, 1))(w, x)))(
            weights, x
        )

    for a, b in zip(*map(jax.tree.leaves, (both(ours), both(theirs))), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5 * np.abs(b).max())


def test_slices_are_all_rows_in_order():
    x = RNG.random((96, 3)).astype(np.float32)
    seen = []

    def function(part):
        seen.append(len(part))
        return part[:, :2] * 2

    found = jax.jit(lambda x: slices.over(function, x))(x)
    np.testing.assert_array_equal(found, 2 * x[:, :2])
    assert set(seen) == {16}
    assert [slices._size(n) for n in (8, 32, 34, 37, 64, 128)] == [
        8,
        32,
        17,
        37,
        16,
        16,
    ]


@pytest.mark.parametrize("side", [16, 32])
def test_p4_features_of_a_turned_image_are_shifted(side):
    """Three and two convolutions with a stride of two, and the last."""
    x, config = images(2, side), Config("p4_cnn", outputs=2)
    weights = drawn(config, x)
    run = jax.jit(lambda x: networks.forward(config, weights, {}, x)[1])
    plain, turned = (
        np.asarray(run(v)).reshape(2, p4.TURNS, -1) for v in (x, np.rot90(x, 1, (1, 2)))
    )
    np.testing.assert_allclose(turned, np.roll(plain, 1, axis=1), atol=1e-5)
    assert np.abs(turned - plain).max() > 1e-2


def test_p4_refuses_what_cannot_be_turned():
    with pytest.raises(errors.InputError, match="16 x 32"):
        shapes(Config("p4_cnn", outputs=1), np.zeros((1, 16, 32, 1), np.float32))


def test_a_fresh_transformer_looks_at_the_image_as_it_is():
    x = images(2, 16)

    @jax.jit
    def looked():
        maps, _ = stn.Looks().init_with_output(jax.random.key(0), x)
        return maps, stn.sampled(x, maps)

    maps, found = looked()
    np.testing.assert_array_equal(maps, np.tile([[1, 0, 0], [0, 1, 0]], (2, 1, 1)))
    np.testing.assert_allclose(found, x, atol=1e-6)


def test_sampling_equals_scipy():
    """Zeros outside; pixel centres at ((2 i + 1) / n - 1)."""
    x = RNG.random((1, 9, 7, 2)).astype(np.float32)
    map_ = np.array([[0.8, 0.3, 0.2], [-0.4, 1.1, -0.3]])
    down, across = np.meshgrid(
        *((2 * np.arange(n) + 1) / n - 1 for n in (9, 7)), indexing="ij"
    )
    at = np.einsum("ij,jhw->ihw", map_, np.stack([across, down, np.ones((9, 7))]))
    places = ((at[1] + 1) * 9 - 1) / 2, ((at[0] + 1) * 7 - 1) / 2
    padded = np.pad(
        x[0], ((2, 2), (2, 2), (0, 0))
    )  # zeros that borders are blended with
    expected = [
        ndimage.map_coordinates(padded[..., c], [p + 2 for p in places], order=1)
        for c in range(2)
    ]
    found = jax.jit(stn.sampled)(x, map_[None].astype(np.float32))
    np.testing.assert_allclose(found[0], np.stack(expected, -1), atol=1e-5)


def test_halving_takes_the_largest_of_four():
    x = RNG.normal(size=(2, 7, 6, 3)).astype(np.float32)
    expected = nn.max_pool(jnp.asarray(x), (2, 2), (2, 2))
    np.testing.assert_array_equal(stn.halved(jnp.asarray(x)), expected)
