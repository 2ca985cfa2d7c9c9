"""What follows RoI pooling: fc6, fc7, and then two output layers side by side.

Both outputs read the same row of fc7. `cls_score` gives K+1 numbers (background is class 0), `bbox_pred` four
offsets for each of the K+1 classes, 4(K+1) in all. Neither is followed by a ReLU: softmax wants scores of both signs,
and an offset of -0.2 ("move left") would come out as 0. Backward is written out in `fast_rcnn.py`.
"""

import numpy as np

from minircnn.layers import FactoredLinear, Linear, Parameter
from minircnn.models.vgg import first_weights


def linear(weight: np.ndarray, bias_lr_multiplier: float) -> Linear:
    """A fully connected layer with zero bias, which has no decay. weight (IN, OUT)."""
    bias = np.zeros(weight.shape[1], weight.dtype)
    return Linear(Parameter(weight), Parameter(bias, lr_multiplier=bias_lr_multiplier, decay_multiplier=0.0))


def hidden_layer(
    shape: tuple[int, int], rank: int | None, bias_lr_multiplier: float, rng: np.random.Generator | None, dtype: type
) -> Linear | FactoredLinear:
    """fc6 or fc7, (IN, OUT) with first weights; as two thin layers where `rank` says how many numbers between them."""
    if rank is None:
        return linear(first_weights(shape, rng, dtype), bias_lr_multiplier)
    second = linear(first_weights((rank, shape[1]), rng, dtype), bias_lr_multiplier)
    return FactoredLinear(Parameter(first_weights((shape[0], rank), rng, dtype)), second.weight, second.bias)


def output_layers(
    inputs: int,
    num_classes: int,
    spreads: tuple[float, float],
    bias_lr_multiplier: float,
    rng: np.random.Generator,
    dtype: type,
) -> tuple[Linear, Linear]:
    """`cls_score` (inputs, K+1) and `bbox_pred` (inputs, 4(K+1)), with the spreads of their first weights.

    K = 13: 14 scores and 56 offsets for each RoI; class 5 owns columns 20 … 23 of the offsets, class k 4k … 4k + 3.
    """

    def random(width: int, spread: float) -> np.ndarray:
        return (rng.standard_normal((inputs, width)) * spread).astype(dtype)

    cls_score = linear(random(num_classes + 1, spreads[0]), bias_lr_multiplier)
    bbox_pred = linear(random(4 * (num_classes + 1), spreads[1]), bias_lr_multiplier)
    return cls_score, bbox_pred
