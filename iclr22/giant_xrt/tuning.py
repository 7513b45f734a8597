"""Updates that stages share: AdamW of an encoder, Adam by row of what has a row for each
cluster or token.

Parameters are an `encoder` and, where there are clusters, a `head`. Rows of the head, and
token vectors of a bag, move only in steps that refer to them (`row_adam`); all else moves in
each. Settings as in PECOS: epsilon 1e-8, gradients of encoder and head each cut to a norm,
rates that rise and then fall along a line.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from iclr22 import gradients, parallel
from iclr22.giant_xrt import row_adam
from iclr22.nn import bert

EPSILON = 1e-8  # of Adam


def start(config, key: jax.Array, params) -> gradients.State:
    """A fresh state; its opt_state has `rest` of optax and moments of each table."""
    rest, tables = split(params)
    opt_state = {"rest": optimizer(config).init(rest)}
    opt_state |= {name: row_adam.start(x) for name, x in tables.items()}
    return gradients.State(jnp.zeros((), jnp.int32), params, opt_state, key)


def split(params) -> tuple[dict[str, Any], dict[str, Any]]:
    """`(rest, tables)`: what moves as a whole, and what moves by row."""
    tables, encoder = {}, dict(params["encoder"])
    if "head" in params:
        tables["head"] = params["head"]
    if "table" in encoder:
        tables["table"] = encoder.pop("table")
    return {"encoder": encoder}, tables


def join(rest, tables) -> dict[str, Any]:
    """What `split` split."""
    encoder = dict(rest["encoder"])
    if "table" in tables:
        encoder["table"] = tables["table"]
    head = {"head": tables["head"]} if "head" in tables else {}
    return {"encoder": encoder, **head}


def optimizer(config) -> optax.GradientTransformation:
    """AdamW of what moves as a whole, whose gradients are cut already."""
    moved = optax.adamw(
        rate(config, config.learning_rate),
        eps=EPSILON,
        weight_decay=config.weight_decay,
        mask=bert.decayed,
    )
    if not _freezes(config):
        return moved
    return optax.multi_transform(
        {"moved": moved, "still": optax.set_to_zero()},
        lambda rest: jax.tree.map(
            lambda x: "moved" if x else "still", trained(config, rest)
        ),
    )


def _freezes(config) -> bool:
    frozen = config.frozen_layers or config.frozen_embeddings
    return bool(frozen) and config.encoder.kind == "bert"


def trained(config, rest):
    """Which of the parameters of `rest` move, a pytree of bool.

    Raises:
      errors.InputError: more frozen layers than there are.
    """
    if not _freezes(config):
        return jax.tree.map(lambda _: True, rest)
    kept = {"layers": config.frozen_layers, "embeddings": config.frozen_embeddings}
    return {"encoder": bert.trainable(config.encoder.bert, rest["encoder"], **kept)}


def rate(config, peak: float) -> optax.Schedule:
    """`step -> rate`: up to the peak along a line, then down to 0 after the last step."""
    rising = round(config.warm_up * config.steps)
    up = optax.linear_schedule(0.0, peak, rising)
    down = optax.linear_schedule(peak, 0.0, max(config.steps - rising, 1))
    return optax.join_schedules([up, down], [rising]) if rising else down


def update(
    config, loss: Callable, state, batch, refers: dict, *, axis_name: str | None = None
):
    """`(State, metrics)` after one update.

    The loss sees tables of the touched rows only, in which the batch's numbers are places.

    Args:
      loss: `(config, params, batch, key=) -> (total, sums)`.
      refers: by table, the entry of the batch with numbers of its rows, and bool of its
        shape: which of them count.
    """
    rest, tables = split(state.params)
    rows, small, own = _narrowed(tables, batch, refers, axis_name)
    moves = trained(config, rest)

    def objective(given, batch, key):
        rest, small = given
        rest = jax.tree.map(
            lambda x, move: x if move else jax.lax.stop_gradient(x), rest, moves
        )
        total, sums = loss(config, join(rest, small), batch, key=key)
        return total, (sums, None)

    found, metrics, _ = gradients.mean_gradient(
        objective,
        (rest, small),
        own,
        gradients.step_key(state, axis_name),
        axis_name=axis_name,
        dtype=config.dtype,
    )
    return _moved(config, state, rows, *found), metrics


def _narrowed(tables, batch, refers, axis_name):
    """`(rows, tables, batch)`: the rows that the batches of all devices refer to, and this
    device's batch with their places."""
    rows, small, own = {}, {}, dict(batch)
    for name, table in tables.items():
        entry, counted = refers[name]
        numbers = parallel.gather(batch[entry], axis_name)
        counted = parallel.gather(counted, axis_name)
        found = row_adam.touched(numbers, counted, len(jax.tree.leaves(table)[0]))
        rows[name], small[name] = found.rows, row_adam.take(table, found.rows)
        own[entry] = found.place[batch[entry]]
    return rows, small, own


def _moved(config, state, rows, of_rest, of_tables):
    """The state after the steps of all optimisers."""
    rest, tables = split(state.params)
    heads = {name: x for name, x in of_tables.items() if name == "head"}
    others = {name: x for name, x in of_tables.items() if name != "head"}
    heads = _cut(heads, config.clip)
    of_rest, others = _cut((of_rest, others), config.clip)
    change, moments = optimizer(config).update(of_rest, state.opt_state["rest"], rest)
    opt_state = {"rest": moments}
    for name, gradient in (heads | others).items():
        peak = getattr(config, "head_learning_rate", 0) if name == "head" else 0
        now = rate(config, peak or config.learning_rate)(state.step)
        given = tables[name], state.opt_state[name], rows[name], gradient
        tables[name], opt_state[name] = row_adam.update(*given, now, state.step)
    params = join(optax.apply_updates(rest, change), tables)
    return state._replace(step=state.step + 1, params=params, opt_state=opt_state)


def _cut(tree, norm: float):
    """Gradients whose norm is at most `norm`."""
    if not jax.tree.leaves(tree):
        return tree
    share = jnp.minimum(1, norm / (optax.tree.norm(tree) + 1e-6))
    return jax.tree.map(lambda x: x * share, tree)
