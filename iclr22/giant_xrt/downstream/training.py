"""One compiled program that trains a classifier on splits, one or several at a time."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from iclr22.giant_xrt.downstream import classifier, propagation
from iclr22.giant_xrt.downstream.classifier import Config

ORDER = 1 << 30  # from here on numbers make keys of orders; below they are updates


@functools.lru_cache(maxsize=32)
def compiled(config: Config, smoothed: bool, together: int):
    """`(shared, each, key) -> (predictions [splits, n], epochs, accuracies [%])`.

    `shared` has `x` and `y` of all nodes and, for graph networks and for `smoothed`
    predictions, `classifier.on_graph`. `each` has, for every split, its `index`, the `mask`
    of training nodes `[n]`, and of `train` and `valid` the `rows` and their `weight`.
    """

    def program(shared, each, key):
        one = functools.partial(_train, config, smoothed, shared, key)
        return jax.lax.map(one, each, batch_size=together if together > 1 else None)

    return jax.jit(program)


def _train(config: Config, smoothed: bool, shared: dict[str, Any], key, split):
    """One split: trained, its epoch chosen, all nodes classified."""
    key = jax.random.fold_in(key, split["index"])
    batch = _of_rows if config.model == "mlp" else _of_graph
    valid = batch(shared, split["valid"])
    state = classifier.init(config, key, batch(shared, split["train"]))

    def epoch(carry, number):
        state, best = carry
        order = jax.random.fold_in(key, ORDER + number)
        state = _updated(config, state, batch, shared, split["train"], order)
        sums = classifier.evaluate(config, state.params, valid)
        accuracy = sums["accuracy"] / sums["weight"]
        found = state.params, number, accuracy
        better = accuracy > best[2]
        best = jax.tree.map(lambda a, b: jnp.where(better, a, b), found, best)
        return (state, best), None

    best = state.params, jnp.int32(0), jnp.float32(-1)
    numbers = jnp.arange(config.epochs, dtype=jnp.int32)
    (_, best), _ = jax.lax.scan(epoch, (state, best), numbers)
    logits = classifier.apply(config, best[0], shared)
    if smoothed:
        links, plan, y = shared["graph"], shared["plan"], shared["y"]
        guess = jax.nn.softmax(logits)
        logits = propagation.correct_and_smooth(links, plan, guess, y, split["mask"])
    return jnp.argmax(logits, axis=1).astype(jnp.int32), best[1], best[2]


def _updated(config: Config, state, batch, shared, train, order):
    """The state after the updates of an epoch: one on all training rows, or several on
    rows that are shuffled and dealt out; what does not fill an update is left out."""

    def update(state, part):
        return classifier.train_step(config, state, batch(shared, part))[0], None

    count, size = len(train["rows"]), config.batch_size
    if config.model != "mlp" or not 0 < size < count:
        return update(state, train)[0]
    return jax.lax.scan(update, state, dealt(train, size, order))[0]


def dealt(train, size: int, order):
    """Rows `[updates, size]` of shuffled arrays."""
    count = len(train["rows"])
    shuffled = jax.random.permutation(order, count)[: count // size * size]
    return jax.tree.map(lambda x: x[shuffled].reshape(-1, size), train)


def _of_rows(shared, part) -> dict:
    """Rows of nodes for a perceptron."""
    rows = part["rows"]
    found = {"x": shared["x"][rows], "y": shared["y"][rows]}
    return found | {"weight": part["weight"]}


def _of_graph(shared, part) -> dict:
    """The whole graph with weight on some nodes."""
    weight = jnp.zeros(len(shared["y"])).at[part["rows"]].add(part["weight"])
    return shared | {"weight": weight}
