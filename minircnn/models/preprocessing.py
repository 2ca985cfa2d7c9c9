"""From photograph to network input: resize, channel order, mean and scale.

It belongs to the weights: a network that learned on BGR minus Caffe's mean sees noise in RGB / 255. So the settings
are stored in the model file, and whoever feeds the network (`training/batches.py`, `detection/`) uses these two.
"""

import math
from dataclasses import dataclass

import numpy as np

from minircnn.data.opencv import opencv
from minircnn.kernels.checks import check_array

LONGEST_SIDE = 10_000  # pixels: a larger input would not fit any memory


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the network's input.

    Attributes
    ----------
    channel_order : "RGB" or "BGR", the order the weights expect
    mean, scale : per channel, in that order; input = (pixel - mean) / scale with pixels 0..255
    short_side, long_side : int, pixels
        The image is scaled so that its short side has `short_side`, unless the long one would pass `long_side`.

    Raises
    ------
    ValueError : a number out of range, or not three of them
    """

    channel_order: str
    mean: tuple[float, float, float]
    scale: tuple[float, float, float]
    short_side: int
    long_side: int

    def __post_init__(self) -> None:
        if self.channel_order not in ("RGB", "BGR"):
            raise ValueError(f"channel_order should be RGB or BGR, not {self.channel_order!r}")
        for name in ("mean", "scale"):
            values = getattr(self, name)
            if len(values) != 3 or not all(math.isfinite(value) for value in values):
                raise ValueError(f"{name} should be three numbers, one for each channel, not {values}")
        if min(self.scale) <= 0:
            raise ValueError(f"scale should be above 0, not {self.scale}")
        if not 16 <= self.short_side <= self.long_side <= LONGEST_SIDE:
            raise ValueError(f"sides should be 16 to {LONGEST_SIDE} pixels, not {self.short_side}, {self.long_side}")

    def image_scale(self, height: int, width: int) -> float:
        """Factor from image pixels to network-input pixels."""
        short, long = min(height, width), max(height, width)
        return min(self.short_side / short, self.long_side / long)

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the network's input for an image of these."""
        scale = self.image_scale(height, width)
        return max(1, round(height * scale)), max(1, round(width * scale))

    def apply(self, image: np.ndarray) -> tuple[np.ndarray, float]:
        """From a photograph to the network's input: scaled, its channels in order, less the mean, over the scale.

        Parameters
        ----------
        image : (H, W, 3) uint8 RGB

        Returns
        -------
        input : (H', W', 3) float32
        scale : float, H'/H up to rounding

        Raises
        ------
        ValueError : not such an image
        """
        cv2 = opencv()
        check_array("Preprocessing", "an image (minircnn.data.read_image gives one)", image)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ValueError(
                f"an image should have shape (H, W, 3) and type uint8, RGB, not {image.shape} {image.dtype}; "
                "read it with minircnn.data.read_image"
            )
        scale = self.image_scale(*image.shape[:2])
        if scale != 1:
            size = self.input_size(*image.shape[:2])[::-1]
            interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            image = cv2.resize(image, size, interpolation=interpolation)
        return self.centre(image), scale

    def centre(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 RGB (…, 3) → float32: the channels in order, less the mean, over the scale; at its own size."""
        ordered = pixels[..., ::-1] if self.channel_order == "BGR" else pixels
        centred = ordered.astype(np.float32)
        centred -= np.array(self.mean, np.float32)
        centred /= np.array(self.scale, np.float32)
        return centred

    def pixels(self, centred: np.ndarray) -> np.ndarray:
        """The way back of `centre`: float32 (…, 3) → uint8 RGB, to be looked at."""
        ordered = np.rint(centred * np.array(self.scale, np.float32) + np.array(self.mean, np.float32))
        ordered = np.clip(ordered, 0, 255).astype(np.uint8)
        return np.ascontiguousarray(ordered[..., ::-1] if self.channel_order == "BGR" else ordered)


def stack_images(images: list[np.ndarray]) -> np.ndarray:
    """Inputs of several sizes (H, W, 3) as one batch (N, H, W, 3), each in the upper left, zero (the mean) beyond."""
    height = max(image.shape[0] for image in images)
    width = max(image.shape[1] for image in images)
    batch = np.zeros((len(images), height, width, 3), np.float32)
    for slot, image in zip(batch, images, strict=True):
        slot[: image.shape[0], : image.shape[1]] = image
    return batch
