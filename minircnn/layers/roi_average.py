"""RoI average pooling layer: as RoI pooling's, with no winner to remember."""

import math

import numpy as np

from minircnn.kernels.checks import pair
from minircnn.kernels.roi_average import roi_average_backward, roi_average_forward
from minircnn.kernels.scratch import scratch
from minircnn.layers.layer import Layer


class RoIAverage(Layer):
    """Every region of the feature map becomes `output_size` cells, each the mean of its bin.

    Parameters
    ----------
    output_size : (PH, PW), or one number for both
    spatial_scale : float, feature cells per image pixel (1/16 for VGG16)
    """

    name = "roi_average"  # among a model's layers

    def __init__(self, output_size: int | tuple[int, int], spatial_scale: float):
        self.output_size, self.spatial_scale = pair("RoIAverage", "output_size", output_size), spatial_scale
        self.rois: np.ndarray | None = None
        self.features_shape: tuple[int, int, int, int] | None = None

    def forward(self, features: np.ndarray, rois: np.ndarray, *, reuse: bool = False) -> np.ndarray:
        """features (N, H, W, C), rois (R, 5) as image index, x1, y1, x2, y2 in pixels → pooled (R, PH, PW, C).

        `reuse`: pooled is read at once and never again; the next forward of this kind writes over it.
        """
        out = None
        if reuse:
            shape = (len(rois), *self.output_size, features.shape[3])
            out = scratch(features.dtype, math.prod(shape), workspace="pooled")[0].reshape(shape)
        pooled = roi_average_forward(features, rois, self.output_size, self.spatial_scale, out)
        self.rois, self.features_shape = (rois, features.shape) if self.training else (None, None)
        return pooled

    def backward(self, dpooled: np.ndarray) -> np.ndarray:
        """dpooled (R, PH, PW, C) → dfeatures (N, H, W, C): equal shares of it added to the cells of each bin."""
        rois, shape = self.saved("rois"), self.saved("features_shape")
        return roi_average_backward(dpooled, rois, shape, self.spatial_scale)
