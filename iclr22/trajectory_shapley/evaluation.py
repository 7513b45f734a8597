"""Errors of trained predictors, with neighbours, without, and as the released code has it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import parallel
from iclr22.data import batching
from iclr22.trajectory_shapley import artifact, metrics
from iclr22.trajectory_shapley.artifact import Model
from iclr22.trajectory_shapley.predictor import with_baseline
from iclr22.trajectory_shapley.windows import Windows, to_batch

ROWS = 256  # windows that are evaluated at a time
VIEWS = ("", "_without", "_zeroed")  # endings of what is returned


def evaluate(model: Model, windows: Windows) -> dict[str, float]:
    """Means over windows of what `errors_of` measures."""
    return {name: float(x.mean()) for name, x in errors_of(model, windows).items()}


def errors_of(model: Model, windows: Windows) -> dict[str, np.ndarray]:
    """min_ade, min_fde, nll and kde_nll of each window, float64 `[windows]`.

    The same with the ending `_without` has all edges cut (what attribution calls no
    neighbours), with `_zeroed` one neighbour of zeros whose edge is there (what the
    released evaluation calls so, section 6.3).
    """
    given = artifact.predictor_of(model)
    batch = to_batch(windows, seeds=True)
    found: dict[str, list] = {}
    size, parts = min(ROWS, len(batch["mask"])), jax.process_count()
    for rows in batching.in_order(batch, size, devices=parts):  # this process's
        real = parallel.rows_of_all(rows["weight"]) > 0
        for view in VIEWS:
            each = _each(
                given.encode,
                given.decode,
                given.samples,
                given.params,
                _view(rows, view),
            )
            for name, values in jax.device_get(each).items():
                values = parallel.rows_of_all(values)[real]
                found.setdefault(name + view, []).append(values)
    return {name: np.concatenate(x).astype(float) for name, x in found.items()}


def _view(batch, view):
    """A batch with the neighbours that a view shows."""
    if not view:
        return batch
    mask, near = np.zeros_like(batch["mask"]), batch["neighbours"]
    if view == "_zeroed":
        mask[:, :1], near = True, np.zeros_like(near)
    return batch | {"mask": mask, "neighbours": near}


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _each(encode, decode, samples, params, batch):
    """Errors of the windows of a batch."""
    codes = encode(params, with_baseline(batch))
    past = jnp.ones(len(batch["mask"]), bool)
    outputs = decode(params, codes, past, batch["mask"])
    draws = samples(params, codes, past, batch["mask"])
    return _errors(outputs, draws, batch["future"])


def _errors(outputs, draws, future):
    ade, fde = metrics.best_of(draws, future)
    found = {"min_ade": ade, "min_fde": fde}
    if draws.shape[-3] > 2:  # one path has no spread
        found["kde_nll"] = metrics.kde_nll(draws, future).mean(-1)
    if isinstance(outputs, metrics.Mixture):
        found["nll"] = metrics.nll(outputs, future).mean(-1)
    return found
