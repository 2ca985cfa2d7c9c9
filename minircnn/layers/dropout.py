"""Inverted dropout: in training, each value is dropped with probability p and the rest grow by 1/(1-p).

The expected value stays the same, so detection does nothing at all here.
"""

import numpy as np

from minircnn.layers.layer import Layer


class Dropout(Layer):
    """y = x * mask, mask 0 with probability `rate` and 1/(1 - rate) otherwise; y = x when not training.

    Parameters
    ----------
    rate : float in [0, 1)
    rng : numpy.random.Generator, draws the mask; a model hands its own to all its dropouts

    Raises
    ------
    ValueError : the rate is none
    """

    def __init__(self, rate: float, rng: np.random.Generator | None = None):
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout: rate should lie in [0, 1), not {rate}")
        self.rate, self.rng = rate, rng
        self.mask: np.ndarray | None = None

    def forward(self, x: np.ndarray) -> np.ndarray:
        """x of any shape → x * mask, where mask is 0 or 1/(1-rate); x itself when not training."""
        if not self.training or self.rate == 0:
            self.mask = np.ones(1, x.dtype) if self.training else None  # rate 0: everything passes, both ways
            return x
        if self.rng is None:
            raise RuntimeError("Dropout: nobody gave it a generator to draw its mask with")
        keep = self.rng.random(x.shape, dtype=np.float32) >= self.rate
        self.mask = keep.astype(x.dtype) / x.dtype.type(1 - self.rate)
        return x * self.mask

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """dx = dy * mask: what was dropped learns nothing."""
        return dy * self.saved("mask")
