"""Watch a model's forward and backward from outside: what leaves each layer, and what comes back to it.

    with trace(model) as rows:
        cls_score, bbox_pred = model.forward(images, rois)
        model.backward(dcls_score, dbbox_pred)
    for row in rows: print(row.name, row.shape, row.norm, row.gradients[0].norm)

The layers' methods are wrapped on these instances alone and put back at the end, after an exception too. The wrappers
only read: the results are the same to the last bit.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minircnn.layers import Layer, Sequential
from minircnn.models.fast_rcnn import FastRCNN

ARRAYS = ("y", "dy", "dx")  # of a layer, that can be kept whole


@dataclass(frozen=True)
class Gradient:
    """What one backward brought to a layer.

    Attributes
    ----------
    norm : of dL/dy, y being what leaves the layer; for a convolution, past the gate of the ReLU above it
    weight_norm : of dL/dweight; None where the layer has none that learns
    dy : dL/dy itself, where it was asked for; it has y's shape
    dx : dL/dx, likewise; None where nobody below wants it
    """

    norm: float
    weight_norm: float | None
    dy: np.ndarray | None
    dx: np.ndarray | None


@dataclass
class Row:
    """One layer of the journey.

    Attributes
    ----------
    layer : "conv1_1" … "roi_pool", "fc6", "relu6" … "bbox_pred"
    with_it : layers that this one took along, as a convolution does with its ReLU: y is what leaves them all
    learns : whether the layer has a parameter that does
    shape : of y, all images or RoIs together
    mean, norm : of y
    y : the array itself, where it was asked for
    gradients : one for each backward since the forward, in order; empty where none got here
    """

    layer: str
    with_it: tuple[str, ...] = ()
    learns: bool = False
    shape: tuple[int, ...] = ()
    mean: float = 0.0
    norm: float = 0.0
    y: np.ndarray | None = None
    gradients: list[Gradient] = field(default_factory=list)

    @property
    def name(self) -> str:
        """ "conv1_2+relu1_2+pool1": the layer and what it took along."""
        return "+".join((self.layer, *self.with_it))

    def add(self, y: np.ndarray, keep: bool) -> None:
        """Take in y, or another image of it: layers that keep nothing see one image at a time."""
        size = math.prod(self.shape) if self.shape else 0
        count = len(y) + (self.shape[0] if self.shape else 0)
        values = y.reshape(-1)
        self.mean = (self.mean * size + float(values.sum(dtype=np.float64))) / max(size + y.size, 1)
        self.norm = math.hypot(self.norm, norm_of(y))
        self.shape = (count, *y.shape[1:])
        if keep:
            self.y = y.copy() if self.y is None else np.concatenate([self.y, y])


class Rows:
    """The rows in the order in which the forward reached the layers; rows["fc7"] finds one by its layer."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}

    def __getitem__(self, key: int | str) -> Row:
        return self._rows[key] if isinstance(key, str) else list(self._rows.values())[key]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(list(self._rows.values()))

    def __contains__(self, layer: str) -> bool:
        return layer in self._rows


@contextmanager
def trace(model: FastRCNN, keep: Sequence[str] = ()) -> Iterator[Rows]:
    """Watch `model` within the block.

    Parameters
    ----------
    keep : layers whose whole arrays are kept besides the summaries: "fc7" all three, y and each backward's dy and dx;
        "conv1_1.dx" that one alone

    Yields
    ------
    rows : filled as the model works; a new `forward_features` begins anew

    Raises
    ------
    ValueError : `keep` names a layer that the model does not have
    """
    layers = model.layers
    kept = {f"{name}.{part}" for name in keep for part in (ARRAYS if "." not in name else ())}
    kept |= {name for name in keep if "." in name}
    known = {f"{name}.{part}" for name in layers for part in ARRAYS}
    if unknown := sorted({name.split(".")[0] if name.split(".")[-1] in ARRAYS else name for name in kept - known}):
        raise ValueError(f"trace: {', '.join(unknown)} is no layer of this model; it has {', '.join(layers)}")
    watcher = _Watcher(layers, model.backbone, frozenset(kept))
    places: list[tuple[object, str, Callable]] = [(model, "forward_features", watcher.begin)]
    for name, layer in layers.items():
        places += [(layer, "forward", watcher.forward(name)), (layer, "backward", watcher.backward(name))]
    undo = []
    try:
        for owner, method, around in places:
            former = getattr(owner, method)
            undo.append((owner, method, vars(owner).get(method)))  # another trace may be watching already
            setattr(owner, method, functools.wraps(former)(functools.partial(around, former)))
        yield watcher.rows
    finally:
        for owner, method, own in reversed(undo):
            if own is None:
                vars(owner).pop(method, None)
            else:
                setattr(owner, method, own)


class _Watcher:
    """Writes the rows; its functions stand around the layers' own."""

    def __init__(self, layers: dict[str, Layer], backbone: Sequential, keep: frozenset[str]):
        self.layers, self.backbone, self.keep, self.rows = layers, backbone, keep, Rows()

    def begin(self, former: Callable, *arguments: Any, **named: Any) -> np.ndarray:
        """Around forward_features: another journey."""
        self.rows._rows.clear()
        return former(*arguments, **named)

    def forward(self, name: str) -> Callable:
        def around(former: Callable, *arguments: Any, **named: Any) -> np.ndarray:
            y = former(*arguments, **named)
            row = self.rows._rows.get(name)  # of another image of the batch, in the backbone; later it is another batch
            if row is None or row.gradients or name not in self.backbone.layers:
                learns = any(parameter.learns for parameter in self.layers[name].parameters().values())
                row = self.rows._rows[name] = Row(name, self._taken_along(name), learns)
            row.add(y, f"{name}.y" in self.keep)
            return y

        return around

    def _taken_along(self, name: str) -> tuple[str, ...]:
        step = (self.backbone.below | self.backbone.above).get(name)
        return step.along if step else ()

    def backward(self, name: str) -> Callable:
        def around(former: Callable, dy: np.ndarray, *arguments: Any, **named: Any) -> np.ndarray | None:
            kept = dy.copy() if f"{name}.dy" in self.keep else None
            norm = norm_of(dy)
            dx = former(dy, *arguments, **named)
            if name in self.rows:
                weight = next(iter(self.layers[name].parameters().values()), None)
                learned = weight.grad if weight is not None and weight.learns else None
                whole = dx.copy() if f"{name}.dx" in self.keep and dx is not None else None
                self.rows[name].gradients.append(
                    Gradient(norm, None if learned is None else norm_of(learned), kept, whole)
                )
            return dx

        return around


def norm_of(array: np.ndarray) -> float:
    """Square root of the sum of squares, in float64, without a second array of the size of the first."""
    total = 0.0
    flat = array.reshape(-1)
    for start in range(0, flat.size, 1 << 20):
        part = flat[start : start + (1 << 20)].astype(np.float64)
        total += float(part @ part)
    return math.sqrt(total)
