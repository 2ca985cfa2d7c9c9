"""Spatial pyramid pooling: a region is pooled several times, ever coarser, and all of it is one long row.

SPPnet's layer, from which RoI pooling was made by keeping a single level. Levels of 6×6, 3×3, 2×2 and 1×1 cells are the
50 bins of the original (He et al., SPPnet, 2014, section 3.2). Backward adds each bin's gradient to the cell that won
it, level by level: a cell that is the maximum at all of them collects four (Fast R-CNN, section 2.3, for one).
"""

import numpy as np

from minircnn.kernels.checks import check_shape
from minircnn.layers.layer import Layer
from minircnn.layers.roi_pool import RoIPool

LEVELS = (6, 3, 2, 1)


class SpatialPyramid(Layer):
    """Every region of the feature map becomes the cells of all levels, one below the other.

    Parameters
    ----------
    output_size : as other layers of regions take it; a pyramid's is (bins of all levels, 1), whatever is given
    spatial_scale : float, feature cells per image pixel
    levels : cells along a side of each level
    """

    name = "spatial_pyramid"  # among a model's layers

    def __init__(self, output_size: int | tuple[int, int], spatial_scale: float, levels: tuple[int, ...] = LEVELS):
        self.spatial_scale, self.output_size = spatial_scale, (sum(level**2 for level in levels), 1)
        self.pools = [RoIPool(level, spatial_scale) for level in levels]

    def forward(self, features: np.ndarray, rois: np.ndarray, *, reuse: bool = False) -> np.ndarray:
        """features (N, H, W, C), rois (R, 5) → pooled (R, bins, 1, C), the finest level first.

        `reuse` : taken for other layers' sake; new arrays every time
        """
        parts = []
        for pool in self.pools:
            pool.training = self.training
            parts.append(pool.forward(features, rois).reshape(len(rois), -1, 1, features.shape[3]))
        return np.concatenate(parts, axis=1)

    def backward(self, dpooled: np.ndarray) -> np.ndarray:
        """dpooled (R, bins, 1, C) → dfeatures (N, H, W, C): what all levels send back, added up."""
        check_shape("SpatialPyramid", "dpooled", dpooled, (None, *self.output_size, None))
        R, C = len(dpooled), dpooled.shape[3]
        dfeatures: np.ndarray | None = None
        first = 0
        for pool in self.pools:
            last = first + pool.output_size[0] ** 2
            own = pool.backward(np.ascontiguousarray(dpooled[:, first:last]).reshape(R, *pool.output_size, C))
            dfeatures, first = own if dfeatures is None else dfeatures + own, last
        assert dfeatures is not None
        return dfeatures
