"""Networks begin at arrays of files with the names of torchvision and of Big Transfer."""

import jax
import numpy as np
import pytest

from iclr22 import errors
from iclr22.in_domain import networks
from iclr22.in_domain.networks import transfer
from iclr22.in_domain.regressor import Config
from iclr22.nn import efficientnet, resnet, resnet_v2, safetensors

IMAGE = np.zeros((1, 32, 32, 1), np.float32)
STANDARD = "standardized_conv2d/kernel"


@pytest.fixture
def shallow(monkeypatch):
    """Two groups, of one and two blocks."""
    monkeypatch.setitem(resnet.BLOCKS, 50, (1, 2))


def fresh(name):
    config = Config(name, outputs=3)
    shapes = jax.eval_shape(lambda: networks.init(config, jax.random.key(0), IMAGE))
    return jax.tree.map(lambda s: np.full(s.shape, -7, np.float32), shapes)


def in_torchvision():
    """Shapes by name, as torchvision has them, out of the layout written out here."""
    found = {"conv1": (64, 3, 7, 7), "fc": (1000, 512)}
    norms = {"bn1": 64}
    for block, (inner, before) in {
        "layer1.0": (64, 64),
        "layer2.0": (128, 256),
        "layer2.1": (128, 512),
    }.items():
        wide = 4 * inner
        found |= {
            f"{block}.conv1": (inner, before, 1, 1),
            f"{block}.conv2": (inner, inner, 3, 3),
            f"{block}.conv3": (wide, inner, 1, 1),
        }
        norms |= {f"{block}.bn1": inner, f"{block}.bn2": inner, f"{block}.bn3": wide}
        if block.endswith("0"):
            found[f"{block}.downsample.0"] = (wide, before, 1, 1)
            norms[f"{block}.downsample.1"] = wide
    shapes = {f"{name}.weight": shape for name, shape in found.items()}
    for name, width in norms.items():
        fields = "weight", "bias", "running_mean", "running_var"
        shapes |= {f"{name}.{field}": (width,) for field in fields}
        shapes[f"{name}.num_batches_tracked"] = ()
    return shapes


def in_big_transfer():
    found = {f"resnet/root_block/{STANDARD}": (7, 7, 3, 64)}
    norms = {"resnet": 512}
    for unit, (inner, before) in {
        "resnet/block1/unit01": (64, 64),
        "resnet/block2/unit01": (128, 256),
        "resnet/block2/unit02": (128, 512),
    }.items():
        found |= {
            f"{unit}/a/{STANDARD}": (1, 1, before, inner),
            f"{unit}/b/{STANDARD}": (3, 3, inner, inner),
            f"{unit}/c/{STANDARD}": (1, 1, inner, 4 * inner),
        }
        norms |= {f"{unit}/a": before, f"{unit}/b": inner, f"{unit}/c": inner}
        if unit.endswith("01"):
            found[f"{unit}/a/proj/{STANDARD}"] = (1, 1, before, 4 * inner)
    for name, width in norms.items():
        found |= {f"{name}/group_norm/{x}": (width,) for x in ("gamma", "beta")}
    return found


def numbers(shapes):
    rng = np.random.default_rng(0)
    return {name: rng.random(s).astype(np.float32) for name, s in shapes.items()}


FILES = {"resnet50_in1k": in_torchvision, "resnet50_in21k": in_big_transfer}


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
def test_torchvision(shallow, tmp_path, ending):
    arrays = numbers(in_torchvision())
    path = tmp_path / f"weights.{ending}"
    write = safetensors.write if ending == "safetensors" else _savez
    write(path, arrays)
    params = transfer.pretrained("resnet50_in1k", path)(fresh("resnet50_in1k"))
    body, stats = params["weights"]["body"], params["stats"]["body"]
    leaves = jax.tree.leaves((body, stats))
    assert not any((x == -7).any() for x in leaves if x.shape not in ((512, 3), (3,)))
    assert (body["head"]["kernel"] == -7).all()
    np.testing.assert_array_equal(
        body["group1_block1"]["conv1"]["kernel"],
        arrays["layer2.1.conv2.weight"].transpose(2, 3, 1, 0),
    )
    shortcut = stats["group1_block0"]["norm_shortcut"]["var"]
    np.testing.assert_array_equal(shortcut, arrays["layer2.0.downsample.1.running_var"])


def _savez(path, arrays):
    np.savez(path, **arrays)


