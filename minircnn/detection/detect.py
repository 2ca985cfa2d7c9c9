"""Detection: from an image and its proposals to boxes, classes and scores (Fast R-CNN, section 3).

Softmax scores; for each class the boxes are decoded and clipped, weak ones dropped, overlapping ones suppressed; the
best of the image are kept. `evaluate.py` runs this over a data set, the command line over files and folders.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast, overload

import numpy as np

from minircnn.base.errors import InputError
from minircnn.boxes import clip_boxes, decode_boxes, nms
from minircnn.kernels.checks import check_shape
from minircnn.losses import softmax
from minircnn.models import FastRCNN


@dataclass(frozen=True)
class DetectionSettings:
    """What is kept of what the network says.

    Suppression at 0.3 is Fast R-CNN's own; 0.05 and 100 are its successor's, py-faster-rcnn's (docs/differences.md).

    Attributes
    ----------
    score_threshold : float in [0, 1]; what scores no more is dropped
    nms_threshold : float in [0, 1]; what overlaps a better one of its class by more is dropped
    max_detections : int; the best of all classes together

    Raises
    ------
    InputError : a number out of range
    """

    score_threshold: float = 0.05
    nms_threshold: float = 0.3
    max_detections: int = 100

    def __post_init__(self) -> None:
        for name in ("score_threshold", "nms_threshold"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} should lie in [0, 1], not {getattr(self, name)}")
        if not self.max_detections >= 1:
            raise InputError(f"max_detections should be at least 1, not {self.max_detections}")


@dataclass(frozen=True)
class Detections:
    """What was found in one image, best first.

    Attributes
    ----------
    boxes : (D, 4) float32, image pixels
    labels : (D,) int64, 1..K
    scores : (D,) float32, in (0, 1)
    """

    boxes: np.ndarray
    labels: np.ndarray
    scores: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def above(self, score: float) -> "Detections":
        """Only those that score at least `score`."""
        return self.where(self.scores >= score)

    def of(self, labels: Collection[int]) -> "Detections":
        """Only those of some classes, 1..K."""
        return self.where(np.isin(self.labels, list(labels)))

    def at_least(self, side: float) -> "Detections":
        """Only those whose shorter side has at least so many pixels."""
        return self.where((self.boxes[:, 2:] - self.boxes[:, :2] >= side).all(axis=1))

    def where(self, keep: np.ndarray) -> "Detections":
        """Only those where `keep`, (D,) bool, is true."""
        return Detections(self.boxes[keep], self.labels[keep], self.scores[keep])


@overload
def detect(
    model: FastRCNN,
    image: np.ndarray,
    proposals: np.ndarray | None = None,
    settings: DetectionSettings | None = None,
) -> Detections: ...


@overload
def detect(
    model: FastRCNN,
    image: Sequence[np.ndarray],
    proposals: Sequence[np.ndarray] | None = None,
    settings: DetectionSettings | None = None,
) -> list[Detections]: ...


def detect(
    model: FastRCNN,
    image: np.ndarray | Sequence[np.ndarray],
    proposals: np.ndarray | Sequence[np.ndarray] | None = None,
    settings: DetectionSettings | None = None,
) -> Detections | list[Detections]:
    """Find the objects in one image, or in each of several.

    Parameters
    ----------
    model : FastRCNN
        As `load_model` gives it; it is put into detection mode.
    image : (H, W, 3) uint8 RGB; or a list of such images, of any sizes
    proposals : (P, 4) float32 in pixels of `image`; what the model itself proposes when None. A list for a list

    Returns
    -------
    Detections, boxes in pixels of `image`; a list of them for a list of images

    Raises
    ------
    ValueError : not such an image, or a proposal without area or with NaN; more or fewer proposals than images
    """
    if not isinstance(image, list | tuple):
        return _detect_one(model, cast(np.ndarray, image), cast(np.ndarray | None, proposals), settings)
    given = [None] * len(image) if proposals is None else proposals
    return [_detect_one(model, one, own, settings) for one, own in zip(image, given, strict=True)]


def detect_each(
    model: FastRCNN, images: Iterable[np.ndarray], settings: DetectionSettings | None = None
) -> Iterator[Detections]:
    """Find the objects in one image after another as they come, in frames of a video for example; nothing is kept.

    Parameters and errors are those of `detect`: each of `images` is (H, W, 3) uint8 RGB. The next image is asked for
    when the next detections are::

        frames = (frame.to_ndarray(format="rgb24") for frame in av.open("walk.mp4").decode(video=0))
        for found in detect_each(model, frames):
            print(found.above(0.5).boxes)
    """
    for image in images:
        yield _detect_one(model, image, None, settings)


def _detect_one(
    model: FastRCNN, image: np.ndarray, proposals: np.ndarray | None, settings: DetectionSettings | None
) -> Detections:
    settings = settings or DetectionSettings()
    if proposals is not None:
        _check_proposals(proposals)
    features = image_features(model, image)
    if proposals is None:
        proposals = model.propose(image, features)
    cls_score, offsets = score_regions(model, image, features, proposals)
    return select_scored(proposals, model.probabilities(cls_score), offsets, image.shape[:2], settings)


def score_proposals(model: FastRCNN, image: np.ndarray, proposals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The network's part of `detect`: image (H, W, 3) uint8 and proposals (P, 4) → its two outputs.

    cls_score (P, K+1) before softmax, offsets (P, 4(K+1)) not normalised.

    Raises
    ------
    ValueError : as for `detect`
    """
    _check_proposals(proposals)
    return score_regions(model, image, image_features(model, image), proposals)


