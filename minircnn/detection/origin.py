"""How a box was found: the region that was proposed, and the four numbers that moved it there."""

from dataclasses import dataclass

import numpy as np

from minircnn.boxes import clip_boxes, decode_boxes
from minircnn.detection.detect import Detections, image_features, score_regions
from minircnn.models import FastRCNN


@dataclass(frozen=True)
class Origin:
    """Where one detection comes from.

    Attributes
    ----------
    label, name : of its class, 1..K
    proposal : (4,) float32, x1, y1, x2, y2 in pixels of the image
    offsets : (4,) float64, tx, ty, tw, th of the detection's class, not normalised
    box : (4,) float32, the proposal moved by them and cut to the image
    probabilities : (K+1,) float32, of all classes there, the background's first
    """

    label: int
    name: str
    proposal: np.ndarray
    offsets: np.ndarray
    box: np.ndarray
    probabilities: np.ndarray

    def lines(self) -> list[str]:
        """The arithmetic, by hand: how the proposal becomes the box."""
        x1, y1, x2, y2 = (float(value) for value in self.proposal)
        w, h, (tx, ty, tw, th) = x2 - x1, y2 - y1, (float(value) for value in self.offsets)
        return [
            f"{self.name} {self.probabilities[self.label]:.3f}, background {self.probabilities[0]:.3f}",
            f"proposal {_corners(self.proposal)}: centre {(x1 + x2) / 2:.1f}, {(y1 + y2) / 2:.1f}, {w:.1f}×{h:.1f}",
            f"tx {tx:+.4f}: centre x {(x1 + x2) / 2:.1f} {tx * w:+.1f} = {(x1 + x2) / 2 + tx * w:.1f}",
            f"ty {ty:+.4f}: centre y {(y1 + y2) / 2:.1f} {ty * h:+.1f} = {(y1 + y2) / 2 + ty * h:.1f}",
            f"tw {tw:+.4f}: width {w:.1f} · {np.exp(tw):.3f} = {w * np.exp(tw):.1f}",
            f"th {th:+.4f}: height {h:.1f} · {np.exp(th):.3f} = {h * np.exp(th):.1f}",
            f"box      {_corners(self.box)}",
        ]


def origins(model: FastRCNN, image: np.ndarray, proposals: np.ndarray, found: Detections) -> list[Origin]:
    """Where each of the detections comes from that `detect` found with these proposals (P, 4) in this image.

    Raises
    ------
    ValueError : a detection comes from none of them
    """
    cls_score, offsets = score_regions(model, image, image_features(model, image), proposals)
    probabilities = model.probabilities(cls_score).astype(np.float32)
    boxes = decode_boxes(proposals, offsets).reshape(len(proposals), offsets.shape[1] // 4, 4)
    boxes = clip_boxes(boxes, *image.shape[:2]).astype(np.float32)
    told = []
    for box, label, score in zip(found.boxes, found.labels, found.scores, strict=True):
        away = np.abs(boxes[:, label] - box).max(axis=1, initial=0) + np.abs(probabilities[:, label] - score)
        if not len(away) or away.min() > 1e-3:
            raise ValueError("origins: a detection comes from none of the proposals; give those that it was found with")
        row = int(away.argmin())
        moved = offsets[row, 4 * label : 4 * label + 4].astype(np.float64)
        name = model.class_names[label - 1]
        told.append(Origin(int(label), name, proposals[row], moved, boxes[row, label], probabilities[row]))
    return told


def _corners(box: np.ndarray) -> str:
    return "({:.1f}, {:.1f}, {:.1f}, {:.1f})".format(*box)