def test_big_transfer(shallow, tmp_path):
    arrays = numbers(in_big_transfer())
    np.savez(tmp_path / "x.npz", **arrays)
    begin = transfer.pretrained("resnet50_in21k", tmp_path / "x.npz")
    params = begin(fresh("resnet50_in21k"))
    body = params["weights"]["body"]
    left = [x for x in jax.tree.leaves(body) if (x == -7).any()]
    assert sorted(x.shape for x in left) == [(3,), (512, 3)]
    unit = body["group1_block0"]
    its = "resnet/block2/unit01"
    np.testing.assert_array_equal(
        unit["conv_shortcut"]["kernel"], arrays[f"{its}/a/proj/{STANDARD}"]
    )
    np.testing.assert_array_equal(
        unit["norm2"]["bias"], arrays[f"{its}/c/group_norm/beta"]
    )


def test_efficientnet(tmp_path):
    arrays = numbers(efficientnet.file_shapes())
    np.savez(tmp_path / "x.npz", **arrays)
    begin = transfer.pretrained("efficientnet_in1k", tmp_path / "x.npz")
    params = begin(fresh("efficientnet_in1k"))
    left = [x for x in jax.tree.leaves(params["weights"]) if (x == -7).any()]
    assert sorted(x.shape for x in left) == [(3,), (1280, 3)]


@pytest.mark.parametrize("name", FILES)
def test_files_of_other_networks_are_refused(name, shallow, tmp_path):
    shapes = FILES[name]()
    path = tmp_path / "x.npz"
    chosen = (
        "layer1.0.conv1.weight" if "in1k" in name else f"resnet/root_block/{STANDARD}"
    )
    np.savez(path, **numbers({k: s for k, s in shapes.items() if k != chosen}))
    with pytest.raises(errors.InputError, match=chosen):
        transfer.pretrained(name, path)(fresh(name))
    np.savez(path, **numbers(shapes | {chosen: (2, 2, 2, 2)}))
    with pytest.raises(
        errors.InputError, match=r"kernel of shape .*found \[2, 2, 2, 2"
    ):
        transfer.pretrained(name, path)(fresh(name))


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("cnn", "x.npz", "resnet50_in1k; found 'cnn'"),
        ("resnet50_in1k", "", "--weights"),
        ("resnet50_in1k", "x.pth", "never executed"),
        ("resnet50_in21k", "none.npz", "none.npz"),
    ],
)
def test_what_cannot_be_read_is_refused(name, file, message, tmp_path):
    for made in ("x.npz", "x.pth"):
        (tmp_path / made).write_bytes(b"nothing")
    with pytest.raises(errors.InputError, match=message):
        transfer.pretrained(name, tmp_path / file if file else "")


def test_number_of_parameters_of_big_transfer():
    """Of BiT-S-R50x1, with 1,000 classes."""
    x = np.zeros((1, 64, 64, 3), np.float32)
    shapes = jax.eval_shape(resnet_v2.ResNetV2(1000).init, jax.random.key(0), x)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 25_549_352


def test_block_is_written_out():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 6, 6, 64)).astype(np.float32)
    block = resnet_v2.Block(32, 2)
    shapes = jax.eval_shape(block.init, jax.random.key(0), x)["params"]
    params = jax.tree.map(lambda s: rng.normal(size=s.shape).astype(np.float32), shapes)

    def active(x, name):
        groups = x.reshape(2, -1, 32, x.shape[-1] // 32)
        mean, var = (f(groups, axis=(1, 3), keepdims=True) for f in (np.mean, np.var))
        groups = (groups - mean) / np.sqrt(var + 1e-5)
        x = groups.reshape(x.shape) * params[name]["scale"] + params[name]["bias"]
        return np.maximum(x, 0)

    def conv(x, name, stride=1):
        kernel = params[name]["kernel"]
        mean, deviation = kernel.mean((0, 1, 2)), kernel.std((0, 1, 2))
        kernel = (kernel - mean) / deviation
        half = len(kernel) // 2
        axes = "NHWC", "HWIO", "NHWC"
        return np.asarray(
            jax.lax.conv_general_dilated(
                x, kernel, (stride,) * 2, [(half, half)] * 2, dimension_numbers=axes
            )
        )

    first = active(x, "norm0")
    y = active(conv(first, "conv0"), "norm1")
    y = active(conv(y, "conv1", 2), "norm2")
    expected = conv(y, "conv2") + conv(first, "conv_shortcut", 2)
    found = jax.jit(block.apply)({"params": params}, x)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
