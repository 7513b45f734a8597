"""How fast images are rendered, beside NumPy with the same pixels, on one core.

Numbers are images in a processor second, in which other programs on the machine matter
little; both sides take turns. `benchmark` prints them.
"""

import time

import numpy as np

from experiments.in_domain import numpy_renderers
from iclr22.data.factors import renderers

Rates = dict[str, list[float]]  # by whom, images in a processor second, by repetition


def of_dsprites(*, count: int = 4096, repeat: int = 5) -> Rates:
    """Of drawn dSprites images: `ours`, and `numpy` in double and `single` precision."""
    factors = _some("dsprites", count)
    return _in_turn(
        repeat,
        ours=(count, lambda: renderers.render_dsprites(factors)),
        numpy=(count, lambda: _in_parts(factors, np.float64)),
        single=(count, lambda: _in_parts(factors, np.float32)),
    )


def of_shapes3d(*, count: int = 4096, repeat: int = 5) -> Rates:
    """Of scenes: `ours` on the grid, `between` its values, and `numpy`, image by image."""
    factors = _some("shapes3d_like", count)
    between = factors[: max(count // 8, 1)] + np.array([0.5, 0.5, 0.5, 0.5, 0, 0.5])
    between = np.minimum(between, [9, 9, 9, 7, 3, 14])
    few = factors[: min(40, count)]
    return _in_turn(
        repeat,
        ours=(count, lambda: renderers.render_shapes3d(factors)),
        between=(len(between), lambda: renderers.render_shapes3d(between)),
        numpy=(len(few), lambda: [numpy_renderers.scene(x) for x in few]),
    )


def _in_parts(factors, dtype):
    """Sprites in parts that fit a processor's cache, which is fastest."""
    for start in range(0, len(factors), 64):
        numpy_renderers.sprites(factors[start : start + 64], dtype)


def _in_turn(repeat, **sides) -> Rates:
    """Each side once to compile, then all of them `repeat` times in turn."""
    rates = {name: [] for name in sides}
    for turn in range(repeat + 1):
        for name, (count, run) in sides.items():
            began = time.process_time()
            run()
            spent = time.process_time() - began
            if turn:
                rates[name].append(count / max(spent, 1e-9))
    return rates


def _some(name, count) -> np.ndarray:
    """Points of a renderer's grid, drawn."""
    sizes = renderers.RENDERERS[name].grid.sizes
    return np.random.default_rng(0).integers(0, sizes, (count, len(sizes)))
