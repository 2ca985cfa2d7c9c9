"""Layers one after another, each with a name; backward walks them in the opposite order.

A backbone is one. Two things make it more than a loop: below the lowest layer that learns nothing is kept, and what
`fused.py` has planned is computed together.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minircnn.layers.fused import Step, plan
from minircnn.layers.layer import NOTHING_KEPT, Layer, Parameter


class Sequential(Layer):
    """A chain of named layers.

    Backward stops at the lowest layer that learns: below it nobody wants a gradient, so those layers keep nothing in
    forward either. With conv1_1 … conv2_2 frozen that saves most of VGG16's memory.

    Parameters
    ----------
    layers : dict, name → layer, in order

    Attributes
    ----------
    below, above : the steps below the lowest layer in training mode, and from there on; some are of several layers
    between : called on the way back before each step, with its name: the gradients of all layers above are there
    """

    between: Callable[[str], None] | None = None

    def __init__(self, layers: dict[str, Layer]):
        self.layers = layers
        self.plan()

    def named_parameters(self, name: str = "") -> Iterator[tuple[str, Parameter]]:
        """("conv1_1.weight", Parameter), … with `name` and a dot in front where one is given."""
        for layer_name, layer in self.layers.items():
            yield from layer.named_parameters(f"{name}.{layer_name}" if name else layer_name)

    def draw(self, rng: np.random.Generator) -> None:
        """First random values for all layers, in order."""
        for layer in self.layers.values():
            layer.draw(rng)

    @property
    def learns(self) -> bool:
        """Whether any layer has a parameter that does."""
        return self.lowest_that_learns() < len(self.layers)

    def lowest_that_learns(self) -> int:
        """Index of the first layer with a parameter that learns; len(layers) when none does."""
        for index, layer in enumerate(self.layers.values()):
            if any(parameter.learns for parameter in layer.parameters().values()):
                return index
        return len(self.layers)

    def set_training(self, training: bool) -> None:
        """Training mode from the lowest learning layer up; below it, always off."""
        self.training = training
        lowest = self.lowest_that_learns()
        for index, layer in enumerate(self.layers.values()):
            layer.training = training and index >= lowest
            layer.needs_dx = index > lowest
        self.plan()

    def plan(self) -> None:
        """Settle what is computed together (`fused.py`): apart below the lowest layer that keeps something."""
        items = list(self.layers.items())
        first = next((index for index, (_, layer) in enumerate(items) if layer.training), len(items))
        self.below, self.above = plan(dict(items[:first])), plan(dict(items[first:]))

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Layer after layer. Those that keep nothing take one image at a time: half the memory for two of them."""
        if self.below and len(x) > 1:
            x = np.concatenate([_through(self.below, x[n : n + 1]) for n in range(len(x))])
        elif self.below:
            x = _through(self.below, x)
        return _through(self.above, x)

    def backward(self, dy: np.ndarray) -> np.ndarray | None:
        """Gradient with respect to the input of the lowest learning layer, or None where that layer skips it."""
        if not self.above and self.learns:
            raise RuntimeError(NOTHING_KEPT.format("Sequential"))
        dx: Any = dy
        for name, step in reversed(self.above.items()):
            if self.between is not None:
                self.between(name)
            dx = step.backward(dx)
        return dx


def _through(steps: dict[str, Step], x: np.ndarray) -> np.ndarray:
    for step in steps.values():
        x = step.forward(x)
    return x
