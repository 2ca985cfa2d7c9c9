"""VGG16 as it was trained: the backbone, its fifth pool, fc6, fc7 and fc8, which scores ImageNet's 1000 classes.

Fast R-CNN takes fc8 off and puts RoI pooling in the fifth pool's place. Whole, the network shows whether weights
arrived right: with another order of channels or of fc6's rows it takes a cat for a shower curtain.
"""

from collections.abc import Container, Iterator

import numpy as np

from minircnn.kernels.checks import check_shape
from minircnn.layers import MaxPool, Parameter, ReLU
from minircnn.models.heads import hidden_layer
from minircnn.models.vgg import VGG

SIDE = 224  # pixels of its input


class VGGClassifier:
    """VGG16 as ImageNet's classifier, up to fc8. In detection mode only: it is not trained here.

    Parameters
    ----------
    architecture : VGG
    classes : int
        Outputs of fc8.
    rng, blank : as `FastRCNN` takes them
    """

    def __init__(self, architecture: VGG, classes: int, rng: np.random.Generator, blank: Container[str] = ()):
        hidden6, hidden7 = architecture.hidden
        widths = {"fc6": (49 * architecture.channels, hidden6), "fc7": (hidden6, hidden7), "fc8": (hidden7, classes)}
        self.backbone = architecture.build(rng, blank=blank)
        self.pool5 = MaxPool()
        self.dense = {
            name: hidden_layer(shape, None, 1.0, None if name in blank else rng, np.float32)
            for name, shape in widths.items()
        }
        self.relu = ReLU()

    def forward(self, images: np.ndarray) -> np.ndarray:
        """images (N, 224, 224, 3), preprocessed → scores (N, classes), before softmax."""
        check_shape("VGGClassifier", "images", images, (None, SIDE, SIDE, 3))
        pooled = self.pool5.forward(self.backbone.forward(images))
        hidden6 = self.relu.forward(self.dense["fc6"].forward(pooled.reshape(len(pooled), -1)))
        hidden7 = self.relu.forward(self.dense["fc7"].forward(hidden6))
        return self.dense["fc8"].forward(hidden7)

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """("conv1_1.weight", Parameter) … ("fc8.bias", Parameter)."""
        yield from self.backbone.named_parameters()
        for name, layer in self.dense.items():
            yield from layer.named_parameters(name)
