"""The region proposal network: at every cell of the feature map, is something there, and where exactly?

    features → rpn_conv (3×3) → relu ─┬→ rpn_cls_score (1×1)   A per cell: how sure of each anchor
                                      └→ rpn_bbox_pred (1×1)   4A per cell: how to move it

The two outputs stand side by side as in the head, once more without a ReLU, and what they send back is added where they
meet (Ren et al., Faster R-CNN, 2015, section 3.1). The original has two scores an anchor and a softmax over them. That
is 1 / (1 + exp(-(object - background))), which depends on the difference alone: here is one score, that difference, and
a file with two has one subtracted from the other (`weights/foreign/`).
"""

from typing import Any, NamedTuple

import numpy as np

from minircnn.anchors import RPNSettings, anchor_grid, sample_anchors
from minircnn.boxes import clip_boxes, decode_boxes, nms
from minircnn.layers import Conv, Layer, Parameter, ReLU
from minircnn.losses import binary_cross_entropy, smooth_l1
from minircnn.models.first_weights import First, before_relu, of_spread

SPREAD = 0.01  # standard deviation of the outputs' first weights


class Proposals(NamedTuple):
    """What is proposed in one image, best first.

    Attributes
    ----------
    boxes : (P, 4) float32, in pixels of the network's input
    anchors : (P,) int64, the anchor that each was made of
    """

    boxes: np.ndarray
    anchors: np.ndarray


class RPN:
    """Three convolutions over a feature map, and what follows from their outputs.

    Parameters
    ----------
    channels : C of the feature map, and of the layer between
    stride : pixels of the network's input per cell
    settings : RPNSettings
    bias_lr_multiplier, dtype : as the model's other layers

    Attributes
    ----------
    layers : dict, name → layer, in the data's order
    """

    def __init__(self, channels: int, stride: int, settings: RPNSettings, *, bias_lr_multiplier: float, dtype: type):
        self.stride, self.settings = stride, settings
        self._grid: tuple[tuple[int, int], np.ndarray] | None = None  # a map's size, and its anchors
        A = settings.anchors_per_cell
        rule: dict[str, Any] = {"bias_lr_multiplier": bias_lr_multiplier, "dtype": dtype}
        self.conv = convolution(3, channels, channels, first=before_relu, **rule)
        self.relu = ReLU()
        self.cls_score = convolution(1, channels, A, first=of_spread(SPREAD), **rule)
        self.bbox_pred = convolution(1, channels, 4 * A, first=of_spread(SPREAD), **rule)
        names = ("conv", "relu", "cls_score", "bbox_pred")
        self.layers: dict[str, Layer] = {f"rpn_{name}": getattr(self, name) for name in names}

    def forward(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """features (N, H, W, C) → scores (N, H·W·A), offsets (N, H·W·A, 4), in the order of `anchor_grid`."""
        N, H, W, _ = features.shape
        self.map = H, W
        hidden = self.relu.forward(self.conv.forward(features))
        scores, offsets = self.cls_score.forward(hidden), self.bbox_pred.forward(hidden)
        return scores.reshape(N, -1), offsets.reshape(N, -1, 4)

    def backward(self, dscores: np.ndarray, doffsets: np.ndarray) -> np.ndarray | None:
        """dscores (N, H·W·A), doffsets (N, H·W·A, 4) → dfeatures (N, H, W, C); fills the layers' gradients."""
        N, (H, W) = len(dscores), self.map
        # As in the head, two branches meet: what both outputs send back to the layer that fed them is added.
        from_scores = self.cls_score.backward(dscores.reshape(N, H, W, -1))
        from_offsets = self.bbox_pred.backward(doffsets.reshape(N, H, W, -1))
        assert from_scores is not None  # only the convolution below may be told that nobody wants its dx
        assert from_offsets is not None
        return self.conv.backward(self.relu.backward(from_scores + from_offsets))

    def anchors(self) -> np.ndarray:
        """All anchors of the last map → (H·W·A, 4)."""
        if self._grid is None or self._grid[0] != self.map:
            self._grid = self.map, anchor_grid(*self.map, self.stride, self.settings)
        return self._grid[1]

    def losses(
        self,
        scores: np.ndarray,
        offsets: np.ndarray,
        truth: tuple[np.ndarray, ...],
        sizes: tuple[tuple[int, int], ...],
        rng: np.random.Generator,
    ) -> tuple[float, float, np.ndarray, np.ndarray]:
        """Draw anchors of each image; how wrong they are, and the gradients, zero for all that were not drawn.

        Parameters
        ----------
        scores, offsets : as from `forward`
        truth : N arrays (G, 4), true boxes in pixels of the network's input
        sizes : N pairs, height and width of each image in these pixels, without padding
        rng : draws anchors

        Returns
        -------
        loss_cls, loss_bbox : float; both divided by the number of anchors drawn, positive or negative
        dscores, doffsets : as scores and offsets
        """
        anchors, settings = self.anchors(), self.settings
        drawn = [sample_anchors(anchors, boxes, size, settings, rng) for boxes, size in zip(truth, sizes, strict=True)]
        index = np.concatenate([n * len(anchors) + targets.index for n, targets in enumerate(drawn)])
        labels = np.concatenate([targets.labels for targets in drawn])
        onto = np.concatenate([targets.offsets for targets in drawn]).astype(offsets.dtype)
        loss_cls, dchosen = binary_cross_entropy(scores.reshape(-1)[index], labels)
        loss_bbox, dmoved = smooth_l1(offsets.reshape(-1, 4)[index], onto, labels, settings.sigma)
        dscores, doffsets = np.zeros_like(scores), np.zeros_like(offsets)
        dscores.reshape(-1)[index] = dchosen
        doffsets.reshape(-1, 4)[index] = dmoved
        return loss_cls, loss_bbox, dscores, doffsets

    def propose(
        self, scores: np.ndarray, offsets: np.ndarray, size: tuple[int, int], scale: float, before: int, after: int
    ) -> Proposals:
        """From one image's outputs to proposals: move the anchors, clip, drop the small, keep the best, suppress.

        In this order: a box is measured as it is clipped, and what is too small takes no place among the best.

        Parameters
        ----------
        scores, offsets : (H·W·A,), (H·W·A, 4), of one image
        size : (height, width) of the image in pixels of the network's input
        scale : of these per pixel of the image, in which `min_side` is given
        before, after : so many of the best before suppression, and at most so many after
        """
        boxes = clip_boxes(decode_boxes(self.anchors(), offsets), *size).astype(offsets.dtype)
        sides = boxes[:, 2:] - boxes[:, :2]
        large = np.flatnonzero((sides >= self.settings.min_side * scale).all(axis=1) & (sides > 0).all(axis=1))
        best = large[np.argsort(-scores[large], kind="stable")[:before]]
        kept = best[nms(boxes[best], scores[best], self.settings.nms_threshold, after)]
        return Proposals(boxes[kept], kept)


def convolution(size: int, C: int, OC: int, *, bias_lr_multiplier: float, dtype: type, first: First) -> Conv:
    """A size×size convolution of zeros that keeps the map's size, and begins with `first` once it is drawn."""
    weight = Parameter(np.zeros((size, size, C, OC), dtype), first=first)
    bias = Parameter(np.zeros(OC, dtype), lr_multiplier=bias_lr_multiplier, decay_multiplier=0.0)
    return Conv(weight, bias, padding=size // 2)
