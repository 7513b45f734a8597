"""Sequence networks in use: from histories to training, and to scores of user states."""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np

from iclr22 import errors, loop, plateau
from iclr22.data import batching
from iclr22.recurrent_intensity import requests, sequence, splits
from iclr22.recurrent_intensity.scores import Scores

VALID_SHARE = 5  # one user in so many says when the rate is cut
MOST_TOKENS = 30_000  # items that the softmax knows, the most frequent ones
ROWS = 512  # histories encoded at once


class Recommender(NamedTuple):
    """A trained network p(y | x)."""

    config: sequence.Config
    params: Any
    token_of: np.ndarray  # int32 [items], 0 where the network does not know the item


def vocabulary(split: splits.Split, most: int = MOST_TOKENS) -> np.ndarray:
    """Token of every item of the log `[items]`: from 1 on by number, 0 without a training
    event (or beyond the `most` frequent)."""
    count = requests.item_counts(split.events, split.train)
    known = count > 0
    if known.sum() > most:
        known[np.argsort(-count, kind="stable")[most:]] = False
    return np.where(known, np.cumsum(known), 0).astype(np.int32)


def training_rows(events, given: requests.Requests, token_of, length: int) -> dict:
    """`tokens [x, length + 1]` and `weight [x]` of histories, those with a target."""
    items, lengths = requests.histories(events, given, length + 1)
    tokens = _tokens(items, token_of)
    short = lengths <= length  # room for the token that starts
    tokens[short, 1:] = tokens[short, :-1].copy()
    tokens[short, 0] = 0
    weight = (tokens[:, 1:] > 0).sum(axis=1)
    kept = weight > 0
    return {"tokens": tokens[kept], "weight": weight[kept].astype(np.float32)}


def _tokens(items, token_of):
    """Tokens of items counted from 1 (0: none)."""
    return np.concatenate([[0], token_of]).astype(np.int32)[items]


def config_of(config: sequence.Config, split: splits.Split) -> sequence.Config:
    """The configuration with as many tokens as the training events have items."""
    return config._replace(tokens=int(vocabulary(split).max()) + 1)


def fit(
    split: splits.Split,
    config: sequence.Config,
    *,
    directory=None,
    seed: int = 0,
    mode: str = "jit",
) -> Recommender:
    """Train on the histories of `split.train`; a fifth of the users says when to cut the
    rate and which state to keep.

    Raises:
      errors.InputError: if fewer than two users have a history.
    """
    token_of, config = vocabulary(split), config_of(config, split)
    rows = training_rows(split.events, split.train, token_of, config.length)
    valid, train = _divide(rows, seed)
    devices = jax.device_count()
    batches = batching.make(train, config.batch, seed=seed, devices=devices)
    schedule = loop.Schedule(
        steps=config.epochs * batches.per_epoch,
        log_every=batches.per_epoch,
        save_every=batches.per_epoch,
        evaluate_every=batches.per_epoch,
    )
    state = loop.fit(
        sequence,
        config,
        lambda step: sequence.by_length(batches(step)),
        schedule,
        seed=seed,
        mode=mode,
        directory=directory,
        valid=functools.partial(_in_order, valid, config, devices),
        review=functools.partial(
            plateau.review, factor=config.factor, patience=config.patience
        ),
        name=f"{config.network} {seed}",
    )
    return Recommender(config, jax.device_get(state.best.params), token_of)


def _divide(rows, seed):
    """Rows of the users for validation, and of the others."""
    count = len(rows["weight"])
    if count < 2:
        raise errors.InputError(
            f"expected at least two users with events before their time; found {count}"
        )
    order = np.random.default_rng((seed, 80)).permutation(count)
    held = max(1, count // VALID_SHARE)
    return ({k: v[x] for k, v in rows.items()} for x in (order[:held], order[held:]))


def _in_order(rows, config, devices):
    """Batches for evaluation, long histories first, each cut to what it needs."""
    rows = sequence.by_length(rows)
    for batch in batching.in_order(rows, config.batch, devices=devices):
        longest = int((batch["tokens"][:, 1:] > 0).sum(axis=1).max(initial=1))
        yield batch | {
            "tokens": batch["tokens"][:, : 1 + _room(longest, config.length)]
        }


def _room(needed: int, most: int) -> int:
    """A power of two that holds so many, at most `most`: few shapes to compile."""
    return min(most, 1 << max(needed - 1, 1).bit_length())


def encode(model: Recommender, events, given: requests.Requests):
    """States of the network `[x, width]` and log-normalisers `[x]` of requests."""
    config = model.config
    items, lengths = requests.histories(events, given, config.length)
    tokens = _tokens(items, model.token_of)
    short = lengths < config.length
    tokens[short, 1:] = tokens[short, :-1].copy()
    tokens[short, 0] = 0
    lengths = np.minimum(lengths + 1, config.length)
    order = np.argsort(-lengths, kind="stable")
    size = min(ROWS, _room(len(order), ROWS))
    z = np.zeros((len(order), config.width), np.float32)
    normaliser = np.zeros(len(order), np.float32)
    for low in range(0, len(order), size):
        rows = order[low : low + size]
        filled = np.pad(rows, (0, size - len(rows)), mode="edge")
        cut = _room(int(lengths[rows[0]]), config.length)
        found = _encode(config)(model.params, tokens[filled, :cut], lengths[filled])
        z[rows], normaliser[rows] = (np.asarray(x)[: len(rows)] for x in found)
    return z, normaliser


@functools.lru_cache(maxsize=8)
def _encode(config):
    def run(params, tokens, lengths):
        z = sequence.encode(config, params, tokens, lengths)
        return z, sequence.log_normaliser(params, z)

    return jax.jit(run)


def score(model: Recommender, events, given: requests.Requests, items) -> Scores:
    """p(y | x) of requests and items (numbers in the log); unknown items get 0."""
    z, normaliser = encode(model, events, given)
    table = model.params["embedding"]
    token = model.token_of[items]
    bias = np.where(token > 0, table["bias"][token], -np.inf).astype(np.float32)
    rate = np.ones(len(z), np.float32)
    return Scores(z, table["table"][token], -normaliser, bias, rate, "exp")
