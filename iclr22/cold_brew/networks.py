"""Building blocks: linear maps of sparse features, normalizations, convolutions."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from iclr22 import graph, sparse
from iclr22.nn.dropout import dropout
from iclr22.nn.norm import BatchNorm

NORMS = ("none", "batch", "pair", "node", "mean", "group")


class Linear(nn.Module):
    """`x W + b` for dense or sparse x `[n, d]`; Xavier-uniform W, zero b."""

    width: int
    bias: bool = True

    @nn.compact
    def __call__(self, x):
        shape = (x.shape[1], self.width)
        y = sparse.matmul(
            x, self.param("kernel", nn.initializers.glorot_uniform(), shape)
        )
        if not self.bias:
            return y
        return y + self.param("bias", nn.initializers.zeros, (self.width,))


def drop(key, x, rate: float):
    """Dropout of dense or sparse features; of sparse ones only entries are drawn."""
    if isinstance(x, sparse.Sparse):
        return x._replace(values=dropout(key, x.values, rate))
    return dropout(key, x, rate)


def pair_norm(x):
    """PairNorm: columns of mean 0, rows of mean squared norm 1."""
    x = mean_norm(x)
    return x / jnp.sqrt(1e-6 + jnp.mean(jnp.sum(x**2, axis=1)))


def node_norm(x):
    """NodeNorm: every row standardised."""
    centred = x - jnp.mean(x, axis=1, keepdims=True)
    return centred / jnp.sqrt(jnp.mean(centred**2, axis=1, keepdims=True) + 1e-5)


def mean_norm(x):
    """MeanNorm: columns of mean 0."""
    return x - jnp.mean(x, axis=0)


class GroupNorm(nn.Module):
    """Differentiable group normalization: x + lambda sum_g BN(s_g x).

    The soft assignment s `[n, groups]` is a softmax of a linear map of x.
    """

    groups: int
    weight: float  # lambda; 0 is the identity

    @nn.compact
    def __call__(self, x, counted):
        share = jax.nn.softmax(Linear(self.groups, name="assign")(x), axis=1)
        copies = (share[:, :, None] * x[:, None, :]).reshape(len(x), -1)
        copies = BatchNorm(momentum=0.7, name="norm")(copies, counted)
        return x + self.weight * copies.reshape(len(x), self.groups, -1).sum(axis=1)


class Norm(nn.Module):
    """One of `NORMS` over the nodes, `[n, k]` to `[n, k]`."""

    kind: str
    groups: int
    group_weight: float

    @nn.compact
    def __call__(self, x, training: bool):
        counted = jnp.ones(len(x)) if training else None
        if self.kind == "batch":
            return BatchNorm(name="norm")(x, counted)
        if self.kind == "group":
            return GroupNorm(self.groups, self.group_weight, name="norm")(x, counted)
        simple = {"pair": pair_norm, "node": node_norm, "mean": mean_norm}
        return simple.get(self.kind, lambda x: x)(x)


class Edges:
    """The graph as its layers see it in one forward pass, after dropping."""

    def __init__(self, batch, weights, axis_name):
        self._graph, self._plan = batch["graph"], batch["plan"]
        self._weights, self._axis_name = weights, axis_name
        self.symmetric = graph.normalise(self._graph, weights, axis_name=axis_name)

    def sum(self, x):
        """Normalised sum over neighbours: D^-1/2 A D^-1/2 x."""
        return self._aggregate(self.symmetric, x)

    def mean(self, x):
        """Mean over neighbours; 0 where there are none."""
        total = self._aggregate(
            self._weights, jnp.pad(x, ((0, 0), (0, 1)), constant_values=1.0)
        )
        return total[:, :-1] / jnp.maximum(total[:, -1:], 1e-12)

    def _aggregate(self, weights, x):
        return graph.aggregate(
            self._graph, weights, x, plan=self._plan, axis_name=self._axis_name
        )


class Convolution(nn.Module):
    """Graph convolution with an optional structural embedding (equation 2).

    Returns `(output, inner)`: A (x W + E) + b and what the sum ran over, x W + E.
    """

    kind: str  # gcn or sage
    width: int
    embedding: bool
    embedding_std: float

    @nn.compact
    def __call__(self, x, edges: Edges):
        inner = Linear(self.width, bias=False, name="linear")(x)
        if self.embedding:
            shape = (x.shape[0], self.width)
            start = nn.initializers.normal(self.embedding_std)
            inner = inner + self.param("embedding", start, shape)
        bias = self.param("bias", nn.initializers.zeros, (self.width,))
        if self.kind == "gcn":
            return edges.sum(inner) + bias, inner
        own = Linear(self.width, bias=False, name="own")(x)
        return own + edges.mean(inner) + bias, inner
