"""The networks of all stages and their parts: sparse features, norms, convolutions."""

from typing import TYPE_CHECKING

import flax.linen as nn
import jax
import jax.numpy as jnp

from iclr22 import graph, parallel, sparse
from iclr22.nn.dropout import dropout, keep_mask
from iclr22.nn.norm import BatchNorm

if TYPE_CHECKING:  # stages import this module
    from iclr22.cold_brew import graph_mlp, perceptron, teacher


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
    """Normalization over the nodes, `[n, k]` to `[n, k]`; kinds: `teacher.Config.norm`."""

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


class GraphNetwork(nn.Module):
    """`(logits [n, classes], outputs of layers, their x W + E)`."""

    config: "teacher.Config"
    axis_name: str | None = None

    @nn.compact
    def __call__(self, batch, key=None):
        config = self.config
        keys = [None] * (config.layers + 3)
        if key is not None:
            keys = list(jax.random.split(key, len(keys)))
        kept = drop_edges(config, batch, keys.pop(), self.axis_name)
        edges = Edges(batch, kept, self.axis_name)
        x, outputs, inner = graph.features(batch["graph"]), [], []
        framed = config.residual != "none"  # by linear maps, all layers equally wide
        if framed:
            x = drop(keys.pop(), x, config.dropout)
            x = nn.relu(Linear(config.hidden, name="input")(x))
        earlier = [x]
        for i in range(config.layers):
            last = not framed and i == config.layers - 1
            width = config.classes if last else config.hidden
            x = drop(keys.pop(), x, config.dropout)
            x, before = self._convolve(x, edges, width, i)
            outputs.append(x)
            inner.append(before)
            if last:
                return x, outputs, inner
            x = self._normalise(x, i, training=key is not None)
            x = self._residual(nn.relu(x), earlier, i)
            earlier.append(x)
        x = drop(keys.pop(), self._join(x, earlier), config.dropout)
        outputs.append(Linear(config.classes, name="output")(x))
        return outputs[-1], outputs, inner

    def _convolve(self, x, edges, width, i):
        config = self.config
        embedding = has_embedding(config, i)
        kind, std = config.convolution, config.embedding_std
        return Convolution(kind, width, embedding, std, name=f"layer{i}")(x, edges)

    def _normalise(self, x, i, *, training):
        config = self.config
        norm = Norm(config.norm, config.groups, config.group_weight, name=f"norm{i}")
        return norm(x, training)

    def _residual(self, x, earlier, i):
        config = self.config
        if config.residual in ("residual", "initial"):
            other = earlier[-1 if config.residual == "residual" else 0]
            return (1 - config.alpha) * x + config.alpha * other
        if config.residual == "dense":
            return Linear(config.hidden, name=f"dense{i}")(
                jnp.concatenate([*earlier, x], 1)
            )
        return x

    def _join(self, x, earlier):
        if self.config.residual != "jumping":
            return x
        return Linear(self.config.hidden, name="jump")(jnp.concatenate(earlier, axis=1))


def has_embedding(config: "teacher.Config", layer: int) -> bool:
    """Whether a layer has structural embeddings, by place: first, middle, last."""
    place = 0 if layer == 0 else 2 if layer == config.layers - 1 else 1
    return config.embeddings[place] == "1"


def drop_edges(config: "teacher.Config", batch, key, axis_name):
    """Edge weights `[edges]` with DropEdge and DropNode; self loops always stay."""
    g = batch["graph"]
    if key is None or not (config.drop_edge or config.drop_node):
        return g.edges
    kept = jnp.ones(len(g.edges), bool)
    edge_key, node_key = jax.random.split(key)
    if config.drop_edge:
        edge_key = parallel.fold_axis(edge_key, axis_name)  # edges differ by device
        kept &= keep_mask(edge_key, kept.shape, config.drop_edge)[0]
    if config.drop_node:
        n = graph.size(g.nodes) - graph.padding(g)
        nodes, _ = keep_mask(node_key, (n,), config.drop_node)
        nodes = jnp.pad(nodes, (0, graph.padding(g)))
        kept &= nodes[g.senders] & nodes[g.receivers]
    return jnp.where(kept | (g.senders == g.receivers), g.edges, 0.0)


class Perceptron(nn.Module):
    """Features `[n, d]` and extra inputs `[n, parts, e]` to outputs `[n, outputs]`."""

    config: "perceptron.Config"

    @nn.compact
    def __call__(self, x, extra, key=None):
        config = self.config
        depth = config.blocks * config.skip or config.layers
        keys = [None] * (depth + 2)
        if key is not None:
            keys = list(jax.random.split(key, depth + 2))
        x = drop(keys.pop(), x, config.input_dropout)
        width = config.width if config.layers or config.blocks else config.outputs
        h = Linear(width, name="input")(x)
        if extra.shape[1] * extra.shape[2]:
            h = h + Linear(width, bias=False, name="extra")(self._extra(extra))
        if config.blocks:
            return Linear(config.outputs, name="output")(self._blocks(h, keys))
        if not config.layers:
            return h
        for i in range(config.layers):
            h = h if i == 0 else Linear(width, name=f"layer{i}")(h)
            h = drop(keys.pop(), self._activate(h, i), config.dropout)
        return Linear(config.outputs, name="output")(h)

    def _extra(self, extra):
        if self.config.scale_extra:
            start = nn.initializers.constant(1e-4)
            scale = self.param("scale", start, (extra.shape[1], 1))
            extra = scale * extra
        return extra.reshape(len(extra), extra.shape[1] * extra.shape[2])

    def _activate(self, h, i):
        if self.config.layer_norm:
            h = nn.LayerNorm(name=f"norm{i}")(h)
        return getattr(nn, self.config.activation)(h)

    def _blocks(self, h, keys):
        """x + Block(x), each block narrow-wide-narrow as in the released code."""
        config, wide = self.config, self.config.width * 3 // 2 + 2
        for block in range(config.blocks):
            x = h
            for i in range(config.skip - 1):
                name = f"block{block}_{i}"
                x = nn.LayerNorm(name=f"{name}_norm")(Linear(wide, name=name)(x))
                x = drop(keys.pop(), getattr(nn, config.activation)(x), config.dropout)
            h = h + Linear(config.width, name=f"block{block}_out")(x)
        return h


class GraphMLP(nn.Module):
    """`(logits [n, outputs], hidden z [n, width])` from features `[n, d]`."""

    config: "graph_mlp.Config"

    @nn.compact
    def __call__(self, x, key=None):
        config = self.config
        h = nn.gelu(Linear(config.width, name="input")(x))
        h = dropout(key, nn.LayerNorm(name="norm")(h), config.dropout)
        z = Linear(config.width, name="hidden")(h)
        return Linear(config.outputs, name="output")(z), z
