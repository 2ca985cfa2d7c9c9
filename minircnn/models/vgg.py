"""VGG backbones: 3×3 convolutions in blocks, a 2×2 max-pool between blocks, none after the last.

RoI pooling takes the place of the last pool, so with B blocks the feature map has stride 2^(B-1): 16 for VGG16
(Simonyan & Zisserman, 2014, configuration D), 8 for the small one, which trains from random weights in minutes.
"""

from dataclasses import dataclass

import numpy as np

from minircnn.anchors import RPNSettings
from minircnn.layers import Conv, Layer, MaxPool, Parameter, ReLU, Sequential
from minircnn.models.architecture import Architecture, Convolution
from minircnn.models.first_weights import before_relu
from minircnn.models.preprocessing import Preprocessing


@dataclass(frozen=True, kw_only=True)
class VGG(Architecture):
    """A VGG; what else it has, its base says.

    Attributes
    ----------
    blocks : channels of each block's convolutions
    """

    kind = "vgg"
    blocks: tuple[tuple[int, ...], ...]

    @property
    def stride(self) -> int:
        """Image pixels per feature cell."""
        return 2 ** (len(self.blocks) - 1)

    @property
    def convolutions(self) -> list[Convolution]:
        """conv1_1, conv1_2, …: block and number in it, counted from 1."""
        found, C = [], 3
        for block, widths in enumerate(self.blocks, start=1):
            for number, OC in enumerate(widths, start=1):
                last = number == len(widths) and block < len(self.blocks)
                found.append(Convolution(f"conv{block}_{number}", C, OC, pool_after=last))
                C = OC
        return found

    def backbone(self, dtype: type = np.float32) -> Sequential:
        """conv1_1, relu1_1, …, pool1, …, with weights of zero."""
        layers: dict[str, Layer] = {}
        for name, C, OC, pool_after in self.convolutions:
            weight_rate, bias_rate = (0.0, 0.0) if name in self.frozen else (1.0, self.bias_lr_multiplier)
            layers[name] = Conv(
                Parameter(np.zeros((3, 3, C, OC), dtype), lr_multiplier=weight_rate, first=before_relu),
                Parameter(np.zeros(OC, dtype), lr_multiplier=bias_rate, decay_multiplier=0.0),
            )
            layers[name.replace("conv", "relu")] = ReLU()
            if pool_after:
                block, _ = name.removeprefix("conv").split("_")
                layers[f"pool{block}"] = MaxPool()
        return Sequential(layers)


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
        # Garments of the scenes are 34 to 74 pixels large (the middle 80 %). With these 99.7 % of them have an anchor
        # that overlaps them by half, and 76 % one of 0.7; with 2, 4, 8 it is 47 %, with VGG16's 8, 16, 32 none
        # (tests/tools/faster.py).
        rpn=RPNSettings(scales=(2, 3, 4.5), border=None, min_side=12, train_before=2400, train_after=400),
    )
