"""A method as small as can be, and its training; for tests of what all methods share.

A linear model, learned by gradient steps with noise.
"""

import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import gradients, loop, parallel
from iclr22.data import batching

COUNT = len(jax.devices())


class Config(NamedTuple):
    """Of the toy method."""

    rate: float = 0.1  # step size
    width: int = 1  # copies of the weights
    keep_best: bool = False  # for a review


State = gradients.State


def init(config, key, batch):
    weights = jnp.zeros((config.width, batch["x"].shape[1]))
    params = {"weights": weights, "bias": jnp.zeros(())}
    optimizer = optax.sgd(config.rate)
    return gradients.start(optimizer, key, params, keep_best=config.keep_best)


def apply(config, params, inputs, *, key=None):
    return jnp.sum(inputs * params["weights"][0], 1) + params["bias"]


def loss(config, params, batch, *, key=None):
    errors = apply(config, params, batch["x"]) - batch["y"]
    sums = {"loss": batch["weight"] @ errors**2, "weight": jnp.sum(batch["weight"])}
    return sums["loss"], sums


def train_step(config, state, batch, *, axis_name=None):
    def objective(params, batch, key):
        return loss(config, params, batch)

    key, optimizer = gradients.step_key(state), optax.sgd(config.rate)
    state, metrics = gradients.update(
        optimizer, state, objective, batch, axis_name=axis_name
    )
    weights = state.params["weights"]
    weights += 1e-3 * jax.random.normal(key, weights.shape)
    return state._replace(params=state.params | {"weights": weights}), metrics


def evaluate(config, params, batch, *, axis_name=None):
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


TOY = sys.modules[__name__]


def data(n=40, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3)).astype(np.float32)
    return {"x": x, "y": (x @ [1, -2, 0.5]).astype(np.float32)}


CONFIG = Config()
BATCHES = batching.make(data(), 16, seed=1, devices=COUNT)


def fit(directory, batches=BATCHES, steps=20, *, config=CONFIG, mode="jit", **options):
    """`loop.fit`; options are of it or of its schedule."""
    every = {"log_every": 4, "save_every": 5} | options
    rest = {x: every.pop(x) for x in options if x not in loop.Schedule._fields}
    plan = loop.Schedule(steps, **every)
    return loop.fit(
        TOY, config, batches, plan, seed=2, mode=mode, directory=directory, **rest
    )
