"""The two sequence networks and the tied softmax, as Linen modules.

Both start as the released PyTorch code does: uniform weights whose bound is one over the
square root of the width, embeddings within 0.1.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

EMBEDDING = 0.1  # bound of embeddings at the start


def _within(bound):
    """Initialiser: uniform in +-bound."""

    def draw(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return draw


def _dense(width, inputs, name=None):
    start = _within(1 / np.sqrt(inputs))
    return nn.Dense(width, kernel_init=start, bias_init=start, name=name)


class GRU(nn.Module):
    """Stacked GRU, `[batch, time, width]` and carries `[layers, batch, width]` to outputs
    and the carries after them."""

    width: int
    layers: int

    @nn.compact
    def __call__(self, x, carry):
        after = []
        start = _within(1 / np.sqrt(self.width))
        for i in range(self.layers):
            given = _dense(3 * self.width, self.width, f"input_{i}")(x)
            kernel = self.param(f"kernel_{i}", start, (self.width, 3 * self.width))
            bias = self.param(f"bias_{i}", start, (3 * self.width,))
            last, x = _recur(kernel, bias, given, carry[i])
            after.append(last)
        return x, jnp.stack(after)


def _recur(kernel, bias, given, h):
    """One layer over time; `given [batch, time, 3 width]` is the inputs' share."""

    def step(h, given):
        reset, update, new = jnp.split(given, 3, -1)
        held = jnp.split(h @ kernel + bias, 3, -1)
        reset = nn.sigmoid(reset + held[0])
        update = nn.sigmoid(update + held[1])
        new = jnp.tanh(new + reset * held[2])
        h = new + update * (h - new)
        return h, h

    last, outputs = jax.lax.scan(step, h, given.swapaxes(0, 1))
    return last, outputs.swapaxes(0, 1)


class Transformer(nn.Module):
    """Encoder with a causal mask, post-norm, `[batch, time, width]` to the same."""

    width: int
    layers: int
    heads: int
    feed_forward: int

    @nn.compact
    def __call__(self, x):
        x = x * np.sqrt(self.width) + positions(x.shape[1], self.width)
        for i in range(self.layers):
            x = nn.LayerNorm(epsilon=1e-5, name=f"norm_a{i}")(x + self._attend(x, i))
            inner = nn.relu(_dense(self.feed_forward, self.width, f"up_{i}")(x))
            inner = _dense(self.width, self.feed_forward, f"down_{i}")(inner)
            x = nn.LayerNorm(epsilon=1e-5, name=f"norm_b{i}")(x + inner)
        return x

    def _attend(self, x, i):
        batch, time, width = x.shape
        start = nn.initializers.xavier_uniform()
        qkv = nn.Dense(3 * width, kernel_init=start, name=f"qkv_{i}")(x)
        shape = (batch, time, self.heads, width // self.heads)
        q, k, v = (part.reshape(shape) for part in jnp.split(qkv, 3, -1))
        mixed = jax.nn.dot_product_attention(q, k, v, is_causal=True)
        start = _within(1 / np.sqrt(width))
        out = nn.Dense(width, kernel_init=start, name=f"out_{i}")
        return out(mixed.reshape(x.shape))


def positions(time: int, width: int) -> np.ndarray:
    """Sinusoids `[time, width]`: sine in even, cosine in odd channels, base 10,000."""
    rate = 10_000 ** (-np.arange(0, width, 2) / width)
    angle = np.arange(time)[:, None] * rate
    return (
        np.stack([np.sin(angle), np.cos(angle)], -1)
        .reshape(time, -1)[:, :width]
        .astype(np.float32)
    )


class Embedding(nn.Module):
    """Tokens `[...]` to vectors and back to logits over all tokens, with the same
    weights and a bias per token."""

    tokens: int
    width: int

    def setup(self):
        shape = (self.tokens, self.width)
        self.table = self.param("table", _within(EMBEDDING), shape)
        bound = _within(1 / np.sqrt(self.width))
        self.bias = self.param("bias", bound, (self.tokens,))

    def __call__(self, tokens):
        return self.table[tokens]

    def logits(self, x):
        """`[..., width]` to `[..., tokens]`."""
        return x @ self.table.T + self.bias
