"""What a detector is made of: an architecture makes the parts, a model puts them together.

A backbone of another kind is a file of its own: a subclass with its fields, its `convolutions` and its `backbone`, and
a line in `backbones.py`. Files of weights, training, the command line and the benchmark ask for nothing else.
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np

from minircnn.anchors import RPNSettings
from minircnn.layers import RoIAlign, RoIAverage, RoIPool, Sequential, SpatialPyramid
from minircnn.models.heads import Head
from minircnn.models.preprocessing import Preprocessing


class Convolution(NamedTuple):
    """One convolution of a backbone: its name, channels in and out, and whether a 2×2 max-pool follows its ReLU."""

    name: str
    C: int
    OC: int
    pool_after: bool


RoILayer = RoIPool | RoIAlign | RoIAverage | SpatialPyramid

#: What makes cells of a region, as the command line and model files call it.
POOLINGS: dict[str, type[RoILayer]] = {
    "pool": RoIPool,
    "align": RoIAlign,
    "average": RoIAverage,
    "pyramid": SpatialPyramid,
}


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What all architectures have.

    Attributes
    ----------
    kind : which class it is, in model files
    name : as stored in model files, and on the command line
    hidden : width of fc6 and fc7
    frozen : names of convolutions that do not learn
    bias_lr_multiplier, dropout : as the head and the convolutions use them
    output_spreads : standard deviation of the first weights of cls_score and bbox_pred
    preprocessing : what its weights expect of an image
    pooling : one of POOLINGS
    rpn : the region proposal network's numbers, for models that have one
    class_agnostic : whether one box is predicted for a region, whatever its class, and not one for each class
    ranks : singular values kept of fc6 and fc7 (`weights/svd.py`); None where the layers are whole
    """

    kind: ClassVar[str]
    name: str
    hidden: tuple[int, int]
    frozen: tuple[str, ...]
    dropout: float
    output_spreads: tuple[float, float]
    preprocessing: Preprocessing
    bias_lr_multiplier: float = 2.0
    pooling: str = "pool"
    rpn: RPNSettings = field(default_factory=RPNSettings)
    class_agnostic: bool = False
    ranks: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise ValueError(f"pooling should be one of {', '.join(POOLINGS)}, not {self.pooling!r}")

    @property
    def stride(self) -> int:
        """Image pixels per feature cell."""
        raise NotImplementedError

    @property
    def channels(self) -> int:
        """Channels of the feature map."""
        return self.convolutions[-1].OC

    @property
    def convolutions(self) -> list[Convolution]:
        """The backbone's convolutions in the data's order; each has a "weight" (3, 3, C, OC) and a "bias" (OC,)."""
        raise NotImplementedError

    def first_blocks(self, count: int) -> tuple[str, ...]:
        """Names of the convolutions up to the pool that ends block `count`, for `frozen`."""
        names: list[str] = []
        for convolution in self.convolutions:
            if count <= 0:
                break
            names.append(convolution.name)
            count -= convolution.pool_after
        return tuple(names)

    def backbone(self, dtype: type = np.float32) -> Sequential:
        """The convolutions and what lies between them, with weights of zero: a model draws its first weights."""
        raise NotImplementedError

    def roi_layer(self, output_size: int | tuple[int, int]) -> RoILayer:
        """What makes `output_size` cells of every region of the feature map."""
        return POOLINGS[self.pooling](output_size, 1 / self.stride)

    def head(self, num_classes: int, output_size: tuple[int, int], dtype: type = np.float32) -> Head:
        """fc6, fc7 and the two outputs on what the RoI layer gives, with weights of zero."""
        return Head(
            (*output_size, self.channels),
            self.hidden,
            num_classes,
            ranks=self.ranks or (None, None),
            dropout=self.dropout,
            spreads=self.output_spreads,
            bias_lr_multiplier=self.bias_lr_multiplier,
            dtype=dtype,
            class_agnostic=self.class_agnostic,
        )

    def weight_shapes(self, num_classes: int, output_size: tuple[int, int]) -> dict[str, tuple[int, ...]]:
        """Name → shape of every weight that can be large; nothing of that size is made to find out."""
        pooled, (hidden6, hidden7) = math.prod(output_size) * self.channels, self.hidden
        shapes: dict[str, tuple[int, ...]] = {"fc6.weight": (pooled, hidden6), "fc7.weight": (hidden6, hidden7)}
        if self.ranks is not None:
            rank6, rank7 = self.ranks
            shapes = {"fc6.first": (pooled, rank6), "fc6.second": (rank6, hidden6)}
            shapes |= {"fc7.first": (hidden6, rank7), "fc7.second": (rank7, hidden7)}
        shapes["bbox_pred.weight"] = (hidden7, 4 if self.class_agnostic else 4 * (num_classes + 1))
        return shapes | {f"{name}.weight": (3, 3, C, OC) for name, C, OC, _ in self.convolutions}
