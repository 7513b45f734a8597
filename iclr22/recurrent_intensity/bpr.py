"""Bayesian personalised ranking with negatives on both sides (a baseline of RIM).

Rendle et al. (2009) compare an event's item with items that the user did not choose; for
audiences the user is also compared with users who did not choose the item. A batch:

  user, item [batch]: the pairs that happened; negative_items, negative_users
  [batch, negatives]: -1 is none; weight [batch], 0 on padding.

Score s(u, y) = users[u] . items[y] + user_bias[u] + item_bias[y]. Negatives are drawn on
the host, as a pure function of the step (see `negatives`).
"""

import functools
import sys
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import errors, gradients, loop, parallel, plateau
from iclr22.data import batching
from iclr22.recurrent_intensity import factorization, losses, negatives
from iclr22.recurrent_intensity.counts import check_counts, known_bias, shape_of

VALID_SHARE = 5  # one pair in so many says which state is kept


class Config(NamedTuple):
    """Hyper-parameters, as released; `scale` and what to keep are this project's own."""

    RESOLVED = ("users", "items", "side")  # by the data and the variant

    users: int = 0  # rows of the counts
    items: int = 0  # columns of the counts
    side: Literal["both", "item", "user"] = "both"  # of the negatives
    factors: int = 32  # width of vectors
    scale: float = 0.1  # deviation of initial vectors
    negatives: int = 10  # of each pair, per side
    smoothing: float = 0.1  # negatives have probability ~ (count + smoothing)^power
    power: float = 0.5  # see smoothing
    learning_rate: float = 1.0  # Adagrad
    epsilon: float = 1e-3  # of Adagrad, outside of the root
    weight_decay: float = 1e-5  # L2, added to gradients
    factor: float = 0.25  # the rate is cut by this where validation stands still
    patience: int = -1  # epochs that it may stand still; -1: the rate stays
    batch: int = 10_000  # pairs per update
    epochs: int = 50  # passes over the pairs


State = gradients.State  # params: users, items [n, d]; user_bias, item_bias [n]


def optimizer(config, rate: float | jax.Array = 1.0) -> optax.GradientTransformation:
    """Adagrad with L2 in the gradient; its state are sums of squares.

    Args:
      config: of this module, or of one that learns as it does.
      rate: what the learning rate is multiplied by.
    """

    def init(params):
        return jax.tree.map(jnp.zeros_like, params)

    def update(updates, state, params=None):
        decay, step = config.weight_decay, config.learning_rate * rate
        grads = jax.tree.map(lambda g, p: g + decay * p, updates, params)
        squares = jax.tree.map(lambda s, g: s + g**2, state, grads)
        updates = jax.tree.map(
            lambda g, s: -step * g / (jnp.sqrt(s) + config.epsilon), grads, squares
        )
        return updates, squares

    return optax.GradientTransformation(init, update)


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; all shapes come from the configuration."""
    del batch
    keys, d = jax.random.split(key), config.factors
    params = {
        "users": config.scale * jax.random.normal(keys[0], (config.users, d)),
        "items": config.scale * jax.random.normal(keys[1], (config.items, d)),
        "user_bias": jnp.zeros(config.users),
        "item_bias": jnp.zeros(config.items),
    }
    return gradients.start(optimizer(config), key, params, keep_best=True)


def apply(config: Config, params, inputs, *, key=None):
    """Scores `[...]` of `user [...]` and `item [...]`."""
    del config, key
    user, item = inputs["user"], inputs["item"]
    product = jnp.sum(params["users"][user] * params["items"][item], axis=-1)
    return product + params["user_bias"][user] + params["item_bias"][item]


def loss(config: Config, params, batch, *, key=None):
    """`(total, sums)` over pairs."""
    del config, key
    sums = losses.pairwise(params, batch)
    return sums["loss"], sums


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update; `(State, {"loss", "accuracy"})`."""
    return update(config, functools.partial(loss, config), state, batch, axis_name)


def update(config, loss, state: State, batch, axis_name):
    """`train_step` of a module that learns by `optimizer`."""
    assert state.best is not None

    def objective(params, batch, key):
        return loss(params, batch, key=key)

    learn = optimizer(config, state.best.rate)
    return gradients.update(learn, state, objective, batch, axis_name=axis_name)


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums over pairs of loss and accuracy (percent)."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


# Training


class Sampled(NamedTuple):
    """`step -> batch`: shuffled epochs over pairs, and negatives of that step.

    Negatives are drawn for the batch of all processes, so that their number is no matter.
    """

    pairs: batching.Batches  # of all processes
    sampler: negatives.Sampler
    seed: int
    part: tuple[int, int] = (0, 1)

    def __call__(self, step: int) -> dict:
        """This process's share of batch number `step`."""
        batch = self.pairs(step)
        rng = np.random.default_rng((self.seed, 81, step))
        batch |= negatives.draw(self.sampler, rng, batch["user"], batch["item"])
        index, count = self.part
        return {name: np.split(x, count)[index] for name, x in batch.items()}


