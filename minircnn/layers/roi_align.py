"""RoIAlign layer: two inputs, one output, and a gradient for the first input; on request for the second as well."""

import numpy as np

from minircnn.kernels.checks import pair
from minircnn.kernels.roi_align import roi_align_backward, roi_align_backward_to_rois, roi_align_forward
from minircnn.kernels.scratch import scratch
from minircnn.layers.layer import Layer


class RoIAlign(Layer):
    """Every region of the feature map becomes `output_size` cells, without rounding.

    Parameters
    ----------
    output_size : (PH, PW), or one number for both
    spatial_scale : float, feature cells per image pixel (1/16 for VGG16)
    sampling_ratio, aligned : as `roi_align_forward` takes them
        Two samples along each side, whatever the region's size: the result is then continuous in its coordinates.
    """

    name = "roi_align"  # among a model's layers

    def __init__(
        self, output_size: int | tuple[int, int], spatial_scale: float, sampling_ratio: int = 2, aligned: bool = True
    ):
        self.output_size, self.spatial_scale = pair("RoIAlign", "output_size", output_size), spatial_scale
        self.sampling_ratio, self.aligned = sampling_ratio, aligned
        self.features: np.ndarray | None = None
        self.rois: np.ndarray | None = None

    def forward(self, features: np.ndarray, rois: np.ndarray, *, reuse: bool = False) -> np.ndarray:
        """features (N, H, W, C), rois (R, 5) as image index, x1, y1, x2, y2 in pixels → pooled (R, PH, PW, C).

        `reuse`: pooled is read at once and never again; the next forward of this kind writes over it.
        """
        out = None
        if reuse:
            shape = (len(rois), *self.output_size, features.shape[3])
            out = scratch(features.dtype, int(np.prod(shape)), workspace="pooled")[0].reshape(shape)
        pooled = roi_align_forward(
            features, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned, out
        )
        self.features, self.rois = (features, rois) if self.training else (None, None)
        return pooled

    def backward(self, dpooled: np.ndarray) -> np.ndarray:
        """dpooled (R, PH, PW, C) → dfeatures (N, H, W, C): shares of it added to the cells that each bin has read."""
        features, rois = self.saved("features"), self.saved("rois")
        return roi_align_backward(dpooled, rois, features.shape, self.spatial_scale, self.sampling_ratio, self.aligned)

    def backward_to_rois(self, dpooled: np.ndarray) -> np.ndarray:
        """dpooled (R, PH, PW, C) → drois (R, 4), with respect to x1, y1, x2, y2: nobody asks for it in training."""
        features, rois = self.saved("features"), self.saved("rois")
        return roi_align_backward_to_rois(
            dpooled, features, rois, self.spatial_scale, self.sampling_ratio, self.aligned
        )
