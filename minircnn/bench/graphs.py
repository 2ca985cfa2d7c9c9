"""VGG16's convolutions in TensorFlow and in JAX, forward, and backward through what learns; both keep channels last.

Two of the peers that `peers.py` knows; each compiles a graph once and is given the arrays of ours.
"""

from collections.abc import Callable

import numpy as np

from minircnn.bench.measure import Work
from minircnn.models import Architecture


def tensorflow(architecture: Architecture, parameters: dict, image: np.ndarray, dy: np.ndarray | None) -> Work:
    """A `tf.function`; with `dy`, gradients of what is not frozen."""
    import tensorflow as tf

    x = tf.constant(image)
    values = {name: tf.Variable(parameter.value) for name, parameter in parameters.items()}
    learning = [value for name, value in values.items() if name.split(".")[0] not in architecture.frozen]

    def features() -> tf.Tensor:
        y = x
        for name, _, _, pool in architecture.convolutions:
            y = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(y, values[f"{name}.weight"], 1, "SAME"), values[f"{name}.bias"]))
            y = tf.nn.max_pool2d(y, 2, 2, "SAME") if pool else y
        return y

    def both() -> list:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(learning)
            y = features()
        return tape.gradient(y, learning, tf.constant(dy))

    run = tf.function(features if dy is None else both)
    return lambda: [value.numpy() for value in tf.nest.flatten(run())]


def jax(architecture: Architecture, parameters: dict, image: np.ndarray, dy: np.ndarray | None) -> Work:
    """A `jax.jit` of the same."""
    import jax
    from jax import lax

    values = {name: jax.numpy.asarray(parameter.value) for name, parameter in parameters.items()}
    frozen = {name: value for name, value in values.items() if name.split(".")[0] in architecture.frozen}
    learning = {name: value for name, value in values.items() if name not in frozen}
    x = jax.numpy.asarray(image)

    def features(learning: dict, frozen: dict, y: jax.Array) -> jax.Array:
        both = frozen | learning
        for name, _, _, pool in architecture.convolutions:
            y = lax.conv_general_dilated(
                y, both[f"{name}.weight"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            y = jax.nn.relu(y + both[f"{name}.bias"])
            y = lax.reduce_window(y, -np.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "SAME") if pool else y
        return y

    run: Callable = jax.jit(features)
    if dy is not None:
        upstream = jax.numpy.asarray(dy)
        run = jax.jit(jax.grad(lambda *given: (features(*given) * upstream).sum()))
    return lambda: jax.block_until_ready(run(learning, frozen, x))


def stack(
    architecture: Architecture, parameters: dict, image: np.ndarray, dy: np.ndarray | None, framework: str
) -> dict[str, Work]:
    """The convolutions of one image, and with `dy` back to conv3_1."""
    make = {"tensorflow": tensorflow, "jax": jax}[framework]
    return {framework: make(architecture, parameters, image, dy)}
