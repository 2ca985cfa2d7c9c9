"""ReLU: a gate per value. What was above zero passes, and so does its gradient; the rest stops, both ways."""

import numpy as np

from minircnn.layers.layer import Layer


class ReLU(Layer):
    """y = max(x, 0), any shape."""

    def __init__(self) -> None:
        self.y: np.ndarray | None = None

    def forward(self, x: np.ndarray) -> np.ndarray:
        """y (same shape); only y is kept, since y > 0 exactly where x > 0."""
        return self.keep(np.maximum(x, 0))

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """dx = dy where the gate was open, 0 where it was closed (and at exactly 0)."""
        return dy * (self.saved("y") > 0)

    def keep(self, y: np.ndarray) -> np.ndarray:
        """y, kept for backward: what forward would have given, where the layer below has done its work already."""
        self.y = y if self.training else None
        return y
