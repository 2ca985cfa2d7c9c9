"""What the model should have said: match proposals to truth, sample a minibatch, compute regression targets.

Comes between the proposals and the model (Fast R-CNN, section 2.3). A proposal is foreground when it overlaps an
object by at least one half and background when its best overlap lies in [0.1, 0.5); the rest are not used.
"""

import math
from dataclasses import dataclass

import numpy as np

from minircnn.anchors import draw
from minircnn.base.errors import InputError
from minircnn.boxes import encode_boxes, iou_matrix

USUAL_STD = (0.1, 0.1, 0.2, 0.2)  # of tx, ty, tw, th
MAX_ROIS = 100_000  # of one image: more than any search proposes


@dataclass(frozen=True)
class SamplingSettings:
    """How one image's RoIs are drawn; the defaults are the paper's.

    Attributes
    ----------
    rois_per_image : int
    foreground_fraction : float in [0, 1]; at most this share of them is foreground
    foreground_iou : float in [0, 1]; a RoI that overlaps an object by at least this is foreground
    background_iou_low, background_iou_high : float in [0, 1]; one whose best overlap is from low to below high is
        background

    Raises
    ------
    InputError : a number out of range, or so few RoIs that not one could be foreground
    """

    rois_per_image: int = 64
    foreground_fraction: float = 0.25
    foreground_iou: float = 0.5
    background_iou_low: float = 0.1
    background_iou_high: float = 0.5

    @property
    def max_foreground(self) -> int:
        """Foreground RoIs of one image at most."""
        return round(self.rois_per_image * self.foreground_fraction)

    def __post_init__(self) -> None:
        for name in ("foreground_fraction", "foreground_iou", "background_iou_low", "background_iou_high"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} should lie in [0, 1], not {getattr(self, name)}")
        if not 1 <= self.rois_per_image <= MAX_ROIS:
            raise InputError(f"rois_per_image should be 1 to {MAX_ROIS}, not {self.rois_per_image}")
        if self.max_foreground < 1:
            raise InputError(
                f"rois_per_image is {self.rois_per_image}, of which {self.foreground_fraction:.0%} may be foreground: "
                f"not one; give at least {math.ceil(1 / max(self.foreground_fraction, 1e-6))}"
            )


@dataclass(frozen=True)
class OffsetStatistics:
    """Mean and standard deviation of the offsets, per class: targets are normalised with them.

    The stored model's `bbox_pred` is un-normalised (`FastRCNN.folded_parameters`), so detection needs neither.

    Attributes
    ----------
    mean, std : (K+1, 4) float64; row 0, the background's, is 0 and 1
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def identity(cls, num_classes: int) -> "OffsetStatistics":
        """Mean 0 and deviation 1: normalising with these changes nothing."""
        return cls(np.zeros((num_classes + 1, 4)), np.ones((num_classes + 1, 4)))

    @property
    def is_identity(self) -> bool:
        """Whether normalising with these changes nothing."""
        return not self.mean.any() and bool((self.std == 1).all())

    @classmethod
    def usual(cls, num_classes: int) -> "OffsetStatistics":
        """Mean 0, and deviations of 0.1 and 0.2: py-faster-rcnn's, for proposals that are not there to be measured."""
        statistics = cls.identity(num_classes)
        statistics.std[1:] = USUAL_STD
        return statistics

    @classmethod
    def measure(
        cls, offsets: np.ndarray, labels: np.ndarray, num_classes: int, class_agnostic: bool = False
    ) -> "OffsetStatistics":
        """From foreground `offsets` (F, 4) and their `labels` (F,).

        A class seen less than 8 times takes all's, and where boxes are class-agnostic each does.
        """
        statistics = cls.identity(num_classes)
        if len(offsets) < 2:
            return statistics
        for label in range(1, num_classes + 1):
            own = offsets[labels == label]
            own = own if len(own) >= 8 and not class_agnostic else offsets
            statistics.mean[label] = own.mean(axis=0)
            statistics.std[label] = np.maximum(own.std(axis=0), 1e-3)
        return statistics


def match_proposals(proposals: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each proposal, its best true box.

    Parameters
    ----------
    proposals : (P, 4)
    truth : (G, 4)

    Returns
    -------
    index : (P,) int64, into `truth`; -1 where there is none at all
    overlap : (P,), their IoU; 0 where there is none
    """
    if len(truth) == 0:
        return np.full(len(proposals), -1), np.zeros(len(proposals), np.float32)
    overlap = iou_matrix(proposals, truth)
    return overlap.argmax(axis=1), overlap.max(axis=1)


def sample_rois(
    proposals: np.ndarray,
    truth: np.ndarray,
    truth_labels: np.ndarray,
    settings: SamplingSettings,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw one image's share of the minibatch; the objects' own boxes join the proposals.

    Parameters
    ----------
    proposals : (P, 4), image pixels
    truth : (G, 4), image pixels
    truth_labels : (G,) int, 1..K
    settings : SamplingSettings
    rng : draws them, without repetition

    Returns
    -------
    rois : (S, 4) float32, foreground first; S ≤ rois_per_image, fewer where there are fewer
    labels : (S,) int64
    offsets : (S, 4) float32, not normalised; 0 for background

    Raises
    ------
    ValueError : not one label for each true box, or a box without area or with NaN
    """
    return choose_rois(proposals, truth, truth_labels, settings, rng)[:3]


def choose_rois(
    proposals: np.ndarray,
    truth: np.ndarray,
    truth_labels: np.ndarray,
    settings: SamplingSettings,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """`sample_rois`, and for each RoI which proposal it is, (S,) int64; -1 for an object's own box."""
    if len(truth) != len(truth_labels):
        raise ValueError(f"sample_rois: {len(truth)} true boxes, and {len(truth_labels)} labels for them")
    candidates = np.concatenate([truth, proposals]).astype(np.float32)
    match, overlap = match_proposals(candidates, truth)
    foreground = np.flatnonzero(overlap >= settings.foreground_iou)
    background = np.flatnonzero((overlap >= settings.background_iou_low) & (overlap < settings.background_iou_high))
    if len(truth) == 0:  # nothing to overlap: the whole image is background
        background = np.arange(len(candidates))
    foreground = draw(foreground, settings.max_foreground, rng)
    background = draw(background, settings.rois_per_image - len(foreground), rng)

    chosen = np.concatenate([foreground, background])
    labels = np.zeros(len(chosen), np.int64)
    offsets = np.zeros((len(chosen), 4), np.float32)
    F = len(foreground)
    if F:
        labels[:F] = truth_labels[match[foreground]]
        offsets[:F] = encode_boxes(candidates[foreground], truth[match[foreground]])
    return candidates[chosen], labels, offsets, np.maximum(chosen - len(truth), -1)


def normalise_offsets(offsets: np.ndarray, labels: np.ndarray, statistics: OffsetStatistics) -> np.ndarray:
    """(t - mean) / std of each row's class; background rows stay 0. offsets (S, 4) → (S, 4) float32."""
    normal = (offsets - statistics.mean[labels]) / statistics.std[labels]
    return np.where(labels[:, None] > 0, normal, 0).astype(np.float32)
