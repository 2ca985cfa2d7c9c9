"""Fully connected layer: y = x @ weight + bias, weight (IN, OUT).

The layout is the convolution's, (…, C, OC): fc6 is a 7×7 convolution of the pooled map with its first three axes
flattened, so its rows run over PH, PW, C in that order: row (ph*7 + pw)*512 + c. Keras flattens in the same order
(H, W, C). Caffe and torch keep channels first and flatten C, H, W: their row is c*49 + ph*7 + pw, and their weights are
(OUT, IN), so to come here a weight is transposed and its rows are put in the other order.
"""

import numpy as np

from minircnn.kernels.checks import check_shape
from minircnn.kernels.matmul import matmul
from minircnn.layers.layer import Layer, Parameter


class Linear(Layer):
    """y = x @ weight + bias.

    Parameters
    ----------
    weight : (IN, OUT)
    bias : (OUT,)
    """

    def __init__(self, weight: Parameter, bias: Parameter):
        self.weight, self.bias = weight, bias
        self.x: np.ndarray | None = None

    @property
    def inputs(self) -> int:
        """IN."""
        return self.weight.value.shape[0]

    def parameters(self) -> dict[str, Parameter]:
        return {"weight": self.weight, "bias": self.bias}

    def forward(self, x: np.ndarray) -> np.ndarray:
        """x (R, IN) → y (R, OUT)."""
        check_shape("Linear", "x", x, (None, self.inputs))
        self.x = x if self.training else None
        y = matmul(x, self.weight.value)
        y += self.bias.value
        return y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """dy (R, OUT) → dx = dy @ weightᵀ (R, IN); dweight = xᵀ @ dy, dbias = Σ dy."""
        x = self.saved("x")
        self.weight.grad = matmul(x.T, dy, self.weight.last_grad(x.dtype))  # fc6's has 411 MB: no second one
        self.bias.grad = dy.sum(axis=0)
        return matmul(dy, self.weight.value.T)
