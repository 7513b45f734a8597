"""A policy as a `Compose` of `OneOf` of albumentations 2.0.8, the last one under MIT.

    augment = for_albumentations.compose(policies)       # of `exports.plain`
    found = augment(image=image, mask=mask)          # [h, w, c] or [h, w], uint8

Where albumentations computes the same pixels, its own transforms are used: NoOp, InvertImg,
Solarize, Posterize, Equalize, AutoContrast. Its Affine, Sharpen, ColorJitter
and CoarseDropout do not (another centre, other rounding, holes that never leave the image);
for those `Move` and `Colour` go through Pillow. Images are exactly those of `apply_policy`:
0 differing pixels at all levels. Masks, boxes and key points move along.
"""

import math
from typing import Any

import albumentations as A
import cv2
import numpy as np
from albumentations.augmentations.geometric import functional
from albumentations.core.type_definitions import Targets
from PIL import Image

from iclr22.deep_autoaugment.exports import standalone

UNCHANGED = {"x": 1.0, "y": 1.0}


def compose(policies, seed: int | None = None) -> A.Compose:
    """One `OneOf` for each layer; several policies are a `OneOf` of such sequences.

    Args:
      policies: as in `standalone.POLICIES`.
      seed: of the draws; None for others each time.
    """
    sequences = [_sequence(layers, weight) for weight, layers in policies]
    if len(sequences) == 1:
        return A.Compose(sequences[0].transforms, seed=seed)
    return A.Compose([A.OneOf(sequences, p=1.0)], seed=seed)


def _sequence(layers, weight: float) -> A.Sequential:
    return A.Sequential(
        [A.OneOf([_transform(*x) for x in y], p=1) for y in layers], weight
    )


def _transform(p: float, op: str, value: float) -> A.BasicTransform:
    if op in OWN:
        return OWN[op](p)
    if op == "solarize":
        # Levels are whole; in the middle between two no rounding matters.
        level = max(0.0, math.ceil(value) - 0.5) / 255
        if value > 255:
            return A.NoOp(p=p)
        return A.Solarize(threshold_range=(level, level), p=p)
    if op == "posterize" and 1 <= int(value) <= 7:
        return A.Posterize(num_bits=int(value), p=p)
    kind = Move if op in standalone.MOVING else Colour
    return kind(op, value, p=p)


OWN = {
    "identity": lambda p: A.NoOp(p=p),
    "invert": lambda p: A.InvertImg(p=p),
}


class Colour(A.ImageOnlyTransform):
    """An operation on colours, or a cutout, with the pixels of Pillow.

    Args:
      op: its name.
      value: as in a policy.
      p: probability.
    """

    def __init__(self, op: str, value: float, p: float = 0.5):
        super().__init__(p=p)
        self.op, self.value = op, value

    def get_params_dependent_on_data(self, params, data) -> dict[str, Any]:
        """The step, see `standalone.draw`."""
        height, width = params["shape"][:2]
        return {"step": _step(self, (width, height))}

    def apply(self, img: np.ndarray, step, **params: Any) -> np.ndarray:
        """uint8 `[h, w, c]` or `[h, w]`, grey or RGB."""
        return _through_pillow(img, step)

    def get_transform_init_args_names(self) -> tuple[str, ...]:
        """What `to_dict` keeps."""
        return "op", "value"


class Move(A.DualTransform):
    """A shear, a translation, a rotation, a flip or a crop, with the pixels of Pillow.

    Args:
      op: its name.
      value: as in a policy.
      p: probability.
    """

    _targets = (Targets.IMAGE, Targets.MASK, Targets.BBOXES, Targets.KEYPOINTS)

    def __init__(self, op: str, value: float, p: float = 0.5):
        super().__init__(p=p)
        self.op, self.value = op, value

    def get_params_dependent_on_data(self, params, data) -> dict[str, Any]:
        """The step, see `standalone.draw`, and its map of corners of pixels."""
        height, width = params["shape"][:2]
        step = _step(self, (width, height))
        return {"step": step, "matrix": np.linalg.inv(_source(step, width, height))}

    def apply(self, img: np.ndarray, step, **params: Any) -> np.ndarray:
        """uint8 `[h, w, c]` or `[h, w]`, grey or RGB."""
        return _through_pillow(img, step)

    def apply_to_mask(self, mask: np.ndarray, step, **params: Any) -> np.ndarray:
        """Labels of any type, 0 from outside."""
        return standalone.move(mask, [step])

    def apply_to_bboxes(self, bboxes: np.ndarray, matrix, **params: Any) -> np.ndarray:
        """Boxes around what each box became."""
        shape = params["shape"][:2]
        return functional.bboxes_affine(
            bboxes, matrix, "largest_box", shape, cv2.BORDER_CONSTANT, shape
        )

    def apply_to_keypoints(self, keypoints: np.ndarray, matrix, **params: Any):
        """Points between the middles of pixels."""
        half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
        middle = np.linalg.inv(half) @ matrix @ half
        shape = params["shape"]
        return functional.keypoints_affine(
            keypoints, middle, shape, UNCHANGED, cv2.BORDER_CONSTANT
        )

    def get_transform_init_args_names(self) -> tuple[str, ...]:
        """What `to_dict` keeps."""
        return "op", "value"


def _step(transform, size) -> tuple:
    """One of `standalone.draw`, by the transform's own generators."""
    op, value = transform.op, transform.value
    if op == "resized_crop":
        where = standalone.part(size, value, transform.random_generator)
    else:
        where = standalone.place(op, value, size, transform.py_random.getrandbits(32))
    return op, value, where


def _through_pillow(image: np.ndarray, step) -> np.ndarray:
    grey = image.ndim == 3 and image.shape[2] == 1
    found = np.asarray(
        standalone.apply(Image.fromarray(image[..., 0] if grey else image), [step])
    )
    return found.reshape(image.shape)


def _source(step, width: int, height: int) -> np.ndarray:
    """The map from a place in the new image to its source, `[3, 3]`."""
    op, value, where = step
    found = np.eye(3)
    if op in ("shear_x", "shear_y"):
        found[(0, 1) if op == "shear_x" else (1, 0)] = value
    elif op == "translate_x":
        found[0, 2] = value * width
    elif op == "translate_y":
        found[1, 2] = value * height
    elif op == "rotate":
        turn = -math.radians(value)
        cosine, sine = math.cos(turn), math.sin(turn)
        found[:2, :2] = [[cosine, sine], [-sine, cosine]]
        middle = np.array([width / 2, height / 2])
        found[:2, 2] = middle - found[:2, :2] @ middle
    elif op == "flip" and where:
        found[0] = [-1, 0, width]
    elif op == "crop":
        found[:2, 2] = np.array(where) - int(value)
    elif op == "resized_crop":
        left, top, columns, rows = where
        found = np.diag([columns / width, rows / height, 1.0])
        found[:2, 2] = left, top
    return found
