"""SPPnet: R-CNN whose convolutions look at the image once, and whose regions are pooled from what they gave.

    image → backbone → features ─┬→ spatial pyramid → fc6 → fc7 → SVMs, ridge regression, as R-CNN has them
    regions ─────────────────────┘

It is Fast R-CNN's way forward with R-CNN's way to learn: fine-tuning stops at the pyramid, so the convolutions stay as
they were given, and what is said of a region is learned in stages from features on the disk (He et al., SPPnet, 2014,
section 4). Fast R-CNN is this with one level, one stage, and the gradient carried on through the pooling.
"""

import numpy as np

from minircnn.models.fast_rcnn import FastRCNN
from minircnn.models.rcnn import RCNN


class SPPNet(RCNN):
    """Constructed as `FastRCNN`, with `pooling` "pyramid" in its architecture."""

    kind = "spp"
    pooling = "pyramid"
    sampling = FastRCNN.sampling
    together = 10**6  # all regions of an image: they are only pooled

    def image_features(self, image: np.ndarray) -> np.ndarray:
        """As Fast R-CNN's: (1, FH, FW, C), once for all regions."""
        return FastRCNN.image_features(self, image)

    def pool_regions(self, image: np.ndarray, features: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Regions as fc6 reads them, pooled from the image's one feature map → (P, bins, 1, C)."""
        scale = self.architecture.preprocessing.image_scale(*image.shape[:2])
        rois = np.insert(boxes * np.float32(scale), 0, 0, axis=1).astype(np.float32)
        return self.roi_layer.forward(features, rois)
