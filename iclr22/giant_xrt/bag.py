"""A bag of tokens: the text encoder for who has no accelerator.

A text is a weighted mean of the vectors of its tokens; the weight of a token is learned and
does not depend on where it stands (as in SIF, Arora, Liang, Ma, ICLR 2017, where it comes
from counts), and one residual layer may follow. Parameters: `table`, whose rows belong to
tokens (`vectors [v, w]`, `score [v]`, logarithms of weights), and `layer`, if there is one.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from iclr22 import errors, numeric
from iclr22.nn.tokens import Texts

DEVIATION = 0.1  # of fresh vectors
SMOOTH = 1e-3  # a token has weight SMOOTH / (SMOOTH + its share of all tokens)
LOWEST = -1e9  # score of what is no token


def init(key: jax.Array, vocabulary: int, width: int, hidden: int = 0):
    """Fresh parameters: all tokens weigh the same, the layer adds nothing yet.

    Args:
      vocabulary: tokens, v.
      width: of vectors, w.
      hidden: width of the layer; 0: none.
    """
    first, second = jax.random.split(key)
    vectors = DEVIATION * jax.random.normal(first, (vocabulary, width))
    params: dict[str, Any] = {
        "table": {"vectors": vectors, "score": jnp.zeros(vocabulary)}
    }
    if hidden:
        into = jax.random.normal(second, (width, hidden)) * (2 / width) ** 0.5
        params["layer"] = {
            "in": {"kernel": into, "bias": jnp.zeros(hidden)},
            "out": {"kernel": jnp.zeros((hidden, width)), "bias": jnp.zeros(width)},
        }
    return params


def apply(params, inputs) -> jax.Array:
    """Vectors `[n, w]` of `ids [n, width]` with `lengths [n]`, both with a special token at
    each end, which do not count; of a text without tokens 0."""
    ids, lengths = inputs["ids"], inputs["lengths"]
    place = jnp.arange(ids.shape[1])
    there = (place > 0) & (place < lengths[:, None] - 1)
    score = params["table"]["score"][ids]
    share = jax.nn.softmax(jnp.where(there, score, LOWEST), axis=1) * there
    vectors = params["table"]["vectors"][ids]
    found = jnp.einsum("nt,ntw->nw", share.astype(vectors.dtype), vectors)
    if "layer" in params:
        inner = jax.nn.relu(_dense(params["layer"]["in"], found))
        found = found + _dense(params["layer"]["out"], inner)
    return found


def _dense(layer, x):
    return x @ layer["kernel"] + layer["bias"]


def with_table(params, table):
    """Parameters whose vectors are given ones.

    Args:
      table: `[v, w]`, such as the word embeddings of a BERT.

    Raises:
      errors.InputError: another shape.
    """
    table = numeric.real(table, "table of vectors", ndim=2, dtype=np.float32)
    wanted = params["table"]["vectors"].shape
    if table.shape != wanted:
        raise errors.InputError(
            f"expected a table of {wanted[0]} vectors, one for each token, of width "
            f"{wanted[1]}; found {list(table.shape)}"
        )
    return params | {"table": params["table"] | {"vectors": table}}


def weighted(params, texts: Texts):
    """Parameters in which tokens that are frequent in these texts weigh less."""
    count = len(params["table"]["score"])
    share = np.bincount(texts.tokens, minlength=count) / max(len(texts.tokens), 1)
    score = np.log(SMOOTH / (SMOOTH + share)).astype(np.float32)
    return params | {"table": params["table"] | {"score": score}}
