"""What `minircnn gradcheck` checks of Faster R-CNN: the losses of anchors, the way back to boxes, and all at once.

Which anchors and regions are drawn is held still while numbers are nudged, as backward takes it: it treats the
proposals as given. The last row undoes that and follows what training drops, from the head's losses to the
anchors' offsets.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from minircnn.anchors import RPNSettings
from minircnn.boxes import clip_boxes, decode_boxes, decode_boxes_backward
from minircnn.gradcheck.cases import TINY, smooth_loss
from minircnn.gradcheck.finite_differences import CheckRow, check_gradient
from minircnn.gradcheck.layers import check_parameter
from minircnn.losses import binary_cross_entropy, smooth_l1
from minircnn.models import Batch, FasterRCNN
from minircnn.models.batch import Drawn
from minircnn.targets import SamplingSettings

SEED = 7  # of what is drawn, each time anew


def anchor_cases(rng: np.random.Generator) -> Iterator[CheckRow]:
    """The two losses of anchors, and decoding."""
    scores, labels = rng.standard_normal(20) * 4, rng.integers(0, 2, 20)
    _, dscores = binary_cross_entropy(scores, labels)
    yield check_gradient(
        "binary_cross_entropy dscores", lambda at: binary_cross_entropy(at, labels)[0], scores, dscores, rng
    )
    offsets, onto = rng.standard_normal((20, 4)), rng.standard_normal((20, 4))
    _, doffsets = smooth_l1(offsets, onto, labels, 3.0)
    yield check_gradient(
        "smooth_l1 of anchors", lambda at: smooth_l1(at, onto, labels, 3.0)[0], offsets, doffsets, rng, step=1e-6
    )
    corner = rng.uniform(0, 40, (20, 2))
    anchors = np.concatenate([corner, corner + rng.uniform(8, 40, (20, 2))], axis=1)
    upstream = rng.standard_normal((20, 4))
    yield check_gradient(
        "decode_boxes doffsets",
        lambda at: float(np.vdot(upstream, decode_boxes(anchors, at))),
        offsets,
        decode_boxes_backward(anchors, offsets, upstream),
        rng,
    )


def tiny_model(rng: np.random.Generator) -> tuple[FasterRCNN, Batch]:
    """A model of a few channels in float64, with RoIAlign, and two images with two objects each."""
    rpn = RPNSettings(scales=(1, 2), border=None, anchors_per_image=24, min_side=3, train_after=30)
    tiny = replace(TINY, pooling="align", rpn=rpn)
    model = FasterRCNN(tiny, num_classes=3, rng=rng, dtype=np.float64, output_size=(3, 3))
    model.sampling = SamplingSettings(rois_per_image=8, background_iou_low=0.0, foreground_fraction=0.5)
    for name, parameter in model.named_parameters():  # as after some training: biases off zero, outputs that move boxes
        if name.endswith("bias"):
            parameter.value[...] += 0.1 * rng.standard_normal(parameter.value.shape)
        elif name.startswith("rpn_"):
            parameter.value[...] += 0.05 * rng.standard_normal(parameter.value.shape)
    none = np.zeros((0, 5)), np.zeros(0, np.int64), np.zeros((0, 4))
    boxes = np.array([[4, 6, 30, 25], [28, 20, 60, 58]], np.float32)
    batch = Batch(
        rng.standard_normal((2, 64, 64, 3)),
        *none,
        image_ids=("a", "b"),
        boxes=(boxes, boxes[:, [1, 0, 3, 2]]),
        box_labels=(np.array([1, 2]), np.array([3, 1])),
        sizes=((64, 64), (64, 64)),
        scales=(1.0, 1.0),
    )
    return model, batch


def joint_cases(rng: np.random.Generator) -> Iterator[CheckRow]:
    """All four losses with respect to every parameter, the shared convolutions among them; and the dropped gradient."""
    model, batch = tiny_model(rng)
    model.train()
    model.rng = np.random.default_rng(SEED)
    model.losses(batch)
    drawn = model.drawn
    model.backward()
    for name, parameter in model.named_parameters():
        run = partial(_total, model, batch, drawn)
        yield check_parameter(f"joint loss → {name}", parameter, smooth_loss(model, run), rng, step=1e-6)
    yield _check_dropped(model, batch, rng)


def _total(model: FasterRCNN, batch: Batch, drawn: Drawn) -> float:
    """The sum of the losses of anchors that are drawn in the same way every time, and of regions that stay."""
    features = model.forward_features(batch.images)
    outputs = model.rpn.forward(features)
    loss_cls, loss_bbox, _, _ = model.rpn.losses(*outputs, batch.boxes, batch.sizes, np.random.default_rng(SEED))
    return loss_cls + loss_bbox + sum(model.region_losses(features, drawn).values())


def _check_dropped(model: FasterRCNN, batch: Batch, rng: np.random.Generator) -> CheckRow:
    """The anchors' offsets nudged, and the regions moved with them."""
    model.rng = np.random.default_rng(SEED)
    model.losses(batch)
    drawn, origin = model.drawn, model.origin
    own = origin.anchors >= 0
    n, which = drawn.rois[own, 0].astype(int), origin.anchors[own]
    anchors = model.rpn.anchors()[which].astype(np.float64)
    features = model.forward_features(batch.images)

    def region_losses(offsets: np.ndarray) -> float:
        rois = drawn.rois.astype(np.float64)
        rois[own, 1:] = clip_boxes(decode_boxes(anchors, offsets[n, which]), 64, 64)
        return sum(model.region_losses(features, drawn._replace(rois=rois)).values())

    region_losses(origin.offsets)  # now the regions are where float64 has them, not rounded as they were drawn
    dcls_score, dbbox_pred = model.kept_gradients()
    outputs = model.rpn.forward(features)
    model.backward(dcls_score, dbbox_pred, np.zeros_like(outputs[0]), np.zeros_like(outputs[1]))
    dropped = model.dropped_gradient()
    assert dropped is not None
    touched = np.zeros(dropped.shape, bool)
    touched[n, which] = True  # the others have no say, and would only thin out the entries that are nudged

    def loss_at(some: np.ndarray) -> float:
        offsets = origin.offsets.copy()
        offsets[touched] = some
        return smooth(offsets)

    def smooth(offsets: np.ndarray) -> float:
        value = region_losses(offsets)
        gates = np.concatenate([relu.saved("y") > 0 for relu in (model.head.relu6, model.head.relu7)], axis=1)
        return value if np.array_equal(gates, before) else float("nan")

    before = np.concatenate([relu.saved("y") > 0 for relu in (model.head.relu6, model.head.relu7)], axis=1)
    return check_gradient(
        "head losses → anchors' offsets (dropped)", loss_at, origin.offsets[touched], dropped[touched], rng, step=1e-6
    )
