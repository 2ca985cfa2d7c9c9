"""What follows RoI pooling: fc6, fc7, and then two output layers side by side.

Both outputs read the same row of fc7. `cls_score` gives K+1 numbers (background is class 0), `bbox_pred` four
offsets for each of the K+1 classes, 4(K+1) in all. Neither is followed by a ReLU: softmax wants scores of both signs,
and an offset of -0.2 ("move left") would come out as 0. Backward is written out in `fast_rcnn.py`.
"""

import numpy as np

from minircnn.layers import Linear, Parameter


def linear(
    inputs: int, outputs: int, spread: float, bias_lr_multiplier: float, rng: np.random.Generator, dtype: type
) -> Linear:
    """A fully connected layer with weights from N(0, spread²) and zero bias, which has no decay."""
    weight = rng.standard_normal((inputs, outputs)) * spread
    return Linear(
        Parameter(weight.astype(dtype)),
        Parameter(np.zeros(outputs, dtype), lr_multiplier=bias_lr_multiplier, decay_multiplier=0.0),
    )


def hidden_layer(inputs: int, outputs: int, bias_lr_multiplier: float, rng: np.random.Generator, dtype: type) -> Linear:
    """fc6 or fc7: the spread keeps the size of what passes a ReLU (He et al., 2015)."""
    return linear(inputs, outputs, np.sqrt(2 / inputs), bias_lr_multiplier, rng, dtype)


def output_layers(
    inputs: int,
    num_classes: int,
    spreads: tuple[float, float],
    bias_lr_multiplier: float,
    rng: np.random.Generator,
    dtype: type,
) -> tuple[Linear, Linear]:
    """`cls_score` (inputs, K+1) and `bbox_pred` (inputs, 4(K+1)), with the spreads of their first weights."""
    cls_score = linear(inputs, num_classes + 1, spreads[0], bias_lr_multiplier, rng, dtype)
    bbox_pred = linear(inputs, 4 * (num_classes + 1), spreads[1], bias_lr_multiplier, rng, dtype)
    return cls_score, bbox_pred
