"""Fast R-CNN: two inputs (images, rois), two outputs (cls_score, bbox_pred), and the way back written out.

    images → backbone → features ─┐
                                  ├→ roi_pool → fc6 → fc7 ─┬→ cls_score   (K+1 per RoI)
    rois ─────────────────────────┘                        └→ bbox_pred   (4(K+1) per RoI)

`targets.py` says what the outputs should have been, `losses.py` how wrong they are; `backward` takes the losses'
gradients and fills every parameter's `grad` (Girshick, Fast R-CNN, 2015).
"""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from minircnn.kernels.checks import check_shape
from minircnn.layers import Layer
from minircnn.losses import smooth_l1, softmax, softmax_cross_entropy
from minircnn.models.architecture import Architecture
from minircnn.models.batch import Batch, Drawn
from minircnn.models.normalised import Normalised
from minircnn.proposals import ProposalSettings, propose
from minircnn.targets import OffsetStatistics, SamplingSettings


def check_class_names(names: Sequence[str] | None, num_classes: int) -> tuple[str, ...]:
    """K names; ValueError where they are not K different words. A model with others could be stored and not loaded."""
    if names is None:
        return tuple(f"class {k}" for k in range(1, num_classes + 1))
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"FastRCNN: class_names should be words, not {names!r}")
    if len(names) != num_classes or len(set(names)) != num_classes:
        raise ValueError(f"FastRCNN: class_names should be {num_classes} different names, one for each class: {names}")
    return tuple(map(str, names))


