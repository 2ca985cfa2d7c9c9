"""One parameter's SGD update, in place: decay, momentum and step in a single pass over memory.

`training/optim.py` keeps the velocities and the rates, and calls this for each parameter that learns.
"""

import numpy as np
from numba import njit, prange

from minircnn.kernels.checks import check_floats, check_shape
from minircnn.kernels.threads import in_turn

Number = float | np.floating


@in_turn
def sgd_update(
    value: np.ndarray, grad: np.ndarray, velocity: np.ndarray, lr: Number, momentum: Number, decay: Number
) -> None:
    """v = momentum * v + lr * (g + decay * w);  w = w - v.

    value, grad, velocity : flat arrays of one length; `velocity` and `value` change. The learning rate is inside the
    velocity, as in Caffe: when it drops, the old velocity keeps its size.

    Raises
    ------
    ValueError : arrays of other shapes, or not all float32 or all float64
    """
    for name, array in (("value", value), ("grad", grad), ("velocity", velocity)):
        check_shape("sgd_update", name, array, (value.size,))
    check_floats("sgd_update", value=value, grad=grad, velocity=velocity)
    kind = value.dtype.type  # Python's floats would have float32 computed in float64
    _update(value, grad, velocity, kind(lr), kind(momentum), kind(decay))


@njit(parallel=True, cache=True)
def _update(value, grad, velocity, lr, momentum, decay):
    for i in prange(value.size):
        velocity[i] = momentum * velocity[i] + lr * (grad[i] + decay * value[i])
        value[i] -= velocity[i]
