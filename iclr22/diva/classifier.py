"""The small network whose features DIVA works on, and its training: the seven names."""

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from iclr22 import gradients, parallel
from iclr22.diva import losses
from iclr22.diva.networks import Network
from iclr22.nn.norm import BatchNorm


class Config(NamedTuple):
    """Hyper-parameters of the network and its training.

    The defaults follow LQF (Achille et al., CVPR 2021), which DIVA builds on: leaky
    ReLU, squared error, batch norm that is fused before linearization.
    """

    RESOLVED = ("classes",)  # by the data

    classes: int = 10  # number of outputs
    # channels of the first layer; later ones have 2 and 4 times as many
    width: int = 16
    activation: Literal["leaky_relu", "relu"] = "leaky_relu"  # LQF: leaky, slope 0.2
    batch_norm: bool = True  # normalise batches in training; fused for linearization
    objective: Literal["mse", "cross_entropy"] = "mse"  # training loss
    target_scale: float = 1.0  # one-hot targets are multiplied by this (LQF: about 10)
    learning_rate: float = 3e-3  # peak of a cosine schedule for AdamW
    weight_decay: float = 1e-4  # decoupled, on kernels only
    batch_size: int = 100  # examples per update over all devices
    steps: int = 200  # updates


State = gradients.State  # params: {"weights": ..., "stats": moments of batch norm}


def network(config: Config, axis_name: str | None = None) -> Network:
    """The module that a configuration describes."""
    return Network(
        classes=config.classes,
        width=config.width,
        slope=0.2 if config.activation == "leaky_relu" else 0.0,
        batch_norm=config.batch_norm,
        axis_name=axis_name,
    )


def optimizer(config: Config) -> optax.GradientTransformation:
    """AdamW with a cosine schedule over `config.steps`; decay on kernels only."""

    def kernels(weights):
        return jax.tree.map(lambda w: w.ndim > 1, weights)

    schedule = optax.cosine_decay_schedule(config.learning_rate, config.steps)
    return optax.adamw(schedule, weight_decay=config.weight_decay, mask=kernels)


def init(config: Config, key: jax.Array, batch) -> State:
    """Fresh state; `batch["x"]` gives the shape of the input."""
    variables = network(config).init(key, jnp.asarray(batch["x"][:1]))
    params = {"weights": variables["params"], "stats": variables.get("stats", {})}
    return gradients.start(optimizer(config), key, params, trained="weights")


def forward(
    config: Config, params, x, weight=None, *, axis_name=None, features_only=False
):
    """`(outputs, new stats)`; `params` is `{"weights": ..., "stats": ...}`."""
    variables = {"params": params["weights"], "stats": params["stats"]}
    outputs, changed = network(config, axis_name).apply(
        variables, x, weight, features_only=features_only, mutable=["stats"]
    )
    return outputs, changed.get("stats", {})


def apply(config: Config, params, inputs, *, key: jax.Array | None = None):
    """Outputs `[batch, classes]` in evaluation mode; nothing here is random."""
    del key
    return forward(config, params, inputs)[0]


def features(config: Config, params, inputs):
    """Penultimate activations `[batch, 4 width]`, what last-layer DIVA works on."""
    return forward(config, params, inputs, features_only=True)[0]


def fuse(config: Config, params):
    """The same function without batch norm: `(config, params)`.

    Folds the remembered moments, scale and shift into the layer before, as LQF does
    before taking Jacobians. The result has no `stats`.
    """
    if not config.batch_norm:
        return config, params
    weights, fused = params["weights"], {}
    for name, leaf in weights.items():
        if name.startswith("layer"):
            norm = name.replace("layer", "norm")
            stats, affine = params["stats"][norm], weights[norm]
            scale = affine["scale"] / jnp.sqrt(stats["var"] + BatchNorm.epsilon)
            bias = affine["bias"] - stats["mean"] * scale
            fused[name] = {"kernel": leaf["kernel"] * scale, "bias": bias}
    fused["head"] = weights["head"]
    return config._replace(batch_norm=False), {"weights": fused, "stats": {}}


