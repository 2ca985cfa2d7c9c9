"""New layers on given ones: their first weights are divided by the size of what they are given.

Random weights are drawn for inputs whose root mean square is 1. A pretrained VGG16 gives RoI pooling values of 6, and
VGG16's pixels are 60 from the mean: new weights would hand that size on, the first scores would be far apart, and the
first steps would lead nowhere. So before a run's first step its minibatch is sent through, up to the first layer that
is new. The layers behind it get what new layers give, which is of the right size.
"""

import numpy as np

from minircnn.models import FastRCNN
from minircnn.training.batches import Batch


def fit_first_weights(model: FastRCNN, batch: Batch, new: tuple[str, ...]) -> str:
    """Divide the first new layer's weights by the root mean square of its input; says so in words.

    Parameters
    ----------
    model : FastRCNN, in training mode; whatever its backbone, pooling and preprocessing
    batch : what it is measured on, with at least one RoI
    new : names of the hidden layers whose weights are random

    Returns
    -------
    str, empty where no layer is new or there is nothing to measure
    """
    if "conv1_1" in new:
        layer, x = "conv1_1", batch.images
    elif "fc6" in new:
        layer, x = "fc6", _pooled(model, batch)
    elif "fc7" in new:
        layer, x = "fc7", _hidden6(model, batch)
    else:
        return ""
    size = float(np.sqrt(np.mean(np.square(x), dtype=np.float64)))
    if not (np.isfinite(size) and size > 0):
        return ""
    weight = dict(model.named_parameters())[f"{layer}.weight"].value
    weight /= weight.dtype.type(size)
    return f"{layer}'s divided by {size:.3g}, the size of what it is given"


def _pooled(model: FastRCNN, batch: Batch) -> np.ndarray:
    return model.roi_pool.forward(model.forward_features(batch.images), batch.rois)  # (R, PH, PW, C)


def _hidden6(model: FastRCNN, batch: Batch) -> np.ndarray:
    pooled = _pooled(model, batch)
    return model.relu6.forward(model.fc6.forward(pooled.reshape(len(pooled), -1)))  # without dropout: no draw
