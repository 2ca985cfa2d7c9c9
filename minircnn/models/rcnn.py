"""R-CNN: every region goes through the network on its own, and what is said of it is learned apart, in four stages.

    image, region → warped to a square → backbone → roi layer over all of it → fc6 → fc7 ─┬→ cls_score   (fine-tuning)
                                                          │                                └→ one SVM a class: scores
                                                          └→ ridge regression: where the box should be

The layers and their names are Fast R-CNN's, so both begin with the same weights; what differs is that nothing is shared
between regions, that softmax only serves to teach the features, and that the SVMs and the regression learn afterwards,
from features on the disk, with no way back into the network (Girshick et al., R-CNN, 2014, sections 2.3 and 3.5).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minircnn.base.errors import InputError
from minircnn.losses import softmax_cross_entropy
from minircnn.models.batch import Drawn
from minircnn.models.fast_rcnn import FastRCNN
from minircnn.models.warping import usual_context, warp_regions
from minircnn.targets import SamplingSettings

CELLS = 7  # of the feature map of a warped region, for each side: what fc6 reads
SIDES = {"vgg16": 224}  # the paper's network; others see as many pixels as make CELLS cells


@dataclass
class LinearModels:
    """What R-CNN learns after its network: a linear SVM a class on fc7, and a regression of boxes on pooled features.

    Attributes
    ----------
    svm : (D + 1, K) float64, of the features scaled by `fc7_scale`, the last row the bias
    fc7_scale, pooled_scale : what makes the features' mean norm 20
    ridge : (E + 1, 4 K) float64, of pooled features scaled by `pooled_scale`, the last row the bias: tx, ty, tw, th
    """

    svm: np.ndarray
    fc7_scale: float
    ridge: np.ndarray
    pooled_scale: float

    def margins(self, hidden7: np.ndarray) -> np.ndarray:
        """fc7 (P, D) → margins (P, K); above 0 is inside."""
        return self.fc7_scale * (hidden7.astype(np.float64) @ self.svm[:-1]) + self.svm[-1]

    def offsets(self, pooled: np.ndarray) -> np.ndarray:
        """pooled (P, E) → offsets (P, 4 K)."""
        return self.pooled_scale * (pooled.astype(np.float64) @ self.ridge[:-1]) + self.ridge[-1]


class RCNN(FastRCNN):
    """The network of R-CNN. Constructed as `FastRCNN`; its images are warped regions, one RoI over each.

    Attributes
    ----------
    linear : LinearModels, once they have learned
    side, context : pixels of a warped region, and of the border around it
    """

    kind = "rcnn"
    loss_names: tuple[str, ...] = ("loss_cls",)
    # 32 windows with an object and 96 without in a step of two images; without, whatever overlaps by less than half.
    sampling = SamplingSettings(background_iou_low=0.0)
    linear: LinearModels | None = None
    together = 1  # regions that go through the network at once in detection

    def __init__(self, *given: Any, **named: Any):
        super().__init__(*given, **named)
        for parameter in self.head.bbox_pred.parameters().values():  # nobody asks it: boxes are the regression's
            parameter.lr_multiplier = 0.0

    @property
    def side(self) -> int:
        """Pixels of a warped region."""
        return SIDES.get(self.architecture.name, CELLS * self.architecture.stride)

    @property
    def context(self) -> int:
        """Pixels of it around the region."""
        return usual_context(self.side)

    def warp(self, pixels: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """pixels (H, W, 3), as `image_features` gives them, boxes (P, 4) → (P, side, side, 3) float32."""
        return warp_regions(pixels, boxes, self.side, self.context)

    def image_features(self, image: np.ndarray) -> np.ndarray:
        """image (H, W, 3) uint8 RGB → what regions are cut from: its own pixels, preprocessed and not resized."""
        return self.architecture.preprocessing.centre(image)

    def whole(self, count: int) -> np.ndarray:
        """A RoI over each of so many warped regions → (count, 5): RoI pooling then reads each cell once.

        Of the paper's 14×14 cells that is its fifth pool: a maximum of 2×2.
        """
        end = self.side - self.architecture.stride if self.architecture.pooling == "pool" else self.side
        rois = np.tile(np.array([0, 0, 0, end, end], np.float32), (count, 1))
        rois[:, 0] = np.arange(count)
        return rois

    def region_features(
        self, image: np.ndarray, features: np.ndarray, boxes: np.ndarray, together: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """What the network makes of every region: pooled (P, PH·PW·C) and fc7 (P, hidden7), float32.

        In detection mode, one region after the other, as the paper has it, or so many `together`: nothing is shared
        between them either way.

        Parameters
        ----------
        image : (H, W, 3) uint8 RGB
        features : as `image_features` gives them
        boxes : (P, 4) in pixels of the image
        """
        if self.training:
            self.eval()
        head = self.head
        pooled = np.empty((len(boxes), head.fc6.inputs), np.float32)
        hidden7 = np.empty((len(boxes), self.architecture.hidden[1]), np.float32)
        for start in range(0, len(boxes), together):
            rows = slice(start, min(start + together, len(boxes)))
            own = self.pool_regions(image, features, boxes[rows])
            pooled[rows] = own.reshape(len(own), -1)
            hidden6 = head.relu6.forward(head.fc6.forward(pooled[rows]))
            hidden7[rows] = head.relu7.forward(head.fc7.forward(hidden6))
        return pooled, hidden7

    def pool_regions(self, image: np.ndarray, features: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Regions as fc6 reads them → (P, PH, PW, C): here each goes through all convolutions on its own."""
        crops = self.warp(features, boxes)
        return self.roi_layer.forward(self.forward_features(crops), self.whole(len(crops)))

    def score_regions(
        self, image: np.ndarray, features: np.ndarray, proposals: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The SVMs' margins (P, K+1), column 0 unused, and the regression's offsets (P, 4(K+1)).

        Before they have learned: the fine-tuned network's own scores before softmax, and nothing is moved.
        """
        pooled, hidden7 = self.region_features(image, features, proposals, self.together)
        offsets = np.zeros((len(proposals), 4 * (self.num_classes + 1)))
        if self.linear is None:
            return self.head.cls_score.forward(hidden7), offsets
        offsets[:, 4:] = self.linear.offsets(pooled)
        return np.insert(self.linear.margins(hidden7), 0, 0, axis=1), offsets

    def probabilities(self, cls_score: np.ndarray) -> np.ndarray:
        """Margins (P, K+1) → (P, K+1) in (0, 1), by which they are put in order: no probabilities, an SVM has none."""
        return super().probabilities(cls_score) if self.linear is None else 1 / (1 + np.exp(-cls_score))

    def folded_parameters(self) -> dict[str, np.ndarray]:
        """As every detector's, and what was learned after the network: `linear.…`."""
        own = {}
        if (linear := self.linear) is not None:
            scales = np.array([linear.fc7_scale, linear.pooled_scale])
            own = {"linear.svm": linear.svm, "linear.ridge": linear.ridge, "linear.scales": scales}
        return super().folded_parameters() | own

    def take_rest(self, tensors: dict[str, np.ndarray], path: Path) -> None:
        """Take `linear` out of a model file's tensors, where it holds it.

        Raises
        ------
        InputError : it does not fit the network
        """
        D, E, K = self.architecture.hidden[1], self.head.fc6.inputs, self.num_classes
        shapes = {"linear.svm": (D + 1, K), "linear.ridge": (E + 1, 4 * K), "linear.scales": (2,)}
        if not set(shapes) & set(tensors):
            return
        for name, shape in shapes.items():
            if name not in tensors or tensors[name].shape != shape or not np.isfinite(tensors[name]).all():
                raise InputError(f"{path}: its {name} is missing, or not of shape {shape} and finite; train it again")
        svm, ridge, (fc7_scale, pooled_scale) = (tensors[name].astype(np.float64) for name in shapes)
        self.linear = LinearModels(svm, float(fc7_scale), ridge, float(pooled_scale))

    def region_losses(self, features: np.ndarray, drawn: Drawn) -> dict[str, float]:
        """The class loss alone: boxes are learned afterwards, apart."""
        self.drawn = drawn
        cls_score, bbox_pred = self.forward_rois(features, drawn.rois)
        loss, dcls_score = softmax_cross_entropy(cls_score, drawn.labels)
        self._gradients = dcls_score, np.zeros_like(bbox_pred)
        self.figures = {"foreground": float((drawn.labels > 0).mean()) if len(drawn.labels) else 0.0}
        return {"loss_cls": loss}


def refuse_staged(model: FastRCNN, what: str) -> None:
    """InputError for a detector that has parts which are no layers of its network, in front of what asks for layers."""
    if isinstance(model, RCNN):
        raise InputError(f"{what}: the SVMs and the box regression of this detector ({model.kind}) are no layers of "
                         "its network; take one of --model fast or faster")  # fmt: skip
