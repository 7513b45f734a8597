"""Images for tests, and the operations as Pillow does them."""

import numpy as np
import PIL.Image
import PIL.ImageEnhance
import PIL.ImageOps

DETERMINISTIC = (
    *("identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate"),
    *("autocontrast", "invert", "equalize", "solarize", "posterize", "contrast"),
    *("color", "brightness", "sharpness"),
)
ENHANCERS = {
    "contrast": PIL.ImageEnhance.Contrast,
    "color": PIL.ImageEnhance.Color,
    "brightness": PIL.ImageEnhance.Brightness,
    "sharpness": PIL.ImageEnhance.Sharpness,
}


def pictures(count: int, height: int, width: int, channels: int = 3, seed: int = 0):
    """Images `[count, height, width, channels]` uint8: surfaces with some noise, of few and
    of many levels, dark, bright, plain and full noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / max(height, width)
    found = []
    for index in range(count):
        wave = rng.uniform(1, 12, (2, channels))
        surface = np.sin(y[..., None] * wave[0] + x[..., None] * wave[1] + index)
        level = rng.uniform(40, 215) + rng.uniform(5, 120) * surface
        level += rng.normal(0, rng.choice([0, 2, 20]), level.shape)
        kind = index % 10
        if kind == 7:
            level = np.rint(level / 64) * 64
        elif kind == 8:
            level = rng.integers(0, 256, level.shape)
        elif kind == 9:
            level = np.full(level.shape, rng.integers(0, 256))
        found.append(np.clip(level, 0, 255).astype(np.uint8))
    return np.stack(found)


def as_pillow(image) -> PIL.Image.Image:
    """An image `[h, w, c]`; one of one channel is grey."""
    return PIL.Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def by_pillow(op: str, image, value: float):
    """An operation without chance on an image `[h, w, c]` uint8, by Pillow."""
    result = _applied(op, as_pillow(image), value)
    return np.asarray(result).reshape(image.shape)


def _applied(op, image, value):
    width, height = image.size
    maps = {
        "shear_x": (1, value, 0, 0, 1, 0),
        "shear_y": (1, 0, 0, value, 1, 0),
        "translate_x": (1, 0, value * width, 0, 1, 0),
        "translate_y": (1, 0, 0, 0, 1, value * height),
    }
    if op in maps:
        return image.transform(image.size, PIL.Image.Transform.AFFINE, maps[op])
    if op == "rotate":
        return image.rotate(value)
    if op == "solarize":
        return PIL.ImageOps.solarize(image, value)
    if op == "posterize":
        return PIL.ImageOps.posterize(image, int(value))
    if op in ENHANCERS:
        return ENHANCERS[op](image).enhance(value)
    return image if op == "identity" else getattr(PIL.ImageOps, op)(image)
