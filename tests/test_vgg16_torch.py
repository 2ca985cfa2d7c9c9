"""torchvision's VGG16: its names, its layout and its pixels, against PyTorch."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

from minircnn.errors import InputError
from minircnn.models import BACKBONES, FastRCNN, vgg16
from minircnn.training.begin import first_model
from minircnn.weights import vgg16_torch

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch to compare with it")

NARROW = replace(vgg16(), blocks=((4, 5), (6, 7), (8, 9, 10), (11, 12, 13), (14, 15, 16)), hidden=(24, 20))


def torchvision_like(classifier=True):
    """The same layers in the same order as torchvision's VGG16, narrower."""
    layers, C = [], 3
    for widths in NARROW.blocks:
        for OC in widths:
            layers += [torch.nn.Conv2d(C, OC, 3, padding=1), torch.nn.ReLU()]
            C = OC
        layers.append(torch.nn.MaxPool2d(2, 2, ceil_mode=True))
    parts = {"features": torch.nn.Sequential(*layers)}
    if classifier:
        relu, drop = torch.nn.ReLU, torch.nn.Dropout
        parts["classifier"] = torch.nn.Sequential(
            torch.nn.Linear(16 * 49, 24),
            relu(),
            drop(),
            torch.nn.Linear(24, 20),
            relu(),
            drop(),
            torch.nn.Linear(20, 9),
        )
    return torch.nn.ModuleDict(parts).eval()


def saved(network, folder, prefix=""):
    path = folder / "vgg16.pth"
    torch.save({prefix + name: value for name, value in network.state_dict().items()}, path)
    return path


def begin(path, monkeypatch):
    monkeypatch.setitem(BACKBONES, "vgg16", lambda: NARROW)
    settings = SimpleNamespace(backbone="vgg16", weights=str(path))
    return first_model(settings, ("a", "b"), np.random.default_rng(0))


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_run_begins_with_what_pytorch_computes(prefix, tmp_path, monkeypatch):
    network = torchvision_like()
    model, same_classes, notes = begin(saved(network, tmp_path, prefix), monkeypatch)
    assert not same_classes
    assert len(notes) == 1
    assert "torchvision's pixels" in notes[0]
    assert model.architecture.preprocessing.channel_order == "RGB"
    assert model.architecture.frozen == NARROW.frozen
    x = torch.randn(1, 3, 64, 80)
    with torch.no_grad():
        want = network["features"][:-1](x)
        pooled = torch.randn(3, 16, 7, 7)
        hidden = network["classifier"][:5](pooled.flatten(1))
    got = model.forward_features(np.ascontiguousarray(x.numpy().transpose(0, 2, 3, 1)))
    np.testing.assert_allclose(got, want.numpy().transpose(0, 2, 3, 1), atol=1e-5)
    seen = []
    model.cls_score.forward = lambda hidden7: seen.append(hidden7)
    model.forward_pooled(np.ascontiguousarray(pooled.numpy().transpose(0, 2, 3, 1)))
    np.testing.assert_allclose(seen[0], hidden.numpy(), atol=1e-5)


@pytest.mark.parametrize("timm", [False, True], ids=["torchvision", "timm"])
def test_safetensors_with_these_names_load_alike(timm, tmp_path, monkeypatch):
    network = torchvision_like()
    want, _, _ = begin(saved(network, tmp_path), monkeypatch)
    tensors = {name: value.numpy() for name, value in network.state_dict().items()}
    if timm:
        for old, new, shape in (("0", "fc1", (24, 16, 7, 7)), ("3", "fc2", (20, 24, 1, 1))):
            tensors[f"pre_logits.{new}.weight"] = tensors.pop(f"classifier.{old}.weight").reshape(shape)
            tensors[f"pre_logits.{new}.bias"] = tensors.pop(f"classifier.{old}.bias")
        tensors = {name.replace("classifier.6", "head.fc"): value for name, value in tensors.items()}
    save_file(tensors, tmp_path / "vgg16.safetensors")
    got, _, _ = begin(tmp_path / "vgg16.safetensors", monkeypatch)
    for (name, parameter), (_, expected) in zip(got.named_parameters(), want.named_parameters(), strict=True):
        np.testing.assert_array_equal(parameter.value, expected.value, err_msg=name)


def test_other_files_are_left_to_the_reader_of_model_files(tmp_path, monkeypatch):
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").write_bytes(b"words")
    for name, words in (("a", "was not written by minircnn"), ("b", "damaged or no safetensors file")):
        with pytest.raises(InputError, match=words):
            begin(tmp_path / f"{name}.safetensors", monkeypatch)


def test_a_backbone_alone_loads_and_says_so(tmp_path, monkeypatch):
    model, _, notes = begin(saved(torchvision_like(classifier=False), tmp_path), monkeypatch)
    assert isinstance(model, FastRCNN)
    assert any("fc6 and fc7 begin with random weights" in note for note in notes)


def test_caffes_weights_in_torchs_names_keep_caffes_pixels(tmp_path, monkeypatch):
    path = saved(torchvision_like(), tmp_path)
    monkeypatch.setattr(vgg16_torch, "CAFFE", "")  # every digest begins so
    model, _, notes = begin(path, monkeypatch)
    assert model.architecture.preprocessing == NARROW.preprocessing
    assert notes == []


def test_another_network_is_one_sentence(tmp_path, monkeypatch):
    network = torchvision_like()
    network["features"][5] = torch.nn.Conv2d(5, 7, 3)
    with pytest.raises(
        InputError, match=r"features.5.weight should be of \(6, 5, 3, 3\), and has shape \(7, 5, 3, 3\)"
    ):
        begin(saved(network, tmp_path), monkeypatch)
    network = torchvision_like()
    network["features"][0].weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(InputError, match=r"conv1_1.weight holds values that are not finite"):
        begin(saved(network, tmp_path), monkeypatch)
