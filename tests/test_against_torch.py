"""A whole training step against PyTorch's autograd, parameter by parameter, and a hundred steps of training."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch to compare with it")
import torch_reference as reference  # noqa: E402

from minircnn.anchors import sample_anchors  # noqa: E402
from minircnn.losses import smooth_l1, softmax_cross_entropy  # noqa: E402
from minircnn.models import Batch, FasterRCNN, FastRCNN, vgg16, vgg_small  # noqa: E402
from minircnn.training.optim import SGD  # noqa: E402

NARROW_VGG16 = replace(
    vgg16(), blocks=((8, 8), (12, 12), (16, 16, 16), (20, 20, 20), (20, 20, 20)), hidden=(40, 36), frozen=()
)


def minibatch(rng, dtype, images=2, size=64, rois=24, classes=5):
    x = rng.standard_normal((images, size, size, 3)).astype(dtype)
    xy = rng.uniform(-10, size * 0.8, (rois, 2))
    boxes = np.concatenate([xy, xy + rng.uniform(-4, size * 0.7, (rois, 2))], axis=1)
    where = np.sort(rng.integers(0, images, rois))
    labels = rng.integers(0, classes + 1, rois) * (rng.random(rois) < 0.6)
    targets = (rng.standard_normal((rois, 4)) * 1.5).astype(dtype)
    return x, np.concatenate([where[:, None], boxes], axis=1).astype(np.float32), labels, targets


def without_dropout(architecture, rng, dtype=np.float32, kind=FastRCNN):
    model = kind(replace(architecture, dropout=0.0), num_classes=5, rng=rng, dtype=dtype)
    for layer in (model.head.cls_score, model.head.bbox_pred):
        layer.weight.value *= 20  # as after some training: both branches send back something of size
    model.train()
    return model


@pytest.mark.parametrize("architecture", [vgg_small(), NARROW_VGG16], ids=["vgg_small", "vgg16 shape"])
@pytest.mark.parametrize(("dtype", "allowed"), [(np.float32, 1e-4), (np.float64, 1e-10)], ids=["float32", "float64"])
def test_every_gradient_of_a_step_equals_autograd(architecture, dtype, allowed):
    rng = np.random.default_rng(5)
    model = without_dropout(architecture, rng, dtype)
    images, rois, labels, targets = minibatch(rng, dtype)
    cls_score, bbox_pred = model.forward(images, rois)
    class_loss, dcls_score = softmax_cross_entropy(cls_score, labels)
    box_loss, dbbox_pred = smooth_l1(bbox_pred, targets, labels)
    model.backward(dcls_score, dbbox_pred)

    parameters = reference.to_torch({name: p.value for name, p in model.named_parameters()})
    outputs = reference.forward(parameters, images, rois, (7, 7), architecture.stride)
    want_class, want_box = reference.losses(*outputs, labels, targets)
    (want_class + want_box).backward()

    assert class_loss == pytest.approx(float(want_class.detach()), rel=allowed)
    assert box_loss == pytest.approx(float(want_box.detach()), rel=allowed)
    for name, parameter in model.named_parameters():
        want = parameters[name].grad.numpy()
        assert np.abs(want).max() > 0, name
        error = np.abs(parameter.grad - want).max() / np.abs(want).max()
        assert error <= allowed, f"{name}: {error:.1e}"


@pytest.mark.parametrize("pooling", ["pool", "align"])
@pytest.mark.parametrize("architecture", [vgg_small(), NARROW_VGG16], ids=["vgg_small", "vgg16 shape"])
@pytest.mark.parametrize(("dtype", "allowed"), [(np.float32, 1e-4), (np.float64, 1e-9)], ids=["float32", "float64"])
def test_every_gradient_of_a_faster_r_cnn_step_equals_autograd(architecture, pooling, dtype, allowed):
    """The same anchors and the same RoIs; with RoIAlign also what is dropped, which autograd is told to follow."""
    rng = np.random.default_rng(11)  # with others a float32 winner may differ where two cells are all but equal
    settings = replace(vgg_small().rpn, scales=(1, 2), anchors_per_image=64, min_side=4)
    model = without_dropout(replace(architecture, pooling=pooling, rpn=settings), rng, dtype, FasterRCNN)
    for name, layer in model.rpn.layers.items():
        if name.endswith(("score", "pred")):
            layer.weight.value *= 5
    images = rng.standard_normal((2, 64, 64, 3)).astype(dtype)
    boxes = tuple(np.array(some, np.float32) for some in ([[4, 6, 30, 25], [28, 20, 60, 58]], [[10, 3, 40, 44]]))
    empty = np.zeros((0, 5), np.float32), np.zeros(0, np.int64), np.zeros((0, 4), np.float32)
    labels = np.array([1, 2]), np.array([4])
    batch = Batch(images, *empty, ("a", "b"), boxes, labels, sizes=((64, 64), (64, 64)), scales=(1.0, 1.0))
    model.rng = np.random.default_rng(9)
    found = model.losses(batch)
    drawn, origin = model.drawn, model.origin
    model.backward()
    again, anchors = np.random.default_rng(9), model.rpn.anchors()
    chosen = [sample_anchors(anchors, boxes[n], (64, 64), settings, again) for n in range(2)]
    index = np.concatenate([n * len(anchors) + one.index for n, one in enumerate(chosen)])

    parameters = reference.to_torch({name: p.value for name, p in model.named_parameters()})
    features = reference.convolutions(parameters, images)
    scores, offsets = reference.rpn(parameters, features)
    rpn_losses = reference.rpn_losses(
        scores, offsets, index,
        np.concatenate([one.labels for one in chosen]), np.concatenate([one.offsets for one in chosen]).astype(dtype),
    )  # fmt: skip
    rois = torch.tensor(drawn.rois.astype(dtype))
    followed = offsets.detach().requires_grad_()
    own = origin.anchors >= 0
    n, which = drawn.rois[own, 0].astype(int), origin.anchors[own]
    moved = reference.decode(torch.tensor(anchors[which].astype(dtype)), followed[n, which]).clamp(0, 64)
    rois[own, 1:] += moved - moved.detach()  # where they were drawn, float32, and moving with the offsets
    if pooling == "align":
        pooled = reference.roi_align(features, rois, (7, 7), 1 / architecture.stride, 2)
    else:
        pooled = reference.roi_pool(features, drawn.rois, (7, 7), 1 / architecture.stride)
    outputs = reference.head(parameters, pooled)
    want = (*reference.losses(*outputs, drawn.labels, drawn.targets.astype(dtype)), *rpn_losses)
    sum(want).backward()

    for loss, expected in zip(found.values(), want, strict=True):
        assert loss == pytest.approx(float(expected.detach()), rel=allowed)
    for name, parameter in model.named_parameters():
        expected = parameters[name].grad.numpy()
        assert np.abs(expected).max() > 0, name
        error = np.abs(parameter.grad - expected).max() / np.abs(expected).max()
        assert error <= allowed, f"{name}: {error:.1e}"
    if pooling == "align":
        dropped, expected = model.dropped_gradient(), followed.grad.numpy()
        error = np.abs(dropped - expected).max() / np.abs(expected).max()
        assert error <= max(allowed, 1e-6), f"dropped: {error:.1e}"


@pytest.mark.slow
def test_a_hundred_steps_of_training_follow_pytorch():
    rng = np.random.default_rng(6)
    architecture = replace(vgg_small(), blocks=((8,), (12,), (16, 16, 16), (20, 20, 20)), hidden=(48, 48))
    model = without_dropout(architecture, rng, np.float64)
    for layer in (model.head.cls_score, model.head.bbox_pred):
        layer.weight.value /= 20  # from the start of training
    batches = [minibatch(rng, np.float64, size=48, rois=16) for _ in range(4)]
    parameters = reference.to_torch({name: p.value for name, p in model.named_parameters()})
    ours, theirs = SGD(model.named_parameters()), reference.CaffeSGD(parameters)
    first = last = 0.0
    for step in range(100):
        images, rois, labels, targets = batches[step % len(batches)]
        lr = 2e-3 if step < 70 else 2e-4
        cls_score, bbox_pred = model.forward(images, rois)
        class_loss, dcls_score = softmax_cross_entropy(cls_score, labels)
        box_loss, dbbox_pred = smooth_l1(bbox_pred, targets, labels)
        model.backward(dcls_score, dbbox_pred)
        ours.step(lr)

        want = sum(reference.losses(*reference.forward(parameters, images, rois, (7, 7), 8), labels, targets))
        want.backward()
        theirs.step(lr)
        assert class_loss + box_loss == pytest.approx(float(want.detach()), rel=1e-7), f"step {step}"
        first, last = first or class_loss + box_loss, class_loss + box_loss
    assert last < 0.8 * first  # it learned, so the comparison is not of a standstill
