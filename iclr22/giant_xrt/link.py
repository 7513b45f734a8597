"""The rival: an encoder fine-tuned on single links instead of neighbourhoods.

Pairs of neighbours against pairs of strangers, by logistic loss on the product of their
vectors (Chien et al., ICLR 2022, section 5, "BERT+LP"). A batch has ids [batch, 2, width]
int32 and lengths [batch, 2], the texts of two neighbours in each row, and weight [batch].
The strangers of a text are the second texts of the other rows, on all devices.
"""

import functools
import sys
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors, gradients, identity, loop, numeric, parallel
from iclr22.data import batching
from iclr22.giant_xrt import encoding, tuning
from iclr22.giant_xrt.encoding import Encoder
from iclr22.nn import tokens, wordpiece
from iclr22.nn.dropout import dropout
from iclr22.nn.tokens import Texts

SHORTEST = 1e-6  # length that a vector is divided by at least


class Config(NamedTuple):
    """Hyper-parameters, those of `matcher.Config` where they are the same."""

    RESOLVED = ("encoder", "steps")  # by the encoder, by the budget of the rounds

    encoder: encoding.Config = encoding.Config()  # of texts
    cosine: bool = True  # products of vectors of length 1; else of vectors as they are
    middle: float = 0.5  # product at which a link is as likely as none
    temperature: float = 0.1  # what differences from it are divided by
    learning_rate: float = 6e-5  # the highest
    warm_up: float = (
        0.08  # share of updates in which the rate rises; then it falls to 0
    )
    steps: int = 2500  # updates in all
    batch: int = 32  # pairs per update
    dropout: float = 0.1  # share of a text's vector that is left out in training
    clip: float = 1.0  # norm that gradients are cut to
    weight_decay: float = 0.0  # but of biases, norms and token vectors
    frozen_layers: int = 0  # of a Transformer, the first ones, which stay as they are
    frozen_embeddings: bool = False  # of a Transformer, these stay as they are
    dtype: Literal["float32", "bfloat16"] = "float32"  # of computing; GPU, TPU: either


State = gradients.State  # params: `encoder`


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state of a random encoder."""
    del batch
    params = {"encoder": encoding.init(config.encoder, key)}
    return tuning.start(config, key, params)


def apply(config: Config, params, inputs, *, key=None) -> jax.Array:
    """Vectors `[n, 2, h]` of both texts of pairs."""
    first, second = (None, None) if key is None else jax.random.split(key)
    n, _, width = inputs["ids"].shape
    rows = {
        "ids": inputs["ids"].reshape(2 * n, width),
        "lengths": inputs["lengths"].reshape(2 * n),
    }
    found = encoding.apply(config.encoder, params["encoder"], rows, key=first)
    return dropout(second, found, config.dropout).reshape(n, 2, -1)


def loss(config: Config, params, batch, *, key=None, axis_name=None):
    """`(total, sums)`: of a pair its logistic loss and the mean of those of its first text
    with strangers; and the percent of pairs that are nearer than all of these."""
    both = apply(config, params, batch, key=key).astype(jnp.float32)
    if config.cosine:
        length = jnp.sqrt(jnp.maximum((both**2).sum(axis=-1), SHORTEST**2))
        both = both / length[..., None]
    weight = batch["weight"]
    others = parallel.gather(both[:, 1], axis_name)
    counted = parallel.gather((weight > 0) + 0.0, axis_name)
    own = jnp.arange(len(weight))
    if axis_name is not None:
        own = own + jax.lax.axis_index(axis_name) * len(weight)
    logits = (both[:, 0] @ others.T - config.middle) / config.temperature
    pair = jnp.take_along_axis(logits, own[:, None], axis=1)[:, 0]
    strange = counted * (jnp.arange(len(counted)) != own[:, None])
    each = jax.nn.softplus(-pair)
    number = jnp.maximum(strange.sum(axis=1), 1)
    each += (strange * jax.nn.softplus(logits)).sum(axis=1) / number
    right = (jnp.where(strange > 0, logits, -jnp.inf) < pair[:, None]).all(axis=1)
    total = weight @ each
    return total, {
        "loss": total,
        "accuracy": 100 * weight @ right.astype(jnp.float32),
        "weight": weight.sum(),
    }


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """`(State, Metrics)` after one update."""
    there = jnp.arange(batch["ids"].shape[2]) < batch["lengths"][..., None]
    refers = {"table": ("ids", there & (batch["weight"] > 0)[:, None, None])}
    gathered = functools.partial(loss, axis_name=axis_name)
    return tuning.update(config, gathered, state, batch, refers, axis_name=axis_name)


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of the loss and the accuracy (percent)."""
    sums = loss(config, params, batch, axis_name=axis_name)[1]
    return parallel.reduce(sums, axis_name)


