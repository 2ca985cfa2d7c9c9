"""One parameter's SGD update, in place: decay, momentum and step in a single pass over memory."""

from numba import njit, prange


@njit(parallel=True, cache=True)
def sgd_update(value, grad, velocity, lr, momentum, decay):
    """v = momentum * v + lr * (g + decay * w);  w = w - v.

    value, grad, velocity : flat arrays of one length; `velocity` and `value` change. The learning rate is inside the
    velocity, as in Caffe: when it drops, the old velocity keeps its size.
    """
    for i in prange(value.size):
        velocity[i] = momentum * velocity[i] + lr * (grad[i] + decay * value[i])
        value[i] -= velocity[i]
