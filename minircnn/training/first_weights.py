"""New layers on given ones: their first weights are divided by the size of what they are given.

Random weights are drawn for inputs whose root mean square is 1. A pretrained VGG16 gives RoI pooling values of 6, and
VGG16's pixels are 60 from the mean; dropout of 0.5 adds its 1.4 twice. New weights would hand such sizes on, the first
scores would be far apart, and the first steps would lead nowhere. So before a run's first step its minibatch is sent
through, and each of conv1_1, fc6, fc7 that is new is divided by the size of what it gets, and the outputs on a new fc7
so far that the first scores favour no class. A size not far from 1 is left to learning: then nothing is changed.
"""

import numpy as np

from minircnn.models import Batch, FastRCNN

# Sizes beyond these are not left to learning; the shipped backbone's features have 0.2 to 0.3.
SMALL, LARGE = 1 / 16, 4.0
FIRST_SCORES = 0.2  # their root mean square at most: the first class loss is then nearly that of equal classes


def fit_first_weights(model: FastRCNN, batch: Batch, new: tuple[str, ...]) -> str:
    """Divide new layers' weights by the root mean square of their inputs, outputs' by that of scores; says so in words.

    Parameters
    ----------
    model : FastRCNN, in training mode; whatever its backbone, pooling and preprocessing
    batch : what it is measured on
    new : names of the hidden layers whose weights are random

    Returns
    -------
    str, empty where no layer is new or there is nothing to measure
    """
    weights = {name: parameter.value for name, parameter in model.named_parameters()}
    said: list[str] = []

    def fit(layers: tuple[str, ...], size: float) -> None:
        if np.isfinite(size) and size not in (0, 1) and (said or not SMALL <= size <= LARGE):
            for layer in layers:
                weights[f"{layer}.weight"] /= weights[f"{layer}.weight"].dtype.type(size)
            said.append(f"{' and '.join(layers)} by {size:.3g}")

    if "conv1_1" in new:
        fit(("conv1_1",), _size(batch.images))
    if "fc6" in new or "fc7" in new:
        pooled = model.roi_layer.forward(model.forward_features(batch.images), model.regions(batch))  # (R, PH, PW, C)
        if "fc6" in new:
            fit(("fc6",), _size(pooled))
        dropped = 1 / np.sqrt(1 - model.architecture.dropout)  # what dropout does to a size: no mask is drawn here
        hidden6 = np.maximum(model.head.fc6.forward(pooled.reshape(len(pooled), -1)), 0)  # (R, hidden6)
        if "fc7" in new:
            fit(("fc7",), dropped * _size(hidden6))
            # What dropout leaves is what fc7 is fitted to.
            hidden7 = np.maximum(model.head.fc7.forward(hidden6), 0) * dropped**2
            scores = model.head.cls_score.forward(hidden7.astype(pooled.dtype))
            fit(("cls_score", "bbox_pred"), max(1.0, _size(scores) / FIRST_SCORES))
    return f"divided by the size of what they are given: {', '.join(said)}" if said else ""


def _size(x: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(x), dtype=np.float64)))