def image_features(model: FastRCNN, image: np.ndarray) -> np.ndarray:
    """image (H, W, 3) uint8 RGB → its features (1, FH, FW, C); the model is put into detection mode.

    Raises
    ------
    ValueError : not such an image
    """
    if model.training:
        model.eval()
    return model.image_features(image)


def score_regions(
    model: FastRCNN, image: np.ndarray, features: np.ndarray, proposals: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """cls_score and offsets, as `score_proposals` has them, of an image whose features are there."""
    return model.score_regions(image, features, proposals)


def _check_proposals(proposals: np.ndarray) -> None:
    check_shape("detect", "proposals (x1, y1, x2, y2)", proposals, (None, 4))
    if len(proposals) and not (proposals[:, 2:] > proposals[:, :2]).all():
        raise ValueError("detect: every proposal needs x1 < x2 and y1 < y2, in pixels of the image, and no NaN")


def select_detections(
    proposals: np.ndarray,
    cls_score: np.ndarray,
    offsets: np.ndarray,
    image_size: tuple[int, int],
    settings: DetectionSettings,
) -> Detections:
    """From the model's outputs to detections: softmax, the offsets applied, a threshold, suppression class by class.

    Boxes that are left without area by the image's border, or that are not finite, are no detections.

    Parameters
    ----------
    proposals : (P, 4), image pixels
    cls_score : (P, K+1), before softmax
    offsets : (P, 4(K+1)), not normalised
    image_size : (height, width)

    Returns
    -------
    Detections, best first

    Raises
    ------
    ValueError : arrays that do not fit each other
    """
    check_shape("select_detections", "cls_score", cls_score, (len(proposals), None))
    check_shape("select_detections", "offsets", offsets, (len(proposals), 4 * cls_score.shape[1]))
    probabilities = softmax(cls_score) if len(cls_score) else cls_score
    return select_scored(proposals, probabilities, offsets, image_size, settings)


def select_scored(
    proposals: np.ndarray,
    probabilities: np.ndarray,
    offsets: np.ndarray,
    image_size: tuple[int, int],
    settings: DetectionSettings,
) -> Detections:
    """`select_detections` from the second step on; probabilities (P, K+1), column 0 the background's."""
    boxes = decode_boxes(proposals, offsets).reshape(len(proposals), offsets.shape[1] // 4, 4)
    boxes = clip_boxes(boxes, *image_size).astype(np.float32)
    found = []
    with_area = np.all(boxes[:, :, 2:] > boxes[:, :, :2], axis=2)  # (P, K+1); false where a box is NaN
    for label in range(1, probabilities.shape[1]):
        rows = np.flatnonzero((probabilities[:, label] > settings.score_threshold) & with_area[:, label])
        rows = rows[nms(boxes[rows, label], probabilities[rows, label], settings.nms_threshold)]
        found.append((boxes[rows, label], np.full(len(rows), label), probabilities[rows, label]))
    all_boxes, labels, scores = (np.concatenate(parts) for parts in zip(*found, strict=True))
    best = np.argsort(-scores, kind="stable")[: settings.max_detections]
    return Detections(all_boxes[best], labels[best].astype(np.int64), scores[best].astype(np.float32))
