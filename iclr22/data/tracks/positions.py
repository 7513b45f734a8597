"""Positions of the user's own tracks in single precision: moved to the middle of scenes, or
projected from degrees, in double precision first."""

import numpy as np
from absl import logging

from iclr22 import errors, numeric

COARSE = 1e-4  # of a typical step; where float32 rounds to more, scenes are moved
DEGREES = "deg", "degree", "degrees"  # units of longitude and latitude
EARTH = 6_371_008.8  # mean radius [m]


def of(path, scene, agent, xy, unit: str):
    """`(positions, unit)`: metres for degrees, else as they are.

    Args:
      path: for messages; scene, agent: `[n]`, sorted; xy: float64 `[n, 2]`.

    Raises:
      errors.InputError: positions that look like degrees and are not said to be, or that
        are none and are said to be.
    """
    middle = _middle(scene, xy)
    if unit.lower() in DEGREES:
        return _projected(path, xy, middle), "m"
    step = _typical_step(scene, agent, xy)
    _check_no_degrees(path, xy, middle, step, unit)
    return xy, unit


def single(scene, agent, xy) -> np.ndarray:
    """Float32 positions `[n, 2]` of any numbers, without loss of a step's digits.

    Where float32 is coarse beside a typical step, scenes are moved to their middle first.

    Args:
      scene, agent: `[n]`, from 0, sorted, frames in order.
    """
    xy = numeric.real(xy, "xy", ndim=2, finite=False)
    if xy.dtype == np.float32 or not np.isfinite(xy).all() or not len(xy):
        return xy.astype(np.float32, copy=False)
    step = _typical_step(scene, agent, xy)
    if np.abs(xy).max() * np.finfo(np.float32).eps > COARSE * step > 0:
        logging.info(
            "scenes are moved to their middle: positions are large beside steps"
        )
        xy = xy - _middle(scene, xy)
    return xy.astype(np.float32)


def _middle(scene, xy):
    """Mean position of the scene of each row `[n, 2]`."""
    count = np.bincount(scene)
    mean = [np.bincount(scene, x) / np.maximum(count, 1) for x in xy.T]
    return np.stack(mean, axis=1)[scene]


def _typical_step(scene, agent, xy) -> float:
    """Median distance between rows of an agent that moves; 0 if none does."""
    same = (np.diff(scene) == 0) & (np.diff(agent) == 0)
    steps = np.hypot(*np.diff(xy, axis=0)[same].T)
    return float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0


def _check_no_degrees(path, xy, middle, step, unit):
    far, apart = np.abs(xy).max(axis=0), np.abs(xy - middle).max()
    small = unit == "m" and 0 < step < 1e-3 and apart < 1 and far.max() > 10 * apart
    if small and far[0] <= 180 and far[1] <= 90:
        raise errors.InputError(
            f"{path}: expected positions in metres; found some up to {far.max():.6g} with "
            f"steps of {step:.2g}, which look like degrees of longitude and latitude. Say "
            "--unit=deg (unit='deg') to have them projected, x longitude and y latitude; "
            "or name their unit if they are no degrees."
        )


def _projected(path, xy, middle):
    """Metres around the middle of each scene of degrees of longitude and latitude."""
    outside = (np.abs(xy) > (360, 90)).any(axis=1)
    if outside.any():
        raise errors.InputError(
            f"{path}: expected degrees, x longitude and y latitude; found "
            f"{xy[outside.argmax()].tolist()}. Exchange the columns, or correct the unit."
        )
    shrink = np.stack([np.cos(np.radians(middle[:, 1])), np.ones(len(middle))], axis=1)
    logging.info("%s: degrees are projected to metres around each scene", path)
    return EARTH * np.radians(xy - middle) * shrink
