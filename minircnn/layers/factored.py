"""A fully connected layer as the product of two thin ones: what truncated SVD makes of it."""

import numpy as np

from minircnn.kernels.checks import check_shape
from minircnn.kernels.matmul import matmul
from minircnn.layers.layer import Layer, Parameter


class FactoredLinear(Layer):
    """y = (x @ first) @ second + bias, with t numbers between the two and no ReLU there.

    Parameters
    ----------
    first : (IN, t)
    second : (t, OUT)
    bias : (OUT,)
    """

    def __init__(self, first: Parameter, second: Parameter, bias: Parameter):
        self.first, self.second, self.bias = first, second, bias
        self.x: np.ndarray | None = None
        self.between: np.ndarray | None = None

    @property
    def inputs(self) -> int:
        """IN."""
        return self.first.value.shape[0]

    def parameters(self) -> dict[str, Parameter]:
        return {"first": self.first, "second": self.second, "bias": self.bias}

    def forward(self, x: np.ndarray) -> np.ndarray:
        """x (R, IN) → y (R, OUT)."""
        check_shape("FactoredLinear", "x", x, (None, self.inputs))
        between = matmul(x, self.first.value)
        self.x, self.between = (x, between) if self.training else (None, None)
        y = matmul(between, self.second.value)
        y += self.bias.value
        return y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """dy (R, OUT) → dx (R, IN); fills dfirst, dsecond and dbias."""
        x, between = self.saved("x"), self.saved("between")
        self.second.grad, self.bias.grad = matmul(between.T, dy), dy.sum(axis=0)
        dbetween = matmul(dy, self.second.value.T)
        self.first.grad = matmul(x.T, dbetween, self.first.last_grad(x.dtype))
        return matmul(dbetween, self.first.value.T)
