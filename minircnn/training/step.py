"""One training step: forward, the two losses, backward, SGD. `train.py` takes one after another."""

import math

from minircnn.base.errors import NotFinite
from minircnn.losses import smooth_l1, softmax_cross_entropy
from minircnn.models import FastRCNN
from minircnn.training.batches import Batch
from minircnn.training.optim import SGD


def train_step(model: FastRCNN, optimiser: SGD, batch: Batch, lr: float, sigma: float = 1.0) -> tuple[float, float]:
    """One step: forward, losses, backward, update.

    Parameters
    ----------
    model : FastRCNN, in training mode
    optimiser : SGD over its parameters
    batch : Batch
    lr : learning rate of this step
    sigma : smooth-L1's

    Returns
    -------
    class loss, box loss

    Raises
    ------
    NotFinite : a loss is not finite; nothing was updated then
    """
    cls_score, bbox_pred = model.forward(batch.images, batch.rois)
    loss_cls, dcls_score = softmax_cross_entropy(cls_score, batch.labels)
    loss_bbox, dbbox_pred = smooth_l1(bbox_pred, batch.targets, batch.labels, sigma)
    if not math.isfinite(loss_cls + loss_bbox):
        raise NotFinite(f"the loss is {loss_cls + loss_bbox} on images {', '.join(batch.image_ids)}")
    model.backward(dcls_score, dbbox_pred)
    optimiser.step(lr)
    return loss_cls, loss_bbox
