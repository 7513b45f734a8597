"""Dense layers alone: of all pixels of an image, or of features (the read-out)."""

import flax.linen as nn

WIDTH, LAYERS = 512, 4  # of the network of the benchmark
READ_WIDTH, READ_LAYERS = 256, 2  # of the read-out of a representation


class MLP(nn.Module):
    """Dense layers with ReLU, then one without.

    Attributes:
      outputs: numbers per example.
      width: of the layers before.
      layers: how many there are before.
    """

    outputs: int
    width: int = WIDTH
    layers: int = LAYERS

    @nn.compact
    def __call__(self, x, weight=None):
        """`(outputs [n, outputs], features [n, width])` of images or features `[n, ..]`."""
        del weight
        x = x.reshape(len(x), -1)
        for index in range(self.layers):
            x = nn.relu(nn.Dense(self.width, name=f"dense{index}")(x))
        return nn.Dense(self.outputs, name="head")(x), x
