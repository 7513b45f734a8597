"""Patterns with noise, which stand in for published images in quick runs."""

import numpy as np

from iclr22.data.images import Splits, labelled

CLASSES = 10


def synthetic(rng, size, *, shape, top=255, splits=("train", "test")) -> Splits:
    """Ten classes, each a random pattern of 4 by 4 blocks, plus noise.

    Args:
      rng: `np.random.Generator`.
      size: training examples; half as many for test.
      shape: (height, width, channels), both sides divisible by four.
      top: largest pixel value.
    """
    height, width, channels = shape
    blocks = rng.uniform(0.2, 0.8, (CLASSES, 4, 4, channels))
    means = blocks.repeat(height // 4, axis=1).repeat(width // 4, axis=2)
    result = {}
    for split in splits:
        n = size if split == "train" else max(1, size // 2)
        y = rng.permutation(np.arange(n) % CLASSES)
        x = means[y] + 0.1 * rng.standard_normal((n, *shape))
        result[split] = labelled(np.rint(top * x.clip(0, 1)).astype(np.uint8), y)
    return result
