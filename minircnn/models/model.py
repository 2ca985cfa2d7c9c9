"""What every network here has: named layers in the data's order, first weights, and two modes."""

from collections.abc import Container, Iterator
from typing import Any

import numpy as np

from minircnn.layers import Dropout, Layer, Parameter, Sequential


class Model:
    """Base of the networks: a backbone, and the layers after it.

    A model's own `forward` and `backward` say how the data goes through them; here is what does not depend on that.

    Parameters
    ----------
    backbone : Sequential
    after : dict, name → layer, of all that follows it
    rng : numpy.random.Generator
        Draws the first weights and, in training, the dropout masks.
    given : names of layers that are not drawn, since a file gives their weights; until then they are zeros
    """

    kind = ""  # what the command line and model files call it
    training = False
    loss_names: tuple[str, ...] = ()
    figure_names: tuple[str, ...] = ()  # of what a log shows beside the losses
    _gradients: tuple[np.ndarray, ...] | None = None

    def __init__(
        self, backbone: Sequential, after: dict[str, Layer], rng: np.random.Generator, given: Container[str] = ()
    ):
        self.backbone, self.after = backbone, after
        self.figures: dict[str, float] = {}  # of the last `losses`
        self.rng = rng
        for name, layer in self.layers.items():
            if name not in given:
                layer.draw(rng)

    @property
    def layers(self) -> dict[str, Layer]:
        """Every layer by name, "conv1_1", "relu1_1" …, in the data's order."""
        return self.backbone.layers | self.after

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """("conv1_1.weight", Parameter) …, in the data's order."""
        for name, layer in self.layers.items():
            yield from layer.named_parameters(name)

    @property
    def rng(self) -> np.random.Generator:
        """The one generator that draws whatever is random in the model; setting it hands it to every dropout."""
        return self._rng

    @rng.setter
    def rng(self, rng: np.random.Generator) -> None:
        self._rng = rng
        for layer in self.after.values():
            if isinstance(layer, Dropout):
                layer.rng = rng

    def can_learn_from(self, batch: Any) -> bool:
        """Whether there is anything in it to learn."""
        return True

    def losses(self, batch: Any) -> dict[str, float]:
        """Forward and the losses of what a step learns from, by `loss_names`; their gradients wait for `backward`.

        What the log shows besides, by `figure_names`, stands in `figures` afterwards.
        """
        raise NotImplementedError

    def backward(self) -> None:
        """Carry the gradients of the last `losses` back to every parameter that learns."""
        raise NotImplementedError

    def kept_gradients(self) -> tuple[np.ndarray, ...]:
        """What `losses` left for `backward`, once."""
        kept, self._gradients = self._gradients, None
        if kept is None:
            raise RuntimeError(f"{type(self).__name__}.backward needs losses before it, or their gradients")
        return kept

    def train(self) -> None:
        """Training mode: layers keep what backward needs, dropout drops."""
        self._set_training(True)

    def eval(self) -> None:
        """Detection mode: nothing is kept, dropout passes everything."""
        self._set_training(False)

    def _set_training(self, training: bool) -> None:
        self.training = training
        self.backbone.set_training(training)
        for layer in self.after.values():
            layer.training = training
