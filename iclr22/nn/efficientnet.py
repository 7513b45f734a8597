"""EfficientNet-Lite0 with every batch norm fused into its convolution.

Architecture: EfficientNet (arXiv:1905.11946, table 1) in the "Lite" variant: without
squeeze-and-excitation, ReLU6 for swish, and RGB inputs of about -1 to 1.

Differs: batch norm is no layer; `load_weights` folds its running statistics into kernel
and bias, the frozen norm a linearised network needs (LQF, arXiv:2012.11140).

The spatial convolutions are sums over taps, not `lax.conv_general_dilated`, which is
ten times slower on XLA's CPU backend when every channel has its own kernel. XLA fuses
the taps into one loop, on accelerators too, but only the CPU was measured.
"""

import functools
import os
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from iclr22.errors import InputError, nearest

EPSILON = 1e-3  # of the pre-trained batch norms
CHANNELS = 3
STEM = 32
FEATURES = 1280
CLASSES = 1000
SIZE = 128  # a linear probe of CIFAR-10 gains little from larger images
BATCH_SIZE = 8  # the activations of more images leave a CPU's cache
PIXEL_MEAN, PIXEL_SCALE = 127.0, 128.0  # as the published network was trained

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "relu6": jax.nn.relu6,
    "leaky_relu6": lambda x: jnp.clip(x, 0.0, 6.0) * 0.99 + x * 0.01,
    "leaky_relu": lambda x: jax.nn.leaky_relu(x, 0.2),
}


class Block(NamedTuple):
    """Inverted residual block: expand 1x1, depthwise k x k, project 1x1."""

    kernel_size: int
    stride: int
    expansion: int
    inputs: int
    outputs: int

    @property
    def width(self) -> int:
        return self.inputs * self.expansion


BLOCKS = (
    Block(3, 1, 1, STEM, 16),
    *(Block(3, 2, 6, 16, 24), Block(3, 1, 6, 24, 24)),
    *(Block(5, 2, 6, 24, 40), Block(5, 1, 6, 40, 40)),
    *(Block(3, 2, 6, 40, 80), *[Block(3, 1, 6, 80, 80)] * 2),
    *(Block(5, 1, 6, 80, 112), *[Block(5, 1, 6, 112, 112)] * 2),
    *(Block(5, 2, 6, 112, 192), *[Block(5, 1, 6, 192, 192)] * 3),
    Block(3, 1, 6, 192, 320),
)
NORM = ("weight", "bias", "running_mean", "running_var")  # arrays of a batch norm


def same_padding(size: int, kernel_size: int, stride: int) -> tuple[int, int, int]:
    """Pixels before, pixels after and output length of TensorFlow's SAME padding."""
    length = -(-size // stride)
    total = max((length - 1) * stride + kernel_size - size, 0)
    return total // 2, total - total // 2, length


def _taps(x: jax.Array, kernel_size: int, stride: int) -> Iterator:
    """Yields row, column and the pixels [n, h', w', c] that a kernel tap meets."""
    top, bottom, height = same_padding(x.shape[1], kernel_size, stride)
    left, right, width = same_padding(x.shape[2], kernel_size, stride)
    x = jnp.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))
    for row in range(kernel_size):
        for column in range(kernel_size):
            rows = slice(row, row + (height - 1) * stride + 1, stride)
            columns = slice(column, column + (width - 1) * stride + 1, stride)
            yield row, column, x[:, rows, columns]


def convolve(x: jax.Array, kernel: jax.Array, stride: int = 1) -> jax.Array:
    """SAME convolution [n, h, w, c] -> [n, h', w', f]; the kernel's shape says which.

    [c, f] is pointwise, [k, k, c] depthwise (f = c), [k, k, c, f] dense, for small c.
    """
    if kernel.ndim == 2:
        return jnp.dot(x, kernel)
    taps = _taps(x, kernel.shape[0], stride)
    if kernel.ndim == 3:
        products = (pixels * kernel[row, column] for row, column, pixels in taps)
    else:
        products = (
            pixels[..., channel, None] * kernel[row, column, channel]
            for row, column, pixels in taps
            for channel in range(kernel.shape[2])
        )
    return functools.reduce(jnp.add, products)


