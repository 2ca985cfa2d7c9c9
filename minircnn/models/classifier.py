"""VGG16 as it was trained: the backbone, its fifth pool, fc6, fc7 and fc8, which scores ImageNet's 1000 classes.

Fast R-CNN takes fc8 off and puts RoI pooling in the fifth pool's place. Whole, the network shows whether weights
arrived right: with another order of channels or of fc6's rows it takes a cat for a shower curtain.
"""

import itertools
from collections.abc import Container

import numpy as np

from minircnn.kernels.checks import check_shape
from minircnn.layers import Layer, MaxPool, ReLU
from minircnn.models.architecture import Architecture
from minircnn.models.heads import hidden_layer
from minircnn.models.model import Model

SIDE = 224  # pixels of its input


class VGGClassifier(Model):
    """VGG16 as ImageNet's classifier, up to fc8. In detection mode only: it is not trained here.

    Parameters
    ----------
    architecture : VGG
    classes : int
        Outputs of fc8.
    rng, given : as `FastRCNN` takes them
    """

    def __init__(self, architecture: Architecture, classes: int, rng: np.random.Generator, given: Container[str] = ()):
        widths = (49 * architecture.channels, *architecture.hidden, classes)
        after: dict[str, Layer] = {"pool5": MaxPool()}
        for number, (inputs, outputs) in enumerate(itertools.pairwise(widths), start=6):
            after[f"fc{number}"] = hidden_layer(inputs, outputs, rank=None, bias_lr_multiplier=1.0, dtype=np.float32)
            if number < 8:
                after[f"relu{number}"] = ReLU()
        super().__init__(architecture.backbone(), after, rng, given)

    def forward(self, images: np.ndarray) -> np.ndarray:
        """images (N, 224, 224, 3), preprocessed → scores (N, classes), before softmax."""
        check_shape("VGGClassifier", "images", images, (None, SIDE, SIDE, 3))
        pool5, *dense = self.after.values()
        pooled = pool5.forward(self.backbone.forward(images))
        x = pooled.reshape(len(pooled), -1)
        for layer in dense:
            x = layer.forward(x)
        return x
