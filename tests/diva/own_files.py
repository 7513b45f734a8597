"""Files of a user of DIVA, small, under the names that README.md uses."""

import numpy as np

from iclr22.nn import efficientnet


def write(folder):
    """Labelled images as an archive and as a folder, and weights of a network."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    x = rng.random((3, 8, 8, 1))[y] + 0.3 * rng.random((60, 8, 8, 1))
    names = np.array([f"image-{i}" for i in range(60)])
    np.savez(folder / "mine.npz", x=x.astype(np.float32), y=y, names=names)
    _images(folder / "folder", np.uint8(190 * x[..., 0]), y)
    for place in (folder, folder / "DATA" / "weights"):
        place.mkdir(parents=True, exist_ok=True)
        _weights(rng, place / "efficientnet_lite0.npz")


def _images(folder, x, y):
    from PIL import Image

    for i, (image, label) in enumerate(zip(x, y, strict=True)):
        place = folder / f"class-{label}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{i}.png")


def _weights(rng, path):
    shapes = efficientnet.file_shapes()
    arrays = {k: 0.1 * rng.normal(size=shape) for k, shape in shapes.items()}
    positive = {k: np.abs(v) + 1 for k, v in arrays.items() if "var" in k}
    arrays = {k: v.astype(np.float32) for k, v in (arrays | positive).items()}
    np.savez(path, **arrays)
