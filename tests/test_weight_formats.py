"""The same VGG16 from every format: what the writer wrote comes back, and PyTorch's scores with it."""

from dataclasses import replace

import numpy as np
import pytest

from minircnn import FasterRCNN, detect, load_model
from minircnn.base.errors import InputError
from minircnn.models import BACKBONES, vgg16
from minircnn.training.begin import first_model
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.training.train import Training
from minircnn.weights.foreign import detector
from minircnn.weights.foreign.convert import convert
from minircnn.weights.foreign.detector import VOC, read_classifier
from minircnn.weights.foreign.vgg16 import read_vgg16

for package in ("torch", "h5py", "onnx"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install torch h5py onnx to compare with them")
from weight_files import (  # noqa: E402
    DETECTOR,
    NARROW,
    WIDTHS,
    WRITERS,
    channels_last,
    keras_network,
    keras_scores,
    random_arrays,
    torch_logits,
    write_caffe,
)


@pytest.mark.parametrize("kind", WRITERS)
def test_every_format_gives_pytorchs_scores(kind, tmp_path, rng):
    arrays = random_arrays(WIDTHS)
    path = tmp_path / "weights.npz" if "npz" in kind else tmp_path / "weights"  # savez adds its own suffix
    WRITERS[kind](path, arrays)
    if path.suffix:
        path = path.rename(tmp_path / "weights")  # its name tells nothing
    found = read_vgg16(path, NARROW)
    model = read_classifier(found, NARROW)
    for name, (weight, bias) in arrays.items():
        np.testing.assert_array_equal(
            found.sources[f"{name}.weight"].array(), channels_last(name, weight), err_msg=name
        )
        np.testing.assert_array_equal(found.sources[f"{name}.bias"].array(), bias, err_msg=name)
    images = rng.standard_normal((2, 3, 224, 224)).astype(np.float32)
    want = torch_logits(arrays, images)
    got = model.forward(np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
    assert np.abs(got - want).max() <= 1e-4 * np.abs(want).max()


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
def test_a_fast_rcnn_caffemodel_is_a_detector(old, tmp_path, rng, monkeypatch):
    import torch
    from torch.nn import functional

    monkeypatch.setattr(detector, "vgg16", lambda: NARROW)
    arrays = random_arrays(WIDTHS, outputs=DETECTOR)
    path = tmp_path / "vgg16_fast_rcnn_iter_40000.caffemodel"
    write_caffe(path, arrays, old)
    model = load_model(path)
    assert model.class_names == VOC
    assert model.architecture.preprocessing == vgg16().preprocessing
    pooled = rng.standard_normal((5, 16, 7, 7)).astype(np.float32)
    hidden = torch.from_numpy(pooled).flatten(1)
    for name in ("fc6", "fc7"):
        hidden = functional.relu(functional.linear(hidden, *map(torch.from_numpy, arrays[name])))
    model.eval()
    outputs = model.head.forward(np.ascontiguousarray(pooled.transpose(0, 2, 3, 1)))
    for got, name in zip(outputs, DETECTOR, strict=True):
        want = functional.linear(hidden, *map(torch.from_numpy, arrays[name])).numpy()
        np.testing.assert_allclose(got, want, atol=1e-4 * np.abs(want).max())


def faster_arrays(anchors=9, scores=2):
    """A py-faster-rcnn snapshot's: the detector's layers, and the three that propose."""
    rng = np.random.default_rng(3)
    arrays = random_arrays(WIDTHS, outputs=DETECTOR)
    C = arrays["conv5_3"][0].shape[0]
    shapes = {
        "rpn_conv/3x3": (C, C, 3, 3),
        "rpn_cls_score": (scores * anchors, C, 1, 1),
        "rpn_bbox_pred": (4 * anchors, C, 1, 1),
    }
    return arrays | {
        name: (rng.standard_normal(shape, np.float32) * 0.1, rng.standard_normal(shape[0], np.float32))
        for name, shape in shapes.items()
    }


@pytest.mark.parametrize("old", [False, True], ids=["new", "old"])
def test_a_py_faster_rcnn_caffemodel_is_a_faster_rcnn(old, tmp_path, monkeypatch):
    """Its proposals' scores against a softmax over the file's own pairs, as PyTorch computes them."""
    import torch
    from torch.nn import functional

    monkeypatch.setattr(detector, "vgg16", lambda: NARROW)
    arrays = faster_arrays()
    path = tmp_path / "VGG16_faster_rcnn_final.caffemodel"
    write_caffe(path, arrays, old)
    model = load_model(path)
    assert isinstance(model, FasterRCNN)
    assert model.architecture.rpn == vgg16().rpn
    features = np.random.default_rng(4).standard_normal((1, 5, 7, 16)).astype(np.float32)
    scores, offsets = model.rpn.forward(features)
    tensors = {name: [torch.from_numpy(a) for a in pair] for name, pair in arrays.items()}
    x = torch.from_numpy(features).permute(0, 3, 1, 2)
    hidden = functional.relu(functional.conv2d(x, *tensors["rpn_conv/3x3"], padding=1))
    pairs = functional.conv2d(hidden, *tensors["rpn_cls_score"]).reshape(1, 2, 9, 5, 7)
    want = functional.softmax(pairs, dim=1)[:, 1].permute(0, 2, 3, 1).flatten(1).numpy()
    np.testing.assert_allclose(1 / (1 + np.exp(-scores)), want, atol=1e-5)
    moves = functional.conv2d(hidden, *tensors["rpn_bbox_pred"]).permute(0, 2, 3, 1).reshape(1, -1, 4).numpy()
    np.testing.assert_allclose(offsets, moves, atol=1e-4)
    found = detect(model, np.random.default_rng(5).integers(0, 256, (120, 160, 3)).astype(np.uint8))
    assert np.isfinite(found.boxes).all()


def test_such_a_file_may_be_converted_and_begun_with(tmp_path, monkeypatch):
    monkeypatch.setattr(detector, "vgg16", lambda: NARROW)
    write_caffe(tmp_path / "a", faster_arrays())
    convert(read_vgg16(tmp_path / "a", NARROW), tmp_path / "a.safetensors")
    one, two = load_model(tmp_path / "a"), load_model(tmp_path / "a.safetensors")
    for (name, before), (_, after) in zip(one.named_parameters(), two.named_parameters(), strict=True):
        np.testing.assert_array_equal(before.value, after.value, err_msg=name)
    model, same, _ = begin(tmp_path / "a", VOC, monkeypatch, "faster")
    assert same
    np.testing.assert_array_equal(model.rpn.cls_score.weight.value, one.rpn.cls_score.weight.value)
    fast, _, _ = begin(tmp_path / "a", VOC, monkeypatch)
    assert not isinstance(fast, FasterRCNN)


def test_twelve_anchors_are_cocos_and_others_nobodys(tmp_path, monkeypatch):
    monkeypatch.setattr(detector, "vgg16", lambda: NARROW)
    write_caffe(tmp_path / "twelve", faster_arrays(12))
    assert load_model(tmp_path / "twelve").architecture.rpn.scales == (4, 8, 16, 32)
    begun, _, _ = begin(tmp_path / "twelve", VOC, monkeypatch, "faster")
    assert begun.architecture.rpn.scales == (4, 8, 16, 32)
    assert begun.architecture.pooling == "pool"  # as its head has learned
    write_caffe(tmp_path / "five", faster_arrays(5))
    with pytest.raises(InputError, match="5 anchors a cell"):
        load_model(tmp_path / "five")
    write_caffe(tmp_path / "three", faster_arrays(scores=3))
    with pytest.raises(InputError, match="rpn_cls_score has 27 outputs"):
        load_model(tmp_path / "three")


def test_a_detector_in_halves_is_the_product_of_them(tmp_path, rng, monkeypatch):
    monkeypatch.setattr(detector, "vgg16", lambda: NARROW)
    arrays = random_arrays(WIDTHS, outputs=DETECTOR)
    halves = {name: pair for name, pair in arrays.items() if name not in ("fc6", "fc7")}
    for name, rank in (("fc6", 12), ("fc7", 9)):
        weight, bias = arrays[name]
        U, s, V = np.linalg.svd(weight, full_matrices=False)
        halves[f"{name}_L"] = ((s[:rank, None] * V[:rank]).astype(np.float32),)
        halves[f"{name}_U"] = (np.ascontiguousarray(U[:, :rank]), bias)
        arrays[name] = ((U[:, :rank] * s[:rank]) @ V[:rank], bias)
    write_caffe(tmp_path / "whole", {n: [np.asarray(a, np.float32) for a in pair] for n, pair in arrays.items()})
    write_caffe(tmp_path / "halves", halves)
    whole, halved = load_model(tmp_path / "whole"), load_model(tmp_path / "halves")
    assert halved.architecture.ranks == (12, 9)
    pooled = rng.standard_normal((5, 7, 7, 16)).astype(np.float32)
    for want, got in zip(whole.head.forward(pooled), halved.head.forward(pooled), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-4)


def begin(path, names, monkeypatch, model="fast"):
    monkeypatch.setitem(BACKBONES, "vgg16", lambda: NARROW)
    beginning = first_model(
        TrainSettings(
            data=".",
            backbone="vgg16",
            weights=str(path),
            pixels=None,
            frozen_blocks=2,
            model=model,
            pooling=None,
            rpn=None,
        ),
        names,
        np.random.default_rng(0),
    )
    return beginning.model, beginning.same_classes, beginning.notes


def test_a_run_begins_with_what_of_a_detector_fits(tmp_path, monkeypatch):
    arrays = random_arrays(WIDTHS, outputs=DETECTOR)
    write_caffe(tmp_path / "a", arrays)
    model, same_classes, notes = begin(tmp_path / "a", VOC, monkeypatch)
    assert same_classes
    assert any("is taken to expect Caffe's pixels" in note for note in notes)
    np.testing.assert_array_equal(model.head.bbox_pred.weight.value, arrays["bbox_pred"][0].T)
    model, same_classes, notes = begin(tmp_path / "a", ("shirt", "coat"), monkeypatch)
    assert not same_classes
    assert any("20 other classes: cls_score and bbox_pred begin anew" in note for note in notes)
    assert model.head.cls_score.weight.value.shape == (24, 3)
    assert model.head.cls_score.weight.value.std() > 0.005
    np.testing.assert_array_equal(model.head.fc7.weight.value, arrays["fc7"][0].T)


def test_what_is_no_detector_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(detector, "vgg16", lambda: NARROW)
    write_caffe(tmp_path / "a", random_arrays(WIDTHS))
    with pytest.raises(InputError, match=r"no detector \(cls_score, bbox_pred missing\); begin training"):
        load_model(tmp_path / "a")
    write_caffe(tmp_path / "b", random_arrays(WIDTHS, outputs={"cls_score": 21, "bbox_pred": 8}))
    with pytest.raises(InputError, match="bbox_pred has 8 outputs"):
        load_model(tmp_path / "b")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras' own
def test_keras_own_files_load(tmp_path, rng, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")  # it is not made for two of them
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    pytest.importorskip("keras", reason="Keras is not installed: pip install keras to compare with it")
    arrays = random_arrays(WIDTHS)
    network = keras_network(arrays)
    images = rng.standard_normal((1, 224, 224, 3)).astype(np.float32)
    want = keras_scores(network, images)
    network.save(tmp_path / "a.keras")
    network.save_weights(tmp_path / "a.weights.h5")
    for name in ("a.keras", "a.weights.h5"):
        found = read_vgg16(tmp_path / name, NARROW)
        assert found.preprocessing.mean == (103.939, 116.779, 123.68)
        got = read_classifier(found, NARROW).forward(images)
        assert np.abs(got - want).max() <= 1e-4 * np.abs(want).max()


def test_training_steps_from_a_converted_file_leave_frozen_layers_alone(scenes, tmp_path, monkeypatch):
    small = replace(NARROW.preprocessing, short_side=96, long_side=160)
    monkeypatch.setitem(BACKBONES, "vgg16", lambda: replace(NARROW, preprocessing=small))
    arrays = random_arrays(WIDTHS)
    arrays["conv1_1"] = arrays["conv1_1"][0] / 64, arrays["conv1_1"][1]  # pixels are up to 128 from the mean
    WRITERS["keras 1"](tmp_path / "a.h5", arrays)
    convert(read_vgg16(tmp_path / "a.h5", NARROW), tmp_path / "a.safetensors")
    given = {"data": str(scenes), "proposals_folder": str(scenes / "proposals"), "validation_images": 1}
    settings = TrainSettings(**given, backbone="vgg16", weights=str(tmp_path / "a.safetensors"), epochs=0.5, lr=1e-3)
    training = Training.start(RunFolder(tmp_path / "run"), settings)
    training.run()
    changed = set()
    for name, parameter in training.model.named_parameters():
        layer = name.split(".")[0]
        if layer in arrays:
            want = channels_last(layer, arrays[layer][0]) if name.endswith("weight") else arrays[layer][1]
            if not np.array_equal(parameter.value, want):
                changed.add(layer)
    assert changed == {name for name in arrays if name not in (*NARROW.frozen, "fc8")}
    assert training.model.architecture.preprocessing.mean == (103.939, 116.779, 123.68)


def test_vgg16s_weights_want_vgg16(tmp_path):
    WRITERS["keras 1"](tmp_path / "a.h5", random_arrays(WIDTHS))
    with pytest.raises(InputError, match="choose --backbone vgg16"):
        first_model(
            TrainSettings(
                data=".",
                backbone="vgg_small",
                weights=str(tmp_path / "a.h5"),
                pixels=None,
                frozen_blocks=2,
                model="fast",
                pooling="pool",
                rpn=None,
            ),
            ("a",),
            None,
        )
