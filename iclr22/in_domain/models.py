"""The models of the benchmark by name, and what is particular to each."""

from typing import Literal, NamedTuple

Stage = Literal["regressor", "vae", "pcl", "pca"]


class Model(NamedTuple):
    """One of the approaches that are compared.

    Attributes:
      told: in words.
      kind: how it learns.
      stage: what is trained first; a read-out follows where that is no regressor.
      rate: times the learning rate of the others.
      steps: times the updates of the others.
      weights: it begins at weights of others, which the user has.
      ours: not one of the paper's seventeen.
    """

    told: str
    kind: Literal["supervised", "transfer", "representation"]
    stage: Stage = "regressor"
    rate: float = 1.0
    steps: float = 1.0
    weights: bool = False
    ours: bool = False


def _supervised(told, **given):
    return Model(told, "supervised", **given)


def _transfer(told, **given):
    return Model(told, "transfer", weights=True, **given)


def _representation(told, stage):
    return Model(told, "representation", stage)


MODELS = {  # in the order of section 3.2 of the paper, then ours
    "mlp": _supervised("perceptron"),
    "cnn": _supervised("convolutional network"),
    "coord_conv": _supervised("convolutions that see places"),
    "p4_cnn": _supervised("convolutions equivariant under quarter turns"),
    "stn": _supervised("spatial transformer"),
    "resnet50": _supervised("residual network, 50"),
    "resnet101": _supervised("residual network, 101"),
    "densenet121": _supervised("densely connected network, 121"),
    "resnet50_in1k": _transfer("residual network, 50, ImageNet-1k"),
    "resnet101_in1k": _transfer("residual network, 101, ImageNet-1k"),
    "resnet50_in21k": _transfer("residual network, 50, ImageNet-21k"),
    "resnet101_in21k": _transfer("residual network, 101, ImageNet-21k"),
    "pca": _representation("principal components", "pca"),
    "beta_vae": _representation("beta-VAE", "vae"),
    "ada_gvae": _representation("Ada-GVAE", "vae"),
    "slow_vae": _representation("SlowVAE", "vae"),
    "pcl": _representation("permutation contrastive learning", "pcl"),
    "efficientnet_in1k": _transfer("EfficientNet-Lite0, ImageNet-1k", ours=True),
    "soft_argmax": _supervised("soft-argmax", rate=2.0, steps=1.25, ours=True),
}
TRAINABLE = tuple(  # of the paper's, those that need no file of others
    name for name, model in MODELS.items() if not (model.weights or model.ours)
)