def divide(pairs: dict, seed: int) -> tuple[dict, dict]:
    """Arrays `[n]` of pairs, for training and for validation.

    Raises:
      errors.InputError: if there are fewer than two.
    """
    count = len(pairs["weight"])
    if count < 2:
        raise errors.InputError(
            f"expected two or more pairs of a user and an item; found {count}. Training "
            "and validation need one each."
        )
    order = np.random.default_rng((seed, 80)).permutation(count)
    held = max(1, count // VALID_SHARE)
    valid, train = (
        {k: v[part] for k, v in pairs.items()} for part in (order[:held], order[held:])
    )
    return train, valid


def train(method, config, pairs, sampler, *, seed, directory, mode, name, shared=None):
    """The parameters of the best validation loss after `config.epochs`.

    Args:
      method: this module, or one whose batches have the same pairs.
      pairs: `user`, `item` and `weight` `[n]`.
      shared: entries that every batch has besides (`graph`), the same in all.
    """
    shared = shared or {}
    train_pairs, valid_pairs = divide(pairs, seed)
    devices = jax.device_count()
    batches = batching.make(train_pairs, config.batch, seed=seed, devices=devices)
    part, batches = batches.part, batches._replace(part=(0, 1))
    sampled = Sampled(batches, sampler, seed, part)
    rng = np.random.default_rng((seed, 82))
    valid_pairs |= negatives.draw(
        sampler, rng, valid_pairs["user"], valid_pairs["item"]
    )

    def valid():
        for batch in batching.in_order(valid_pairs, config.batch, devices=devices):
            yield batch | shared

    epoch = batches.per_epoch
    schedule = loop.Schedule(config.epochs * epoch, epoch, 10 * epoch, epoch)
    state = loop.fit(
        method,
        config,
        lambda step: sampled(step) | shared,
        schedule,
        seed=seed,
        mode=mode,
        directory=directory,
        valid=valid,
        review=functools.partial(
            plateau.review, factor=config.factor, patience=config.patience
        ),
        name=name,
    )
    return jax.device_get(state.best.params)


def config_of(config: Config, shape: tuple[int, int]) -> Config:
    """The configuration for counts `[users, items]` of this shape."""
    return config._replace(users=shape[0], items=shape[1])


def fit_bpr(
    counts,
    config: Config,
    *,
    seed: int = 0,
    directory=None,
    mode: str = "jit",
) -> factorization.Factors:
    """Factors that rank the pairs of `counts` csr `[users, items]` above others.

    A fifth of the pairs says which epoch is kept. Differs: pairs, not events, are held
    out, and a pair's count is its weight, so that no pair is on both sides.

    Raises:
      errors.InputError: see `check_counts`; an unknown side; fewer than two
        pairs.
    """
    counts = check_counts(counts)
    shape = shape_of(counts)
    config = config_of(config, shape)
    user, item = counts.tocoo().coords
    pairs = {"user": user, "item": item, "weight": counts.data}
    sampler = negatives.make_sampler(
        config, counts, negatives.make_pairs(user, item, shape)
    )
    params = train(
        sys.modules[__name__],
        config,
        pairs,
        sampler,
        seed=seed,
        directory=directory,
        mode=mode,
        name=f"bpr {config.side} {seed}",
    )
    return _factors(params, counts)


def _factors(params, counts) -> factorization.Factors:
    """The parameters, zeros of users without a pair."""
    used = np.diff(counts.indptr) > 0
    return factorization.Factors(
        np.where(used[:, None], params["users"], 0).astype(np.float32),
        params["items"],
        np.where(used, params["user_bias"], 0).astype(np.float32),
        known_bias(params["item_bias"], counts),
        "softplus",
    )


def example(size: int = 16, seed: int = 0):
    """Smallest configuration and pairs of users and items of the same block."""
    rng = np.random.default_rng(seed)
    user = rng.integers(0, 8, size)
    item = 2 * rng.integers(0, 3, size) + user % 2
    other = 2 * rng.integers(0, 3, (size, 3))
    batch = {
        "user": user.astype(np.int32),
        "item": item.astype(np.int32),
        "negative_items": (other + 1 - user[:, None] % 2).astype(np.int32),
        "negative_users": (other + 1 - item[:, None] % 2).astype(np.int32),
        "weight": np.ones(size, np.float32),
    }
    config = Config(users=8, items=6, factors=4, negatives=3, learning_rate=0.3)
    return config, batch
