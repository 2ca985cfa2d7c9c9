"""Max-pooling layer: keeps which cell won each window, nothing else."""

import numpy as np

from minircnn.kernels.checks import check_shape
from minircnn.kernels.max_pool import max_pool_backward, max_pool_forward
from minircnn.layers.layer import Layer


class MaxPool(Layer):
    """The maximum of each window, and with it the cell that won.

    Parameters
    ----------
    size, stride : int, cells
    ceil_mode : keep a last window that is cut off by the border, as Caffe does
    """

    def __init__(self, size: int = 2, stride: int = 2, ceil_mode: bool = True):
        self.size, self.stride, self.ceil_mode = size, stride, ceil_mode
        self.argmax: np.ndarray | None = None
        self.x_shape: tuple[int, int, int, int] | None = None

    def forward(self, x: np.ndarray) -> np.ndarray:
        """x (N, H, W, C) → y (N, OH, OW, C)."""
        check_shape("MaxPool", "x", x, (None, None, None, None))
        y, argmax = max_pool_forward(x, self.size, self.stride, self.ceil_mode)
        self.argmax, self.x_shape = (argmax, x.shape) if self.training else (None, None)
        return y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """dy (N, OH, OW, C) → dx (N, H, W, C): each gradient to the cell that won."""
        return max_pool_backward(dy, self.saved("argmax"), self.saved("x_shape"), self.size, self.stride)
