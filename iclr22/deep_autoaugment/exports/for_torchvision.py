"""A policy as a transform of torchvision (checked with 0.29).

    augment = for_torchvision.Augment(policies)      # of `exports.plain`
    image = augment(image)                           # like any other transform
    image, mask = augment(image, mask)               # they move together

Images of Pillow get exactly the pixels of `apply_policy`, at all levels of all operations
(a resized crop: within 1 level).
Tensors stay on their device; `TOLERANCE` says where torchvision's kernels give them other
pixels, on images of 32 x 32 to 225 x 225: shares of them, and the largest difference of a
level. All others, and masks, have 0 differing pixels. `v2.ToPILImage()` before it makes
those exact, too. Draws come from torch's own generator: `torch.manual_seed`, and workers
of a loader differ, as with all transforms.
"""

import math
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional

from iclr22.deep_autoaugment.exports import standalone

# By operation on tensors: share of differing pixels of the worst level, largest difference.
TOLERANCE = {  # of photos of CIFAR-10 the shares were .08, .78, .54, .004 and .03
    "autocontrast": (0.3, 1),  # scaled in single precision
    "contrast": (0.9, 1),  # the mean is not rounded
    "color": (0.65, 1),  # nor is grey
    "sharpness": (0.01, 1),
    "resized_crop": (0.05, 2),
}


class Augment(v2.Transform):
    """One draw for all that is given together: an image, its masks, its boxes.

    Args:
      policies: as in `standalone.POLICIES`.
    """

    def __init__(self, policies):
        super().__init__()
        self.policies = policies

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The steps of a call, see `standalone.draw`."""
        height, width = v2.query_size(flat_inputs)
        seed = torch.randint(2**62, ()).item()
        random = np.random.default_rng(int(seed))
        layers = standalone.choose(self.policies, random)
        return {"steps": standalone.draw(layers, (width, height), random)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """An image after the steps; of masks and boxes only those that move pixels."""
        if isinstance(inpt, Image.Image):
            return standalone.apply(inpt, params["steps"])
        for step in params["steps"]:
            if isinstance(inpt, tv_tensors.BoundingBoxes):
                inpt = _box(inpt, *step)
            elif step[0] in standalone.MOVING:
                inpt = _moved(inpt, *step)
            elif not isinstance(inpt, tv_tensors.Mask):
                inpt = COLOURS[step[0]](inpt, *step[1:])
        return inpt


def _moved(x, op, value, where):
    """Pixels `[..., h, w]` by the numbers of their sources."""
    label = isinstance(x, tv_tensors.Mask)
    if op == "resized_crop" and not label:
        return _resized_crop(x, where)
    height, width = functional.get_size(x)
    source = standalone.sources((width, height), [(op, value, where)])
    source = torch.from_numpy(source.astype(np.int64)).to(x.device)
    found = x.flatten(-2)[..., (source - 1).clamp(min=0)]
    fill = _fill(x) if op == "crop" and not label else 0
    return tv_tensors.wrap(torch.where(source > 0, found, fill), like=x)


def _box(x, op, value, where):
    """Boxes by torchvision's kernels."""
    height, width = functional.get_size(x)
    if op == "rotate":
        return functional.rotate(x, value)
    if op == "flip":
        return functional.horizontal_flip(x) if where else x
    if op == "crop":
        (left, top), pad = where, int(value)
        return functional.crop(functional.pad(x, [pad] * 4), top, left, height, width)
    if op == "resized_crop":
        return _resized_crop(x, where)
    if op not in standalone.MOVING:
        return x
    shear, translate = [0.0, 0.0], [0.0, 0.0]
    axis = int(op.endswith("y"))
    if op.startswith("shear"):
        shear[axis] = math.degrees(math.atan(value))
    else:  # ours is the way to the source
        translate[axis] = -value * (width, height)[axis]
    return functional.affine(
        x, angle=0, translate=translate, scale=1.0, shear=shear, center=[0.0, 0.0]
    )


def _resized_crop(x, where):
    left, top, width, height = where
    size = list(functional.get_size(x))
    how = InterpolationMode.BICUBIC
    return functional.resized_crop(
        x, top, left, height, width, size, how, antialias=True
    )


def _fill(x) -> torch.Tensor:
    """Colour `[c, 1, 1]` of what is left empty."""
    three = functional.get_num_channels(x) == 3
    levels = torch.tensor(standalone.FILL if three else [standalone.GREY])
    levels = levels / 255 if x.is_floating_point() else levels
    return levels.to(x.device, x.dtype)[:, None, None]


def _cutout(x, value, where):
    left, top, right, bottom = where
    return functional.erase(x, top, left, bottom - top + 1, right - left + 1, _fill(x))


def _solarize(x, value, where):
    scale = 255 if x.is_floating_point() else 1
    return functional.solarize(x, value / scale) if value <= 255 else x


COLOURS = {
    "identity": lambda x, value, where: x,
    "autocontrast": lambda x, value, where: functional.autocontrast(x),
    "invert": lambda x, value, where: functional.invert(x),
    "equalize": lambda x, value, where: functional.equalize(x),
    "solarize": _solarize,
    "posterize": lambda x, value, where: functional.posterize(x, int(value)),
    "contrast": lambda x, value, where: functional.adjust_contrast(x, value),
    "color": lambda x, value, where: functional.adjust_saturation(x, value),
    "brightness": lambda x, value, where: functional.adjust_brightness(x, value),
    "sharpness": lambda x, value, where: functional.adjust_sharpness(x, value),
    "cutout": _cutout,
}
