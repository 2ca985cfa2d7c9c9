"""What a model learns from in one step."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Drawn(NamedTuple):
    """The regions of a minibatch that the head learns from.

    Attributes
    ----------
    rois : (R, 5) float32, image index, x1, y1, x2, y2 in pixels of the network's input
    labels : (R,) int64
    targets : (R, 4) float32, normalised offsets; 0 for background
    """

    rois: np.ndarray
    labels: np.ndarray
    targets: np.ndarray


@dataclass(frozen=True)
class Batch:
    """A few images with what is true of them, and the regions that were drawn in them, where they were drawn outside.

    Attributes
    ----------
    images : (N, H, W, 3) float32, preprocessed
    rois : (R, 5) float32, image index, x1, y1, x2, y2 in pixels of `images`
    labels : (R,) int64
    targets : (R, 4) float32, normalised offsets; 0 for background
    image_ids : N strings, for messages
    boxes : N arrays (G, 4) float32, the true boxes in pixels of `images`
    box_labels : N arrays (G,) int64, theirs
    sizes : N pairs, height and width of each image in `images`, where smaller ones were padded; whole ones if absent
    scales : N numbers, pixels of `images` per pixel of the image file; 1 if absent
    """

    images: np.ndarray
    rois: np.ndarray
    labels: np.ndarray
    targets: np.ndarray
    image_ids: tuple[str, ...]
    boxes: tuple[np.ndarray, ...] = ()
    box_labels: tuple[np.ndarray, ...] = ()
    sizes: tuple[tuple[int, int], ...] = ()
    scales: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        N, height, width, _ = self.images.shape
        object.__setattr__(self, "sizes", self.sizes or ((height, width),) * N)
        object.__setattr__(self, "scales", self.scales or (1.0,) * N)
