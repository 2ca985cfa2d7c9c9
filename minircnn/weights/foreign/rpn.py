"""The region proposal network in py-faster-rcnn's files, which lies beside the detector's own layers.

Their `rpn_cls_score` has two scores an anchor, all of the background's before all of the objects', and a softmax over
each pair. The softmax of a pair depends on their difference alone: exp(b) / (exp(a) + exp(b)) = 1 / (1 + exp(a - b)).
So one has been subtracted from the other here, and the network has one score an anchor. `rpn_bbox_pred` has four
offsets an anchor, anchor by anchor, as here.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from minircnn.anchors import RPNSettings
from minircnn.base.errors import InputError
from minircnn.weights.foreign.source import Source
from minircnn.weights.foreign.vgg16_names import Layers

NAMES = {
    "rpn_conv": ("rpn_conv/3x3", "rpn_conv"),
    "rpn_cls_score": ("rpn_cls_score",),
    "rpn_bbox_pred": ("rpn_bbox_pred",),
}
SCALES = {9: (8, 16, 32), 12: (4, 8, 16, 32)}  # anchors a cell → their scales; twelve where COCO's small objects count


@dataclass(frozen=True)
class Difference(Source):
    """Of two values for each anchor, the first half of the last axis there, the second less the first."""

    def into(self, out: np.ndarray) -> None:
        """Fill `out`, of `shape`."""
        A = self.shape[-1]
        pair = np.empty((*self.shape[:-1], 2 * A), np.float32)
        Source(self.name, self.stored, pair.shape, self.order).into(pair)
        np.subtract(pair[..., A:], pair[..., :A], out=out)


def rpn_sources(layers: Layers, channels: int, channels_first: bool, path: Path) -> tuple[dict[str, Source], list[str]]:
    """Where the network's parameters are, and its layers' names in the file; nothing where it has none.

    Raises
    ------
    InputError : it has one whose shapes do not go together
    """
    names = {ours: next((n for n in layers if _called(n, options)), "") for ours, options in NAMES.items()}
    if not all(names.values()):
        return {}, []
    count = {ours: _size(layers, name) for ours, name in names.items()}
    A, scores = count["rpn_bbox_pred"] // 4, count["rpn_cls_score"]
    if count["rpn_bbox_pred"] != 4 * A or scores not in (A, 2 * A) or not A:
        raise InputError(
            f"{path}: rpn_cls_score has {scores} outputs and rpn_bbox_pred {count['rpn_bbox_pred']}, not one or two "
            "and four for each anchor"
        )
    sources: dict[str, Source] = {}
    for ours, (K, OC) in {"rpn_conv": (3, channels), "rpn_cls_score": (1, A), "rpn_bbox_pred": (1, 4 * A)}.items():
        kind = Difference if ours == "rpn_cls_score" and scores == 2 * A else Source
        there = count[ours]
        expected = {
            "weight": (there, channels, K, K) if channels_first else (K, K, channels, there),
            "bias": (there,),
        }
        for part, shape in expected.items():
            name, stored = layers[names[ours]].get(part, (f"{names[ours]}'s {part}", None))
            if stored is None or stored.shape != shape:
                found = "is missing" if stored is None else f"has shape {stored.shape}"
                raise InputError(f"{path}: {name} should be of {shape}, and {found}; take another copy")
            own = (K, K, channels, OC) if part == "weight" else (OC,)
            order = "OIHW" if part == "weight" and channels_first else "ours"
            sources[f"{ours}.{part}"] = kind(name, stored, own, order)
    return sources, list(names.values())


def anchors_of(found: Source, usual: RPNSettings, path: Path) -> RPNSettings:
    """The settings of a network with the scores `found`; InputError where nobody knows its anchors."""
    A = found.shape[-1]
    if A not in SCALES:
        known = " or ".join(map(str, SCALES))
        raise InputError(f"{path} has {A} anchors a cell, whose sizes the file does not say; {known} are known")
    return replace(usual, scales=SCALES[A])


def _called(name: str, options: tuple[str, ...]) -> bool:
    return any(name == option or name.endswith((f".{option}", f"/{option}")) for option in options)


def _size(layers: Layers, name: str) -> int:
    return layers[name]["bias"][1].size if "bias" in layers[name] else 0
