"""Anchors: the boxes that a region proposal network begins with, and what it should say of each.

At every cell of the feature map stand the same few boxes, of several sizes and shapes. The network says of each whether
something is there and how to move it (`models/rpn.py`); here is where they stand, which of them learn, and what
(Ren et al., Faster R-CNN, 2015, sections 3.1.1 and 3.1.2). It is `targets.py` once more, one stage earlier.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minircnn.base.errors import InputError
from minircnn.boxes import encode_boxes, iou_matrix

BASE = 16  # pixels: the window that scales and ratios are of
IGNORED = -1  # the label of an anchor that neither is nor is not an object


@dataclass(frozen=True)
class RPNSettings:
    """All numbers of a region proposal network; the defaults are py-faster-rcnn's, for VGG16 and images of 600 px.

    Attributes
    ----------
    scales : sides of the anchors, in units of 16 pixels of the network's input
    ratios : height over width of the anchors, at each scale
    border : pixels by which an anchor may stand out of the image and learn all the same; None where all learn
    positive_iou : an anchor that overlaps an object by at least this holds one …
    negative_iou : … one that overlaps each by less than this does not; the rest is not asked
    best_match_iou : the best anchor of an object holds it as well, whatever the overlap above this
    anchors_per_image, positive_fraction : of an image's anchors so many are drawn, at most this share of them positive
    sigma : smooth-L1's; the quadratic part ends at 1/σ²
    min_side : image pixels; a proposal with a shorter side is dropped
    train_before, train_after : best proposals of a training image before suppression, and after
    test_before, test_after : the same in detection
    nms_threshold : a proposal that overlaps a better one by more is dropped

    Raises
    ------
    InputError : a number out of range
    """

    scales: tuple[float, ...] = (8, 16, 32)
    ratios: tuple[float, ...] = (0.5, 1, 2)
    border: float | None = 0.0
    positive_iou: float = 0.7
    negative_iou: float = 0.3
    best_match_iou: float = 0.0
    anchors_per_image: int = 256
    positive_fraction: float = 0.5
    sigma: float = 3.0
    min_side: float = 16.0
    train_before: int = 12_000
    train_after: int = 2_000
    test_before: int = 6_000
    test_after: int = 300
    nms_threshold: float = 0.7

    def __post_init__(self) -> None:
        for name in ("scales", "ratios"):
            if not getattr(self, name) or not all(0 < value < np.inf for value in getattr(self, name)):
                raise InputError(
                    f"{name} of anchors should be numbers above 0, at least one, not {getattr(self, name)}"
                )
        for name in ("positive_iou", "negative_iou", "positive_fraction", "nms_threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} should lie in [0, 1], not {getattr(self, name)}")
        if self.negative_iou > self.positive_iou:
            raise InputError(f"negative_iou {self.negative_iou} should not be above positive_iou {self.positive_iou}")
        for name in ("anchors_per_image", "train_before", "train_after", "test_before", "test_after"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} should be at least 1, not {getattr(self, name)}")
        if not 0 < self.sigma < np.inf:
            raise InputError(f"sigma should be above 0, not {self.sigma}")
        if not 0 <= self.min_side < np.inf:
            raise InputError(f"min_side should be 0 or more, not {self.min_side}")
        if self.border is not None and not 0 <= self.border < np.inf:
            raise InputError(f"border should be 0 or more, or None, not {self.border}")

    @property
    def anchors_per_cell(self) -> int:
        """A, anchors at each cell."""
        return len(self.scales) * len(self.ratios)

    @property
    def max_positive(self) -> int:
        """Positive anchors of one image at most."""
        return int(self.positive_fraction * self.anchors_per_image)


def rpn_settings(stored: dict) -> RPNSettings:
    """What `dataclasses.asdict` gave, back again from JSON, where tuples are lists."""
    fields: dict[str, Any] = {name: tuple(kept) if isinstance(kept, list) else kept for name, kept in stored.items()}
    return RPNSettings(**fields)


def cell_anchors(settings: RPNSettings) -> np.ndarray:
    """The anchors of the first cell → (A, 4) float32, ratio by ratio, about the middle of a window of 16×16 pixels.

    A ratio's width is rounded to whole pixels before it is scaled, as in the original: its weights were trained for
    184×96 pixels, where √½ would give 181×91.
    """
    found = []
    for ratio in settings.ratios:
        width = np.round(np.sqrt(BASE * BASE / ratio))
        height = np.round(width * ratio)
        for scale in settings.scales:
            half = np.array([width, height]) * scale / 2
            found.append([*(BASE / 2 - half), *(BASE / 2 + half)])
    return np.array(found, np.float32)


def anchor_grid(height: int, width: int, stride: int, settings: RPNSettings) -> np.ndarray:
    """All anchors of a map of `height`×`width` cells, `stride` pixels apart → (height·width·A, 4) float32.

    Row by row, cell by cell, anchor by anchor: the order in which the network's outputs lie in memory. The first cell's
    stand about the middle of 16×16 pixels, the others' so many strides on.
    """
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    shift = stride * np.stack([x, y, x, y], axis=-1)  # (height, width, 4)
    return (shift[:, :, None] + cell_anchors(settings)).reshape(-1, 4)


def inside(anchors: np.ndarray, height: float, width: float, border: float | None) -> np.ndarray:
    """Which anchors (A, 4) lie in an image of this size, or stand out by at most `border` pixels → (A,) bool."""
    if border is None:
        return np.ones(len(anchors), bool)
    x1, y1, x2, y2 = anchors.T
    return (x1 >= -border) & (y1 >= -border) & (x2 <= width + border) & (y2 <= height + border)


def match_anchors(anchors: np.ndarray, truth: np.ndarray, settings: RPNSettings) -> tuple[np.ndarray, np.ndarray]:
    """What each anchor should say, and which object it should be moved onto.

    Three rules, in this order: below `negative_iou` with every object there is none; the anchors (all of equals) that
    overlap an object best hold it, even by little; from `positive_iou` on they hold one. An object that no anchor
    touches has no best one: 0 is then the best overlap of all that lie apart, and they would all be taken for it.

    Parameters
    ----------
    anchors : (A, 4), those that learn
    truth : (G, 4)
    settings : RPNSettings

    Returns
    -------
    labels : (A,) int64; 1 an object, 0 none, -1 not asked
    index : (A,) int64, into `truth`: the object that it overlaps best, whichever rule made it positive; -1 without any
    """
    if len(truth) == 0 or len(anchors) == 0:
        return np.zeros(len(anchors), np.int64), np.full(len(anchors), -1)
    overlap = iou_matrix(anchors.astype(np.float64), truth.astype(np.float64))
    return label_overlaps(overlap, settings), overlap.argmax(axis=1)


def label_overlaps(overlap: np.ndarray, settings: RPNSettings) -> np.ndarray:
    """The labels of `match_anchors` from the overlaps alone, (A, G) with A and G at least 1 → (A,) int64."""
    best = overlap.max(axis=1)
    labels = np.full(len(overlap), IGNORED)
    labels[best < settings.negative_iou] = 0
    of_object = overlap.max(axis=0)
    reached = of_object > max(settings.best_match_iou, 0.0)
    labels[((overlap == of_object) & reached).any(axis=1)] = 1
    labels[best >= settings.positive_iou] = 1
    return labels


@dataclass(frozen=True)
class AnchorTargets:
    """The anchors of one image that were drawn, and what the network should say of them.

    Attributes
    ----------
    index : (S,) int64, into all anchors of the map
    labels : (S,) int64, 1 or 0
    offsets : (S, 4) float32, onto the object; 0 where there is none. Not normalised
    """

    index: np.ndarray
    labels: np.ndarray
    offsets: np.ndarray


def sample_anchors(
    anchors: np.ndarray, truth: np.ndarray, size: tuple[int, int], settings: RPNSettings, rng: np.random.Generator
) -> AnchorTargets:
    """Draw what an image's anchors learn from: at most half of them positive, the rest negative.

    Parameters
    ----------
    anchors : (A, 4), of the whole map
    truth : (G, 4), in pixels of the network's input, as all here
    size : (height, width) of the image, without what was padded to it
    settings : RPNSettings
    rng : draws them, without repetition

    Returns
    -------
    AnchorTargets, positives first; empty where no anchor lies inside the image
    """
    learning = np.flatnonzero(inside(anchors, *size, settings.border))
    labels, match = match_anchors(anchors[learning], truth, settings)
    positive = draw(np.flatnonzero(labels == 1), settings.max_positive, rng)
    negative = draw(np.flatnonzero(labels == 0), settings.anchors_per_image - len(positive), rng)
    chosen = np.concatenate([positive, negative])
    offsets = np.zeros((len(chosen), 4), np.float32)
    if len(positive):
        offsets[: len(positive)] = encode_boxes(anchors[learning[positive]], truth[match[positive]])
    return AnchorTargets(learning[chosen], labels[chosen], offsets)


def draw(candidates: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """At most `most` of the candidates, without repetition, in ascending order."""
    if len(candidates) > most:
        candidates = rng.choice(candidates, most, replace=False)
    return np.sort(candidates)
