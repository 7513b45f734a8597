"""AdamW as encoders are tuned: warm-up, linear decay, no decay of biases and norms.

The defaults of the libraries that the released code calls: epsilon 1e-6, weight decay 0.01
except of biases and normalisation, gradients cut to a norm of 1.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from iclr22 import gradients
from iclr22.nn import bert

EPSILON = 1e-6
DECAY = 0.01
NORM = 1.0  # that gradients are cut to


def warm_up(steps: int, share: float) -> int:
    """Updates until the peak: `share` of all, rounded up."""
    return math.ceil(share * steps - 1e-9)  # 0.1 of 30 is 3, not 4


def rate(peak: float, steps: int, share: float = 0.0) -> Callable:
    """`step -> learning rate`: from 0 to `peak` in the first share of all steps, then along
    a line to 0 after the last; without a share it begins at the peak."""
    begin = warm_up(steps, share)

    def at(step):
        rising = step / max(begin, 1)
        falling = (steps - step) / max(steps - begin, 1)
        return peak * jnp.clip(jnp.where(step < begin, rising, falling), 0.0, 1.0)

    return at


def adamw(config, *, share: float = 0.0) -> optax.GradientTransformation:
    """The optimiser of a stage, whose parameters are an encoder's and more beside them.

    Frozen arrays have no moments and no part in the norm of gradients.

    Args:
      config: with bert, learning_rate, steps, frozen_layers, frozen_embeddings.
      share: of updates in which the rate rises.
    """
    moved = optax.chain(
        optax.clip_by_global_norm(NORM),
        optax.adamw(
            rate(config.learning_rate, config.steps, share),
            eps=EPSILON,
            weight_decay=DECAY,
            mask=bert.decayed,
        ),
    )
    if not config.frozen_layers and not config.frozen_embeddings:
        return moved

    def labels(params):
        kept = {"layers": config.frozen_layers, "embeddings": config.frozen_embeddings}
        trained = bert.trainable(config.bert, params, **kept)
        return jax.tree.map(lambda x: "moved" if x else "frozen", trained)

    return optax.multi_transform(
        {"moved": moved, "frozen": optax.set_to_zero()}, labels
    )


def update(rule, loss: Callable, config, state, batch, *, axis_name=None):
    """`train_step` of a stage with this `loss`: `(State, metrics)`, in the precision of
    `config.dtype`."""

    def objective(params, batch, key):
        return loss(config, params, batch, key=key)

    return gradients.update(
        rule, state, objective, batch, axis_name=axis_name, dtype=config.dtype
    )
