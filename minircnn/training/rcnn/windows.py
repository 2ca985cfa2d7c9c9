"""R-CNN's fine-tuning: windows of a few images, warped, are told apart by the network that is to give the features."""

import numpy as np

from minircnn.boxes import flip_boxes
from minircnn.data import Sample, read_image
from minircnn.models import Batch
from minircnn.models.rcnn import RCNN
from minircnn.targets import sample_rois
from minircnn.training.steps import DetectorSteps


class WindowSteps(DetectorSteps):
    """`DetectorSteps` whose minibatch is warped windows: of each image as many as Fast R-CNN draws RoIs of it.

    Two images make the paper's 128 windows, a quarter of them with an object.
    """

    detector: RCNN

    def next_batch(self) -> Batch:
        """The next images' windows, each an image of its own with one RoI over it."""
        chosen = [self.samples[image] for image in self.next_images()]
        parts = [self._windows(sample) for sample in chosen]
        crops = np.concatenate([crops for crops, _ in parts])
        labels = np.concatenate([labels for _, labels in parts])
        targets = np.zeros((len(labels), 4), np.float32)
        names = tuple(sample.image_id for sample in chosen)
        return Batch(crops, self.detector.whole(len(crops)), labels, targets, names)

    def _windows(self, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        """One image's windows (S, side, side, 3) and labels (S,); mirrored as often as the settings say."""
        assert self.proposals_of is not None
        rng, image = self.model.rng, read_image(sample.image_path)
        proposals, (truth, labels) = self.proposals_of(sample), sample.learned()
        if rng.random() < self.settings.flip:
            width = image.shape[1]
            image, proposals, truth = image[:, ::-1], flip_boxes(proposals, width), flip_boxes(truth, width)
        boxes, own, _ = sample_rois(proposals, truth, labels, self.detector.sampling, rng)
        pixels = self.detector.image_features(np.ascontiguousarray(image))
        return self.detector.warp(pixels, boxes), own
