"""Which pixels somebody's VGG16 expects: known by the values of its first layer, or guessed from where it is from.

Weights keep their values when a file is converted, renamed or saved again; so the first numbers of conv1_1 tell whose
they are, and the place where they stand tells the order of the channels. Of Caffe's weights those are the numbers that
Keras shows for `block1_conv1`, of torchvision's those of `features.0.weight`.
"""

from pathlib import Path
from typing import Any

import numpy as np

from minircnn.errors import InputError

Pixels = dict[str, Any]  # fields of Preprocessing; none where Fast R-CNN's own stay

CAFFE_KERNEL = (0.42947057, 0.373467, -0.061360113, 0.27476987)  # [0, 0, blue, 0:4] in (KH, KW, C, OC)
TORCHVISION_KERNEL = (-0.5537, 0.1427, 0.5290)  # [0, 0:3, red, 0], as printed
NEAR = 1e-4

TORCHVISION: Pixels = {
    "channel_order": "RGB",
    "mean": (123.675, 116.28, 103.53),  # of pixels from 0 to 255
    "scale": (58.395, 57.12, 57.375),
}
KERAS: Pixels = {"channel_order": "BGR", "mean": (103.939, 116.779, 123.68), "scale": (1.0, 1.0, 1.0)}
CAFFE_RGB: Pixels = {"channel_order": "RGB", "mean": (123.68, 116.779, 103.939), "scale": (1.0, 1.0, 1.0)}
FAST_RCNN: Pixels = {}


def known_pixels(kernel: np.ndarray, file_format: str, path: Path) -> tuple[Pixels, str] | None:
    """What weights expect that are known by conv1_1's kernel (3, 3, 3, OC), and whose they are; None for others.

    Raises
    ------
    InputError : they are Caffe's, turned as Theano wants them
    """
    if kernel.shape[-1] < len(CAFFE_KERNEL):
        return None
    for channel, order in ((0, "first"), (2, "last")):
        if np.allclose(kernel[0, 0, channel, :4], CAFFE_KERNEL, atol=NEAR):
            if order == "last":
                return CAFFE_RGB, "the VGG authors' (Caffe), channels turned to RGB"
            return (KERAS if file_format == "Keras" else FAST_RCNN), "the VGG authors' (Caffe)"
        if np.allclose(kernel[2, 2, channel, :4], CAFFE_KERNEL, atol=NEAR):
            raise InputError(
                f"{path} holds kernels for Theano, turned by 180°; take the file whose name says tf_kernels"
            )
        if np.allclose(kernel[0, :, channel, 0], TORCHVISION_KERNEL, atol=NEAR):
            if order == "first":
                return TORCHVISION, "torchvision's"
            turned = {name: value[::-1] for name, value in TORCHVISION.items() if name != "channel_order"}
            return {"channel_order": "BGR", **turned}, "torchvision's, channels turned to BGR"
    return None


def usual_pixels(whose: str, file_format: str, channels_first: bool) -> tuple[Pixels, str]:
    """What weights of no known values are taken to expect, by their layers' names and the file's kind; and in words."""
    if whose in ("torchvision", "timm") or file_format == "ONNX":
        return TORCHVISION, "torchvision's pixels: RGB, normalised"
    if whose == "Keras":
        return KERAS, "Keras' pixels: BGR less the mean"
    if file_format == "NumPy" and not channels_first:
        return CAFFE_RGB, "RGB less the mean"
    return FAST_RCNN, "Caffe's pixels: BGR less the mean"
