"""Convolution layer: weight (KH, KW, C, OC) and bias (OC,), channels last."""

import numpy as np

from minircnn.kernels.checks import check_shape
from minircnn.kernels.conv import conv2d_backward, conv2d_forward
from minircnn.kernels.patches import conv_patches_backward, conv_patches_forward
from minircnn.layers.layer import Layer, Parameter


class Conv(Layer):
    """y = x * weight + bias, by patches where the stride is 1 and the kernel square, else by the direct loops.

    Parameters
    ----------
    weight : (KH, KW, C, OC)
    bias : (OC,)
    stride, padding : int, cells
    """

    def __init__(self, weight: Parameter, bias: Parameter, stride: int = 1, padding: int = 1):
        self.weight, self.bias = weight, bias
        self.stride, self.padding = stride, padding
        KH, KW = weight.value.shape[:2]
        self.by_patches = stride == 1 and KH == KW and padding < KH
        self.x: np.ndarray | None = None

    def parameters(self) -> dict[str, Parameter]:
        return {"weight": self.weight, "bias": self.bias}

    def forward(self, x: np.ndarray) -> np.ndarray:
        """x (N, H, W, C) → y (N, OH, OW, OC)."""
        check_shape("Conv", "x", x, (None, None, None, self.weight.value.shape[2]))
        self.x = x if self.training else None
        w, b = self.weight.value, self.bias.value
        if self.by_patches:
            return conv_patches_forward(x, w, b, self.padding)
        return conv2d_forward(x, w, b, self.stride, self.padding)

    def backward(self, dy: np.ndarray) -> np.ndarray | None:
        """dy (N, OH, OW, OC) → dx (N, H, W, C), or None where `needs_dx` is False; fills dweight and dbias."""
        x, w = self.saved("x"), self.weight.value
        if self.by_patches:
            dx, dw, db = conv_patches_backward(dy, x, w, self.padding, self.needs_dx)
        else:
            dx, dw, db = conv2d_backward(dy, x, w, self.stride, self.padding)
        self.weight.grad, self.bias.grad = dw, db
        return dx
