"""What representation learners share: codes of many images, small images to learn from."""

import numpy as np

CHUNK = 256  # images at a time


def in_chunks(function, config, params, images, size: int = CHUNK) -> np.ndarray:
    """`function(config, params, images)` of `[n, ...]`, some images after the others.

    The last are padded: one shape is compiled once.
    """
    images = np.asarray(images, np.float32)
    found = []
    for start in range(0, len(images), size):
        part = images[start : start + size]
        room = np.zeros((size, *images.shape[1:]), np.float32)
        room[: len(part)] = part
        found.append(np.asarray(function(config, params, room))[: len(part)])
    return np.concatenate(found)


def bumps(rng: np.random.Generator, size: int, side: int = 8) -> dict[str, np.ndarray]:
    """Pairs of images `[size, side, side, 1]` uint8 of a spot, which moves across: `x` and
    `x2`."""
    across, down = rng.random((2, size, 1))
    later = np.clip(across + rng.laplace(0, 0.1, across.shape), 0, 1)
    place = np.linspace(0, 1, side)

    def image(across):
        row, column = (np.exp(-12 * (place - x) ** 2) for x in (down, across))
        return np.rint(255 * row[:, :, None] * column[:, None]).astype(np.uint8)

    return {"x": image(across)[..., None], "x2": image(later)[..., None]}
