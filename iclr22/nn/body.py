"""The Transformer that all stages share, on padded batches of `tokens`."""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp

from iclr22.nn import bert

Pooling = Literal["cls", "mean"]


def hidden(config: bert.Config, params, inputs, *, key=None) -> jax.Array:
    """Hidden states `[n, width, h]` of `ids [n, width]` with `lengths [n]` and, of pairs,
    `first [n]`, the tokens of segment 0."""
    place, mask = jnp.arange(inputs["ids"].shape[1]), there(inputs)
    first = inputs.get("first", inputs["lengths"])
    types = (mask & (place >= first[:, None])).astype(jnp.int32)
    return bert.apply(config, params, inputs["ids"], mask, types, key=key)


def there(inputs) -> jax.Array:
    """Bool `[n, width]`: what is no padding."""
    return jnp.arange(inputs["ids"].shape[1]) < inputs["lengths"][:, None]


def vectors(config: bert.Config, params, inputs, pooling: Pooling, *, key=None):
    """Vectors `[n, h]` of texts: hidden states of the first token, or their mean."""
    states = hidden(config, params, inputs, key=key)
    return bert.vectors(states, there(inputs), pooling).astype(jnp.float32)


def of_both(config: bert.Config, params, batch, pooling: Pooling, *, key=None):
    """Vectors `[n, 2, h]` of the two texts of each example, `ids [n, 2, width]`."""
    n, _, width = batch["ids"].shape
    rows = {
        "ids": batch["ids"].reshape(2 * n, width),
        "lengths": batch["lengths"].reshape(2 * n),
    }
    return vectors(config, params, rows, pooling, key=key).reshape(n, 2, -1)


def plain(params: dict[str, Any]) -> dict[str, Any]:
    """An encoder's parameters for who reads hidden states only: no pooler, no head."""
    layers = ("word", "position", "type", "norm")
    return {k: x for k, x in params.items() if k in layers or k.startswith("layer_")}


def onto(encoder: dict[str, Any]) -> Callable:
    """What `begin` of `loop.fit` takes: an encoder's parameters where it has them, fresh
    ones elsewhere (heads, and the pooler of an encoder without one)."""

    def begin(fresh):
        return fresh | {name: x for name, x in encoder.items() if name in fresh}

    return begin
