"""A whole training step against PyTorch's autograd, parameter by parameter, and a hundred steps of training."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch to compare with it")
import torch_reference as reference  # noqa: E402

from minircnn.losses import smooth_l1, softmax_cross_entropy  # noqa: E402
from minircnn.models import FastRCNN, vgg16, vgg_small  # noqa: E402
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


def without_dropout(architecture, rng, dtype=np.float32):
    model = FastRCNN(replace(architecture, dropout=0.0), num_classes=5, rng=rng, dtype=dtype)
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
