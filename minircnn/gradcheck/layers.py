"""A layer's backward against what nudging its input and its parameters does: also a layer of one's own."""

from collections.abc import Callable, Iterator

import numpy as np

from minircnn.gradcheck.finite_differences import CheckRow, check_gradient
from minircnn.layers import Layer, Parameter


def check_layer(
    name: str, layer: Layer, x: np.ndarray, rng: np.random.Generator, *extra: np.ndarray
) -> Iterator[CheckRow]:
    """dx and every parameter's gradient of one layer, under a random upstream gradient.

    Parameters
    ----------
    name : what the rows begin with
    layer : of float64
    x : float64, its input
    extra : what else its forward takes, as regions

    Returns
    -------
    A row for dx, and one for each parameter
    """
    layer.training = True
    upstream = rng.standard_normal(layer.forward(x, *extra).shape)
    dx = layer.backward(upstream)
    assert dx is not None  # `needs_dx` is as it was made, True
    yield check_gradient(f"{name} dx", lambda at: float(np.vdot(upstream, layer.forward(at, *extra))), x, dx, rng)
    for short, parameter in layer.parameters().items():
        yield check_parameter(
            f"{name} d{short}", parameter, lambda: float(np.vdot(upstream, layer.forward(x, *extra))), rng
        )


def check_parameter(
    name: str, parameter: Parameter, loss: Callable[[], float], rng: np.random.Generator, step: float = 1e-4
) -> CheckRow:
    """One parameter's `grad` against the slope of `loss()` as the parameter moves."""
    value, grad = parameter.value.copy(), parameter.grad
    assert grad is not None  # a backward came before

    def loss_at(moved: np.ndarray) -> float:
        parameter.value[...] = moved
        result = loss()
        parameter.value[...] = value
        return result

    return check_gradient(name, loss_at, value, grad.copy(), rng, step)
