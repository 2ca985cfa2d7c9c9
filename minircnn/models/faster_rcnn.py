"""Faster R-CNN: Fast R-CNN that proposes its own regions, by a small network on the same feature map.

    images → backbone → features ─┬→ rpn → proposals ─┐            (how sure, and how to move, of each anchor)
                                  │                   ├→ RoI layer → fc6 → fc7 ─┬→ cls_score
                                  └───────────────────┘                         └→ bbox_pred

Both networks learn at once, and what they want of the features they share is added (`backward`). One thing is left
out, which is why this is called approximate joint training: the proposals depend on the network as well, and the head's
losses would have a say in how the anchors are moved. `losses` names the line, `dropped_gradient` computes what was
dropped, by RoIAlign, whose result has a slope where a region moves (Ren et al., Faster R-CNN, 2015, section 3.2).
"""

from typing import ClassVar, NamedTuple

import numpy as np

from minircnn.boxes import clip_boxes, decode_boxes, decode_boxes_backward, iou_matrix
from minircnn.layers import Layer, RoIAlign
from minircnn.models.architecture import Architecture
from minircnn.models.batch import Batch, Drawn
from minircnn.models.fast_rcnn import FastRCNN
from minircnn.models.rpn import RPN, Proposals
from minircnn.targets import SamplingSettings, choose_rois, normalise_offsets


class Origin(NamedTuple):
    """What the drawn regions were made of.

    Attributes
    ----------
    anchors : (R,) int64, the anchor, of its image's, that each was made of; -1 for a true box
    offsets : (N, H·W·A, 4), of all anchors, by which they were moved
    sizes : N pairs, height and width that the proposals were clipped to
    """

    anchors: np.ndarray
    offsets: np.ndarray
    sizes: tuple[tuple[int, int], ...]


