"""What R-CNN keeps on the disk: for every training image fc7 of all its regions, and pooled features of the good ones.

The SVMs and the regression read them image by image, again and again; computing them anew each time would take the
network as long as all the rest. That is R-CNN's disk, and the reason why Fast R-CNN's single stage was news.
"""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.files import write_bytes
from minircnn.base.progress import Progress
from minircnn.boxes import encode_boxes, iou_matrix
from minircnn.data import Sample, read_image
from minircnn.models.rcnn import RCNN
from minircnn.proposals import ProposalsOf
from minircnn.targets import match_proposals
from minircnn.training.rcnn.ridge import LEAST_IOU

NEGATIVE_IOU = 0.3  # with every object of a class; a region that overlaps one by more teaches its SVM nothing
TOGETHER = 64  # regions that go through the network at once, which is faster
NORM = 20.0  # the features' mean length, to which they are scaled before anything learns from them


class Kept(NamedTuple):
    """One image's: its true boxes first, then its proposals.

    Attributes
    ----------
    hidden7 : (G + P, D) float32
    labels : (G,) int64, of the true boxes
    negative : (G + P, K) bool, whether a region overlaps every true box of a class by less than `NEGATIVE_IOU`
    pooled : (Q, E) float32, of the regions that overlap a true box by more than `LEAST_IOU`
    pair_labels : (Q,) int64, of that box
    offsets : (Q, 4) float64, onto it
    """

    hidden7: np.ndarray
    labels: np.ndarray
    negative: np.ndarray
    pooled: np.ndarray
    pair_labels: np.ndarray
    offsets: np.ndarray


class Features:
    """The folder.

    Parameters
    ----------
    folder : made when the first file is written; files that are there are not written again
    samples, proposals_of : of the training images
    """

    def __init__(self, folder: Path, samples: Sequence[Sample], proposals_of: ProposalsOf):
        self.folder, self.samples, self.proposals_of = folder, samples, proposals_of

    def write(self, model: RCNN, progress: Progress) -> None:
        """Compute and keep what is not there yet.

        Raises
        ------
        InputError : an image cannot be read, or the disk refuses: what is whole stays, and the next time goes on there
        """
        for done, sample in enumerate(self.samples, start=1):
            path = self._path(done)
            if not path.is_file():
                content = io.BytesIO()
                np.savez(content, **self._compute(model, sample)._asdict())
                write_bytes(path, content.getvalue(), "make room, and give the same command again")
            progress("features", done, len(self.samples), "")

    def __iter__(self) -> Iterator[Kept]:
        """Image by image.

        Raises
        ------
        InputError : a file is missing or damaged
        """
        for number in range(1, len(self.samples) + 1):
            path = self._path(number)
            try:
                with np.load(path) as stored:
                    yield Kept(**{name: stored[name] for name in Kept._fields})
            except (OSError, ValueError, KeyError, EOFError) as error:
                raise InputError(f"{path} is missing or damaged ({error}); remove it, and go on") from None

    def bytes(self) -> int:
        """What the folder takes."""
        return sum(path.stat().st_size for path in self.folder.glob("*.npz"))

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06}.npz"

    def _compute(self, model: RCNN, sample: Sample) -> Kept:
        truth, truth_labels = sample.learned()
        boxes = np.concatenate([truth, self.proposals_of(sample)]).astype(np.float32)
        image = read_image(sample.image_path)
        pooled, hidden7 = model.region_features(image, model.image_features(image), boxes, TOGETHER)
        match, overlap = match_proposals(boxes, truth)
        negative = np.ones((len(boxes), model.num_classes), bool)
        for k in range(model.num_classes):
            if (own := truth_labels == k + 1).any():
                negative[:, k] = iou_matrix(boxes, truth[own]).max(axis=1) < NEGATIVE_IOU
        pairs = np.flatnonzero(overlap > LEAST_IOU)
        offsets = encode_boxes(boxes[pairs], truth[match[pairs]]) if len(pairs) else np.zeros((0, 4))
        labels = truth_labels[match[pairs]] if len(pairs) else np.zeros(0, np.int64)
        return Kept(hidden7, truth_labels, negative, pooled[pairs], labels, offsets.astype(float))


def scale_of(parts: Sequence[np.ndarray]) -> float:
    """What makes the mean length of rows `NORM`; 1 where all are 0."""
    lengths = np.concatenate([np.linalg.norm(part, axis=1) for part in parts]) if parts else np.zeros(0)
    return float(NORM / lengths.mean()) if len(lengths) and lengths.mean() > 0 else 1.0
