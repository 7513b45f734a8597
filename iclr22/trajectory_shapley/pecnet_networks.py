"""The network of PECNet; `pecnet` says what it is for."""

import flax.linen as nn
import jax
import jax.numpy as jnp

# Hidden layers of the publication, before `shrink`.
PAST, DESTINATION, LATENT = (512, 256), (8, 16), (8, 50)
ENDPOINT, PATH, POOLING = (1024, 512, 1024), (1024, 512, 256), (256, 128, 64)
LOG_VARIANCE = 10.0  # bound of the posterior's


class Perceptron(nn.Module):
    """Dense layers with a rectifier between them."""

    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, x):
        for width in self.widths[:-1]:
            x = nn.relu(nn.Dense(width)(x))
        return nn.Dense(self.widths[-1])(x)


class Network(nn.Module):
    """All parts; positions are scaled."""

    shrink: int
    code: int
    latent: int
    pooling: int
    rounds: int
    horizon: int

    def setup(self):
        self.read_past = Perceptron((*self._thin(PAST), self.code))
        self.read_endpoint = Perceptron((*DESTINATION, self.code))
        self.read_both = Perceptron((*LATENT, 2 * self.latent))
        self.write_endpoint = Perceptron((*self._thin(ENDPOINT), 2))
        self.write_path = Perceptron((*self._thin(PATH), 2 * (self.horizon - 1)))
        compared = self._thin((*POOLING, self.pooling))
        self.query, self.key = Perceptron(compared), Perceptron(compared)
        self.value = Perceptron((*self._thin(POOLING), 2 * self.code + 2))

    def _thin(self, widths):
        return tuple(max(1, width // self.shrink) for width in widths)

    def past(self, positions):
        """Positions relative to the last one `[..., time, 2]` to `[..., code]`."""
        return self.read_past(positions.reshape(*positions.shape[:-2], -1))

    def posterior(self, past, endpoint):
        """Mean and log variance of q(latent | past, endpoint), `[..., latent]` each."""
        both = jnp.concatenate([past, self.read_endpoint(endpoint)], -1)
        mean, log_variance = jnp.split(self.read_both(both), 2, -1)
        return mean, jnp.clip(log_variance, -LOG_VARIANCE, LOG_VARIANCE)

    def endpoint(self, past, latent):
        """Endpoints `[..., 2]` relative to the agent's own current position."""
        return self.write_endpoint(jnp.concatenate([past, latent], -1))

    def features(self, past, endpoint, position):
        """What agents exchange, `[..., 2 code + 2]`."""
        return jnp.concatenate([past, self.read_endpoint(endpoint), position], -1)

    def pool(self, features, mask):
        """What the target, the first agent, holds `[..., 2 code + 2]` after rounds in
        which every agent adds what it hears from those in `mask`.

        Args:
          features: `[..., agents, 2 code + 2]`.
          mask: `[..., agents]` bool, who is heard; the target always is.
        """
        for left in reversed(range(self.rounds)):
            hearing = features if left else features[..., :1, :]
            score = self.query(hearing) @ self.key(features).swapaxes(-1, -2)
            share = jax.nn.softmax(jnp.where(mask[..., None, :], score, -jnp.inf), -1)
            features = hearing + share @ self.value(features)
        return features[..., 0, :]

    def path(self, target, others, endpoint, mask):
        """Path `[batch, horizon, 2]` to `endpoint [batch, 2]` after pooling.

        Args:
          target: features of the target `[batch, 2 code + 2]`.
          others: of the neighbours `[batch, slots, 2 code + 2]`.
          mask: `[batch, slots]` bool, which neighbours are there.
        """
        everyone = jnp.concatenate([target[:, None], others], 1)
        heard = jnp.concatenate([jnp.ones_like(mask[:, :1], bool), mask], 1)
        steps = self.write_path(self.pool(everyone, heard))
        steps = steps.reshape(len(steps), -1, 2)
        return jnp.concatenate([steps, endpoint[:, None]], 1)

    def neighbours(self, states):
        """Features of neighbours `[batch, slots, 2 code + 2]` from their states
        `[batch, slots, time, 6]` (scaled, relative to the target; 0 where not seen)."""
        seen = jnp.any(states != 0, -1, keepdims=True)
        positions, current = states[..., :2], states[..., -1, :2]
        past = self.past(jnp.where(seen, positions - current[..., None, :], 0))
        at_mean = jnp.zeros((*past.shape[:-1], self.latent))
        return self.features(past, self.endpoint(past, at_mean), current)

    def training(self, batch, noise):
        """Endpoint, path, and mean and log variance of the latent, with the future known.

        `noise [batch, latent]`: standard normals.
        """
        past = self.past(batch["history"][..., :2])
        mean, log_variance = self.posterior(past, batch["future"][:, -1])
        latent = mean + jnp.exp(0.5 * log_variance) * noise
        endpoint = self.endpoint(past, latent)
        target = self.features(past, endpoint, jnp.zeros_like(endpoint))
        others = self.neighbours(batch["neighbours"])
        path = self.path(target, others, endpoint, batch["mask"])
        return endpoint, path, mean, log_variance