class FasterRCNN(FastRCNN):
    """The detector of images alone; its parts are Fast R-CNN's and `rpn`. Constructed in the same way.

    The numbers of the region proposal network are the architecture's, `architecture.rpn`.
    """

    kind = "faster"
    loss_names: tuple[str, ...] = ("loss_cls", "loss_bbox", "loss_rpn_cls", "loss_rpn_bbox")
    figure_names: tuple[str, ...] = ("foreground", "rpn_recall")
    sent: ClassVar[dict[str, tuple[str, ...]]] = FastRCNN.sent | {
        "rpn class": ("loss_rpn_cls",),
        "rpn box": ("loss_rpn_bbox",),
        "all": loss_names,
    }
    pooling = "align"  # its proposals fit less well than the search's, so where a region begins counts more
    searches = False
    # Background of any overlap: proposals that lie apart are what the head must learn to refuse.
    sampling = SamplingSettings(rois_per_image=128, background_iou_low=0.0)

    learns_regions = True

    def learn_proposals_alone(self) -> None:
        """From now on the head neither learns nor is asked: only the network that proposes and the features do."""
        self.learns_regions = False
        self.loss_names, self.figure_names = self.loss_names[2:], self.figure_names[1:]
        for layer in self.head.layers.values():
            for parameter in layer.parameters().values():
                parameter.lr_multiplier = 0.0

    @classmethod
    def weight_shapes(
        cls, architecture: Architecture, num_classes: int, output_size: tuple[int, int]
    ) -> dict[str, tuple[int, ...]]:
        """Name → shape of every weight that can be large, those of the network that proposes among them."""
        C, A = architecture.channels, architecture.rpn.anchors_per_cell
        own = {"rpn_conv.weight": (3, 3, C, C), "rpn_bbox_pred.weight": (1, 1, C, 4 * A)}
        return own | super().weight_shapes(architecture, num_classes, output_size)

    def proposing_layers(self, dtype: type) -> dict[str, Layer]:
        """Name → layer, of the region proposal network."""
        own = self.architecture
        rule = own.bias_lr_multiplier
        self.rpn = RPN(own.channels, own.stride, own.rpn, bias_lr_multiplier=rule, dtype=dtype)
        return self.rpn.layers

    def propose(
        self, image: np.ndarray, features: np.ndarray | None = None, limits: tuple[int, int] | None = None
    ) -> np.ndarray:
        """image (H, W, 3) uint8 RGB → boxes (P, 4) float32 in its pixels, the surest first; P may be 0.

        features : (1, FH, FW, C) of the image, where they are computed already
        limits : so many before suppression and after it; detection's if absent
        """
        preprocessing = self.architecture.preprocessing
        if features is None:
            features = self.forward_features(preprocessing.apply(image)[0][None])
        (height, width), settings = image.shape[:2], self.architecture.rpn
        scale, size = preprocessing.image_scale(height, width), preprocessing.input_size(height, width)
        scores, offsets = self.rpn.forward(features)
        found = self.rpn.propose(
            scores[0], offsets[0], size, scale, *(limits or (settings.test_before, settings.test_after))
        )
        boxes = clip_boxes(found.boxes / np.float32(scale), height, width)
        return boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)]

    def can_learn_from(self, batch: Batch) -> bool:
        """Always: where nothing is, the anchors learn that."""
        return True

    def regions(self, batch: Batch) -> np.ndarray:
        """(R, 5), what of a minibatch would be pooled as the network is now."""
        scores, offsets = self.rpn.forward(self.forward_features(batch.images))
        return self.draw(batch, self.proposals(batch, scores, offsets), offsets).rois

    def losses(self, batch: Batch) -> dict[str, float]:
        """Forward and all four losses of a minibatch; their gradients wait for `backward`."""
        features = self.forward_features(batch.images)
        scores, offsets = self.rpn.forward(features)
        loss_rpn_cls, loss_rpn_bbox, drpn_cls, drpn_bbox = self.rpn.losses(
            scores, offsets, batch.boxes, batch.sizes, self.rng
        )
        # Here the coordinates' gradient is dropped: from now on the proposals are numbers like any others, and what
        # they owe to `offsets` is forgotten. `dropped_gradient` is what would have come back through this line.
        proposals = self.proposals(batch, scores, offsets)
        found = self.region_losses(features, self.draw(batch, proposals, offsets)) if self.learns_regions else {}
        self._gradients = (*(self.kept_gradients() if found else ()), drpn_cls, drpn_bbox)
        self.figures["rpn_recall"] = _recall(proposals, batch.boxes)
        return found | {"loss_rpn_cls": loss_rpn_cls, "loss_rpn_bbox": loss_rpn_bbox}

    def proposals(self, batch: Batch, scores: np.ndarray, offsets: np.ndarray) -> list[Proposals]:
        """What the region proposal network's outputs propose, image by image."""
        settings = self.architecture.rpn
        before, after = settings.train_before, settings.train_after
        return [
            self.rpn.propose(scores[n], offsets[n], batch.sizes[n], batch.scales[n], before, after)
            for n in range(len(batch.images))
        ]

    def draw(self, batch: Batch, proposals: list[Proposals], from_offsets: np.ndarray) -> Drawn:
        """Draw each image's share of the regions, the true boxes among them, and what the head should say of them."""
        rois, labels, targets, anchors = [], [], [], []
        for n, found in enumerate(proposals):
            boxes, own_labels, offsets, which = choose_rois(
                found.boxes, batch.boxes[n], batch.box_labels[n], self.sampling, self.rng
            )
            rois.append(np.insert(boxes, 0, n, axis=1))
            labels.append(own_labels)
            targets.append(normalise_offsets(offsets, own_labels, self.statistics))
            anchors.append(np.where(which < 0, -1, found.anchors[which] if len(found.anchors) else -1))
        self.origin = Origin(np.concatenate(anchors), from_offsets, batch.sizes)
        return Drawn(np.concatenate(rois), np.concatenate(labels), np.concatenate(targets))

    def backward(
        self,
        dcls_score: np.ndarray | None = None,
        dbbox_pred: np.ndarray | None = None,
        drpn_cls: np.ndarray | None = None,
        drpn_bbox: np.ndarray | None = None,
    ) -> None:
        """Carry all losses' gradients back to every parameter that learns.

        Parameters
        ----------
        dcls_score : (R, K+1), from `softmax_cross_entropy`
        dbbox_pred : (R, 4(K+1)), from `smooth_l1`
        drpn_cls : (N, H·W·A), from the region proposal network's class loss
        drpn_bbox : (N, H·W·A, 4), from its box loss; without the four, those of `losses`. The last two may come alone
        """
        if dcls_score is None and dbbox_pred is None and drpn_cls is None and drpn_bbox is None:
            *of_regions, drpn_cls, drpn_bbox = self.kept_gradients()
            dcls_score, dbbox_pred = of_regions or (None, None)
        if drpn_cls is None or drpn_bbox is None or (dcls_score is None) != (dbbox_pred is None):
            raise ValueError("FasterRCNN: backward takes the gradients of all four outputs, or none: those of losses")
        self.rpn.conv.needs_dx = self.backbone.learns
        from_rpn = self.rpn.backward(drpn_cls, drpn_bbox)
        if dcls_score is not None and dbbox_pred is not None:
            self.dpooled = self.head.backward(dcls_score, dbbox_pred)
        if from_rpn is None:  # the features do not learn
            return
        dfeatures = from_rpn
        if dcls_score is not None:  # else the network that proposes learns alone
            from_head = self.roi_layer.backward(self.dpooled)
            # Both networks read the same features, so the two gradients that meet here are added.
            dfeatures = from_head + from_rpn
        self.backbone.backward(dfeatures)

    def dropped_gradient(self) -> np.ndarray | None:
        """What the head's losses would have said to the anchors' offsets, after `backward` → (N, H·W·A, 4).

        None with RoI pooling: its rounding has no slope to send it through. Where a proposal was clipped to the image,
        or an anchor was not drawn, it is 0. That the targets depend on the proposals as well is not in it.
        """
        if not isinstance(self.roi_layer, RoIAlign):
            return None
        origin, own = self.origin, self.origin.anchors >= 0
        n, which = self.drawn.rois[own, 0].astype(int), origin.anchors[own]
        anchors, offsets = self.rpn.anchors()[which], origin.offsets[n, which]
        boxes = decode_boxes(anchors, offsets)
        limits = np.array([(width, height, width, height) for height, width in origin.sizes])[n]
        dboxes = self.roi_layer.backward_to_rois(self.dpooled)[own] * ((boxes > 0) & (boxes < limits))
        doffsets = np.zeros_like(origin.offsets)
        doffsets[n, which] = decode_boxes_backward(anchors, offsets, dboxes)
        return doffsets


def _recall(proposals: list[Proposals], truth: tuple[np.ndarray, ...]) -> float:
    """Share of the true boxes that some proposal overlaps by half; 1 where there is none to be missed."""
    best = [
        iou_matrix(boxes, found.boxes).max(axis=1, initial=0) for found, boxes in zip(proposals, truth, strict=True)
    ]
    return float((np.concatenate(best) >= 0.5).mean()) if sum(map(len, truth)) else 1.0
