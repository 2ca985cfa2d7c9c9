"""The backbone as a classifier of whole crops: what it learns here, a detector begins with.

    crops → backbone → features → roi_pool (the whole crop is the one region) → fc → relu → score

RoI pooling takes crops of any size, so the garments can have the sizes that they have in scenes. Only the convolutions
are kept afterwards (`weights/backbone_file.py`); the small head is there to teach them.
"""

from collections.abc import Iterator

import numpy as np

from minircnn.kernels.checks import check_shape
from minircnn.layers import Parameter, ReLU, RoIPool
from minircnn.models.heads import hidden_layer, linear
from minircnn.models.vgg import VGG

POOLED = (4, 4)  # cells of the last map that the head reads
HIDDEN = 128
OUTPUT_SPREAD = 0.05  # standard deviation of the score's first weights


class CropClassifier:
    """Scores for each crop.

    Parameters
    ----------
    architecture : VGG
    classes : int
        Outputs, background among them.
    rng : draws the first weights
    dtype : float32 to train, float64 to check gradients
    """

    def __init__(self, architecture: VGG, classes: int, rng: np.random.Generator, dtype: type = np.float32):
        self.architecture = architecture
        rule = architecture.bias_lr_multiplier
        self.backbone = architecture.build(rng, dtype)
        self.roi_pool = RoIPool(POOLED, 1 / architecture.stride)
        self.fc = hidden_layer((POOLED[0] * POOLED[1] * architecture.channels, HIDDEN), None, rule, rng, dtype)
        self.relu = ReLU()
        self.score = linear((rng.standard_normal((HIDDEN, classes)) * OUTPUT_SPREAD).astype(dtype), rule)

    def forward(self, crops: np.ndarray) -> np.ndarray:
        """crops (N, H, W, 3), preprocessed → scores (N, classes), before softmax."""
        check_shape("CropClassifier", "crops", crops, (None, None, None, 3))
        N, H, W, _ = crops.shape
        whole = np.tile(np.array([0, 0, 0, W - 1, H - 1], crops.dtype), (N, 1))
        whole[:, 0] = np.arange(N)
        pooled = self.roi_pool.forward(self.backbone.forward(crops), whole)  # (N, 4, 4, C)
        return self.score.forward(self.relu.forward(self.fc.forward(pooled.reshape(N, -1))))

    def backward(self, dscores: np.ndarray) -> None:
        """dscores (N, classes), from `softmax_cross_entropy` → every parameter's `grad`."""
        dflat = self.fc.backward(self.relu.backward(self.score.backward(dscores)))
        self.backbone.backward(self.roi_pool.backward(dflat.reshape(-1, *POOLED, self.architecture.channels)))

    def set_training(self, training: bool) -> None:
        """Whether forward keeps what backward needs."""
        self.backbone.set_training(training)
        for layer in (self.roi_pool, self.fc, self.relu, self.score):
            layer.training = training

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """("conv1_1.weight", Parameter) … ("score.bias", Parameter)."""
        yield from self.backbone.named_parameters()
        yield from self.fc.named_parameters("fc")
        yield from self.score.named_parameters("score")
