"""An augmentation policy for images of Pillow. Needs NumPy and Pillow, nothing else.

    augment = Augment(seed=0)
    new = augment(image)                   # a Pillow image of mode RGB or L

Of each layer one operation is drawn by its probability, and they act one after the other.
`draw` and `apply` do these two things apart: `apply(image, draw(layers, size, random))`.
"""

import bisect
import itertools

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

# Policies with their weights; a policy is layers of (probability, operation, value).
POLICIES = [(1.0, [[(1.0, "identity", 0.0)]])]
FILL = (125, 123, 114)  # of what a crop or a cutout leaves empty
GREY = 121  # the same of a grey image
MOVING = {"shear_x", "shear_y", "translate_x", "translate_y", "rotate", "flip", "crop"}
MOVING |= {"resized_crop"}
ONE = 1 << 16  # 1 in fixed point
RATIO, ATTEMPTS = (3 / 4, 4 / 3), 10  # of resized crops: width to height


class Augment:
    """A policy as a function of images; every call draws anew.

    The draws of a call follow from `seed` and `number`, which counts calls and may be set:
    workers with other seeds, or an image with its own number, make images that can be made
    again.
    """

    def __init__(self, seed=0, policies=None):
        self.policies = POLICIES if policies is None else policies
        self.seed, self.number = seed, 0

    def __call__(self, image):
        """The image after one draw, of the same mode and size."""
        random = np.random.default_rng((self.seed, self.number))
        self.number += 1
        return apply(image, draw(choose(self.policies, random), image.size, random))


def choose(policies, random):
    """Layers of one policy of several, by weight."""
    return policies[_pick([weight for weight, _ in policies], random.random())][1]


def draw(layers, size, random):
    """Steps `(operation, value, place)`, one for each layer, for an image of
    `(width, height)`."""
    steps = []
    for layer in layers:
        probabilities = [probability for probability, _, _ in layer]
        _, name, value = layer[_pick(probabilities, random.random())]
        if name == "resized_crop":
            where = part(size, value, random)
        else:
            where = place(name, value, size, int(random.integers(1 << 32)))
        steps.append((name, value, where))
    return steps


def _pick(weights, at):
    """Index by weight, of a number from 0 to 1."""
    sums = list(itertools.accumulate(weights))
    return min(bisect.bisect_right(sums, at * sums[-1]), len(weights) - 1)


def place(name, value, size, word):
    """What is random in an operation, by 32 random bits: whether it flips; (left, top,
    right, bottom) of a cutout, all within it; (x, y) of a crop in the padded image."""
    high, low = word >> 16, word & 0xFFFF
    if name == "flip":
        return bool(word >> 31)
    if name == "cutout":
        half = int(value * ONE / 2)
        left, right = _around(low, half, size[0])
        top, bottom = _around(high, half, size[1])
        return left, top, right, bottom
    if name == "crop":
        choices = 2 * int(value) + 1
        return low * choices >> 16, high * choices >> 16
    return None


def _around(centre, half, length):
    first = max(centre * length - half, 0) >> 16
    return first, min(min(centre * length + half, length * ONE) >> 16, length - 1)


def part(size, least, random):
    """(left, top, width, height) of a resized crop of at least that share of the area."""
    width, height = size
    for _ in range(ATTEMPTS):
        area = width * height * random.uniform(least, 1)
        ratio = np.exp(random.uniform(*np.log(RATIO)))
        columns, rows = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
        if 0 < columns <= width and 0 < rows <= height:
            left = int(random.integers(0, width - columns + 1))
            top = int(random.integers(0, height - rows + 1))
            return left, top, columns, rows
    columns = min(width, round(height * RATIO[1]))
    rows = min(height, round(width / RATIO[0]))
    return (width - columns) // 2, (height - rows) // 2, columns, rows


def apply(image, steps):
    """The image after these steps."""
    if image.mode not in ("RGB", "L"):
        raise ValueError(
            f"expected an image of mode RGB or L, found {image.mode}; convert it"
        )
    for name, value, where in steps:
        image = OPERATIONS[name](image, value, where)
    return image


def sources(size, steps):
    """Of each new pixel the number of the old one, from 1 row by row, or 0 where that is
    outside: `[h, w]` int32, after those of the steps that move pixels."""
    width, height = size
    number = np.arange(1, height * width + 1, dtype=np.int32).reshape(height, width)
    image = Image.fromarray(number)
    for name, value, where in steps:
        if name in MOVING:
            image = OPERATIONS[name](image, value, where)
    return np.asarray(image)


def move(labels, steps):
    """Labels `[h, w, ...]`, an array such as a mask, moved like their image; each is that of
    the nearest source, and 0 from outside."""
    labels = np.asarray(labels)
    height, width = labels.shape[:2]
    source = sources((width, height), steps).reshape(-1)
    rows = labels.reshape(height * width, -1)
    found = np.where((source > 0)[:, None], rows[source - 1], 0)
    return found.astype(labels.dtype).reshape(labels.shape)


def _fill(image):
    return {"RGB": FILL, "L": GREY}.get(image.mode, 0)


def _affine(image, *numbers):
    return image.transform(image.size, Image.Transform.AFFINE, numbers)


def _enhance(kind):
    return lambda image, value, where: kind(image).enhance(value)


def _flip(image, value, where):
    return ImageOps.mirror(image) if where else image


def _cutout(image, value, where):
    image = image.copy()
    ImageDraw.Draw(image).rectangle(where, _fill(image))
    return image


def _crop(image, value, where):
    padded = ImageOps.expand(image, int(value), _fill(image))
    (x, y), (width, height) = where, image.size
    return padded.crop((x, y, x + width, y + height))


def _resized_crop(image, value, where):
    left, top, width, height = where
    part = image.crop((left, top, left + width, top + height))
    numbers = image.mode == "I"  # of pixels, which are not mixed
    how = Image.Resampling.NEAREST if numbers else Image.Resampling.BICUBIC
    return part.resize(image.size, how)


OPERATIONS = {
    "identity": lambda image, value, where: image,
    "shear_x": lambda image, value, where: _affine(image, 1, value, 0, 0, 1, 0),
    "shear_y": lambda image, value, where: _affine(image, 1, 0, 0, value, 1, 0),
    "translate_x": lambda image, value, where: _affine(
        image, 1, 0, value * image.width, 0, 1, 0
    ),
    "translate_y": lambda image, value, where: _affine(
        image, 1, 0, 0, 0, 1, value * image.height
    ),
    "rotate": lambda image, value, where: image.rotate(value),
    "autocontrast": lambda image, value, where: ImageOps.autocontrast(image),
    "invert": lambda image, value, where: ImageOps.invert(image),
    "equalize": lambda image, value, where: ImageOps.equalize(image),
    "solarize": lambda image, value, where: ImageOps.solarize(image, value),
    "posterize": lambda image, value, where: ImageOps.posterize(image, int(value)),
    "contrast": _enhance(ImageEnhance.Contrast),
    "color": _enhance(ImageEnhance.Color),
    "brightness": _enhance(ImageEnhance.Brightness),
    "sharpness": _enhance(ImageEnhance.Sharpness),
    "flip": _flip,
    "cutout": _cutout,
    "crop": _crop,
    "resized_crop": _resized_crop,
}
