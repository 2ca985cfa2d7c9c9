"""`minircnn weights info | convert | check`: what a newcomer sees."""

import json
from dataclasses import replace

import numpy as np
import pytest
from commands import minircnn
from safetensors import safe_open

from minircnn import load_model
from minircnn.models import VGGClassifier, vgg16
from minircnn.weights import check
from minircnn.weights.backbone_file import read_backbone, shipped_backbone
from minircnn.weights.check import PHOTOGRAPHS, class_names, likeness, look
from minircnn.weights.foreign import detector
from minircnn.weights.foreign.vgg16 import read_vgg16

for package in ("torch", "h5py"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install torch h5py onnx to write such files")
from weight_files import DETECTOR, NARROW, WIDTHS, random_arrays, write_caffe, write_torch  # noqa: E402


@pytest.fixture
def narrow(monkeypatch):
    import minircnn.models

    monkeypatch.setattr(minircnn.models, "vgg16", lambda: NARROW)
    monkeypatch.setattr(detector, "vgg16", lambda: NARROW)


def run(*words):
    done = minircnn("weights", *words)
    return done.returncode, done.stdout + done.stderr


def test_info_says_what_is_there(narrow, tmp_path):
    write_torch(tmp_path / "a.pth", random_arrays(WIDTHS))
    code, output = run("info", tmp_path / "a.pth")
    assert code == 0
    for words in ("PyTorch", "SHA-256", "of torchvision", "RGB", "fc6.weight", "(24, 784)", "classifier.0.weight"):
        assert words in output
    np.savez(tmp_path / "b.npz", mean=np.zeros(3, np.float32))
    code, output = run("info", tmp_path / "b.npz")
    assert code == 0
    assert "float32" in output
    assert "no VGG16" in output


def test_a_converted_file_says_where_it_is_from_and_loads_alike(narrow, tmp_path):
    write_torch(tmp_path / "a.pth", random_arrays(WIDTHS))
    code, output = run("convert", tmp_path / "a.pth", "--out", tmp_path / "b.safetensors")
    assert code == 0
    assert "--weights" in output
    with safe_open(tmp_path / "b.safetensors", framework="numpy") as file:
        told = json.loads(file.metadata()["minircnn_weights"])
    assert len(told["source"]["sha256"]) == 64
    assert told["preprocessing"]["channel_order"] == "RGB"
    one, two = (read_vgg16(tmp_path / name, NARROW) for name in ("a.pth", "b.safetensors"))
    assert one.preprocessing == two.preprocessing
    assert one.origin == two.origin
    assert one.guessed
    assert two.guessed  # what was a guess is one for ever
    assert any("guessed when it was converted" in note for note in two.notes)
    assert list(one.sources) == list(two.sources)
    for name, source in one.sources.items():
        np.testing.assert_array_equal(source.array(), two.sources[name].array(), err_msg=name)
    code, output = run("convert", tmp_path / "a.pth", "--out", tmp_path / "b.safetensors")
    assert code != 0


def test_a_detector_becomes_a_model_file(narrow, tmp_path):
    write_caffe(tmp_path / "a.caffemodel", random_arrays(WIDTHS, outputs=DETECTOR))
    code, _ = run("convert", tmp_path / "a.caffemodel", "--out", tmp_path / "b.safetensors")
    assert code == 0
    one, two = load_model(tmp_path / "a.caffemodel"), load_model(tmp_path / "b.safetensors")
    assert one.class_names == two.class_names
    for (name, a), (_, b) in zip(one.named_parameters(), two.named_parameters(), strict=True):
        np.testing.assert_array_equal(a.value, b.value, err_msg=name)


def test_check_prints_five_names_and_fails_where_nothing_is_recognised(narrow, tmp_path):
    arrays = random_arrays(WIDTHS, outputs={"fc8": 1000})
    write_torch(tmp_path / "a.pth", arrays)
    code, output = run("check", tmp_path / "a.pth")
    assert output.count(" %  ") == 5 * len(PHOTOGRAPHS)
    bias = (-50 - 0.001 * np.arange(1000)).astype(np.float32)  # fish everywhere
    arrays["fc8"] = 0 * arrays["fc8"][0], bias
    numbers = [number for number, _ in class_names()]
    bias[numbers.index("n02123045")] = 0
    write_torch(tmp_path / "a.pth", arrays)
    code, output = run("check", tmp_path / "a.pth")
    assert code != 0  # a tabby everywhere: right once
    assert f"1 of {len(PHOTOGRAPHS)} photographs" in output
    assert "100.0 %  tabby, tabby cat   <- right" in output
    bias[numbers.index("n07753113")] = 0
    write_torch(tmp_path / "a.pth", arrays)
    code, output = run("check", tmp_path / "a.pth")
    assert code == 0
    assert f"2 of {len(PHOTOGRAPHS)} photographs" in output
    assert output.count(" 50.0 %") == 2 * len(PHOTOGRAPHS)


def test_the_photographs_are_fed_as_the_weights_expect(monkeypatch):
    """The middle of the cat, in the weights' order of channels and with their mean."""
    seen = []
    model = VGGClassifier(NARROW, 1000, np.random.default_rng(0))
    monkeypatch.setattr(model, "forward", lambda images: seen.append(images) or np.zeros((1, 1000), np.float32))
    list(look(model, vgg16().preprocessing))
    assert all(image.shape == (1, 224, 224, 3) and image.dtype == np.float32 for image in seen)
    cat = check.read_image(check.resources.files("minircnn.fashion") / "bundled" / "photo_train_cat.jpg")
    reddest = cat[..., 0].mean() - 122.7717  # of RGB; the last channel of BGR
    assert abs(seen[0][..., 2].mean() - reddest) < 15
    assert seen[0][..., 2].mean() > seen[0][..., 0].mean() + 5


def test_without_a_classifier_check_says_which_pixels_tell_photographs_apart(narrow, tmp_path, monkeypatch):
    arrays = {name: pair for name, pair in random_arrays(WIDTHS).items() if name.startswith("conv")}
    write_torch(tmp_path / "a.pth", arrays)
    monkeypatch.setattr(check, "likeness", lambda _, pixels: 0.02 if pixels.scale[0] == 1 else 0.9)
    code, output = run("check", tmp_path / "a.pth")  # taken for torchvision's
    assert code == 2
    assert "give --pixels caffe" in output
    code, output = run("check", tmp_path / "a.pth", "--pixels", "caffe")
    assert code == 0
    assert "these pixels serve" in output
    monkeypatch.setattr(check, "likeness", lambda *_: 0.9)
    code, output = run("check", tmp_path / "a.pth")
    assert code == 2
    assert "ever trained?" in output


def test_pixels_of_the_wrong_size_make_all_photographs_look_alike():
    shipped = read_backbone(shipped_backbone("vgg_small"))
    backbone = shipped.architecture.backbone()
    backbone.draw(np.random.default_rng(0))
    for name, parameter in backbone.named_parameters():
        parameter.value[...] = shipped.weights[name]
    right = shipped.architecture.preprocessing
    assert likeness(backbone, right) < 0.9
    assert likeness(backbone, replace(right, scale=(6400.0,) * 3)) > 0.999


def test_the_names_are_imagenets():
    names = class_names()
    assert len(names) == len(set(names)) == 1000
    assert names[0] == ("n01440764", "tench, Tinca tinca")
    assert {number for numbers in PHOTOGRAPHS.values() for number in numbers} <= {number for number, _ in names}
    assert [number for number, _ in names] == sorted(number for number, _ in names)
