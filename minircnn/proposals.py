"""Proposals: Selective Search's guesses at where something might be, in an order that never changes.

Comes after the image and before targets and detection. OpenCV computes the boxes (Uijlings et al., 2013); it gives
the same set every time but in random order, so the set is sorted here. `proposal_cache.py` keeps them on disk.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from minircnn.boxes import iou_matrix
from minircnn.errors import InputError

# Segmentation scale: smaller keeps small things apart and gives more boxes. On 160×160 fashion scenes 150 (OpenCV's
# default) reaches 0.95 of the garments at IoU 0.7 with 236 boxes, 100 reaches 0.96 with 313, 75 the same with 377.
BASE_K = 100
SEGMENT_SIGMA = 0.8  # smoothing before the segmentation, pixels


@dataclass(frozen=True)
class ProposalSettings:
    """How the search is run and what is kept.

    Attributes
    ----------
    mode : "fast" or "quality"
        Quality searches more colour spaces and similarities: several times the boxes and the time.
    min_side : float, image pixels
        Boxes with a shorter side are dropped.
    max_image_side : int, pixels
        Larger images are scaled down to this before the search; the boxes are mapped back.
    limit : int
        At most this many boxes, spread evenly over the sizes found.
    """

    mode: str = "fast"
    min_side: float = 12.0
    max_image_side: int = 500
    limit: int = 2000

    def __post_init__(self):
        if self.mode not in ("fast", "quality"):
            raise InputError(f"proposals: mode should be fast or quality, not {self.mode!r}")
        if self.limit < 1 or self.max_image_side < 16 or self.min_side < 0:
            raise InputError(f"proposals: limit, max_image_side or min_side is too small in {self}")


def propose(image: np.ndarray, settings: ProposalSettings) -> np.ndarray:
    """Selective Search on one image.

    Parameters
    ----------
    image : (H, W, 3) uint8 RGB

    Returns
    -------
    (P, 4) float32 boxes in pixels of `image`, sorted by x1, y1, x2, y2, without repetitions; P may be 0

    Raises
    ------
    InputError : not such an image, or OpenCV came without its contributed modules
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(
            f"proposals need a colour image of shape (H, W, 3) and type uint8, not {image.shape} {image.dtype}; "
            "read it with minircnn.data.read_image"
        )
    scale = min(1.0, settings.max_image_side / max(image.shape[:2]))
    if scale < 1:
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        searched = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    else:
        searched = image
    found = _selective_search(searched, settings.mode).astype(np.float64)
    found[:, 2:] += found[:, :2]  # x, y, width, height → corners
    found[:, 0::2] *= image.shape[1] / searched.shape[1]
    found[:, 1::2] *= image.shape[0] / searched.shape[0]
    sides = found[:, 2:] - found[:, :2]
    found = found[(sides >= settings.min_side).all(axis=1)]
    return _spread(np.unique(found.astype(np.float32), axis=0), settings.limit)  # unique sorts row by row


def _selective_search(image: np.ndarray, mode: str) -> np.ndarray:
    """OpenCV's boxes (P, 4) as x, y, width, height, int32."""
    try:
        search = cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    except AttributeError:
        raise InputError(
            "this OpenCV has no Selective Search: another OpenCV package has overwritten opencv-contrib-python; run "
            "`pip uninstall -y opencv-python opencv-python-headless opencv-contrib-python` "
            "and then `pip install opencv-contrib-python`"
        ) from None
    search.setBaseImage(np.ascontiguousarray(image[:, :, ::-1]))  # OpenCV's colours are BGR
    if mode == "fast":
        search.switchToSelectiveSearchFast(BASE_K, BASE_K, SEGMENT_SIGMA)
    else:
        search.switchToSelectiveSearchQuality(BASE_K, BASE_K, SEGMENT_SIGMA)
    return search.process().reshape(-1, 4)


def _spread(boxes: np.ndarray, limit: int) -> np.ndarray:
    """At most `limit` boxes, taken at even steps through the order of area; the rest keep their order."""
    if len(boxes) <= limit:
        return boxes
    sides = boxes[:, 2:] - boxes[:, :2]
    by_area = np.argsort(sides[:, 0] * sides[:, 1], kind="stable")
    chosen = by_area[np.linspace(0, len(boxes) - 1, limit).round().astype(int)]
    return boxes[np.sort(chosen)]


def proposal_recall(
    pairs: Iterable[tuple[np.ndarray, np.ndarray]], thresholds: tuple[float, ...] = (0.5, 0.7)
) -> dict[float, float]:
    """Share of true boxes that some proposal overlaps by at least each threshold.

    Parameters
    ----------
    pairs : for each image, proposals (P, 4) and true boxes (G, 4)

    Returns
    -------
    threshold → recall in [0, 1]; nan where there is not one true box
    """
    best = [np.zeros(0)]
    for proposals, truth in pairs:
        if len(truth):
            best.append(iou_matrix(truth, proposals).max(axis=1, initial=0))
    overlaps = np.concatenate(best)
    return {t: float((overlaps >= t).mean()) if len(overlaps) else float("nan") for t in thresholds}