def loss(config: Config, params, batch, *, key=None, axis_name=None):
    """Summed training objective and sums of what is reported.

    Args:
      batch: `x` `[batch, ...]`, `y` `[batch]` int labels, `weight` `[batch]`.
      key: None for evaluation mode; a key for the moments of this batch.

    Returns:
      `(total, {"loss", "accuracy", "weight"})`, all sums over weighted examples.
    """
    weight = None if key is None else batch["weight"]
    outputs, _ = forward(config, params, batch["x"], weight, axis_name=axis_name)
    return _sums(config, outputs, batch)


def _sums(config, outputs, batch):
    target = config.target_scale * jax.nn.one_hot(batch["y"], config.classes)
    values = jax.vmap(losses.LOSSES[config.objective])(outputs, target)
    weight = batch["weight"]
    correct = jnp.argmax(outputs, axis=1) == batch["y"]
    total = jnp.sum(weight * values)
    sums = {"loss": total, "accuracy": jnp.sum(weight * correct) * 100}
    return total, sums | {"weight": jnp.sum(weight)}


def train_step(config: Config, state: State, batch, *, axis_name=None):
    """One update on a batch (see `loss`); `(State, {"loss", "accuracy"})`."""

    def objective(weights, batch, key):
        del key
        params = {"weights": weights, "stats": state.params["stats"]}
        outputs, stats = forward(
            config, params, batch["x"], batch["weight"], axis_name=axis_name
        )
        total, sums = _sums(config, outputs, batch)
        return total, (sums, stats)

    weights = state.params["weights"]
    grads, metrics, stats = gradients.mean_gradient(
        objective, weights, batch, None, axis_name=axis_name
    )
    rule = optimizer(config)
    return gradients.apply(rule, state, grads, trained="weights", stats=stats), metrics


def evaluate(config: Config, params, batch, *, axis_name=None):
    """Sums of loss, accuracy (times 100) and weight over a batch."""
    return parallel.reduce(loss(config, params, batch)[1], axis_name)


def example(size: int = 32, seed: int = 0):
    """Smallest configuration and a learnable batch of `size` 4 x 4 images."""
    rng = np.random.default_rng(seed)
    y = np.arange(size, dtype=np.int32) % 3
    x = rng.normal(size=(3, 4, 4, 1))[y] + 0.3 * rng.normal(size=(size, 4, 4, 1))
    batch = {"x": x.astype(np.float32), "y": y, "weight": np.ones(size, np.float32)}
    return Config(classes=3, width=4, steps=100), batch


def fit_subsets(config: Config, data, subsets, key, *, together: int | None = None):
    """Train one network per subset of the data, all in one compiled call.

    Args:
      data: dict with `x` `[n, ...]` and `y` `[n]`.
      subsets: `[r, n]` weights in training, 0 for examples left out.
      key: all networks start alike and see the same batches.
      together: networks trained side by side; by default one on CPU, where grouped
        convolutions are slow, and all elsewhere.

    Returns:
      params with a leading axis `[r, ...]`.
    """
    if together is None:
        together = 1 if jax.default_backend() == "cpu" else len(subsets)
    return _fit_subsets(config, data, subsets, key, together)


@functools.partial(jax.jit, static_argnums=(0, 4))
def _fit_subsets(config, data, subsets, key, together):
    n = len(data["y"])
    size = min(config.batch_size, n)
    start = init(config, key, data)

    def one(weight):
        def step(state, index):
            batch_key = jax.random.fold_in(key, index)
            rows = jax.random.choice(batch_key, n, (size,), replace=False)
            batch = {k: v[rows] for k, v in data.items()} | {"weight": weight[rows]}
            return train_step(config, state, batch)[0], None

        return jax.lax.scan(step, start, jnp.arange(config.steps))[0].params

    return jax.lax.map(one, subsets, batch_size=together)
