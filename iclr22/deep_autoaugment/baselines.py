"""Augmentation that others published, as policies of the same operations.

    found = baselines.BASELINES["rand_augment"]()  # or rand_augment(3, 5)

All but `none` and `deep_ta` stand between what training on CIFAR does anyway: a padded crop
and a flip before, a cutout after (Cubuk et al. 2019, section 4.1). Each function takes
`pad` and `cutout` in pixels and `flip`; 0 and False leave them out. Crops and cutouts fill
with the mean colour of CIFAR, as all policies here do; others left black.
"""

from collections.abc import Callable

from iclr22 import errors
from iclr22.deep_autoaugment import space
from iclr22.deep_autoaugment.policy import Entry, Mixture, Policy

FINEST = 30  # the highest level of magnitudes 0 to 30
_PLAIN = ("identity", "autocontrast", "equalize")
_GRADED = (
    *("rotate", "solarize", "color", "posterize", "contrast", "brightness"),
    *("sharpness", "shear_x", "shear_y", "translate_x", "translate_y"),
)
_ENHANCERS = ("color", "contrast", "brightness", "sharpness")
_SHIFT = 10 / 32  # 10 pixels of CIFAR's 32
# Lowest and highest of the narrow and the wide magnitudes of Mueller and Hutter 2021.
_NARROW = {op: space.RANGES[op][:2] for op in _GRADED}
_NARROW |= {"translate_x": (-_SHIFT, _SHIFT), "translate_y": (-_SHIFT, _SHIFT)}
_WIDE = {op: (0.01, 2.0) for op in _ENHANCERS}
_WIDE |= {op: (-0.99, 0.99) for op in ("shear_x", "shear_y")}
_WIDE |= {op: (-1.0, 1.0) for op in ("translate_x", "translate_y")}
_WIDE |= {"rotate": (-135.0, 135.0), "solarize": (0.0, 256.0), "posterize": (2.0, 8.0)}

# Cubuk et al. 2019, the policy of CIFAR-10: (operation, probability, magnitude 0 to 9).
_AUTOAUGMENT = """
invert .1 0, contrast .2 6; rotate .7 2, translate_x .3 9; sharpness .8 1, sharpness .9 3
shear_y .5 8, translate_y .7 9; autocontrast .5 0, equalize .9 0
shear_y .2 7, posterize .3 7; color .4 3, brightness .6 7; sharpness .3 9, brightness .7 9
equalize .6 0, equalize .5 0; contrast .6 7, sharpness .6 5; color .7 7, translate_x .5 8
equalize .3 0, autocontrast .4 0; translate_y .4 3, sharpness .2 6
brightness .9 6, color .2 8; solarize .5 2, invert 0 0; equalize .2 0, autocontrast .6 0
equalize .2 0, equalize .6 0; color .9 9, equalize .6 0; autocontrast .8 0, solarize .2 8
brightness .1 3, color .7 0; solarize .4 5, autocontrast .9 0
translate_y .9 9, translate_y .7 9; autocontrast .9 0, solarize .8 3
equalize .8 0, invert .1 0; translate_y .7 9, autocontrast .9 0
"""


def none() -> Policy:
    """Images as they are."""
    return Policy(((_plain("identity"),),))


def flip_crop(*, pad: int = 4, flip: bool = True, cutout: int = 0) -> Policy:
    """A crop of the padded image, then a flip."""
    return Policy(_before(pad, flip) + _after(cutout) or none().layers)


def rand_augment(
    n: int = 2,
    magnitude: float = 14,
    *,
    pad: int = 4,
    flip: bool = True,
    cutout: int = 16,
) -> Policy:
    """RandAugment: n times one of 14 operations, at one magnitude of 0 to 30 (Cubuk et al.
    2020).

    Two at magnitude 14 were chosen there for a WRN-28-10 on CIFAR-100. A higher magnitude
    changes more for each operation; shears, translations (45 % at most), rotations and the
    factors of enhancers go to both sides.

    Raises:
      errors.InputError: n below 1, or another magnitude.
    """
    if n < 1 or not 0 <= magnitude <= FINEST:
        raise errors.InputError(
            f"rand_augment: expected n from 1 and a magnitude from 0 to {FINEST}; found "
            f"{n} and {magnitude:g}"
        )
    level = round(magnitude)
    layer = _uniform(
        [_plain(op)] if op in _PLAIN else _strong(op, magnitude / FINEST, level)
        for op in (*_PLAIN, *_GRADED)
    )
    return Policy(_before(pad, flip) + (layer,) * n + _after(cutout))


def trivial_ra(*, pad: int = 4, flip: bool = True, cutout: int = 16) -> Policy:
    """TrivialAugment with the magnitudes of RandAugment: one of 14 operations at a magnitude
    of 31 (Mueller and Hutter 2021)."""
    return Policy(_before(pad, flip) + (_trivial(_NARROW),) + _after(cutout))


