"""VGG backbones: 3×3 convolutions in blocks, a 2×2 max-pool between blocks, none after the last.

RoI pooling takes the place of the last pool, so with B blocks the feature map has stride 2^(B-1): 16 for VGG16
(Simonyan & Zisserman, 2014, configuration D), 8 for the small one, which trains from random weights in minutes.
"""

from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from minircnn.layers import Conv, Layer, MaxPool, Parameter, ReLU, Sequential
from minircnn.models.preprocessing import Preprocessing


@dataclass(frozen=True)
class VGG:
    """What a VGG is made of; `build` makes it.

    Attributes
    ----------
    name : "vgg16" or "vgg_small", as stored in model files
    blocks : channels of each block's convolutions
    hidden : width of fc6 and fc7
    frozen : names of convolutions that do not learn
    bias_lr_multiplier, dropout : as the head and the convolutions use them
    output_spreads : standard deviation of the first weights of cls_score and bbox_pred
    preprocessing : what its weights expect of an image
    ranks : singular values kept of fc6 and fc7 (`weights/svd.py`); None where the layers are whole
    """

    name: str
    blocks: tuple[tuple[int, ...], ...]
    hidden: tuple[int, int]
    frozen: tuple[str, ...]
    dropout: float
    output_spreads: tuple[float, float]
    preprocessing: Preprocessing
    bias_lr_multiplier: float = 2.0
    ranks: tuple[int, int] | None = None

    @property
    def stride(self) -> int:
        """Image pixels per feature cell."""
        return 2 ** (len(self.blocks) - 1)

    @property
    def channels(self) -> int:
        """Channels of the feature map."""
        return self.blocks[-1][-1]

    def first_blocks(self, count: int) -> tuple[str, ...]:
        """Names of the convolutions in the first `count` blocks, for `frozen`."""
        numbered = enumerate(self.blocks[:count], start=1)
        return tuple(f"conv{block}_{number}" for block, widths in numbered for number in range(1, len(widths) + 1))

    def build(self, rng: np.random.Generator, dtype: type = np.float32, blank: Container[str] = ()) -> Sequential:
        """The convolutions, named conv1_1, relu1_1, …, pool1, …, with random weights, or zeros in those in `blank`."""
        layers: dict[str, Layer] = {}
        C = 3
        for block, widths in enumerate(self.blocks, start=1):
            for number, OC in enumerate(widths, start=1):
                name = f"conv{block}_{number}"
                weight_rate, bias_rate = (0.0, 0.0) if name in self.frozen else (1.0, self.bias_lr_multiplier)
                layers[name] = Conv(
                    Parameter(
                        first_weights((3, 3, C, OC), None if name in blank else rng, dtype), lr_multiplier=weight_rate
                    ),
                    Parameter(np.zeros(OC, dtype), lr_multiplier=bias_rate, decay_multiplier=0.0),
                )
                layers[f"relu{block}_{number}"] = ReLU()
                C = OC
            if block < len(self.blocks):
                layers[f"pool{block}"] = MaxPool()
        return Sequential(layers)


def first_weights(shape: tuple[int, ...], rng: np.random.Generator | None, dtype: type) -> np.ndarray:
    """Random weights (…, OUT) that keep the size of what passes a ReLU (He et al., 2015), each output's centred.

    What comes out of a ReLU is never negative, so its mean outweighs what distinguishes one place from another, more so
    with every layer. Weights that sum to zero take that mean off: learning begins some 500 steps sooner.

    Without `rng` they are zero, for whoever fills them from a file: fc6's alone would take a second to draw.
    """
    if rng is None:
        return np.zeros(shape, dtype)
    weight = rng.standard_normal(shape)
    weight *= np.sqrt(2 / np.prod(shape[:-1]))
    weight -= weight.mean(axis=tuple(range(len(shape) - 1)), keepdims=True)
    return weight.astype(dtype)


def vgg16() -> VGG:
    """VGG16 as Fast R-CNN uses it: stride 16, 512 channels, conv1_1 … conv2_2 frozen, images of 600 px."""
    return VGG(
        name="vgg16",
        blocks=((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512)),
        hidden=(4096, 4096),
        frozen=("conv1_1", "conv1_2", "conv2_1", "conv2_2"),
        dropout=0.5,
        output_spreads=(0.01, 0.001),  # the paper's
        preprocessing=Preprocessing("BGR", (102.9801, 115.9465, 122.7717), (1.0, 1.0, 1.0), 600, 1000),
    )


def vgg_small() -> VGG:
    """Eight convolutions of 32 to 128 channels, stride 8, nothing frozen: learns from random weights in minutes."""
    return VGG(
        name="vgg_small",
        blocks=((32,), (64,), (96, 96, 96), (128, 128, 128)),
        hidden=(256, 256),
        frozen=(),
        dropout=0.0,
        # With 256 inputs, not 4096, the paper's spreads would send almost nothing back to layers that know nothing
        # yet: after 1,600 images the class loss is 0.89 with these and no dropout, 0.96 with the paper's and 0.5.
        output_spreads=(0.05, 0.01),
        preprocessing=Preprocessing("RGB", (127.5, 127.5, 127.5), (64.0, 64.0, 64.0), 160, 320),
    )


#: Name → what makes it.
BACKBONES = {"vgg16": vgg16, "vgg_small": vgg_small}
