"""A toy method, least squares with noise, and its training; for tests of the loop."""

import types
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import loop, parallel
from iclr22.data import batching

COUNT = len(jax.devices())


class Config(NamedTuple):
    """Of the toy method."""

    rate: float = 0.1  # step size
    width: int = 1  # copies of the weights


class State(NamedTuple):
    """Of the toy method."""

    step: jax.Array
    params: jax.Array
    key: jax.Array


def init(config, key, batch):
    return State(jnp.int32(0), jnp.zeros((config.width, batch["x"].shape[1])), key)


def loss(config, params, batch, *, key=None):
    errors_ = jnp.sum(batch["x"] * params[0], 1) - batch["y"]
    sums = {"loss": batch["weight"] @ errors_**2, "weight": jnp.sum(batch["weight"])}
    return sums["loss"], sums


def train_step(config, state, batch, *, axis_name=None):
    found = jax.grad(lambda p: loss(config, p, batch), has_aux=True)(state.params)
    grads, sums = parallel.reduce(found, axis_name)
    key = jax.random.fold_in(state.key, state.step)
    params = state.params - config.rate * grads / sums["weight"]
    params = params + 1e-3 * jax.random.normal(key, params.shape)
    metrics = {"loss": sums["loss"] / sums["weight"]}
    return State(state.step + 1, params, state.key), metrics


def evaluate(config, params, batch, *, axis_name=None):
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


TOY = types.SimpleNamespace(init=init, train_step=train_step, evaluate=evaluate)


def data(n=40, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)).astype(np.float32)
    return {"x": x, "y": (x @ [1, -2, 0.5]).astype(np.float32)}


CONFIG = Config()
BATCHES = batching.make(data(), 16, seed=1, devices=COUNT)


def fit(directory, batches=BATCHES, steps=20, *, config=CONFIG, mode="jit", **options):
    every = {"log_every": 4, "save_every": 5} | options
    valid = every.pop("valid", None)
    plan = loop.Schedule(steps, **every)
    return loop.fit(
        TOY, config, batches, plan, seed=2, mode=mode, directory=directory, valid=valid
    )
