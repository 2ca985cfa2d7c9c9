"""What every layer is: a forward that keeps the least that backward needs, and a backward that uses it.

`backward(dy)` takes the gradient of the loss with respect to the forward's output, adds nothing and forgets nothing:
it fills each parameter's `grad` and returns dx, the gradient with respect to the forward's input.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

NOTHING_KEPT = "{}.backward needs a forward in training mode before it: call model.train(), then forward, then backward"


@dataclass
class Parameter:
    """A learned array, its gradient, and how it learns. Freezing and such rules are data, not code.

    Attributes
    ----------
    value : float array, changed in place by SGD
    lr_multiplier : on the learning rate; 0 freezes it, the paper's biases have 2
    decay_multiplier : on weight decay; 0 for biases
    first : shape, rng → the random values that it begins with; without, it begins as it is
    grad : of value's shape, filled by backward; None before the first
        The next backward may write over it: whoever wants to keep it takes a copy.
    """

    value: np.ndarray
    lr_multiplier: float = 1.0
    decay_multiplier: float = 1.0
    first: Callable[[tuple[int, ...], np.random.Generator], np.ndarray] | None = field(default=None, repr=False)
    grad: np.ndarray | None = field(default=None, repr=False)

    def last_grad(self, dtype: np.dtype) -> np.ndarray | None:
        """The array of the last gradient, for the next one to be written to, or None where it does not fit."""
        fits = self.grad is not None and self.grad.dtype == dtype and self.grad.shape == self.value.shape
        return self.grad if fits else None

    @property
    def learns(self) -> bool:
        """Whether SGD moves it."""
        return self.lr_multiplier > 0


class Layer:
    """Base of all layers.

    Attributes
    ----------
    training : whether forward keeps what backward needs (and dropout drops)
    forward, backward : each layer's own, one above the other; shapes and what else they take are said there
    needs_dx : whether anybody wants the gradient of the input; a costly layer may return None where nobody does
    """

    training: bool = False
    needs_dx: bool = True
    forward: Callable[..., np.ndarray]
    backward: Callable[..., np.ndarray | None]

    def parameters(self) -> dict[str, Parameter]:
        """Short name ("weight", "bias") → parameter; empty for a layer that learns nothing."""
        return {}

    def named_parameters(self, name: str) -> Iterator[tuple[str, Parameter]]:
        """The same with this layer's name in front: ("conv1_1.weight", …)."""
        for short, parameter in self.parameters().items():
            yield f"{name}.{short}", parameter

    def draw(self, rng: np.random.Generator) -> None:
        """Give the parameters their first random values."""
        for parameter in self.parameters().values():
            if parameter.first is not None:
                parameter.value[...] = parameter.first(parameter.value.shape, rng)

    def saved(self, name: str) -> Any:
        """What forward kept under `name`, or a clear error where there was no forward to keep it."""
        value = getattr(self, name, None)
        if value is None:
            raise RuntimeError(NOTHING_KEPT.format(type(self).__name__))
        return value
