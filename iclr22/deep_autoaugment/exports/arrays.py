"""A policy as a function of whole batches, for NumPy, PyTorch and tf.data: always the pixels
of `apply_policy`, computed by it.

    augment = as_numpy(policy, seed=0)
    new = augment(images)              # [n, h, w, c] uint8; every call draws anew
    same = augment(images, call=0)     # the draws of the first call again
"""

import itertools
import threading

import jax
import numpy as np

from iclr22 import errors
from iclr22.deep_autoaugment.policy import Mixture, Policy, apply_policy

CHANNELS = (1, 3)


class as_numpy:  # read as a function
    """`images [n, h, w, c]` or `[n, h, w]` uint8 -> the same shape, each image with a draw of
    its own.

    Draws follow from `seed` and the number of the call, counted from 0, or `call`. It
    computes with JAX in this process: call it where batches are put together, not in workers
    that were forked (there, use the file that `export_policy(policy, "python")` writes).
    """

    def __init__(self, policy: Policy | Mixture, seed: int = 0):
        self.policy, self.seed = policy, seed
        self._calls, self._lock = itertools.count(), threading.Lock()

    def __call__(self, images, call: int | None = None) -> np.ndarray:
        return np.asarray(self.on_device(images, call))

    def on_device(self, images, call: int | None = None) -> jax.Array:
        """The same as an array of JAX."""
        if call is None:
            with self._lock:
                call = next(self._calls)
        key = jax.random.fold_in(jax.random.key(self.seed), call)
        return apply_policy(self.policy, images, key)


class as_torch(as_numpy):
    """uint8 tensors `[n, c, h, w]` or `[n, h, w, c]` -> the same shape, on the same device.

    Tensors are handed over by DLPack. In and out are no copies where channels come last in
    memory, as in `torch.channels_last`; that is the format of the result.

    Args:
      channels: `first` or `last`; by default the axis that has 1 or 3, the first of both.
    """

    def __init__(self, policy: Policy | Mixture, seed: int = 0, channels: str = ""):
        super().__init__(policy, seed)
        if channels not in ("", "first", "last"):
            raise errors.nearest(channels, ("first", "last"), "order of channels")
        self.channels = channels

    def __call__(self, images, call: int | None = None):
        import torch

        if images.dtype != torch.uint8 or images.ndim != 4:
            raise errors.InputError(
                "images: expected a tensor [n, c, h, w] or [n, h, w, c] of torch.uint8; "
                f"found {list(images.shape)} of {images.dtype}"
            )
        first = self.channels == "first"
        if not self.channels:
            first = images.shape[1] in CHANNELS
        last = images.permute(0, 2, 3, 1) if first else images
        given = jax.dlpack.from_dlpack(last.detach().contiguous())
        found = torch.from_dlpack(self.on_device(given, call))
        return found.permute(0, 3, 1, 2) if first else found


def as_tf_data(policy: Policy | Mixture, seed: int = 0):
    """A function for `Dataset.map`, after `batch` and `enumerate`:

        data.batch(128).enumerate().map(as_tf_data(policy))

    `(number of the batch, (images, ...)) -> (images, ...)`; images are `[n, h, w, c]` uint8.
    A batch's draws follow from its number, so `num_parallel_calls` changes nothing.
    """
    import tensorflow as tf

    augment = as_numpy(policy, seed)

    def of_batch(number, images):
        return augment(images, int(number))

    def apply(number, batch):
        several = isinstance(batch, tuple | list)
        images, *others = batch if several else (batch,)
        found = tf.numpy_function(of_batch, [number, images], tf.uint8, stateful=False)
        found.set_shape(images.shape)
        return (found, *others) if several else found

    return apply
