"""Whether a small recurrent classifier tells synthetic windows from real ones.

The discriminative score of Yoon et al., "Time-series Generative Adversarial Networks",
NeurIPS 2019: |accuracy - 1/2| on windows that the classifier has not seen; 0 is best.
"""

import functools
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import errors
from iclr22.psa_gan import quality


class Config(NamedTuple):
    """Of the classifier."""

    width: int = 24  # of the recurrent state
    batch: int = 128  # windows per update, half of them real
    learning_rate: float = 5e-3  # Adam, falling to 0 along a cosine
    steps: int = 400  # updates
    held_out: float = 0.3  # share of windows that it is judged on


class _Classifier(nn.Module):
    """Logits `[n]` of windows `[n, t]`: a GRU over values, read at its last step and at its
    mean."""

    width: int

    @nn.compact
    def __call__(self, x):
        change = jnp.diff(x, axis=1, prepend=x[:, :1])
        layer = nn.RNN(nn.GRUCell(self.width), unroll=4)
        states = jnp.asarray(layer(jnp.stack([x, change], axis=-1)))
        both = jnp.concatenate([states[:, -1], states.mean(axis=1)], axis=-1)
        return nn.Dense(1)(both)[:, 0]


def discriminative_score(
    real, synthetic, *, seed: int = 0, config: Config | None = None
) -> float:
    """|accuracy - 1/2|, 0 to 1/2, of a GRU on windows held out at random.

    As many of one kind as of the other are used. Windows should not overlap, or the
    classifier has seen parts of those it is judged on. Of some 300 held-out windows of each
    kind, chance alone gives about .02.

    Args:
      real, synthetic: `[n, t]` and `[m, t]`, ten of each at least.

    Raises:
      errors.InputError: windows that do not fit.
    """
    config = config or Config()
    real, synthetic = quality.check(real, synthetic)
    n = min(len(real), len(synthetic))
    if n < 10:
        raise errors.InputError(
            f"expected ten windows of each kind at least; found {len(real)} and "
            f"{len(synthetic)}"
        )
    random = np.random.default_rng(seed)
    both = np.stack([x[random.permutation(len(x))[:n]] for x in (real, synthetic)])
    kept = n - max(1, round(config.held_out * n))
    train, test = both[:, :kept], both[:, kept:]
    middle, spread = train[0].mean(), max(train[0].std(), 1e-6)
    train, test = (((x - middle) / spread).astype(np.float32) for x in (train, test))
    size = config.batch // 2
    rows = random.integers(kept, size=(config.steps, 2, size))
    logits = _train(
        config, jax.random.key(seed), train, test.reshape(-1, both.shape[2]), rows
    )
    truth = np.arange(2).repeat(n - kept)
    return float(abs(np.mean((np.asarray(logits) > 0) == truth) - 0.5))


@functools.partial(jax.jit, static_argnums=0)
def _train(config, key, train, test, rows):
    """Logits of `test` after training on rows of `train [2, n, t]`."""
    network = _Classifier(config.width)
    rule = optax.adam(optax.cosine_decay_schedule(config.learning_rate, config.steps))
    size = rows.shape[-1]
    truth = jnp.arange(2.0).repeat(size)

    def logits_of(params, x):
        return jnp.asarray(network.apply({"params": params}, x))

    def loss(params, x):
        return optax.sigmoid_binary_cross_entropy(logits_of(params, x), truth).mean()

    def step(carry, rows):
        params, state = carry
        x = jnp.concatenate([train[0, rows[0]], train[1, rows[1]]])
        updates, state = rule.update(jax.grad(loss)(params, x), state, params)
        return (optax.apply_updates(params, updates), state), None

    params = network.init(key, test[:1])["params"]
    (params, _), _ = jax.lax.scan(step, (params, rule.init(params)), rows)
    return logits_of(params, test)
