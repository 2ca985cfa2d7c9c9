"""Layers one after another, each with a name; backward walks them in the opposite order."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from minircnn.layers.conv import Conv
from minircnn.layers.layer import Layer, Parameter
from minircnn.layers.max_pool import MaxPool
from minircnn.layers.relu import ReLU


class Sequential(Layer):
    """A chain of named layers.

    Backward stops at the lowest layer that learns: below it nobody wants a gradient, so those layers keep nothing in
    forward either. With conv1_1 … conv2_2 frozen that saves most of VGG16's memory.

    Parameters
    ----------
    layers : dict, name → layer, in order
    """

    def __init__(self, layers: dict[str, Layer]):
        self.layers = layers

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

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Layer after layer. Those that keep nothing take one image at a time: half the memory for two of them."""
        layers = list(self.layers.values())
        first = next((index for index, layer in enumerate(layers) if layer.training), len(layers))
        if first > 0 and len(x) > 1:
            x = np.concatenate([_through(layers[:first], x[n : n + 1]) for n in range(len(x))])
            layers = layers[first:]
        return _through(layers, x)

    def backward(self, dy: np.ndarray) -> np.ndarray | None:
        """Gradient with respect to the input of the lowest learning layer, or None where that layer skips it.

        A convolution takes along the gate of the ReLU below it, as it took along the ReLU above it in forward.
        """
        dx: Any = dy
        waiting = list(self.layers.values())[self.lowest_that_learns() :]
        while waiting:
            *waiting, layer = waiting
            if isinstance(layer, Conv) and layer.way == "winograd" and waiting and isinstance(waiting[-1], ReLU):
                *waiting, relu = waiting
                dx = layer.backward(dx, gate=relu.saved("y"))
            else:
                dx = layer.backward(dx)
        return dx


def _through(layers: list[Layer], x: np.ndarray) -> np.ndarray:
    """Forward; a convolution takes along the ReLU after it, and a max-pool that keeps nothing."""
    waiting, turn = list(layers), 0
    while waiting:
        layer, *waiting = waiting
        if isinstance(layer, Conv) and waiting and isinstance(relu := waiting[0], ReLU):
            waiting = waiting[1:]
            pool = bool(waiting) and not relu.training and layer.way == "winograd" and halves(waiting[0])
            waiting = waiting[1:] if pool else waiting
            passing = bool(waiting) and not waiting[0].training and not relu.training and layer.way != "loops"
            room = f"map {turn % 2}" if passing else None  # the other of two holds x
            x, turn = relu.keep(layer.forward(x, relu=True, pool=pool, room=room)), turn + 1
        else:
            x = layer.forward(x)
    return x


def halves(layer: Layer) -> bool:
    """Whether this is the 2×2 max-pool that a convolution can take along: nobody will ask it which cell won."""
    return (
        isinstance(layer, MaxPool)
        and not layer.training
        and (layer.size, layer.stride, layer.ceil_mode) == (2, 2, True)
    )
