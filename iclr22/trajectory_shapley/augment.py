"""What training does to a batch of windows so that attribution asks nothing new of a model
(section 2.6)."""

import jax
import jax.numpy as jnp
import numpy as np

TURNS = 24  # directions, 15 degrees apart


def augment(batch, key, *, rotate: bool, coalition: float, past: float):
    """Examples turned, if wanted, and without some of their players.

    Args:
      coalition, past: see `drop_players`.
    """
    keys = jax.random.split(key)
    if rotate:
        batch = turn(batch, keys[0])
    if coalition or past:
        batch = drop_players(batch, keys[1], coalition=coalition, past=past)
    return batch


def drop_players(batch, key, *, coalition: float, past: float):
    """Leave out neighbours and pasts as attribution will.

    Args:
      batch: with `mask [batch, slots]` and `history [batch, time, 6]`.
      coalition: share of examples whose neighbours are kept at a rate of the example's
        own, uniform in 0 to 1.
      past: share of examples whose history becomes zeros: who stands still.
    """
    keys = jax.random.split(key, 4)
    rows = len(batch["mask"])
    chosen = jax.random.uniform(keys[0], (rows, 1)) < coalition
    rate = jax.random.uniform(keys[1], (rows, 1))
    kept = jax.random.uniform(keys[2], batch["mask"].shape) < rate
    no_past = jax.random.uniform(keys[3], (rows, 1, 1)) < past
    return batch | {
        "mask": batch["mask"] & (kept | ~chosen),
        "history": jnp.where(no_past, 0, batch["history"]),
    }


def turn(batch, key):
    """Every example turned by its own multiple of 15 degrees: history, future and
    neighbours, whose last axes hold pairs (x, y)."""
    turns = jax.random.randint(key, (len(batch["mask"]),), 0, TURNS)
    angle = turns * (2 * np.pi / TURNS)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    matrix = jnp.stack([jnp.stack([cos, sin], -1), jnp.stack([-sin, cos], -1)], -2)

    def turned(x):
        return (x.reshape(len(x), -1, 2) @ matrix).reshape(x.shape)

    names = ("history", "future", "neighbours")
    return batch | {name: turned(batch[name]) for name in names}
