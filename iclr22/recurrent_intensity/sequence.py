"""Next-item networks p(y | x): a GRU or a Transformer with a tied softmax (section 3).

A batch has a row per user: tokens [users, length + 1] (token 0 starts a history and fills it
up on the right; item i is token i + 1), and weight [users], the number of targets of
the row, 0 on padding. The loss is the mean over targets.

Where histories are longer than a chunk, the GRU learns by truncated back-propagation: a
step goes through the chunks of its batch and updates after each, with the state of the
network carried on. Most histories are short: rows are computed in groups, each as long as
its longest row needs, or, of a chunk, only the first rows up to the last that still has
targets (`by_length` puts long ones first).

Differs: the released GRU has chunks of 32 and a rate of 0.1, the Transformer 0.025. At
these rates they do not settle here with every seed (validation on ML-100K: GRU 6.6 nats,
Transformer up to 6.8); at 0.03 whole histories get to 6.0, chunks of 32 to 6.3, and the
Transformer at 0.012 to 6.2.
"""

import functools
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import gradients, parallel
from iclr22.recurrent_intensity import losses, networks

# Differs: epsilon 1e-3 is inside of the root, as 1e-6.
ADAGRAD = optax.scale_by_rss(initial_accumulator_value=0.0, eps=1e-6)


class Config(NamedTuple):
    """Hyper-parameters of the network and its training, as released for all data sets."""

    RESOLVED = ("network", "tokens")  # by the variant and the data

    network: Literal["gru", "transformer"] = "gru"  # which one
    tokens: int = 0  # items and the one that starts
    width: int = 128  # of embeddings and layers
    layers: int = 2  # of GRU or Transformer
    heads: int = 2  # of attention, of the Transformer
    feed_forward: int = 128  # width inside of layers, of the Transformer
    length: int = 256  # events of a history that are read, the newest ones
    chunk: int = 256  # events between which the GRU's back-propagation is cut
    group: int = 16  # rows that are padded to one length
    learning_rate: float = 0.03  # Adagrad; for the Transformer 0.012
    factor: float = 0.25  # the rate is cut by this where validation stands still
    patience: int = 4  # epochs that it may stand still
    batch: int = 64  # users per update
    epochs: int = 20  # passes over the users


State = gradients.State  # step: batches seen; params: embedding, body


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; all shapes come from the configuration."""
    del batch
    keys = jax.random.split(key)
    body, inputs = _body(config), jnp.zeros((1, 2, config.width))
    carry = (_rest(config, 1),) if config.network == "gru" else ()
    params = {
        "embedding": _embedding(config).init(keys[0], jnp.zeros((1,), int))["params"],
        "body": body.init(keys[1], inputs, *carry)["params"],
    }
    return gradients.start(ADAGRAD, key, params, keep_best=True)


def _embedding(config):
    return networks.Embedding(config.tokens, config.width)


def _body(config):
    if config.network == "gru":
        return networks.GRU(config.width, config.layers)
    return networks.Transformer(
        config.width, config.layers, config.heads, config.feed_forward
    )


def _rest(config, rows):
    return jnp.zeros((config.layers, rows, config.width))


def _run(config, params, tokens, carry=None) -> tuple[Any, Any]:
    """Outputs `[rows, time, width]` for tokens `[rows, time]`, and the carry."""
    x = _embedding(config).apply({"params": params["embedding"]}, tokens)
    body = _body(config)
    if config.network == "gru":
        carry = _rest(config, len(tokens)) if carry is None else carry
        return body.apply({"params": params["body"]}, x, carry)
    return body.apply({"params": params["body"]}, x), None


def apply(config: Config, params, inputs, *, key=None):
    """Outputs `[rows, time, width]` after each of `tokens [rows, time]`."""
    del key
    return _run(config, params, inputs["tokens"])[0]


def encode(config: Config, params, tokens, lengths):
    """State of the network `[rows, width]` after `lengths [rows]` tokens."""
    outputs = apply(config, params, {"tokens": tokens})
    return jnp.take_along_axis(outputs, (lengths - 1)[:, None, None], 1)[:, 0]


def log_normaliser(params, z):
    """Log of the softmax's denominator over all tokens, `[rows]`, for z `[rows, width]`."""
    table = params["embedding"]
    return jax.nn.logsumexp(z @ table["table"].T + table["bias"], axis=-1)


def _sums(config, params, outputs, targets, weight):
    """`losses.next_item` of outputs of the network."""
    logits = _embedding(config).apply(
        {"params": params["embedding"]}, outputs, method="logits"
    )
    return losses.next_item(logits, targets, weight)


