"""Which layers of a chain are computed together: planned when its mode is set, and carried out here.

Where a convolution has y in its registers anyway, the ReLU that follows costs nothing there, and a 2×2 max-pool after
it saves writing a map of four times the size. On the way back a convolution by Winograd's algorithm passes dx through
the gate of the ReLU that gave its x: x is that ReLU's y, so the gate is x > 0. What comes out is the same to the last
bit as layer by layer; a ReLU's rule alone stands in `relu.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minircnn.layers.conv import Conv
from minircnn.layers.layer import Layer
from minircnn.layers.max_pool import MaxPool
from minircnn.layers.relu import ReLU


@dataclass
class Step:
    """A layer, or a convolution with what it takes along.

    Attributes
    ----------
    layer : which works
    along : names of the ReLU, and of the max-pool, that it does the work of
    relu : that ReLU
    pool : whether the max-pool is among it; nobody asks it which cell won then
    workspace : where y goes if only the next layer reads it
    gated : whether dy has passed the ReLU's gate already, in the convolution above
    gates : whether dx passes the gate of the ReLU below on its way, for the step there
    """

    layer: Layer
    along: tuple[str, ...] = ()
    relu: ReLU | None = None
    pool: bool = False
    workspace: str | None = None
    gated: bool = False
    gates: bool = False

    def forward(self, x: np.ndarray) -> np.ndarray:
        """x → y of the last of its layers."""
        if self.relu is None:
            return self.layer.forward(x)
        return self.relu.keep(self.layer.forward(x, relu=True, pool=self.pool, workspace=self.workspace))

    def backward(self, dy: np.ndarray) -> np.ndarray | None:
        """dy → dx of the first of its layers."""
        if self.relu is not None and not self.gated:
            dy = self.relu.backward(dy)
        return self.layer.backward(dy, past_relu=True) if self.gates else self.layer.backward(dy)


def plan(layers: dict[str, Layer]) -> dict[str, Step]:
    """The steps of a chain in the modes that its layers are in, by the name of each step's first layer."""
    steps: dict[str, Step] = {}
    names, below = list(layers), None
    while names:
        name, layer = names[0], layers[names[0]]
        step = steps[name] = Step(layer, *_along(layers, names))
        names = names[1 + len(step.along) :]
        if below is not None and isinstance(layer, Conv) and layer.algorithm == "winograd":
            below.gated = step.gates = True
        if step.relu is not None and _read_once(layer, step.relu, [layers[other] for other in names]):
            step.workspace = f"map {len(steps) % 2}"  # the other of two may hold x
        below = step if step.relu is not None and not step.pool and layer.training else None
    return steps


def _along(layers: dict[str, Layer], names: Sequence[str]) -> tuple[tuple[str, ...], ReLU | None, bool]:
    """What the first of `names` takes along: names, the ReLU, and whether there is a pool among it."""
    conv, *above = (layers[name] for name in names[:3])
    if not isinstance(conv, Conv) or not above or not isinstance(relu := above[0], ReLU):
        return (), None, False
    pool = len(above) > 1 and not relu.training and conv.algorithm == "winograd" and halves(above[1])
    return tuple(names[1 : 3 if pool else 2]), relu, pool


def _read_once(conv: Layer, relu: ReLU, above: list[Layer]) -> bool:
    """Whether y is read by the next layer alone, which keeps nothing and writes an array of its own."""
    if not isinstance(conv, Conv) or conv.algorithm == "loops" or relu.training or not above:
        return False
    return isinstance(above[0], Conv | MaxPool) and not above[0].training


def halves(layer: Layer) -> bool:
    """Whether this is the 2×2 max-pool that a convolution can take along: nobody will ask it which cell won."""
    return (
        isinstance(layer, MaxPool)
        and not layer.training
        and (layer.size, layer.stride, layer.ceil_mode) == (2, 2, True)
    )