class FastRCNN(Normalised):
    """The detector: the architecture makes its parts, `backbone`, `roi_layer` and `head`.

    Parameters
    ----------
    architecture : Architecture
        `vgg16()` or `vgg_small()`.
    num_classes : int
        K, foreground classes.
    rng : numpy.random.Generator
        Draws the first weights and, in training, the dropout masks.
    class_names : K different names, stored with the model; "class 1", … if absent
    dtype : float32 to train, float64 to check gradients
    output_size : (PH, PW), or one number for both
    given : names of layers that are not drawn, since a file gives their weights

    Raises
    ------
    ValueError : `num_classes` is below 1, or `class_names` are not so many different words
    """

    kind = "fast"
    loss_names: tuple[str, ...] = ("loss_cls", "loss_bbox")
    figure_names: tuple[str, ...] = ("foreground",)
    #: What is sent back on its own when a step is taken apart: a word, and the losses that it stands for.
    sent: ClassVar[dict[str, tuple[str, ...]]] = {
        "class": ("loss_cls",),
        "box": ("loss_bbox",),
        "both": ("loss_cls", "loss_bbox"),
    }
    pooling = "pool"  # what suits it best
    searches = True  # its proposals come from outside, and can be computed and kept before training begins
    sampling = SamplingSettings()

    def __init__(
        self,
        architecture: Architecture,
        num_classes: int,
        rng: np.random.Generator,
        class_names: Sequence[str] | None = None,
        dtype: type = np.float32,
        output_size: int | tuple[int, int] = (7, 7),
        given: Container[str] = (),
    ):
        if num_classes < 1:
            raise ValueError(
                f"FastRCNN: num_classes counts the foreground classes and is at least 1, not {num_classes}"
            )
        self.architecture = architecture
        self.num_classes = num_classes
        self.class_names = check_class_names(class_names, num_classes)
        self.sigma = 1.0  # smooth-L1's; training sets it
        self.search = ProposalSettings()  # of `propose`; stored with the model
        self.best_score: float | None = None  # from which on detections were best in validation (F1)
        self.statistics = OffsetStatistics.identity(num_classes)  # training sets it; a stored model has none left
        self.learned_in: OffsetStatistics | None = None  # those that training set, once they are folded away
        self.roi_layer = architecture.roi_layer(output_size)
        self.head = architecture.head(num_classes, self.roi_layer.output_size, dtype)
        after = self.proposing_layers(dtype) | {self.roi_layer.name: self.roi_layer} | self.head.layers
        super().__init__(architecture.backbone(dtype), after, rng, given)

    @classmethod
    def weight_shapes(
        cls, architecture: Architecture, num_classes: int, output_size: tuple[int, int]
    ) -> dict[str, tuple[int, ...]]:
        """Name → shape of every weight that can be large; nothing of that size is made to find out."""
        return architecture.weight_shapes(num_classes, output_size)

    def proposing_layers(self, dtype: type) -> dict[str, Layer]:
        """Name → layer, of those between backbone and RoI layer: none, for Selective Search learns nothing."""
        return {}

    def propose(self, image: np.ndarray, features: np.ndarray | None = None) -> np.ndarray:
        """image (H, W, 3) uint8 RGB → boxes (P, 4) float32 in its pixels, where something might be: the search's.

        features : (1, FH, FW, C) of the image, for models that look at these instead
        """
        return propose(image, self.search)

    def image_features(self, image: np.ndarray) -> np.ndarray:
        """image (H, W, 3) uint8 RGB → what all its regions are scored from: its features (1, FH, FW, C)."""
        return self.forward_features(self.architecture.preprocessing.apply(image)[0][None])

    def score_regions(
        self, image: np.ndarray, features: np.ndarray, proposals: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """cls_score (P, K+1) and offsets (P, 4(K+1)), not normalised, of proposals (P, 4) in pixels of the image.

        features : as `image_features` gives them
        """
        scale = self.architecture.preprocessing.image_scale(*image.shape[:2])
        rois = np.insert(proposals * np.float32(scale), 0, 0, axis=1).astype(np.float32)
        cls_score, bbox_pred = self.forward_rois(features, rois)
        return cls_score, self.offsets(bbox_pred)

    def probabilities(self, cls_score: np.ndarray) -> np.ndarray:
        """cls_score (P, K+1) → (P, K+1) in (0, 1): softmax's."""
        return softmax(cls_score) if len(cls_score) else cls_score

    def forward(self, images: np.ndarray, rois: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Score and locate every region.

        Parameters
        ----------
        images : (N, H, W, 3) float, preprocessed
        rois : (R, 5) float, image index, x1, y1, x2, y2 in pixels of `images`

        Returns
        -------
        cls_score : (R, K+1), before softmax
        bbox_pred : (R, 4(K+1)), offsets normalised by `statistics`
        """
        return self.forward_rois(self.forward_features(images), rois)

    def forward_features(self, images: np.ndarray) -> np.ndarray:
        """images (N, H, W, 3) → features (N, FH, FW, C), computed once for all regions."""
        check_shape("FastRCNN", "images", images, (None, None, None, 3))
        return self.backbone.forward(images)

    def forward_rois(self, features: np.ndarray, rois: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """features (N, FH, FW, C), rois (R, 5) → cls_score (R, K+1), bbox_pred (R, 4(K+1))."""
        pooled = self.roi_layer.forward(features, rois, reuse=not self.training)  # (R, PH, PW, C)
        return self.head.forward(pooled)

    def can_learn_from(self, batch: Batch) -> bool:
        """Whether it has a single usable RoI."""
        return len(batch.labels) > 0

    def regions(self, batch: Batch) -> np.ndarray:
        """(R, 5), what of a minibatch is pooled."""
        return batch.rois

    def losses(self, batch: Batch) -> dict[str, float]:
        """Forward and both losses of a minibatch; their gradients wait for `backward`."""
        drawn = Drawn(batch.rois, batch.labels, batch.targets)
        return self.region_losses(self.forward_features(batch.images), drawn)

    def region_losses(self, features: np.ndarray, drawn: Drawn) -> dict[str, float]:
        """The two losses of regions on features (N, FH, FW, C); `drawn` stays for whoever wants to see it."""
        self.drawn = drawn
        cls_score, bbox_pred = self.forward_rois(features, drawn.rois)
        loss_cls, dcls_score = softmax_cross_entropy(cls_score, drawn.labels)
        loss_bbox, dbbox_pred = self.box_loss(bbox_pred, drawn)
        self._gradients = dcls_score, dbbox_pred
        self.figures = {"foreground": float((drawn.labels > 0).mean()) if len(drawn.labels) else 0.0}
        return {"loss_cls": loss_cls, "loss_bbox": loss_bbox}

    def box_loss(self, bbox_pred: np.ndarray, drawn: Drawn) -> tuple[float, np.ndarray]:
        """What moves the boxes: smooth-L1 of bbox_pred (R, 4(K+1)), and its gradient, of the same shape."""
        return smooth_l1(bbox_pred, drawn.targets, drawn.labels, self.sigma)

    def backward(self, dcls_score: np.ndarray | None = None, dbbox_pred: np.ndarray | None = None) -> None:
        """Carry both losses' gradients back to every parameter that learns.

        Parameters
        ----------
        dcls_score : (R, K+1), from `softmax_cross_entropy`
        dbbox_pred : (R, 4(K+1)), from `smooth_l1`; without the two, those of `losses`
        """
        if dcls_score is None and dbbox_pred is None:
            dcls_score, dbbox_pred = self.kept_gradients()
        if dcls_score is None or dbbox_pred is None:
            raise ValueError("FastRCNN: backward takes the gradients of both outputs, or none: then those of losses")
        if self.backbone.learns:
            self.backbone.backward(self.backward_rois(dcls_score, dbbox_pred))
        else:
            self.head.backward(dcls_score, dbbox_pred)

    def backward_rois(self, dcls_score: np.ndarray, dbbox_pred: np.ndarray) -> np.ndarray:
        """The way back of `forward_rois` → dfeatures (N, FH, FW, C).

        Through RoI pooling every pooled value's gradient is added to the cell that won its bin. The rois themselves
        receive none: they are data here, and rounding them to cells has no slope.
        """
        return self.roi_layer.backward(self.head.backward(dcls_score, dbbox_pred))

    def dropped_gradient(self) -> np.ndarray | None:
        """What training leaves out of the way back: nothing here, since the search that proposes cannot learn."""
        return None

    def take_rest(self, tensors: dict[str, np.ndarray], path: Path) -> None:
        """Take what else a model file holds beside the layers' weights: nothing."""
