"""Networks of ImageNet that read factors: ResNet-50, ResNet-101, DenseNet-121, EfficientNet.

At scale `tiny` they are relatives that a CPU trains on 32 pixels: ResNet-18 and ResNet-34 of
basic blocks with 16 channels in the stem, and a dense network of blocks of 2, 4, 6 and 4
layers that add 8 channels. Others have the layouts of ImageNet. Those that begin at weights
of ImageNet (`transfer.pretrained`) have them at every scale, and see images as they saw
them there: three channels, on the scale that those weights were trained with.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from iclr22.nn import densenet, efficientnet, resnet, resnet_v2

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
TINY_WIDTH = 16
TINY_DEPTHS = {50: 18, 101: 34}
TINY_BLOCKS, TINY_GROWTH = (2, 4, 6, 4), 8
DEPTHS = {"resnet50": 50, "resnet101": 101}


class Backbone(nn.Module):
    """A network by name behind the call of all.

    Attributes:
      outputs: numbers per image.
      network: `resnet50`, `resnet101`, `densenet121`, with `_in1k` or `_in21k` after it
        the first two, or `efficientnet_in1k`.
      scale: `tiny`, or any other.
      axis_name: of the devices that a batch is divided over, under pmap.
    """

    outputs: int
    network: str
    scale: str = "tiny"
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x, weight=None):
        """`(outputs [n, outputs], features [n, d])` of images `[n, h, w, c]`, 0 to 1."""
        kind, _, source = self.network.partition("_")
        if source:
            x = jnp.broadcast_to(x, (*x.shape[:3], 3))
        if kind == "efficientnet":
            return self._efficientnet(x)
        if source == "in21k":
            body = resnet_v2.ResNetV2(self.outputs, DEPTHS[kind], name="body")
            return body(2 * x - 1, with_features=True)
        if source:
            x = ((x - jnp.array(MEAN)) / jnp.array(STD)).astype(x.dtype)
        tiny = self.scale == "tiny" and not source
        body = (
            self._densenet(tiny) if kind == "densenet121" else self._resnet(tiny, kind)
        )
        return body(x, weight, with_features=True)

    def _resnet(self, tiny, kind):
        depth = TINY_DEPTHS[DEPTHS[kind]] if tiny else DEPTHS[kind]
        width = TINY_WIDTH if tiny else resnet.STEM
        return resnet.ResNet(self.outputs, depth, self.axis_name, width, name="body")

    def _densenet(self, tiny):
        blocks = TINY_BLOCKS if tiny else densenet.BLOCKS_121
        growth = TINY_GROWTH if tiny else densenet.GROWTH_121
        return densenet.DenseNet(
            self.outputs, blocks, growth, self.axis_name, name="body"
        )

    def _efficientnet(self, x):
        """Its batch norms are fused into the convolutions and it takes 128 pixels."""
        size = efficientnet.SIZE
        x = jax.image.resize(x, (len(x), size, size, 3), "bilinear")
        x = (255 * x - efficientnet.PIXEL_MEAN) / efficientnet.PIXEL_SCALE
        features = efficientnet.EfficientNetLite0(self.outputs, name="body")(
            x, features_only=True
        )
        return nn.Dense(self.outputs, name="head")(features), features
