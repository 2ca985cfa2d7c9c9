"""RoI pooling layer: two inputs, one output, and a gradient for the first input only."""

import math

import numpy as np

from minircnn.kernels.checks import pair
from minircnn.kernels.roi_pool import roi_pool_backward, roi_pool_forward
from minircnn.kernels.scratch import scratch
from minircnn.layers.layer import Layer


class RoIPool(Layer):
    """Every region of the feature map becomes `output_size` cells.

    Parameters
    ----------
    output_size : (PH, PW), or one number for both
    spatial_scale : float, feature cells per image pixel (1/16 for VGG16)
    """

    name = "roi_pool"  # among a model's layers

    def __init__(self, output_size: int | tuple[int, int], spatial_scale: float):
        self.output_size, self.spatial_scale = pair("RoIPool", "output_size", output_size), spatial_scale
        self.argmax: np.ndarray | None = None
        self.rois: np.ndarray | None = None
        self.features_shape: tuple[int, int, int, int] | None = None

    def forward(self, features: np.ndarray, rois: np.ndarray, *, reuse: bool = False) -> np.ndarray:
        """features (N, H, W, C), rois (R, 5) as image index, x1, y1, x2, y2 in pixels → pooled (R, PH, PW, C).

        `reuse`: pooled is read at once and never again; the next forward of this kind writes over it.
        """
        out = self._workspaces(len(rois), features) if reuse else None
        pooled, argmax = roi_pool_forward(features, rois, self.output_size, self.spatial_scale, out)
        if self.training:
            self.argmax, self.rois, self.features_shape = argmax, rois, features.shape
        else:
            self.argmax = self.rois = self.features_shape = None
        return pooled

    def _workspaces(self, R: int, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Arrays that are kept: 2000 regions of VGG16 fill 400 MB, which take longer to ask for than to compute."""
        shape = (R, *self.output_size, features.shape[3])
        pooled, argmax = (
            scratch(dtype, math.prod(shape), workspace=workspace)[0].reshape(shape)
            for dtype, workspace in ((features.dtype, "pooled"), (np.dtype(np.int32), "argmax"))
        )
        return pooled, argmax

    def backward(self, dpooled: np.ndarray) -> np.ndarray:
        """dpooled (R, PH, PW, C) → dfeatures (N, H, W, C): each gradient added to the cell that won its bin."""
        argmax, rois, shape = (self.saved(name) for name in ("argmax", "rois", "features_shape"))
        return roi_pool_backward(dpooled, argmax, rois, shape)
