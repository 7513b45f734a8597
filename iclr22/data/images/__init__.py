"""Labelled images: what they are.

Loaders return `Splits`: by split, `x` uint8 `[n, height, width, channels]` and `y` int32
`[n]`.
"""

import numpy as np

Splits = dict[str, dict[str, np.ndarray]]  # "train", "test" -> "x", "y" -> array


def labelled(x, y) -> dict[str, np.ndarray]:
    """One split of uint8 images `[n, h, w]` or `[n, h, w, c]` and labels `[n]`."""
    x = x[..., None] if x.ndim == 3 else x
    return {"x": np.array(x, order="C"), "y": y.astype(np.int32)}