def loss(config: Config, params, batch, *, key=None):
    """`(total, sums)` over targets; the whole history is one piece."""
    del key
    inputs, targets = batch["tokens"][:, :-1], batch["tokens"][:, 1:]
    outputs, _ = _run(config, params, inputs)
    sums = _sums(config, params, outputs, targets, batch["weight"])
    return sums["loss"], sums


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One pass over a batch: one update, or one after each chunk (GRU)."""
    truncated = config.network == "gru" and config.chunk < config.length
    learn = _learn_chunks if truncated else _learn_whole
    (params, opt_state), metrics = learn(config, state, batch, axis_name)
    state = state._replace(step=state.step + 1, params=params, opt_state=opt_state)
    return state, metrics


def _update(config, best, params, opt_state, grads):
    """Parameters and sums of squares after a step along the mean gradient."""
    updates, opt_state = ADAGRAD.update(grads, opt_state)
    scale = -config.learning_rate * best.rate
    updates = jax.tree.map(lambda u: scale * u, updates)
    return optax.apply_updates(params, updates), opt_state


def _learn_chunks(config, state, batch, axis_name):
    """Scan over chunks, an update after each."""
    size = config.chunk
    count = -(-(batch["tokens"].shape[1] - 1) // size)
    fill = size * count + 1 - batch["tokens"].shape[1]
    tokens = jnp.pad(batch["tokens"], ((0, 0), (0, fill)))
    inputs = _chunks(tokens[:, :-1], size, count)
    targets = _chunks(tokens[:, 1:], size, count)
    rows = len(batch["weight"])
    sizes = _sizes(rows)

    def step(held, piece):
        params, opt_state, carry = held
        alive = _needed((piece[1] > 0).any(1) & (batch["weight"] > 0))
        branches = [
            functools.partial(_chunk, config, batch["weight"], n) for n in sizes
        ]
        which = jnp.searchsorted(jnp.asarray(sizes), alive)
        grads, sums, carry = jax.lax.switch(which, branches, params, carry, *piece)
        grads, _ = gradients.mean(grads, sums, axis_name)
        new = _update(config, state.best, params, opt_state, grads)
        return parallel.keep_types(held, (*new, carry)), sums

    start = (state.params, state.opt_state, _rest(config, rows))
    (params, opt_state, _), sums = jax.lax.scan(step, start, (inputs, targets))
    _, metrics = gradients.mean({}, jax.tree.map(jnp.sum, sums), axis_name)
    return (params, opt_state), metrics


def _chunk(config, weight, size, params, carry, inputs, targets):
    """Gradients, sums and carry of one chunk, of its first `size` rows only."""

    def objective(params):
        outputs, after = _run(config, params, inputs[:size], carry[:, :size])
        sums = _sums(config, params, outputs, targets[:size], weight[:size])
        return sums["loss"], (sums, after)

    if size == 0:
        zero = jnp.zeros((), carry.dtype)
        sums = {"loss": zero, "accuracy": zero, "weight": zero}
        return jax.tree.map(jnp.zeros_like, params), sums, carry
    grads, (sums, after) = jax.grad(objective, has_aux=True)(params)
    return grads, sums, carry.at[:, :size].set(after)


def _learn_whole(config, state, batch, axis_name):
    """Scan over groups of rows, each as long as its longest needs, then one update."""
    group = min(config.group, len(batch["weight"]))
    pieces = -(-len(batch["weight"]) // group)
    fill = pieces * group - len(batch["weight"])
    tokens = jnp.pad(batch["tokens"], ((0, fill), (0, 0)))
    weight = jnp.pad(batch["weight"], (0, fill))
    lengths = _sizes(tokens.shape[1] - 1)

    def step(total, piece):
        tokens, weight = piece
        alive = _needed(((tokens[:, 1:] > 0) & (weight > 0)[:, None]).any(0))
        branches = [functools.partial(_group, config, n) for n in lengths]
        which = jnp.searchsorted(jnp.asarray(lengths), alive)
        found = jax.lax.switch(which, branches, state.params, tokens, weight)
        return jax.tree.map(jnp.add, total, found), None

    pieces = tokens.reshape(pieces, group, -1), weight.reshape(pieces, group)
    start = _group(config, 0, state.params, *pieces)
    (grads, sums), _ = jax.lax.scan(step, start, pieces)
    grads, metrics = gradients.mean(grads, sums, axis_name)
    new = _update(config, state.best, state.params, state.opt_state, grads)
    return new, metrics


def _group(config, length, params, tokens, weight):
    """Gradients and sums of rows cut to a length."""
    if length == 0:
        zero = jnp.zeros(())
        sums = {"loss": zero, "accuracy": zero, "weight": zero}
        return jax.tree.map(jnp.zeros_like, params), sums
    batch = {"tokens": tokens[:, : length + 1], "weight": weight}
    return jax.grad(lambda p: loss(config, p, batch), has_aux=True)(params)


def _chunks(x, size, count):
    """`[rows, time]` to `[chunks, rows, size]`."""
    return x.reshape(len(x), count, size).swapaxes(0, 1)


def _needed(alive):
    """Number of leading entries of bool `[n]` up to the last that is true."""
    return jnp.max(jnp.where(alive, jnp.arange(len(alive)) + 1, 0))


def _sizes(n):
    """0 and n with a few powers of two below it: what is compiled for."""
    return sorted({0, *(-(-n // part) for part in (8, 4, 2, 1))})


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums over targets of cross-entropy (nats) and accuracy (percent)."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


def by_length(batch: dict) -> dict:
    """The batch with its longest rows first."""
    order = np.argsort(-batch["weight"], kind="stable")
    return {name: x[order] for name, x in batch.items()}


def example(size: int = 16, seed: int = 0):
    """Smallest configuration and histories that walk around a ring of items."""
    rng = np.random.default_rng(seed)
    length, items = 8, 5
    tokens = np.zeros((size, length + 1), np.int32)
    lengths = rng.integers(2, length + 1, size)
    for row, n in zip(tokens, lengths, strict=True):
        row[1 : n + 1] = (rng.integers(items) + np.arange(n)) % items + 1
    config = Config(tokens=items + 1, width=16, length=length, chunk=4, group=4)
    return config, {"tokens": tokens, "weight": lengths.astype(np.float32)}


def pad(batch, extra: int) -> dict:
    """The batch with `extra` rows of weight 0, for the shared tests."""
    tokens = np.full((extra, batch["tokens"].shape[1]), 1, np.int32)
    return {
        "tokens": np.concatenate([batch["tokens"], tokens]),
        "weight": np.concatenate([batch["weight"], np.zeros(extra, np.float32)]),
    }
