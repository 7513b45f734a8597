"""Losses of item models: of the next item of a history, and of pairs against negatives."""

import jax
import jax.numpy as jnp
import optax


def next_item(logits, targets, weight) -> dict[str, jax.Array]:
    """Sums over real targets of cross-entropy (nats) and accuracy (percent), and their
    number.

    Args:
      logits: `[rows, time, tokens]`.
      targets: int `[rows, time]`, 0 where there is none.
      weight: `[rows]`, 0 on padding.
    """
    real = (targets > 0) & (weight > 0)[:, None]
    ce = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
    hits = logits.argmax(-1) == targets
    total = jnp.sum(ce * real)
    return {
        "loss": total,
        "accuracy": 100 * jnp.sum(hits & real).astype(total.dtype),
        "weight": jnp.sum(real).astype(total.dtype),
    }


def pairwise(params, batch) -> dict[str, jax.Array]:
    """Sums over pairs of the loss and of the accuracy (percent), and their weight.

    A pair's loss is the mean of log(1 + exp(s(negative) - s(pair))) over the negatives of
    a side, and the mean over sides that have one; its accuracy likewise.

    Args:
      params: users, items `[n, d]`; user_bias, item_bias `[n]`.
      batch: as of `bpr`.
    """
    params = jax.tree.map(jnp.asarray, params)
    user, item = batch["user"], batch["item"]
    u, y = params["users"][user], params["items"][item]
    own = jnp.sum(u * y, axis=-1)  # other biases of a side cancel
    of_items = own + params["item_bias"][item]
    of_users = own + params["user_bias"][user]
    items, users = batch["negative_items"], batch["negative_users"]
    found = [
        _side(of_items, u, params["items"], params["item_bias"], items),
        _side(of_users, y, params["users"], params["user_bias"], users),
    ]
    loss, hits, sides = (sum(x) for x in zip(*found, strict=True))
    share = batch["weight"] / jnp.maximum(sides, 1)
    weight = jnp.sum(batch["weight"])
    return {"loss": share @ loss, "accuracy": 100 * share @ hits, "weight": weight}


def _side(positive, vector, table, bias, index):
    """Loss, accuracy and whether there is any negative, each `[batch]`.

    One negative of all pairs at a time, and again for the gradient: vectors of all
    negatives at once are the largest arrays by far, and no faster.
    """

    @jax.checkpoint
    def add(sums, index):
        real, index = index >= 0, jnp.maximum(index, 0)
        negative = jnp.sum(vector * table[index], axis=-1) + bias[index]
        found = jax.nn.softplus(negative - positive), positive > negative, 1.0
        return [total + real * x for total, x in zip(sums, found, strict=True)], None

    zero = jnp.zeros_like(positive)
    (loss, hits, count), _ = jax.lax.scan(add, [zero] * 3, index.T)
    share = 1 / jnp.maximum(count, 1)
    return share * loss, share * hits, jnp.minimum(count, 1)
