"""Encoders for who has no weights: a vocabulary of one's own sentences, random parameters."""

import functools

import jax
import numpy as np

from iclr22.nn import bert, vocabularies
from iclr22.nn.encoders import Encoder

HEAD = 16  # numbers of an attention head
POSITIONS = 128  # tokens of the longest input

vocabulary = vocabularies.of_texts


def encoder(words: tuple[str, ...], width: int, layers: int, seed: int = 0) -> Encoder:
    """A Transformer with random weights.

    Args:
      words: its vocabulary.
      width: of hidden states, a multiple of 16.
    """
    config = bert.Config(
        vocabulary=len(words),
        width=width,
        layers=layers,
        heads=width // HEAD,
        inner=2 * width,
        positions=POSITIONS,
    )
    drawn = jax.jit(functools.partial(bert.init, config))(jax.random.key(seed))
    return Encoder(config, jax.tree.map(np.asarray, drawn), words)
