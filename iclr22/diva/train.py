"""Training of the small network: the seven names of `types.Method`."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import parallel
from iclr22.diva import ridge
from iclr22.diva.model import Config, Network, forward


class State(NamedTuple):
    """Training state; arrays only."""

    step: jax.Array  # int32, updates done
    params: dict  # {"weights": ..., "stats": moments of batch norm}
    opt_state: optax.OptState
    key: jax.Array  # of the run; never changes


def optimizer(config: Config) -> optax.GradientTransformation:
    """AdamW with a cosine schedule over `config.steps`; decay on kernels only."""
    schedule = optax.cosine_decay_schedule(config.learning_rate, config.steps)
    kernels = lambda weights: jax.tree.map(lambda w: w.ndim > 1, weights)  # noqa: E731
    return optax.adamw(schedule, weight_decay=config.weight_decay, mask=kernels)


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; `batch["x"]` gives the shape of the input."""
    variables = Network(config).init(key, jnp.asarray(batch["x"][:1]))
    params = {"weights": variables["params"], "stats": variables.get("stats", {})}
    opt_state = optimizer(config).init(params["weights"])
    return State(jnp.zeros((), jnp.int32), params, opt_state, key)


def loss(config: Config, params, batch, *, key=None, axis_name=None):
    """Summed training objective and sums of what is reported.

    Args:
      batch: `x` `[batch, ...]`, `y` `[batch]` int labels, `weight` `[batch]`.
      key: None for evaluation mode; a key for the moments of this batch.

    Returns:
      `(total, {"loss", "accuracy", "weight"})`, all sums over weighted examples.
    """
    weight = None if key is None else batch["weight"]
    outputs, _ = forward(config, params, batch["x"], weight, axis_name=axis_name)
    return _sums(config, outputs, batch)


def _sums(config, outputs, batch):
    target = config.target_scale * jax.nn.one_hot(batch["y"], config.classes)
    values = jax.vmap(ridge.LOSSES[config.objective])(outputs, target)
    weight = batch["weight"]
    correct = jnp.argmax(outputs, axis=1) == batch["y"]
    total = jnp.sum(weight * values)
    sums = {"loss": total, "accuracy": jnp.sum(weight * correct) * 100}
    return total, sums | {"weight": jnp.sum(weight)}


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update on a batch (see `loss`); `(State, {"loss", "accuracy"})`."""

    def objective(weights):
        params = {"weights": weights, "stats": state.params["stats"]}
        outputs, stats = forward(
            config, params, batch["x"], batch["weight"], axis_name=axis_name
        )
        total, sums = _sums(config, outputs, batch)
        return total, (sums, stats)

    weights = state.params["weights"]
    grads, (sums, stats) = jax.grad(objective, has_aux=True)(weights)
    grads, sums = parallel.reduce((grads, sums), axis_name)
    count = jnp.maximum(sums.pop("weight"), 1)
    grads = jax.tree.map(lambda g: g / count, grads)
    update = optimizer(config).update
    updates, opt_state = update(grads, state.opt_state, weights)
    params = {"weights": optax.apply_updates(weights, updates), "stats": stats}
    metrics = {name: value / count for name, value in sums.items()}
    return State(state.step + 1, params, opt_state, state.key), metrics


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of loss, accuracy (times 100) and weight over a batch."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and a learnable batch of `size` 4 x 4 images."""
    rng = np.random.default_rng(seed)
    y = np.arange(size, dtype=np.int32) % 3
    x = rng.normal(size=(3, 4, 4, 1))[y] + 0.3 * rng.normal(size=(size, 4, 4, 1))
    batch = {"x": x.astype(np.float32), "y": y, "weight": np.ones(size, np.float32)}
    return Config(classes=3, width=4, steps=100), batch


def fit_subsets(config: Config, data, subsets, key, *, together: int | None = None):
    """Train one network per subset of the data, all in one compiled call.

    Args:
      data: dict with `x` `[n, ...]` and `y` `[n]`.
      subsets: `[r, n]` weights in training, 0 for examples left out.
      key: all networks start alike and see the same batches.
      together: networks trained side by side; by default one on CPU, where grouped
        convolutions are slow, and all elsewhere.

    Returns:
      params with a leading axis `[r, ...]`.
    """
    if together is None:
        together = 1 if jax.default_backend() == "cpu" else len(subsets)
    return _fit_subsets(config, data, subsets, key, together)


@functools.partial(jax.jit, static_argnums=(0, 4))
def _fit_subsets(config, data, subsets, key, together):
    n = len(data["y"])
    size = min(config.batch_size, n)
    start = init(config, key, data)

    def one(weight):
        def step(state, index):
            batch_key = jax.random.fold_in(key, index)
            rows = jax.random.choice(batch_key, n, (size,), replace=False)
            batch = {k: v[rows] for k, v in data.items()} | {"weight": weight[rows]}
            return train_step(config, state, batch)[0], None

        return jax.lax.scan(step, start, jnp.arange(config.steps))[0].params

    return jax.lax.map(one, subsets, batch_size=together)
