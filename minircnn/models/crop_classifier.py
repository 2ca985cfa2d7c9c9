"""The backbone as a classifier of whole crops: what it learns here, a detector begins with.

    crops → backbone → features → roi_pool (the whole crop is the one region) → fc → relu → score

RoI pooling takes crops of any size, so the garments can have the sizes that they have in scenes. Only the convolutions
are kept afterwards (`weights/backbone_file.py`); the small head is there to teach them.
"""

from typing import NamedTuple

import numpy as np

from minircnn.kernels.checks import check_shape
from minircnn.layers import Layer, ReLU
from minircnn.losses import softmax_cross_entropy
from minircnn.models.architecture import Architecture
from minircnn.models.first_weights import of_spread
from minircnn.models.heads import linear
from minircnn.models.model import Model

POOLED = (4, 4)  # cells of the last map that the head reads
HIDDEN = 128
OUTPUT_SPREAD = 0.05  # standard deviation of the score's first weights


class Crops(NamedTuple):
    """What it learns from in one step: images (N, H, W, 3) float32, preprocessed, labels (N,), and names of each."""

    images: np.ndarray
    labels: np.ndarray
    image_ids: tuple[str, ...]


class CropClassifier(Model):
    """Scores for each crop.

    Parameters
    ----------
    architecture : Architecture
    classes : int
        Outputs, background among them.
    rng : draws the first weights
    dtype : float32 to train, float64 to check gradients
    """

    loss_names = ("loss",)

    def __init__(self, architecture: Architecture, classes: int, rng: np.random.Generator, dtype: type = np.float32):
        self.architecture = architecture
        rule = architecture.bias_lr_multiplier
        self.roi_layer, self.relu = architecture.roi_layer(POOLED), ReLU()
        inputs = POOLED[0] * POOLED[1] * architecture.channels
        self.fc = linear(inputs, HIDDEN, bias_lr_multiplier=rule, dtype=dtype)
        self.score = linear(HIDDEN, classes, bias_lr_multiplier=rule, dtype=dtype, first=of_spread(OUTPUT_SPREAD))
        after: dict[str, Layer] = {
            self.roi_layer.name: self.roi_layer,
            "fc": self.fc,
            "relu": self.relu,
            "score": self.score,
        }
        super().__init__(architecture.backbone(dtype), after, rng)

    def forward(self, crops: np.ndarray) -> np.ndarray:
        """crops (N, H, W, 3), preprocessed → scores (N, classes), before softmax."""
        check_shape("CropClassifier", "crops", crops, (None, None, None, 3))
        N, H, W, _ = crops.shape
        whole = np.tile(np.array([0, 0, 0, W - 1, H - 1], crops.dtype), (N, 1))
        whole[:, 0] = np.arange(N)
        pooled = self.roi_layer.forward(self.backbone.forward(crops), whole)  # (N, 4, 4, C)
        return self.score.forward(self.relu.forward(self.fc.forward(pooled.reshape(N, -1))))

    def losses(self, batch: Crops) -> dict[str, float]:
        """Forward and loss; its gradient waits for `backward`."""
        loss, dscores = softmax_cross_entropy(self.forward(batch.images), batch.labels)
        self._gradients = (dscores,)
        return {"loss": loss}

    def backward(self, dscores: np.ndarray | None = None) -> None:
        """dscores (N, classes), that of `losses` if absent → every parameter's `grad`."""
        (dscores,) = self.kept_gradients() if dscores is None else (dscores,)
        dflat = self.fc.backward(self.relu.backward(self.score.backward(dscores)))
        self.backbone.backward(self.roi_layer.backward(dflat.reshape(-1, *POOLED, self.architecture.channels)))
