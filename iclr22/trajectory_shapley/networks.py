"""Trajectron++ and its variant with one edge per neighbour, as one Linen module.

That of PECNet, which shares nothing with it, is in `pecnet_networks`: both in one file
would be longer than one reads at a time.

Section 2.5 of the sheet: an LSTM reads the target's history, an LSTM reads edges, additive
attention over edges gives the influence of neighbours; a categorical latent is enumerated;
a GRU turns every mode into Gaussians over velocity, which a single integrator adds up to
positions. Parts are methods of their own, so that attribution encodes each neighbour once
and decodes every coalition.

States are `[..., time, 6]`: position, velocity, acceleration, standardised by `scales`.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from iclr22.nn.dropout import dropout

LOG_SIGMA = 6.0  # bound of log standard deviations
RHO = 0.999  # correlations stay below


class Recurrent(nn.Module):
    """An LSTM whose input is given as its share of the gates; the last output."""

    width: int

    @nn.compact
    def __call__(self, gates, carry=None, *, reverse: bool = False):
        """`gates [batch, time, 4 width]` to `(h, c)`, each `[batch, width]`."""
        start = nn.initializers.orthogonal()
        shape = self.width, 4 * self.width
        kernel = self.param("kernel", start, shape, jnp.float32)  # like nn.Dense

        def step(carry, given):
            h, c = carry
            i, f, g, o = jnp.split(given + h @ kernel, 4, -1)
            c = nn.sigmoid(f) * c + nn.sigmoid(i) * jnp.tanh(g)
            return (nn.sigmoid(o) * jnp.tanh(c), c), None

        zeros = jnp.zeros((gates.shape[0], self.width), gates.dtype)
        carry = (zeros, zeros) if carry is None else carry
        return jax.lax.scan(step, carry, gates.swapaxes(0, 1), reverse=reverse)[0]


class Trajectron(nn.Module):
    """All parts; `interaction` is edge, sum, or none (past only)."""

    interaction: str
    modes: int
    decoder: int
    hidden: int
    attention: int
    kinds: int
    history_in_edges: bool
    dropout: float
    prior_dropout: float

    def setup(self):
        gates = 4 * self.hidden
        self.read_history = nn.Dense(gates)
        self.history_lstm = Recurrent(self.hidden)
        self.prior_hidden = nn.Dense(self.hidden)
        self.prior_logits = nn.Dense(self.modes)
        self.read_future = nn.Dense(2 * gates)
        self.future_start = nn.Dense(2 * self.hidden)
        self.forward_lstm = Recurrent(self.hidden)
        self.backward_lstm = Recurrent(self.hidden)
        self.posterior_logits = nn.Dense(self.modes)
        self.start = nn.Dense(self.decoder)
        self.start_mode = self._table("start_mode", self.modes, self.decoder)
        self.gates = nn.Dense(3 * self.decoder)
        self.gates_mode = self._table("gates_mode", self.modes, 3 * self.decoder)
        self.gates_action = self._table("gates_action", 2, 3 * self.decoder)
        start = nn.initializers.orthogonal()
        shape = (self.decoder, 3 * self.decoder)
        self.recur = self.param("recur", start, shape, jnp.float32)
        zeros = nn.initializers.zeros
        self.recur_bias = self.param("recur_bias", zeros, shape[1:], jnp.float32)
        self.first_action = nn.Dense(2)
        self.velocity = self._table("velocity", self.decoder, 5)
        self.velocity_bias = self.param("velocity_bias", zeros, (5,), jnp.float32)
        if self.kinds > 1:
            self.history_kind = self._table("history_kind", self.kinds, gates)
        if self.interaction != "none":
            self.read_neighbour = nn.Dense(gates)
            self.edge_lstm = Recurrent(self.hidden)
            if self.history_in_edges:
                self.read_own = nn.Dense(gates, use_bias=False)
            if self.kinds > 1:
                self.edge_kind = self._table("edge_kind", self.kinds**2, gates)
            self.key_edge = nn.Dense(self.attention, use_bias=False)
            self.key_own = nn.Dense(self.attention, use_bias=False)
            self.score = nn.Dense(1, use_bias=False)

    def _table(self, name, rows, width):
        return self.param(
            name, nn.initializers.lecun_normal(), (rows, width), jnp.float32
        )

    def encode_history(self, history, kind):
        """Targets' histories `[batch, time, 6]` and kinds `[batch]` to `[batch, hidden]`."""
        gates = self.read_history(history)
        if self.kinds > 1:
            gates += self.history_kind[kind][:, None]
        return self.history_lstm(gates)[0]

    def encode_edges(self, history, neighbours, kind, neighbour_kind):
        """One vector per slot `[batch, slots, hidden]`.

        Args:
          history: of the targets, `[batch, time, 6]`.
          neighbours: `[batch, slots, time, 6]`; for `sum`, sums by kind: slot k is kind k.
          kind, neighbour_kind: `[batch]`, `[batch, slots]`.
        """
        batch, slots, time = neighbours.shape[:3]
        gates = self.read_neighbour(neighbours)
        if self.history_in_edges:
            gates += self.read_own(history)[:, None]
        if self.kinds > 1:
            pair = kind[:, None] * self.kinds + neighbour_kind
            gates += self.edge_kind[pair][:, :, None]
        out = self.edge_lstm(gates.reshape(batch * slots, time, gates.shape[-1]))[0]
        return out.reshape(batch, slots, self.hidden)

    def attend(self, own, edges, mask):
        """Influence `[batch, hidden]`: attention over the edges that `mask` leaves; zeros
        where it leaves none."""
        keys = jnp.tanh(self.key_edge(edges) + self.key_own(own)[:, None])
        score = jnp.where(mask, self.score(keys)[..., 0], -jnp.inf)
        top = jax.lax.stop_gradient(jnp.max(score, -1, keepdims=True))
        share = jnp.exp(score - jnp.where(jnp.isfinite(top), top, 0))
        share /= jnp.maximum(share.sum(-1, keepdims=True), 1e-9)
        return jnp.einsum("bs,bsh->bh", share, edges)

    def condition(self, influence, own, key=None):
        """What the latent and the decoder see, `[batch, 2 hidden]`."""
        keys = (None, None) if key is None else jax.random.split(key)
        own = dropout(keys[0], own, self.dropout)
        if influence is None:
            return own
        return jnp.concatenate([dropout(keys[1], influence, self.dropout), own], -1)

    def prior(self, c, key=None):
        """Logits of p(mode | inputs) `[batch, modes]`, centred."""
        hidden = nn.relu(self.prior_hidden(c))
        return _centred(self.prior_logits(dropout(key, hidden, self.prior_dropout)))

    def posterior(self, c, current, future, key=None):
        """Logits of q(mode | inputs, future) `[batch, modes]`, centred.

        Args:
          c: the condition.
          current: standardised current states `[batch, 6]`, start the forward LSTM.
          future: standardised future positions `[batch, horizon, 2]`.
        """
        there, back = jnp.split(self.read_future(future), 2, -1)
        carry = tuple(jnp.split(self.future_start(current), 2, -1))
        codes = (
            *self.forward_lstm(there, carry),
            *self.backward_lstm(back, reverse=True),
        )
        codes = dropout(key, jnp.concatenate(codes, -1), self.dropout)
        return _centred(self.posterior_logits(jnp.concatenate([codes, c], -1)))

    def decode(self, c, current, horizon, modes=None, noise=None):
        """Gaussians over standardised velocity: means `[batch, draws, horizon, 2]`, and
        log deviations with the correlation `[batch, draws, horizon, 3]`.

        Args:
          c: the condition `[batch, ...]`.
          current: standardised current states `[batch, 6]`.
          horizon: number of steps.
          modes: `[batch, draws]` int; None is every mode once.
          noise: standard normals `[horizon, batch, draws, 2]`; velocities drawn with them
            are fed to the next step, without them their means are.

        Returns also the velocities that were fed, `[batch, draws, horizon, 2]`.
        """

        def of_mode(table):
            return table if modes is None else table[modes]

        h = self.start(c)[:, None] + of_mode(self.start_mode)
        gates = self.gates(c)[:, None] + of_mode(self.gates_mode)
        action = jnp.broadcast_to(
            self.first_action(current)[:, None], (*h.shape[:2], 2)
        )

        def step(carry, noise):
            h, action = carry
            given = gates + action @ self.gates_action
            held = h @ self.recur + self.recur_bias
            given, held = jnp.split(given, 3, -1), jnp.split(held, 3, -1)
            reset = nn.sigmoid(given[0] + held[0])
            update = nn.sigmoid(given[1] + held[1])
            new = jnp.tanh(given[2] + reset * held[2])
            h = new + update * (h - new)
            mean, spread = jnp.split(h @ self.velocity + self.velocity_bias, [2], -1)
            spread = _bounded(spread)
            action = mean
            if noise is not None:
                action += correlated(noise.astype(mean.dtype), spread)
            return (h, action), (mean, spread, action)

        _, found = jax.lax.scan(step, (h, action), noise, length=horizon, unroll=True)
        return tuple(jnp.moveaxis(x, 0, 2) for x in found)


def _centred(logits):
    return logits - logits.mean(-1, keepdims=True)


def _bounded(spread):
    log_sigma = jnp.clip(spread[..., :2], -LOG_SIGMA, LOG_SIGMA)
    return jnp.concatenate([log_sigma, RHO * jnp.tanh(spread[..., 2:])], -1)


def correlated(noise, spread):
    """Standard normals `[..., 2]` with deviations and correlation `[..., 3]` put in."""
    sigma, rho = jnp.exp(spread[..., :2]), spread[..., 2]
    second = rho * noise[..., 0] + jnp.sqrt(1 - rho**2) * noise[..., 1]
    return sigma * jnp.stack([noise[..., 0], second], -1)
