"""Proposals: Selective Search's guesses at where something might be, in an order that never changes.

Comes after the image and before targets and detection. OpenCV computes the boxes (Uijlings et al., 2013); it gives
the same set every time but in random order, so the set is sorted here. `cache.py` keeps them on disk.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from minircnn.base.errors import InputError
from minircnn.boxes import iou_matrix
from minircnn.data.opencv import REMOVE_ALL, opencv

SEGMENT_SIGMA = 0.8  # smoothing before the segmentation, pixels


@dataclass(frozen=True)
class ProposalSettings:
    """How the search is run and what is kept.

    Measured on 240 fashion scenes of 160×160 with 599 garments of 36 to 90 pixels, one core:

    ================  ===============  ===============  =====  =====
    mode and base_k   recall, IoU 0.5  recall, IoU 0.7  boxes  time
    ================  ===============  ===============  =====  =====
    fast, 150         0.977            0.918            221    75 ms
    fast, 100         0.988            0.943            302    75 ms
    fast, 75          0.995            0.953            366    75 ms
    fast, 50          0.993            0.957            461    80 ms
    quality, 100      1.000            0.976            988    0.3 s
    ================  ===============  ===============  =====  =====

    Enlarging the images 1.5 times costs three times as much and finds no more.

    Attributes
    ----------
    mode : "fast" or "quality"
        Quality searches more colour spaces and similarities: several times the boxes and the time.
    base_k : int
        Scale of the segmentation that the search begins with: smaller keeps small things apart and gives more boxes.
    min_side : float, image pixels
        Boxes with a shorter side are dropped.
    max_image_side : int, pixels
        Larger images are scaled down to this before the search; the boxes are mapped back.
    limit : int
        At most this many boxes, spread evenly over the sizes found.

    Raises
    ------
    InputError : a mode that is none, or a number out of range
    """

    mode: str = "fast"
    base_k: int = 75
    min_side: float = 12.0
    max_image_side: int = 500
    limit: int = 2000

    def __post_init__(self) -> None:
        if self.mode not in ("fast", "quality"):
            raise InputError(f"proposals: mode should be fast or quality, not {self.mode!r}")
        least = {"base_k": 1, "min_side": 0, "max_image_side": 16, "limit": 1}
        for name, value in least.items():
            if not getattr(self, name) >= value:
                raise InputError(f"proposals: {name} should be at least {value}, not {getattr(self, name)}")


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
    array = isinstance(image, np.ndarray)
    if not array or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        given = f"{image.shape} {image.dtype}" if array else type(image).__name__
        raise InputError(
            f"proposals need a colour image, a NumPy array of shape (H, W, 3) and type uint8, not {given}; "
            "read it with minircnn.data.read_image"
        )
    searched = _at_most(image, settings.max_image_side)
    found = _selective_search(searched, settings).astype(np.float64)
    found[:, 2:] += found[:, :2]  # x, y, width, height → corners
    found[:, 0::2] *= image.shape[1] / searched.shape[1]
    found[:, 1::2] *= image.shape[0] / searched.shape[0]
    sides = found[:, 2:] - found[:, :2]
    found = found[(sides >= settings.min_side).all(axis=1)]
    return _spread(np.unique(found.astype(np.float32), axis=0), settings.limit)  # unique sorts row by row


def contributed_opencv() -> ModuleType:
    """OpenCV with its contributed modules; InputError where it is damaged or without."""
    cv2 = opencv()
    try:
        cv2.ximgproc.segmentation.createSelectiveSearchSegmentation()
    except AttributeError as error:
        raise InputError(
            f"this OpenCV has no Selective Search ({error}); its packages overwrite each other, so remove them all, "
            f"`{REMOVE_ALL}`, then install one, `pip install opencv-contrib-python`"
        ) from None
    return cv2


def _at_most(image: np.ndarray, side: int) -> np.ndarray:
    """The image, scaled down if its longer side is above `side`."""
    scale = side / max(image.shape[:2])
    if scale >= 1:
        return image
    cv2 = opencv()
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _selective_search(image: np.ndarray, settings: ProposalSettings) -> np.ndarray:
    """OpenCV's boxes (P, 4) as x, y, width, height, int32, in random order."""
    search = contributed_opencv().ximgproc.segmentation.createSelectiveSearchSegmentation()
    search.setBaseImage(np.ascontiguousarray(image[:, :, ::-1]))  # OpenCV's colours are BGR
    start = search.switchToSelectiveSearchFast if settings.mode == "fast" else search.switchToSelectiveSearchQuality
    start(settings.base_k, settings.base_k, SEGMENT_SIGMA)
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
