"""BERT as pure functions: weights in, hidden states out (Devlin et al., NAACL 2019).

    config, params = bert.load("all-MiniLM-L6-v2/")  # a folder, a wheel or an archive
    vocabulary = bert.read_vocabulary("all-MiniLM-L6-v2/")
    hidden = bert.apply(config, params, ids, mask, types)  # [batch, tokens, width]
    bert.save("mine/", config, params, vocabulary)

Parameters are nested dicts: `word`, `position`, `type` and `norm` of the embeddings,
`layer_0` and so on, `pooler`, and `classifier` where a model has a head.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from iclr22 import errors, gradients
from iclr22.nn.bert_files import load, read_vocabulary, save
from iclr22.nn.bert_layers import DEVIATION, EMBEDDINGS, Bert, Config

__all__ = [
    "Config",
    "apply",
    "decayed",
    "freeze",
    "init",
    "load",
    "pooled",
    "read_vocabulary",
    "save",
    "trainable",
    "truncated",
    "vectors",
]
POOLINGS = ("cls", "mean")


def init(config: Config, key: jax.Array):
    """Fresh parameters, with a pooler: weights of deviation 0.02, biases 0, norms 1.

    Raises:
      errors.InputError: heads that do not divide the width.
    """
    if config.width % config.heads:
        raise errors.InputError(
            f"expected a width that divides into {config.heads} heads; found {config.width}"
        )
    first, second = jax.random.split(key)
    ids = jnp.zeros((1, 2), jnp.int32)
    params = dict(Bert(config).init(first, ids, ids, ids)["params"])
    shape = (config.width, config.width)
    kernel = DEVIATION * jax.random.normal(second, shape)
    return params | {"pooler": {"kernel": kernel, "bias": jnp.zeros(config.width)}}


def apply(
    config: Config,
    params,
    ids,
    mask=None,
    types=None,
    *,
    key: jax.Array | None = None,
    dtype: str = "float32",
) -> jax.Array:
    """Hidden states of the last layer `[batch, tokens, width]`.

    Args:
      ids: int `[batch, tokens]`.
      mask: `[batch, tokens]`, 0 on padding, which no token looks at; by default where ids
        are 0.
      types: int `[batch, tokens]`, the segment of each token; by default 0.
      key: for dropout; None: evaluation.
      dtype: that is computed in, as in `gradients.compute_dtype`; hidden states have it.

    Raises:
      errors.InputError: more tokens than the model has positions; bfloat16 on a CPU.
    """
    if ids.shape[1] > config.positions:
        raise errors.InputError(
            f"expected at most {config.positions} tokens, the positions of the model; found "
            f"{ids.shape[1]}. Cut the texts."
        )
    kind = gradients.compute_dtype(dtype)
    if dtype != "float32":
        params = gradients.cast(params, kind)
    mask = ids != 0 if mask is None else mask
    types = jnp.zeros_like(ids) if types is None else types
    return jnp.asarray(Bert(config).apply({"params": params}, ids, mask, types, key))


def pooled(params, hidden) -> jax.Array:
    """What the pooler makes of the first token of `[batch, tokens, width]`: `[batch,
    width]`, between -1 and 1."""
    found = params["pooler"]
    return jnp.tanh(hidden[:, 0] @ found["kernel"] + found["bias"])


def vectors(hidden, mask, pooling: str = "mean") -> jax.Array:
    """Vectors `[batch, width]` of rows of hidden states `[batch, tokens, width]`.

    Args:
      mask: `[batch, tokens]`, 0 on padding.
      pooling: `cls`, the first token, or `mean` over tokens.
    """
    if pooling not in POOLINGS:
        raise errors.nearest(pooling, POOLINGS, "pooling")
    if pooling == "cls":
        return hidden[:, 0]
    there = (mask > 0).astype(hidden.dtype)
    total = jnp.einsum("btw,bt->bw", hidden, there)
    return total / jnp.maximum(there.sum(axis=1), 1)[:, None]


def truncated(config: Config, params, layers: int):
    """`(config, params)` of the encoder that ends after its first layers.

    Raises:
      errors.InputError: less than one layer, or more than there are.
    """
    if not 1 <= layers <= config.layers:
        raise errors.InputError(
            f"expected from 1 to {config.layers} layers to keep; found {layers}"
        )
    gone = {f"layer_{i}" for i in range(layers, config.layers)}
    kept = {name: x for name, x in params.items() if name not in gone}
    return config._replace(layers=layers), kept


def trainable(config: Config, params, *, layers: int = 0, embeddings: bool = False):
    """Which parameters are trained: a pytree of bool, for `freeze` or `optax.masked`.

    Args:
      layers: the first so many keep their weights.
      embeddings: these keep theirs, too.

    Raises:
      errors.InputError: more layers than there are.
    """
    if not 0 <= layers <= config.layers:
        raise errors.InputError(
            f"expected from 0 to {config.layers} frozen layers; found {layers}"
        )
    frozen = {f"layer_{i}" for i in range(layers)}
    frozen |= set(EMBEDDINGS) if embeddings else set()
    return {
        name: jax.tree.map(lambda _, kept=name not in frozen: kept, x)
        for name, x in params.items()
    }


def freeze(
    optimizer: optax.GradientTransformation, trained
) -> optax.GradientTransformation:
    """The optimiser for what is trained alone: the rest stays, and has no state.

    Under jit what only frozen parameters need, their gradients, is not computed.

    Args:
      trained: of `trainable`.
    """
    labels = jax.tree.map(lambda x: "trained" if x else "frozen", trained)
    rules: dict[Any, Any] = {"trained": optimizer, "frozen": optax.set_to_zero()}
    return optax.multi_transform(rules, labels)


def decayed(params):
    """Where weights decay, a pytree of bool: not in biases and norms."""

    def decays(path, _):
        return path[-1].key in ("kernel", "embedding")

    return jax.tree_util.tree_map_with_path(decays, params)
