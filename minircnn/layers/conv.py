"""Convolution layer: chooses one of three algorithms that give the same, and keeps x for backward.

The loops to read are `kernels/conv.py`'s. Here are besides: where y is written in detection, a filter's transform that
is kept while the weight stays the same, and the two things that `fused.py` may ask a convolution to do on the way.
"""

import math

import numpy as np

from minircnn.kernels.checks import check_shape
from minircnn.kernels.conv import conv2d_backward, conv2d_forward
from minircnn.kernels.conv_rows import conv_rows_backward, conv_rows_forward
from minircnn.kernels.scratch import scratch
from minircnn.kernels.winograd import conv3x3_backward, conv3x3_forward
from minircnn.kernels.winograd_filters import conv3x3_filters
from minircnn.layers.layer import Layer, Parameter

FEW_CHANNELS = 16  # below, Winograd's transforms cost more than the multiplications that they save


class Conv(Layer):
    """y = x * weight + bias, by the fastest of three algorithms that give the same.

    Parameters
    ----------
    weight : (KH, KW, C, OC)
    bias : (OC,)
    stride, padding : int, cells

    Attributes
    ----------
    algorithm : "winograd" for 3×3 with stride and padding 1 and enough channels, "rows" for other square kernels of
        stride 1, "loops" for the rest
    """

    def __init__(self, weight: Parameter, bias: Parameter, stride: int = 1, padding: int = 1):
        self.weight, self.bias = weight, bias
        self.stride, self.padding = stride, padding
        KH, KW, C, _ = weight.value.shape
        by_rows = stride == 1 and KH == KW and padding < KH
        self.algorithm = "rows" if by_rows else "loops"
        if by_rows and KH == 3 and padding == 1 and C >= FEW_CHANNELS:
            self.algorithm = "winograd"
        self.x: np.ndarray | None = None
        self._filters: tuple[np.ndarray, np.ndarray] | None = None  # a weight, and its transform

    def parameters(self) -> dict[str, Parameter]:
        return {"weight": self.weight, "bias": self.bias}

    def forward(
        self, x: np.ndarray, *, relu: bool = False, pool: bool = False, workspace: str | None = None
    ) -> np.ndarray:
        """x (N, H, W, C) → y (N, OH, OW, OC), with the ReLU and the 2×2 max-pool after it where `fused.py` says so.

        A `workspace` is for a y that only the next layer reads: the next forward with this one writes over it.
        """
        check_shape("Conv", "x", x, (None, None, None, self.weight.value.shape[2]))
        self.x = x if self.training else None
        w, b = self.weight.value, self.bias.value
        out = None if workspace is None else self._in_workspace(x, pool, workspace)
        if self.algorithm == "winograd":
            return conv3x3_forward(x, w, b, filters=self._kept_filters(), relu=relu, pool=pool, out=out)
        if self.algorithm == "rows":
            return conv_rows_forward(x, w, b, self.padding, relu=relu, out=out)
        y = conv2d_forward(x, w, b, self.stride, self.padding)
        return np.maximum(y, 0, out=y) if relu else y

    def _in_workspace(self, x: np.ndarray, pool: bool, workspace: str) -> np.ndarray:
        """An array for y in a workspace: to ask the system for a large one anew costs milliseconds."""
        K, OC = self.weight.value.shape[1], self.weight.value.shape[3]
        OH, OW = (size + 2 * self.padding - K + 1 for size in x.shape[1:3])
        shape = (len(x), (OH + 1) // 2, (OW + 1) // 2, OC) if pool else (len(x), OH, OW, OC)
        return scratch(x.dtype, math.prod(shape), workspace=workspace)[0].reshape(shape)

    def _kept_filters(self) -> np.ndarray | None:
        """The weight transformed, once for as long as it stays the same; None where it changes with every step."""
        w = self.weight.value
        if self.training and self.weight.learns:
            self._filters = None
            return None
        if self._filters is None or not np.array_equal(self._filters[0], w):
            self._filters = w.copy(), conv3x3_filters(w)
        return self._filters[1]

    def backward(self, dy: np.ndarray, *, past_relu: bool = False) -> np.ndarray | None:
        """dy (N, OH, OW, OC) → dx (N, H, W, C), or None where `needs_dx` is False; fills dweight and dbias.

        `past_relu`, where `fused.py` says so: x is a ReLU's y, and what comes out has passed that ReLU's gate, x > 0.
        """
        x, w = self.saved("x"), self.weight.value
        if self.algorithm == "winograd":
            dx, dw, db = conv3x3_backward(dy, x, w, self.needs_dx, gate=x if past_relu else None)
        elif self.algorithm == "rows":
            dx, dw, db = conv_rows_backward(dy, x, w, self.padding, self.needs_dx)
        else:
            dx, dw, db = conv2d_backward(dy, x, w, self.stride, self.padding)
        self.weight.grad, self.bias.grad = dw, db
        return dx
