"""A minibatch: a few images, their sampled RoIs, labels and regression targets, ready for the model.

Comes between data and proposals on one side and `train.py` on the other. RoIs of all images are stacked; the first
column says which image of the batch each belongs to.
"""

from collections.abc import Iterable

import numpy as np

from minircnn.boxes import encode_boxes, flip_boxes
from minircnn.data import Sample, read_image
from minircnn.models import Batch, Preprocessing
from minircnn.models.preprocessing import stack_images
from minircnn.proposals import ProposalsOf
from minircnn.targets import OffsetStatistics, SamplingSettings, match_proposals, normalise_offsets, sample_rois

STATISTICS_IMAGES = 2000  # more would not move the third digit of the offsets' mean and spread


def make_batch(
    samples: Iterable[Sample],
    proposals_of: ProposalsOf | None,
    preprocessing: Preprocessing,
    sampling: SamplingSettings,
    statistics: OffsetStatistics,
    rng: np.random.Generator,
    flip_probability: float = 0.5,
) -> Batch:
    """Read the samples' images, mirror some, draw their RoIs, and put everything together.

    Parameters
    ----------
    samples : of Sample
    proposals_of : sample → (P, 4), as `ProposalCache.get`; None for a model that proposes and draws its regions itself
    preprocessing : the architecture's
    sampling : SamplingSettings
    statistics : OffsetStatistics, with which the offsets are normalised
    rng : draws RoIs and who is mirrored
    flip_probability : float in [0, 1]

    Returns
    -------
    Batch

    Raises
    ------
    InputError : an image cannot be read
    """
    rois, labels, targets = [np.zeros((0, 5), np.float32)], [np.zeros(0, np.int64)], [np.zeros((0, 4), np.float32)]
    images, image_ids, boxes, box_labels, scales = [], [], [], [], []
    for index, sample in enumerate(samples):
        image = read_image(sample.image_path)
        truth, truth_labels = sample.learned()
        mirrored, width = rng.random() < flip_probability, image.shape[1]
        if mirrored:
            image, truth = image[:, ::-1], flip_boxes(truth, width)
        pixels, scale = preprocessing.apply(image)
        if proposals_of is not None:
            proposals = flip_boxes(proposals_of(sample), width) if mirrored else proposals_of(sample)
            drawn, own_labels, offsets = sample_rois(proposals, truth, truth_labels, sampling, rng)
            rois.append(np.insert(drawn * np.float32(scale), 0, index, axis=1))
            labels.append(own_labels)
            targets.append(normalise_offsets(offsets, own_labels, statistics))
        images.append(pixels)
        image_ids.append(sample.image_id)
        boxes.append((truth * scale).astype(np.float32))
        box_labels.append(truth_labels)
        scales.append(scale)
    return Batch(
        images=stack_images(images),
        rois=np.concatenate(rois),
        labels=np.concatenate(labels),
        targets=np.concatenate(targets),
        image_ids=tuple(image_ids),
        boxes=tuple(boxes),
        box_labels=tuple(box_labels),
        sizes=tuple((pixels.shape[0], pixels.shape[1]) for pixels in images),
        scales=tuple(scales),
    )


def measure_offsets(
    samples: Iterable[Sample],
    proposals_of: ProposalsOf,
    foreground_iou: float,
    num_classes: int,
    class_agnostic: bool = False,
) -> OffsetStatistics:
    """Mean and spread of the offsets of all that `sample_rois` may draw as foreground from `samples`.

    Per class, unless boxes are class-agnostic. The objects' own boxes are among that, with offsets of 0.
    """
    offsets, labels = [np.zeros((0, 4))], [np.zeros(0, np.int64)]
    for sample in samples:
        truth, truth_labels = sample.learned()
        proposals = np.concatenate([truth, proposals_of(sample)])
        match, overlap = match_proposals(proposals, truth)
        foreground = np.flatnonzero(overlap >= foreground_iou)
        if len(foreground):
            offsets.append(encode_boxes(proposals[foreground], truth[match[foreground]]))
            labels.append(truth_labels[match[foreground]])
    return OffsetStatistics.measure(np.concatenate(offsets), np.concatenate(labels), num_classes, class_agnostic)
