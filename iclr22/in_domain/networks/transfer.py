"""Weights of ImageNet that a network begins at, from a file that the user has.

Arrays by name in `.npz` or `.safetensors`; a pickle (`.pth`) is never executed. For
`resnet50_in1k` and `resnet101_in1k` with the names of torchvision, for `resnet50_in21k` and
`resnet101_in21k` with those of Big Transfer (`BiT-M-R50x1.npz`), for `efficientnet_in1k`
those of `efficientnet.file_shapes`. The last layer stays as it was drawn.
"""

import pathlib
from collections.abc import Callable, Iterator

import jax.numpy as jnp
import numpy as np

from iclr22 import errors
from iclr22.data import checks
from iclr22.in_domain.networks.backbones import DEPTHS
from iclr22.nn import efficientnet, resnet, safetensors

TORCH_NORM = {  # ours: its
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}
PARTS = "abc"  # of a block of Big Transfer


def pretrained(name: str, path) -> Callable:
    """What a network begins at (`begin` of `loop.fit`): all layers but the last from a file.

    Args:
      name: of the network, such as `resnet50_in1k`.
      path: of the file.

    Raises:
      errors.InputError: a network that begins at no weights of others, no file, one that
        cannot be read, or, when the function is called, one of another network.
    """
    kind, _, source = name.partition("_")
    if source not in ("in1k", "in21k"):
        raise errors.InputError(
            f"expected a network that begins at weights of ImageNet, such as "
            f"resnet50_in1k; found {name!r}"
        )
    if not str(path):
        raise errors.InputError(
            f"{name}: expected a file of weights, .npz or .safetensors; found none. Name "
            "it (--weights=FILE); this project has none to download."
        )
    if kind == "efficientnet":
        weights = efficientnet.load_weights(path)
        del weights["classifier"]
        return lambda params: _replaced(params, {"weights": weights, "stats": {}}, path)
    arrays = read(path)
    wanted = _torchvision if source == "in1k" else _big_transfer
    places = list(wanted(DEPTHS[kind]))

    def begin(params):
        found: dict = {"weights": {}, "stats": {}}
        for (top, *layers, last), file_name in places:
            at = found[top]
            for layer in layers:
                at = at.setdefault(layer, {})
            at[last] = _array(arrays, file_name, path, source)
        return _replaced(params, found, path)

    return begin


def read(path) -> dict[str, np.ndarray]:
    """Arrays by name of an `.npz` or a `.safetensors`.

    Raises:
      errors.InputError: no such file, or another one.
    """
    path = checks.existing(path, "a file of weights, .npz or .safetensors")
    if path.suffix == ".safetensors":
        return safetensors.read(pathlib.Path(path).read_bytes(), path)
    if path.suffix == ".npz":
        return checks.read_npz(path)
    raise errors.InputError(
        f"{path}: expected .npz or .safetensors; found {path.suffix or 'no ending'}. "
        "Pickles are never executed: write the arrays where they came from, with "
        "safetensors.torch.save_file(model.state_dict(), FILE)."
    )


def _array(arrays, name, path, source) -> np.ndarray:
    """An array of the file in our layout."""
    if name not in arrays:
        there = checks.few(sorted(arrays)) if arrays else "none"
        raise errors.InputError(
            f"{path}: expected an array {name!r}; found {len(arrays)}: {there}. Use a file "
            "of this network."
        )
    x = np.asarray(arrays[name]).astype(np.float32)
    return x.transpose(2, 3, 1, 0) if source == "in1k" and x.ndim == 4 else x


def _replaced(params, found, path):
    """Parameters with all of the body but the head from `found`."""
    body, stats = params["weights"]["body"], params["stats"].get("body", {})
    head = {"head": body["head"]} if "head" in body else {}
    _check(body, head | found["weights"], path)
    _check(stats, found["stats"], path)
    weights = params["weights"] | {"body": head | found["weights"]}
    return {"weights": weights, "stats": {"body": found["stats"]} if stats else {}}


def _check(wanted, found, path, place=""):
    """Raises if arrays differ in name or shape."""
    for name in wanted.keys() | found.keys():
        one, other = wanted.get(name), found.get(name)
        where = f"{place}/{name}".strip("/")
        if isinstance(one, dict) and isinstance(other, dict):
            _check(one, other, path, where)
            continue
        shapes = [
            "none" if x is None else list(jnp.shape(x))
            for x in (one, other)
            if not isinstance(x, dict)
        ]
        if len(shapes) < 2 or shapes[0] != shapes[1]:
            raise errors.InputError(
                f"{path}: expected {where} of shape {shapes[0]}; found {shapes[-1]}. Use a "
                "file of this network."
            )


def _torchvision(depth: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """`(place in the parameters, name in the file)` of a residual network."""
    yield from _layer(("stem",), ("norm",), "conv1", "bn1")
    for group, blocks in enumerate(resnet.BLOCKS[depth]):
        for index in range(blocks):
            ours, its = f"group{group}_block{index}", f"layer{group + 1}.{index}."
            for i in range(3):
                names = f"{its}conv{i + 1}", f"{its}bn{i + 1}"
                yield from _layer((ours, f"conv{i}"), (ours, f"norm{i}"), *names)
            if not index:
                names = f"{its}downsample.0", f"{its}downsample.1"
                own = (ours, "conv_shortcut"), (ours, "norm_shortcut")
                yield from _layer(*own, *names)


def _layer(conv, norm, conv_name, norm_name):
    """Of a convolution and the batch norm after it."""
    yield ("weights", *conv, "kernel"), f"{conv_name}.weight"
    for ours, its in TORCH_NORM.items():
        top = "weights" if ours in ("scale", "bias") else "stats"
        yield (top, *norm, ours), f"{norm_name}.{its}"


def _big_transfer(depth: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """The same of a network of `resnet_v2`; the file has no moments of batches."""
    kernel = "standardized_conv2d/kernel"
    yield ("weights", "stem", "kernel"), f"resnet/root_block/{kernel}"
    yield from _group_norm(("norm",), "resnet")
    for group, blocks in enumerate(resnet.BLOCKS[depth]):
        for index in range(blocks):
            ours = f"group{group}_block{index}"
            its = f"resnet/block{group + 1}/unit{index + 1:02d}"
            for i, part in enumerate(PARTS):
                place = "weights", ours, f"conv{i}", "kernel"
                yield place, f"{its}/{part}/{kernel}"
                yield from _group_norm((ours, f"norm{i}"), f"{its}/{part}")
            if not index:
                place = "weights", ours, "conv_shortcut", "kernel"
                yield place, f"{its}/a/proj/{kernel}"


def _group_norm(place, name):
    for ours, its in (("scale", "gamma"), ("bias", "beta")):
        yield ("weights", *place, ours), f"{name}/group_norm/{its}"