class FusedConvolution(nn.Module):
    """Convolution plus bias, which holds what the fused batch norm would add."""

    kernel_shape: tuple[int, ...]
    stride: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps [n, h, w, c] to [n, h', w', kernel_shape[-1]]."""
        kernel = self.param("kernel", nn.initializers.he_normal(), self.kernel_shape)
        bias = self.param("bias", nn.initializers.zeros, self.kernel_shape[-1:])
        return convolve(x, kernel, self.stride) + bias


class InvertedResidual(nn.Module):
    """One block of the network: [n, h, w, inputs] -> [n, h', w', outputs]."""

    block: Block
    activate: Callable[[jax.Array], jax.Array]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        size, stride, expansion, inputs, outputs = self.block
        width, y = self.block.width, x
        if expansion > 1:
            y = self.activate(FusedConvolution((inputs, width), name="expand")(y))
        depthwise = FusedConvolution((size, size, width), stride, name="depthwise")
        y = self.activate(depthwise(y))
        y = FusedConvolution((width, outputs), name="project")(y)
        return x + y if stride == 1 and inputs == outputs else y


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 for images that `preprocess` has normalised.

    `activation`: "relu6" as pre-trained; "leaky_relu6", slope 0.01 where that is flat,
    leaves a linear probe as accurate; "leaky_relu", LQF's with slope 0.2 and no upper
    bound, spoils the features until all of `params` are trained again.
    """

    num_classes: int = CLASSES
    activation: str = "relu6"

    @nn.compact
    def __call__(self, x: jax.Array, *, features_only: bool = False) -> jax.Array:
        """Logits [n, num_classes], or pooled features [n, 1280], of [n, h, w, 3]."""
        if self.activation not in ACTIVATIONS:
            raise nearest(self.activation, ACTIVATIONS, "activation")
        activate = ACTIVATIONS[self.activation]
        x = activate(FusedConvolution((3, 3, CHANNELS, STEM), 2, name="stem")(x))
        for index, block in enumerate(BLOCKS):
            x = InvertedResidual(block, activate, name=f"block_{index}")(x)
        head = FusedConvolution((BLOCKS[-1].outputs, FEATURES), name="head")
        x = activate(head(x)).mean(axis=(1, 2))
        if features_only:
            return x
        return nn.Dense(self.num_classes, name="classifier")(x)


def preprocess(images: ArrayLike, size: int = SIZE) -> jax.Array:
    """Scales uint8 RGB or grey [n, h, w, 3 or 1] to float32 [n, size, size, 3]."""
    images = jnp.asarray(images)
    if images.dtype != jnp.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise InputError(
            "Expected uint8 images [n, height, width, 3 or 1], found "
            f"{images.dtype} {list(images.shape)}. Convert them, channels last."
        )
    x = images.astype(jnp.float32)
    x = jax.image.resize(x, (x.shape[0], size, size, x.shape[3]), "bilinear")
    x = (x - PIXEL_MEAN) / PIXEL_SCALE
    return jnp.broadcast_to(x, (*x.shape[:3], CHANNELS))


def features(
    params: Any, images: ArrayLike, *, size: int = SIZE, activation: str = "relu6"
) -> jax.Array:
    """Penultimate activations [n, 1280] of uint8 images [n, h, w, 3 or 1]."""
    network = EfficientNetLite0(activation=activation).bind({"params": params})
    return network(preprocess(images, size), features_only=True)


_compiled_features = jax.jit(features, static_argnames=("size", "activation"))


def extract(
    params: Any,
    images: np.ndarray,
    *,
    size: int = SIZE,
    batch_size: int = BATCH_SIZE,
    activation: str = "relu6",
) -> np.ndarray:
    """Float32 `features` [n, 1280] of uint8 images [n, h, w, 3 or 1], in batches.

    The last batch is padded and the program kept, so any number of calls compile once:
    to store chunks and resume, call it with `images[low:high]`.
    """
    found = np.empty((len(images), FEATURES), np.float32)
    for start in range(0, len(images), batch_size):
        batch = np.asarray(images[start : start + batch_size])
        missing = [(0, batch_size - len(batch))] + [(0, 0)] * (batch.ndim - 1)
        padded = np.pad(batch, missing)
        rows = _compiled_features(params, padded, size=size, activation=activation)
        found[start : start + len(batch)] = rows[: len(batch)]
    return found


