"""Networks that classify nodes: a perceptron, GraphSAGE, and attention like RevGAT's."""

from typing import TYPE_CHECKING

import flax.linen as nn
import jax
import jax.numpy as jnp
import jraph

from iclr22 import graph
from iclr22.nn.dropout import dropout, keep_mask
from iclr22.nn.norm import BatchNorm

if TYPE_CHECKING:  # it imports this module
    from iclr22.giant_xrt.downstream import classifier

SLOPE = 0.2  # of attention below 0


class Between(nn.Module):
    """What is between two layers: norm, ReLU, dropout."""

    config: "classifier.Config"
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, weight, key):
        if self.config.batch_norm:
            x = BatchNorm(self.axis_name, name="norm")(x, weight)
        return dropout(key, nn.relu(x), self.config.dropout)


class Perceptron(nn.Module):
    """Logits `[n, classes]` from features `x [n, d]`, each row for itself.

    Moments of the norm are those of rows with weight. One layer is a logistic regression.
    """

    config: "classifier.Config"
    axis_name: str | None = None

    @nn.compact
    def __call__(self, batch, key=None):
        config = self.config
        keys = _keys(key, config.layers)
        x = dropout(keys[0], batch["x"], config.input_dropout)
        weight = None if key is None else batch["weight"]
        for i, own in enumerate(keys[1:]):
            bias = not config.batch_norm  # which the norm would take away
            x = nn.Dense(config.width, use_bias=bias, name=f"layer{i}")(x)
            between = Between(config, self.axis_name, name=f"between{i}")
            x = between(x, weight, own)
        return nn.Dense(config.classes, name="output")(x)


class GraphSAGE(nn.Module):
    """Logits `[n, classes]`: each layer sees a node and the mean of its neighbours.

    Hamilton et al., "Inductive Representation Learning on Large Graphs", NeurIPS 2017:
    mean aggregator over all neighbours, by weight of the link.
    """

    config: "classifier.Config"

    @nn.compact
    def __call__(self, batch, key=None):
        config = self.config
        keys = _keys(key, config.layers)
        x = dropout(keys[0], batch["x"], config.input_dropout)
        for i in range(config.layers):
            last = i == config.layers - 1
            width = config.classes if last else config.width
            near = nn.Dense(width, use_bias=False, name=f"near{i}")
            if i == 0 and not config.input_dropout:
                heard = near(batch["near"])  # which never changes
            else:
                links, plan = batch["graph"], batch["plan"]
                heard = graph.aggregate(links, batch["mean"], near(x), plan=plan)
            bias = last or not config.batch_norm
            x = nn.Dense(width, use_bias=bias, name=f"own{i}")(x) + heard
            if not last:
                between = Between(config, name=f"between{i}")
                x = between(x, _everyone(x, key), keys[i + 1])
        return x


class Attention(nn.Module):
    """Attention over neighbours and the node itself, `[n, d]` to `[n, heads * width]`.

    How much a neighbour counts depends on the neighbour alone, not on who looks at it, and
    messages are scaled as by the symmetric adjacency; links of weight 0 or more count the
    same. A linear map of the node itself is added.
    """

    width: int
    heads: int
    edge_dropout: float
    bias: bool = True

    @nn.compact
    def __call__(self, x, batch, key=None):
        n, links = len(x), batch["looped"]
        senders, receivers, _ = graph.links(links)
        size, heads = batch["size"][:, None, None], self.heads
        own = nn.Dense(heads * self.width, use_bias=self.bias, name="own")(x)
        h = nn.Dense(heads * self.width, use_bias=False, name="value")(x)
        h = h.reshape(n, heads, self.width) / jnp.sqrt(size)
        start = nn.initializers.glorot_normal()
        look = self.param("look", start, (self.width, heads))
        score = nn.leaky_relu(jnp.einsum("nhk,kh->nh", h, look), SLOPE)
        score = jnp.take(score, senders, axis=0)
        if key is not None and self.edge_dropout:
            kept, _ = keep_mask(key, (len(senders),), self.edge_dropout)
            kept |= senders == receivers
            score = jnp.where(kept[:, None], score, -jnp.inf)
        share = jnp.asarray(jraph.segment_softmax(score, jnp.asarray(receivers), n))
        heard = [
            graph.aggregate(links, share[:, i], h[:, i], plan=batch["looped_plan"])
            for i in range(heads)
        ]
        return own + (jnp.stack(heard, 1) * jnp.sqrt(size)).reshape(n, -1)


class Reversible(nn.Module):
    """A residual layer of groups of channels, `[n, d]` to `[n, d]`.

    Group i becomes y_i = x_i + F_i(y_{i-1}), the first with the sum of the other x in place
    of y_0: from all y all x can be computed again, last first.
    """

    config: "classifier.Config"

    @nn.compact
    def __call__(self, x, batch, key=None):
        config = self.config
        groups = jnp.split(x, config.groups, axis=1)
        heard, found = sum(groups[1:]) if config.groups > 1 else groups[0], []
        for i, (own, part) in enumerate(
            zip(_keys(key, config.groups), groups, strict=True)
        ):
            first, second = _keys(own, 2)
            between = Between(config, name=f"between{i}")
            h = between(heard, _everyone(x, key), first)
            width = part.shape[1] // config.heads
            hidden = width, config.heads, config.edge_dropout, not config.batch_norm
            attention = Attention(*hidden, name=f"attention{i}")
            heard = part + attention(h, batch, second)
            found.append(heard)
        return jnp.concatenate(found, axis=1)


class RevGAT(nn.Module):
    """Logits `[n, classes]`: attention, reversible layers of attention, attention.

    After Li et al., "Training Graph Neural Networks with 1000 Layers", ICML 2021, as the
    paper uses it: the first and the last of `layers` are ordinary, those between
    reversible. Simplified: nothing is recomputed to save memory, labels are no input, and
    there is no distillation from an earlier run.
    """

    config: "classifier.Config"

    @nn.compact
    def __call__(self, batch, key=None):
        config = self.config
        keys = _keys(key, config.layers + 2)
        x = dropout(keys[0], batch["x"], config.input_dropout)
        bias = not config.batch_norm  # which all norms after it would take away
        hidden = config.width, config.heads, config.edge_dropout, bias
        x = Attention(*hidden, name="first")(x, batch, keys[1])
        for i in range(config.layers - 2):
            x = Reversible(config, name=f"layer{i}")(x, batch, keys[i + 2])
        x = Between(config, name="between")(x, _everyone(x, key), keys[-2])
        last = Attention(config.classes, 1, config.edge_dropout, name="last")
        return last(x, batch, keys[-1])


def _keys(key, count: int) -> list:
    """Keys of parts; none in evaluation."""
    return [None] * count if key is None else list(jax.random.split(key, count))


def _everyone(x, key):
    """Weights of nodes in the norm: all, or the remembered moments in evaluation."""
    return None if key is None else jnp.ones(len(x))


NETWORKS = {"mlp": Perceptron, "graphsage": GraphSAGE, "revgat": RevGAT}
