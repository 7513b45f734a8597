"""Shared types and the shape that every method has."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jax

Array = jax.Array
Key = jax.Array  # from jax.random.key
Params = Any  # pytree of arrays
Batch = Any  # usually dict[str, Array] with a "weight" [batch], 0 on padding
Metrics = Mapping[str, Array]
Sums = Mapping[str, Array]  # always holds "weight", the number of examples summed

NAMES = ("Config", "State", "init", "apply", "loss", "train_step", "evaluate")


class Method(Protocol):
    """The seven public names of a method (or of one stage of it).

    Modules satisfy it; there is nothing to inherit from. `Config` is closed over with
    `functools.partial` before compiling, so the same functions serve jit, pmap and
    several hosts. A method, or a stage, without a training loop sets
    `PARTS = ("Config", "apply")` (whatever it has); the shared tests check just those.

    Besides the seven and `example`:
      BATCH_AXES: optional; 0 or None per entry of the batch (a pytree prefix): 0 is
        divided over devices (the default for all), None is on every device. A graph
        method divides its edges and keeps its nodes.
      pad: optional; `(batch, extra) -> batch` with so many examples more, of weight 0,
        where that is not rows at the end of every array.

    A method of several stages lists them in `STAGES` of its package. Its `pipeline` has
    `Options`, a NamedTuple of the stages' configurations and of choices of training, from
    which the flags of its experiment are made: those of the stage that `MAIN` names are
    bare (`--learning_rate`), others are dotted (`--bpr.learning_rate`).
    """

    @property
    def Config(self) -> Callable[..., Any]:
        """Hyper-parameters, a NamedTuple: hashable, every field with a default and a
        comment, beside it or right above, which is its help.

        `RESOLVED` of the class names fields that data, task or variant decide: they have
        no flag, and whoever trains fills them in.
        """
        ...

    @property
    def State(self) -> Callable[..., Any]:
        """`gradients.State`, or one of its own with `step`, `params` and `key` and a
        docstring that says what `Differs:`. Arrays only; the key never changes."""
        ...

    def init(self, config, key: Key, batch: Batch) -> Any:
        """A fresh `State` (`gradients.start`); shapes come from an example batch."""
        ...

    def apply(self, config, params: Params, inputs, *, key: Key | None = None) -> Any:
        """Outputs of the model; `key=None` means evaluation, without dropout."""
        ...

    def loss(
        self, config, params, batch, *, key: Key | None = None
    ) -> tuple[Array, Sums]:
        """`(total, sums)`: sums over examples weighted by `batch["weight"]`, no means."""
        ...

    def train_step(
        self, config, state, batch, *, axis_name: str | None = None
    ) -> tuple[Any, Metrics]:
        """`(State, Metrics)` after one update; the only place that divides sums.

        `axis_name` is None under jit (arrays are global) and the device axis under pmap.
        Metrics hold at least `loss`.
        """
        ...

    def evaluate(self, config, params, batch, *, axis_name: str | None = None) -> Sums:
        """Sums again; the caller adds them over batches and divides once."""
        ...

    def example(self, size: int = 32, seed: int = 0) -> tuple[Any, Batch]:
        """`(config, batch)`: the smallest configuration and a batch with learnable
        content, on which the shared tests train. Small means few parameters and layers,
        too: it is compiled five times."""
        ...


def parts(method) -> tuple[str, ...]:
    """Which of the seven names `method` has by its own declaration."""
    return tuple(getattr(method, "PARTS", NAMES))


def batch_axes(method):
    """Where its batches divide over devices: `BATCH_AXES`, or 0 for all arrays."""
    return getattr(method, "BATCH_AXES", 0)


def has_rows(method) -> bool:
    """True if each example is one row of every array: then any rows make a batch.

    False for a graph, whose nodes and edges have to stay together.
    """
    return batch_axes(method) == 0 and not hasattr(method, "pad")
