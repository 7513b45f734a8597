"""Ten methods of ICLR 2022 as pure JAX functions: one folder each, one shape for all.

`METHODS` names the ten, `index()` also what others have added; `get(name)` imports a
method, `available()` lists those here.
"""

import importlib
import pathlib
from collections.abc import Iterator
from types import ModuleType
from typing import cast

from iclr22 import errors, types

__version__ = "0.1.0"

METHODS = {
    "cold_brew": "Cold Brew: nodes with few or no edges",
    "deep_autoaugment": "Deep AutoAugment: augmentation policies by gradient matching",
    "diva": "DIVA: the dataset derivative of a learning task",
    "giant_xrt": "GIANT-XRT: node features from raw text",
    "grda": "Graph-relational domain adaptation",
    "in_domain": "Visual representation learning: in-domain generalization benchmark",
    "psa_gan": "PSA-GAN: progressive self-attention GAN for time series",
    "recurrent_intensity": "Recurrent intensity modeling for recommendation",
    "trajectory_shapley": "You mostly walk alone: Shapley attribution of trajectories",
    "trans_encoder": "Trans-Encoder: mutual distillation for sentence pairs",
}


def index() -> dict[str, str]:
    """What each method is, by name: the ten, and every other folder here that has a
    `pipeline.py`, with the first line of its docstring."""
    more = [name for name in available() if name not in METHODS]
    return METHODS | {name: _first_line(name) for name in more}


def _pipelines() -> Iterator[pathlib.Path]:
    return pathlib.Path(__path__[0]).glob("*/pipeline.py")


def _first_line(name: str) -> str:
    text = importlib.import_module(f"{__name__}.{name}").__doc__ or name
    return text.splitlines()[0].rstrip(".")


def available() -> list[str]:
    """Names of the methods that are here, sorted: each has a `pipeline.py`."""
    return sorted(x.parent.name for x in _pipelines())


def get(name: str) -> ModuleType:
    """Import a method package by name; an unknown name lists the nearest."""
    if name not in available():
        raise errors.nearest(name, available(), "method")
    return importlib.import_module(f"{__name__}.{name}")


def stages(name: str) -> dict[str, types.Method]:
    """The trainable parts of a method, by name.

    A method trained in one go is its own only stage. One with several (teacher and
    student, say) lists sub-modules of its package in `STAGES`; each has the seven names.
    """
    method = get(name)
    parts = getattr(method, "STAGES", ())
    modules = {
        f"{name}.{part}": importlib.import_module(f"{method.__name__}.{part}")
        for part in parts
    }
    return cast("dict[str, types.Method]", modules or {name: method})


def trained() -> dict[str, types.Method]:
    """Stages of all available methods that have a training step, by name."""
    every = (item for name in available() for item in stages(name).items())
    return {name: x for name, x in every if "train_step" in types.parts(x)}