def trivial_wide(*, pad: int = 4, flip: bool = True, cutout: int = 16) -> Policy:
    """TrivialAugment with wide magnitudes."""
    return Policy(_before(pad, flip) + (_trivial(_WIDE),) + _after(cutout))


def uniform(*, pad: int = 4, flip: bool = True, cutout: int = 16) -> Policy:
    """UniformAugment: twice, with a probability of a half, one of 14 operations at any
    magnitude, of which 31 stand for all (LingChen et al. 2020)."""
    ops = ("invert", *(op for op in _PLAIN if op != "identity"), *_GRADED)
    layer = _halved(_uniform(_graded(op, space.RANGES) for op in ops))
    return Policy(_before(pad, flip) + (layer, layer) + _after(cutout))


def deep_ta(
    depth: int = 6, *, pad: int = 4, flip: bool = True, cutout: int = 16
) -> Policy:
    """DeepTA of the paper: `depth` layers, each one of 17 operations at any magnitude:
    those of `trivial_ra`, flip, cutout and crop. Nothing before and after.

    Raises:
      errors.InputError: a depth below 1.
    """
    if depth < 1:
        raise errors.InputError(f"deep_ta: expected a depth from 1; found {depth}")
    kinds = [_graded(op, _NARROW) for op in (*_PLAIN, *_GRADED)]
    kinds += [list(x) for x in _before(pad, flip) + _after(cutout)]
    return Policy((_uniform(kinds),) * depth)


def autoaugment(*, pad: int = 4, flip: bool = True, cutout: int = 16) -> Mixture:
    """AutoAugment's policy of CIFAR-10: one of 25 pairs of operations (Cubuk et al. 2019).

    Magnitudes 0 to 9 are from none to the strongest; shears, translations, rotations and
    the factors of enhancers go to both sides.
    """
    pairs = []
    for pair in _AUTOAUGMENT.strip().replace("\n", ";").split(";"):
        layers = []
        for part in pair.split(","):
            op, chance, level = part.split()
            graded = op in space.RANGES
            kind = _strong(op, int(level) / 9, int(level)) if graded else [_plain(op)]
            layers.append(_with_chance(float(chance), kind))
        pairs.append(Policy(_before(pad, flip) + tuple(layers) + _after(cutout)))
    return Mixture(tuple(pairs), (1 / len(pairs),) * len(pairs))


BASELINES: dict[str, Callable[..., Policy | Mixture]] = {
    "none": none,
    "flip_crop": flip_crop,
    "rand_augment": rand_augment,
    "trivial_ra": trivial_ra,
    "trivial_wide": trivial_wide,
    "uniform": uniform,
    "deep_ta": deep_ta,
    "autoaugment": autoaugment,
}


def _plain(op: str, value: float = 0.0) -> Entry:
    return Entry(op, space.MIDDLE, float(value), 1.0)


def _before(pad: int, flip: bool):
    crop = ((_plain("crop", pad),),) if pad else ()
    return crop + (((_plain("flip"),),) if flip else ())


def _after(cutout: int):
    return ((_plain("cutout", cutout),),) if cutout else ()


def _uniform(kinds) -> tuple[Entry, ...]:
    """A layer of lists of entries: the lists equally often, and each one's entries."""
    kinds = [list(x) for x in kinds]
    return tuple(
        x._replace(prob=1 / len(kinds) / len(kind)) for kind in kinds for x in kind
    )


def _with_chance(chance: float, kind) -> tuple[Entry, ...]:
    """A layer of a list of entries, or of identity."""
    found = [x._replace(prob=chance * x.prob) for x in _uniform([kind])]
    return (_plain("identity")._replace(prob=1 - chance), *found)


def _halved(layer) -> tuple[Entry, ...]:
    same = _plain("identity")._replace(prob=0.5)
    return (same, *(x._replace(prob=x.prob / 2) for x in layer))


def _graded(op: str, ranges) -> list[Entry]:
    """An operation at each of 31 magnitudes, to both sides at most as far as `ranges`."""
    if op not in ranges:
        return [_plain(op)]
    low, high = ranges[op][:2]
    levels = range(FINEST + 1)
    return [Entry(op, x, low + (high - low) * x / FINEST, 1.0) for x in levels]


def _trivial(ranges) -> tuple[Entry, ...]:
    return _uniform(_graded(op, ranges) for op in (*_PLAIN, *_GRADED))


def _strong(op: str, strength: float, level: int) -> list[Entry]:
    """An operation at a strength of 0 to 1 of its range, to both sides where it has two."""
    low, high, same = space.RANGES[op]
    if same == space.MIDDLE:
        middle, half = (low + high) / 2, strength * (high - low) / 2
        return [Entry(op, level, middle + side * half, 1.0) for side in (-1, 1)]
    value = high - strength * (high - low)
    return [Entry(op, level, round(value) if op == "posterize" else value, 1.0)]