class Batches(NamedTuple):
    """Edges in a new order in every epoch, each from one of its ends at random."""

    texts: Texts
    edges: np.ndarray  # [2, e]
    size: int  # pairs of a batch
    width: int  # of arrays of tokens
    seed: int = 0
    part: tuple[int, int] = (0, 1)  # (index, count) of this process

    def content(self) -> str:
        """Digest of what all batches are made from."""
        found = identity.content([self.texts.tokens, self.texts.offsets, self.edges])
        return f"{found}-{self.size}-{self.width}-{self.seed}"

    def __call__(self, step: int) -> dict[str, np.ndarray]:
        """Batch number `step`."""
        count = self.edges.shape[1]
        epoch, position = divmod(step, -(-count // self.size))
        order, ends = _order(self.seed, epoch, count)
        low = position * self.size
        return self.rows(order[low : low + self.size], ends[low : low + self.size])

    def rows(self, rows, ends) -> dict[str, np.ndarray]:
        """These edges as a padded batch, each from this end; this process's part."""
        mine = batching.own(self.size, self.part)
        place, weight = (
            x[mine] for x in batching.padded(np.arange(len(rows)), self.size)
        )
        pairs, ends = self.edges[:, rows[place]], ends[place]
        both = [
            tokens.alone(self.texts, np.where(ends == i, *pairs), self.width)
            for i in (0, 1)
        ]
        return {
            "ids": np.stack([x.ids for x in both], axis=1),
            "lengths": np.stack([x.lengths for x in both], axis=1),
            "weight": weight,
        }


@functools.lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int):
    random = np.random.default_rng((seed, epoch))
    return random.permutation(count), random.integers(0, 2, count)


def fit(
    texts: Sequence[str] | Texts,
    edges,
    encoder: Encoder,
    config: Config,
    *,
    directory=None,
    seed: int = 0,
    mode: str = "jit",
) -> Encoder:
    """An encoder fine-tuned on links; `encoding.embed` gives its features.

    Args:
      edges: `[2, e]` node numbers; loops are left out.
      config: encoder is filled in.

    Raises:
      errors.InputError: no edges between two texts, or fewer than two.
    """
    given = texts if isinstance(texts, Texts) else encoding.read(encoder, texts)
    pairs = numeric.whole(edges, "edges", ndim=2, low=0, high=len(given.lengths) - 1)
    pairs = pairs[:, pairs[0] != pairs[1]]
    if pairs.shape[1] < 2:
        raise errors.InputError(
            f"expected two or more edges to learn links from; found {pairs.shape[1]}"
        )
    config = config._replace(encoder=encoder.config)
    lengths = tokens.alone_lengths(given, slice(None))
    width = wordpiece.widths(np.minimum(lengths, encoder.config.tokens), 1)[-1]
    devices = jax.device_count()
    size = -(-min(config.batch, pairs.shape[1]) // devices) * devices
    source = Batches(
        given, pairs, size, min(width, encoder.config.tokens), seed, parallel.part()
    )
    stage: Any = sys.modules[__name__]
    state = loop.fit(
        stage,
        config,
        source,
        loop.Schedule(config.steps),
        seed=seed,
        mode=mode,
        directory=directory,
        begin={"encoder": encoder.params},
        name="links",
    )
    on_host = jax.tree.map(lambda x: np.asarray(x.addressable_data(0)), state.params)
    return encoder._replace(params=on_host["encoder"])


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and `size` pairs of texts about the same of six topics."""
    topics, random = 6, np.random.default_rng(seed)
    of_bag = encoding.Config("bag", vocabulary=3 + 4 * topics, width=8, tokens=6)
    config = Config(of_bag, learning_rate=5e-2, steps=100, batch=size, dropout=0.0)
    topic = random.integers(0, topics, size)[:, None, None]
    ids = 3 + 4 * topic + random.integers(0, 4, (size, 2, 6))
    lengths = random.integers(4, 7, (size, 2))
    place = np.arange(6)
    ids = np.where(place == 0, 1, ids)
    ids = np.where(place == lengths[..., None] - 1, 2, ids)
    ids = np.where(place < lengths[..., None], ids, 0)
    return config, {
        "ids": ids.astype(np.int32),
        "lengths": lengths.astype(np.int32),
        "weight": np.ones(size, np.float32),
    }
