"""Layers: shape errors in words, backward before forward, what is kept and what frozen layers skip."""

from dataclasses import replace

import naive
import numpy as np
import pytest

from minircnn.kernels.matmul import matmul
from minircnn.layers import Conv, Dropout, Linear, MaxPool, Parameter, ReLU, RoIPool, Sequential
from minircnn.losses import smooth_l1, softmax_cross_entropy
from minircnn.models import Batch, FastRCNN, vgg16, vgg_small


def linear(rng, inputs, outputs):
    return Linear(Parameter(rng.standard_normal((inputs, outputs))), Parameter(rng.standard_normal(outputs)))


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (64, 30, 7), (65, 128, 33), (200, 17, 3), (0, 5, 4), (13, 2050, 40), (40, 1025, 300)]
)
@pytest.mark.parametrize("order", ["plain", "left transposed", "right transposed"])
def test_matmul_equals_numpy(shape, order, rng):
    M, K, N = shape
    a = rng.standard_normal((K, M)).T if order == "left transposed" else rng.standard_normal((M, K))
    b = rng.standard_normal((N, K)).T if order == "right transposed" else rng.standard_normal((K, N))
    np.testing.assert_allclose(matmul(a, b), a @ b, atol=1e-12)


@pytest.mark.parametrize(
    "layer",
    [
        Conv(Parameter(np.zeros((3, 3, 2, 2))), Parameter(np.zeros(2))),
        Linear(Parameter(np.zeros((2, 2))), Parameter(np.zeros(2))),
        ReLU(),
        Dropout(0.5, np.random.default_rng(0)),
        MaxPool(),
        RoIPool((2, 2), 1.0),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_backward_before_forward_is_a_clear_error(layer):
    with pytest.raises(RuntimeError, match=r"backward needs a forward in training mode before it"):
        layer.backward(np.zeros((1, 2)))


def test_a_wrong_shape_names_layer_argument_and_both_shapes(rng):
    with pytest.raises(ValueError, match=r"Linear: x should have shape \(any, 6\), not \(3, 5\)"):
        linear(rng, 6, 4).forward(np.zeros((3, 5)))


def test_a_roi_of_an_image_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"image's index in the batch, 0 to 1"):
        RoIPool((2, 2), 1.0).forward(np.zeros((2, 4, 4, 1)), np.array([[2.0, 0, 0, 1, 1]]))


def test_relu_is_a_gate():
    layer = ReLU()
    layer.training = True
    assert layer.forward(np.array([-1.0, 0.0, 2.0])).tolist() == [0, 0, 2]
    assert layer.backward(np.array([5.0, 6.0, -7.0])).tolist() == [0, 0, -7]


def test_dropout_keeps_the_expected_value_and_its_mask():
    layer = Dropout(0.25, np.random.default_rng(1))
    x = np.ones((400, 500))
    assert layer.forward(x) is x  # detection: nothing happens
    layer.training = True
    y = layer.forward(x)
    assert set(np.unique(y)) == {0, 1 / 0.75}
    assert y.mean() == pytest.approx(1, abs=0.01)
    np.testing.assert_array_equal(layer.backward(x), y)


def test_any_convolution_goes_by_the_direct_loops_too(rng):
    w, b = rng.standard_normal((3, 2, 2, 4)), rng.standard_normal(4)
    x = rng.standard_normal((1, 6, 5, 2))
    layer = Conv(Parameter(w), Parameter(b), stride=2, padding=1)
    np.testing.assert_allclose(layer.forward(x), naive.conv2d(x, w, b, 2, 1), atol=1e-12)


def test_names_and_shapes_of_the_parameters():
    model = FastRCNN(replace(vgg_small(), hidden=(20, 30)), num_classes=13, rng=np.random.default_rng(0))
    shapes = {name: parameter.value.shape for name, parameter in model.named_parameters()}
    assert shapes["conv1_1.weight"] == (3, 3, 3, 32)
    assert shapes["fc6.weight"] == (7 * 7 * 128, 20)
    assert shapes["cls_score.weight"] == (30, 14)
    assert shapes["bbox_pred.weight"] == (30, 56)
    assert len([name for name in shapes if name.startswith("conv") and name.endswith("weight")]) == 8


def test_frozen_layers_learn_nothing_and_keep_nothing():
    narrow = replace(vgg16(), blocks=((4, 4), (4, 4), (6,), (6,), (6,)), hidden=(8, 8))
    model = FastRCNN(narrow, num_classes=2, rng=np.random.default_rng(0))
    model.train()
    rng = np.random.default_rng(1)
    outputs = model.forward(
        rng.standard_normal((1, 64, 64, 3)).astype(np.float32), np.array([[0, 0, 0, 60, 60]], np.float32)
    )
    model.backward(*(rng.standard_normal(o.shape).astype(np.float32) for o in outputs))
    layers = model.backbone.layers
    assert layers["conv2_2"].x is None
    assert layers["conv2_2"].weight.grad is None
    assert layers["conv3_1"].x is not None
    assert layers["conv3_1"].weight.grad.any()
    assert [name for name, p in model.named_parameters() if not p.learns][-1] == "conv2_2.bias"
    biases = [p for name, p in model.named_parameters() if name.endswith("bias") and p.learns]
    assert all(p.lr_multiplier == 2 and p.decay_multiplier == 0 for p in biases)


def test_features_of_600_pixels_are_38_cells():
    """Caffe's ceil mode: floor would give 37."""
    narrow = replace(vgg16(), blocks=((1,), (1,), (1,), (1,), (1,)))
    model = FastRCNN(narrow, num_classes=1, rng=np.random.default_rng(0))
    assert model.forward_features(np.zeros((1, 600, 800, 3), np.float32)).shape == (1, 38, 50, 1)


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("images", [1, 2])
def test_layers_taken_along_give_what_they_give_one_by_one(frozen, images, rng):
    """Fused ReLU, pool and gates, and maps that are written over: the same features, for other sizes in between."""
    architecture = replace(vgg16(), blocks=((16, 20), (24,), (20, 18)), frozen=("conv1_1", "conv1_2") if frozen else ())
    backbone = architecture.backbone()
    backbone.draw(rng)
    for training in (False, True):
        backbone.set_training(training)
        results = []
        for size in ((37, 50), (20, 33), (37, 50)):
            x = np.random.default_rng(size[0]).standard_normal((images, *size, 3)).astype(np.float32)
            want = x
            for layer in backbone.layers.values():
                want = layer.forward(want)
            results.append((backbone.forward(x), want))
        for got, want in results:  # the first is still what it was after the others
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("images", [1, 2])
def test_gates_taken_along_on_the_way_back_give_the_same_gradients(frozen, images, rng):
    architecture = replace(vgg16(), blocks=((16, 20), (24,), (20, 18)), frozen=("conv1_1", "conv1_2") if frozen else ())
    backbone = architecture.backbone()
    backbone.draw(rng)
    backbone.set_training(True)
    x = rng.standard_normal((images, 37, 50, 3), np.float32)
    dy = rng.standard_normal(backbone.forward(x).shape, np.float32)
    other = architecture.backbone()
    other.draw(rng)
    other.set_training(False)
    other.forward(-x)  # has its own way through the workspaces, before this one is back
    backbone.backward(dy)
    learning = [parameter for _, parameter in backbone.named_parameters() if parameter.learns]
    got = [parameter.grad.copy() for parameter in learning]
    for layer in backbone.layers.values():
        x = layer.forward(x)
    for layer in reversed(list(backbone.layers.values())[backbone.lowest_that_learns() :]):
        dy = layer.backward(dy)
    for gradient, parameter in zip(got, learning, strict=True):
        np.testing.assert_array_equal(gradient, parameter.grad)


def test_a_layer_by_itself_gives_the_gradient_of_its_own_input(rng):
    """Whatever a chain has planned: who walks the layers one by one sees what reaches the ReLU below, closed or not."""
    backbone = replace(vgg_small(), blocks=((16, 16), (16,))).backbone()
    backbone.draw(rng)
    backbone.set_training(True)
    dy = rng.standard_normal(backbone.forward(rng.standard_normal((1, 9, 8, 3), np.float32)).shape, np.float32)
    backbone.backward(dy)
    layer = backbone.layers["conv1_2"]
    assert backbone.above["conv1_2"].gates
    dx = layer.backward(rng.standard_normal((1, 9, 8, 16), np.float32))
    assert np.abs(dx[layer.x == 0]).min() > 0


def test_what_passes_its_input_on_does_not_bring_two_maps_into_one_workspace(rng):
    """Dropout hands on x itself in detection: the map after it is not to be written over the one before."""
    layers = {}
    for name in "ab":
        layers[name] = Conv(Parameter(rng.standard_normal((3, 3, 16, 16))), Parameter(np.zeros(16)))
        layers |= {f"relu_{name}": ReLU(), f"drop_{name}": Dropout(0.5)}
    x = want = rng.standard_normal((1, 7, 8, 16))
    chain = Sequential(layers)
    for layer in layers.values():
        want = layer.forward(want)
    got = chain.forward(x)
    chain.forward(-x)  # the first is still what it was
    np.testing.assert_array_equal(got, want)


def test_a_chain_that_kept_nothing_says_so_on_the_way_back(rng):
    backbone = vgg_small().backbone()
    backbone.draw(rng)
    features = backbone.forward(np.zeros((1, 32, 32, 3), np.float32))
    with pytest.raises(RuntimeError, match=r"Sequential\.backward needs a forward in training mode"):
        backbone.backward(features)


def test_backward_takes_both_gradients_or_those_of_the_losses(rng):
    model = FastRCNN(replace(vgg_small(), hidden=(20, 30)), num_classes=3, rng=rng)
    model.train()
    images = rng.standard_normal((1, 40, 48, 3), np.float32)
    rois = np.array([[0, 0, 0, 30, 30], [0, 5, 6, 20, 39]], np.float32)
    batch = Batch(images, rois, np.array([2, 0]), np.ones((2, 4), np.float32), ("",))
    losses = model.losses(batch)
    model.backward()
    got = {name: parameter.grad.copy() for name, parameter in model.named_parameters()}
    cls_score, bbox_pred = model.forward(images, rois)
    loss_cls, dcls_score = softmax_cross_entropy(cls_score, batch.labels)
    loss_bbox, dbbox_pred = smooth_l1(bbox_pred, batch.targets, batch.labels)
    model.backward(dcls_score, dbbox_pred)
    assert losses == {"loss_cls": loss_cls, "loss_bbox": loss_bbox}
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(parameter.grad, got[name], err_msg=name)
    with pytest.raises(RuntimeError, match="needs losses before it"):
        model.backward()  # they were used up
    with pytest.raises(ValueError, match="both outputs, or none"):
        model.backward(dcls_score)


def test_detection_forgets_no_change_of_a_weight(rng):
    """Filters are transformed once for as long as they stay the same, and no longer."""
    layer = Conv(Parameter(rng.standard_normal((3, 3, 16, 5))), Parameter(np.zeros(5)))
    x = rng.standard_normal((1, 6, 7, 16))
    before = layer.forward(x)
    layer.weight.value[1, 1, 3, 2] += 1
    after = layer.forward(x)
    np.testing.assert_allclose((after - before)[..., 2], x[..., 3], atol=1e-9)


def test_detection_in_rooms_that_are_kept_gives_what_new_arrays_give(rng):
    model = FastRCNN(replace(vgg_small(), hidden=(20, 30)), num_classes=3, rng=rng)
    images = rng.standard_normal((1, 40, 48, 3), np.float32)
    rois = np.array([[0, 0, 0, 30, 30], [0, 5, 6, 20, 39], [0, 50, 50, 60, 60]], np.float32)
    first = model.forward(images, rois)
    model.forward(-images, rois[:2])  # writes over the rooms
    pooled = model.roi_layer.forward(model.forward_features(images), rois)
    for got, want in zip(first, model.head.forward(pooled), strict=True):
        np.testing.assert_array_equal(got, want)
