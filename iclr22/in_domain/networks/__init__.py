"""The networks of the benchmark behind one function: images in, factors and features out.

All are called with images float32 `[n, h, w, c]` from 0 to 1 (the read-out with features
`[n, d]`) and give `(outputs [n, outputs], features [n, d])`; features are what the last
dense layer sees.
"""

import functools
from collections.abc import Callable
from typing import Literal, get_args

import jax
import jax.numpy as jnp

from iclr22 import errors
from iclr22.nn import initial

Name = Literal[
    "mlp",
    "cnn",
    "coord_conv",
    "p4_cnn",
    "stn",
    "resnet50",
    "resnet101",
    "densenet121",
    "resnet50_in1k",
    "resnet101_in1k",
    "resnet50_in21k",
    "resnet101_in21k",
    "efficientnet_in1k",
    "soft_argmax",
    "readout",
]
NAMES = get_args(Name)


def module(config, axis_name: str | None = None):
    """The Linen module that a configuration describes.

    Args:
      config: with `network`, `outputs`, `scale`, and `positions` for soft_argmax.
      axis_name: of the devices that a batch is divided over, under pmap.

    Raises:
      errors.InputError: a network that is not known.
    """
    if config.network not in NAMES:
        raise errors.nearest(config.network, NAMES, "network")
    return BUILDERS.get(config.network, _backbone)(config, axis_name)


def _mlp(config, axis_name):
    from iclr22.in_domain.networks.mlp import MLP

    return MLP(config.outputs)


def _readout(config, axis_name):
    from iclr22.in_domain.networks import mlp

    return mlp.MLP(config.outputs, mlp.READ_WIDTH, mlp.READ_LAYERS)


def _cnn(config, axis_name):
    from iclr22.in_domain.networks.cnn import CNN

    return CNN(config.outputs, coordinates=config.network == "coord_conv")


def _p4_cnn(config, axis_name):
    from iclr22.in_domain.networks.p4 import P4CNN

    return P4CNN(config.outputs)


def _stn(config, axis_name):
    from iclr22.in_domain.networks.stn import STN

    return STN(config.outputs)


def _backbone(config, axis_name):
    from iclr22.in_domain.networks.backbones import Backbone

    return Backbone(config.outputs, config.network, config.scale, axis_name)


def _soft_argmax(config, axis_name):
    from iclr22.in_domain.networks.soft_argmax import SoftArgmax

    return SoftArgmax(config.outputs, config.positions, config.hues)


BUILDERS: dict[str, Callable] = {
    "mlp": _mlp,
    "cnn": _cnn,
    "coord_conv": _cnn,
    "p4_cnn": _p4_cnn,
    "stn": _stn,
    "soft_argmax": _soft_argmax,
    "readout": _readout,
}
UNIFORM = ("mlp", "cnn", "coord_conv", "p4_cnn", "stn", "readout")  # as in PyTorch


def init(config, key: jax.Array, x):
    """Fresh `{"weights", "stats"}`; x gives the shape of an example.

    Raises:
      errors.InputError: a network that is not known.
    """
    variables = module(config).init(key, jnp.asarray(x)[:1])
    draw = initial.uniform if config.network in UNIFORM else initial.kernels
    weights = draw(variables["params"], key)
    return {"weights": weights, "stats": variables.get("stats", {})}


def forward(config, weights, stats, x, weight=None, *, axis_name=None):
    """`(outputs [n, outputs], features [n, d], new stats)` of images or features x.

    Args:
      weight: `[n]` in training, for the moments of this batch; None for the remembered.
    """
    variables = {"params": weights, "stats": stats}
    run = functools.partial(module(config, axis_name).apply, variables, x, weight)
    (outputs, features), changed = run(mutable=["stats"])
    return outputs, features, changed.get("stats", stats)