def fuse(
    kernel: np.ndarray, scale: Any, offset: Any, mean: Any, variance: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Kernel [out, ...] and bias [out] of a convolution and the batch norm after it.

    `(y - mean) / sqrt(variance + EPSILON) * scale + offset`, each [out], is the norm.
    """
    factor = scale.astype(np.float64) / np.sqrt(variance.astype(np.float64) + EPSILON)
    fused = kernel * factor.reshape(-1, *[1] * (kernel.ndim - 1))
    return fused.astype(np.float32), (offset - mean * factor).astype(np.float32)


def _layers() -> Iterator[tuple[tuple[str, ...], str, str, tuple[int, ...]]]:
    """Yields place in `params`, kernel's and norm's names in the file, kernel shape."""
    yield ("stem",), "_conv_stem", "_bn0", (STEM, CHANNELS, 3, 3)
    for index, block in enumerate(BLOCKS):
        name, file, size = f"block_{index}", f"_blocks.{index}.", block.kernel_size
        if block.expansion > 1:
            shape = (block.width, block.inputs, 1, 1)
            yield (name, "expand"), file + "_expand_conv", file + "_bn0", shape
        shape = (block.width, 1, size, size)
        yield (name, "depthwise"), file + "_depthwise_conv", file + "_bn1", shape
        shape = (block.outputs, block.width, 1, 1)
        yield (name, "project"), file + "_project_conv", file + "_bn2", shape
    yield ("head",), "_conv_head", "_bn1", (FEATURES, BLOCKS[-1].outputs, 1, 1)


def file_shapes() -> dict[str, tuple[int, ...]]:
    """Name and shape of every array that `load_weights` expects in its file."""
    shapes = {"_fc.weight": (CLASSES, FEATURES), "_fc.bias": (CLASSES,)}
    for _, convolution, norm, shape in _layers():
        shapes[f"{convolution}.weight"] = shape
        shapes |= {f"{norm}.{field}": shape[:1] for field in NORM}
    return shapes


def _read(path: str | os.PathLike) -> dict[str, np.ndarray]:
    try:  # an npy file has no context manager: TypeError
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"Expected an npz file of numeric arrays at {os.fspath(path)!r}, found "
            f"none that can be read ({error}). Check the path, or save it again."
        ) from error


def _check(path: str | os.PathLike, arrays: dict[str, np.ndarray]) -> None:
    expected = file_shapes()
    problems = [f"missing {name}" for name in expected if name not in arrays]
    problems += [f"unexpected {name}" for name in arrays if name not in expected]
    problems += [
        f"{name} has shape {arrays[name].shape}, expected {shape}"
        for name, shape in expected.items()
        if name in arrays and arrays[name].shape != shape
    ]
    if problems:
        raise InputError(
            f"Expected the {len(expected)} arrays of EfficientNet-Lite0 in "
            f"{os.fspath(path)!r}, found {len(problems)} differences: "
            f"{'; '.join(problems)}. Use a file of this network."
        )


def load_weights(path: str | os.PathLike) -> dict[str, Any]:
    """Float32 `params` of `EfficientNetLite0` from an npz file, batch norms fused.

    The file has the names and layout of the PyTorch port; `file_shapes` lists them.
    """
    arrays = _read(path)
    _check(path, arrays)
    classifier = {"kernel": arrays["_fc.weight"].T, "bias": arrays["_fc.bias"]}
    params: dict[str, Any] = {"classifier": classifier}
    for place, convolution, norm, _ in _layers():
        kernel = arrays[f"{convolution}.weight"]
        kernel, bias = fuse(kernel, *(arrays[f"{norm}.{field}"] for field in NORM))
        kernel = kernel.transpose(2, 3, 1, 0)  # to [h, w, in, out]
        if kernel.shape[0] == 1:
            kernel = kernel[0, 0]  # pointwise: [in, out]
        elif kernel.shape[2] == 1:
            kernel = kernel[:, :, 0]  # depthwise: [h, w, out]
        at = params
        for name in place:
            at = at.setdefault(name, {})
        at.update(kernel=kernel, bias=bias)
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), params)
