"""One parameter's SGD update, in place: decay, momentum and step in a single pass over memory."""

import numpy as np
from numba import njit, prange

Number = float | np.floating


@njit(parallel=True, cache=True)
def sgd_update(
    value: np.ndarray, grad: np.ndarray, velocity: np.ndarray, lr: Number, momentum: Number, decay: Number
) -> None:
    """v = momentum * v + lr * (g + decay * w);  w = w - v.

    value, grad, velocity : flat arrays of one length; `velocity` and `value` change. The learning rate is inside the
    velocity, as in Caffe: when it drops, the old velocity keeps its size.
    lr, momentum, decay : of the arrays' dtype; Python's floats would have float32 computed in float64
    """
    for i in prange(value.size):
        velocity[i] = momentum * velocity[i] + lr * (grad[i] + decay * value[i])
        value[i] -= velocity[i]
