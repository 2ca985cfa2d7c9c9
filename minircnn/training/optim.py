"""Stochastic gradient descent with momentum, and the schedule of its learning rate.

Comes last in a step: backward has filled every parameter's `grad`, and `SGD.step` moves the values.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from minircnn.kernels.sgd import sgd_update
from minircnn.layers.layer import Parameter


class SGD:
    """v = μ v + lr (g + λ w),  w = w - v, with each parameter's own multipliers on lr and λ.

    Parameters
    ----------
    parameters : (name, Parameter) pairs; the frozen ones are left alone
    momentum, decay : float
        μ and λ; the paper's are 0.9 and 5e-4.
    """

    def __init__(self, parameters: Iterable[tuple[str, Parameter]], momentum: float = 0.9, decay: float = 5e-4):
        self.parameters = {name: parameter for name, parameter in parameters if parameter.learns}
        self.momentum, self.decay = momentum, decay
        # Not zeros_like: what is never touched, as the slices of other ranks, then takes no memory.
        self.velocity = {name: np.zeros(p.value.shape, p.value.dtype) for name, p in self.parameters.items()}

    def step(self, lr: float) -> None:
        """Move every parameter against its gradient, at the learning rate `lr`."""
        for name, parameter in self.parameters.items():
            self.move(name, np.ascontiguousarray(parameter.grad).reshape(-1), lr, slice(None))

    def move(self, name: str, gradient: np.ndarray, lr: float, part: slice) -> None:
        """Move a part of one parameter, flat, against its gradient (of the part alone)."""
        parameter = self.parameters[name]
        sgd_update(
            parameter.value.reshape(-1)[part],
            gradient,
            self.velocity[name].reshape(-1)[part],
            lr * parameter.lr_multiplier,
            self.momentum,
            self.decay * parameter.decay_multiplier,
        )


@dataclass(frozen=True)
class StepSchedule:
    """The learning rate of step 0, 1, 2, …: warm-up, then a constant that drops by `gamma` at each milestone.

    Attributes
    ----------
    lr : float
        Between warm-up and the first drop.
    milestones : steps at which the rate is multiplied by `gamma`
    warmup_steps : int
        Over these the rate rises in a straight line from lr * warmup_factor to lr; training from random weights
        needs it, fine-tuning does not.
    """

    lr: float
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    warmup_steps: int = 0
    warmup_factor: float = 0.1

    def __call__(self, step: int) -> float:
        rate = self.lr * self.gamma ** sum(step >= milestone for milestone in self.milestones)
        if step < self.warmup_steps:
            done = step / self.warmup_steps
            rate *= self.warmup_factor + (1 - self.warmup_factor) * done
        return rate
