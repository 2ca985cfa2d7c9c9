"""What Selective Search reaches of a data set, seen on a few of its images before all are searched."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.progress import Progress, silent
from minircnn.boxes import areas, iou_matrix
from minircnn.data import Sample, read_image
from minircnn.proposals.selective_search import ProposalSettings, contributed_opencv, propose

#: COCO's sizes, by area in pixels: name, and where it ends.
SIZES = (("small", 32.0**2), ("medium", 96.0**2), ("large", np.inf))


@dataclass(frozen=True)
class Reach:
    """The search on a few images.

    Attributes
    ----------
    samples : the images
    overlaps : for each image, the best IoU of a proposal with each of its boxes, as `Sample.learned` gives them
    proposals : for each image, how many there were
    seconds : for each image, what the search took, on one core
    faults : a sentence for each image that could not be read; it is none of the samples
    """

    samples: tuple[Sample, ...]
    overlaps: tuple[np.ndarray, ...]
    proposals: tuple[int, ...]
    seconds: tuple[float, ...]
    faults: tuple[str, ...] = ()

    def recall(self, threshold: float) -> float | None:
        """Share of the boxes that a proposal overlaps by at least this; None without a box."""
        return _share(np.concatenate([np.zeros(0), *self.overlaps]), threshold)

    def recall_by_size(self, threshold: float) -> dict[str, tuple[float | None, int]]:
        """The same for each of COCO's sizes, and how many boxes there are."""
        overlaps = np.concatenate([np.zeros(0), *self.overlaps])
        sizes = np.concatenate([np.zeros(0), *(areas(sample.learned()[0]) for sample in self.samples)])
        found, begin = {}, 0.0
        for name, end in SIZES:
            own = overlaps[(sizes >= begin) & (sizes < end)]
            found[name] = _share(own, threshold), len(own)
            begin = end
        return found

    def to_dict(self) -> dict:
        """JSON-ready."""
        return {
            "images": len(self.samples),
            "proposals_per_image": float(np.mean(self.proposals)) if self.proposals else None,
            "seconds_per_image": float(np.median(self.seconds)) if self.seconds else None,
            "recall50": self.recall(0.5),
            "recall70": self.recall(0.7),
            "recall50_by_size": {name: share for name, (share, _) in self.recall_by_size(0.5).items()},
        }


def _share(overlaps: np.ndarray, threshold: float) -> float | None:
    return float((overlaps >= threshold).mean()) if len(overlaps) else None


def reach(samples: Sequence[Sample], settings: ProposalSettings | None = None, progress: Progress = silent) -> Reach:
    """Search the images one by one and compare with their boxes.

    Raises
    ------
    InputError : OpenCV came without its contributed modules
    """
    settings = settings or ProposalSettings()
    contributed_opencv()
    searched, faults = list[Sample](), list[str]()
    overlaps, counts, seconds = list[np.ndarray](), list[int](), list[float]()
    for done, sample in enumerate(samples, start=1):
        try:
            image = read_image(sample.image_path)
        except InputError as fault:
            faults.append(str(fault))
            continue
        searched.append(sample)
        began = time.perf_counter()
        found = propose(image, settings)
        seconds.append(time.perf_counter() - began)
        counts.append(len(found))
        overlaps.append(iou_matrix(sample.learned()[0], found).max(axis=1, initial=0))
        progress("searching a sample", done, len(samples), "")
    return Reach(tuple(searched), tuple(overlaps), tuple(counts), tuple(seconds), tuple(faults))
