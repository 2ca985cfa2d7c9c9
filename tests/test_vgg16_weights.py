"""VGG16 from PyTorch's files: names, layouts and pixels, against PyTorch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from minircnn.base.errors import InputError
from minircnn.models import BACKBONES, FastRCNN, vgg16
from minircnn.training.begin import first_model
from minircnn.training.settings import TrainSettings
from minircnn.weights.foreign.pixels import TORCHVISION_FILTER

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch to compare with it")

REAL = np.load(Path(__file__).with_name("real") / "vgg16_conv1_1.npz")
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


FAST = {"model": "fast", "pooling": "pool", "rpn": None}


def begin(path, monkeypatch):
    monkeypatch.setitem(BACKBONES, "vgg16", lambda: NARROW)
    settings = TrainSettings(data=".", backbone="vgg16", weights=str(path), pixels=None, frozen_blocks=2, **FAST)
    beginning = first_model(settings, ("a", "b"), np.random.default_rng(0))
    return beginning.model, beginning.same_classes, beginning.notes


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
    model.head.cls_score.forward = lambda hidden7: seen.append(hidden7)
    model.head.forward(np.ascontiguousarray(pooled.numpy().transpose(0, 2, 3, 1)))
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


def test_other_files_are_one_sentence(tmp_path, monkeypatch):
    save_file({"a.weight": np.zeros(3, np.float32)}, tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").write_bytes(b"words")
    (tmp_path / "c.safetensors").touch()
    (tmp_path / "d.safetensors").mkdir()
    sentences = {
        "a": r"no VGG16: none of its layers has such a name \(a\)",
        "b": "damaged or no safetensors file",
        "c": "is empty",
        "d": "holds no best.safetensors",
        "e": "is not there",
    }
    for name, words in sentences.items():
        with pytest.raises(InputError, match=words):
            begin(tmp_path / f"{name}.safetensors", monkeypatch)


def test_a_backbone_alone_loads_and_says_so(tmp_path, monkeypatch):
    model, _, notes = begin(saved(torchvision_like(classifier=False), tmp_path), monkeypatch)
    assert isinstance(model, FastRCNN)
    assert any("fc6 and fc7 begin with random weights" in note for note in notes)


def test_a_classifier_without_numbers_is_none(tmp_path, monkeypatch):
    network = torchvision_like()  # torchvision's IMAGENET1K_FEATURES is such a file
    for parameter in network["classifier"].parameters():
        parameter.data[...] = float("nan")
    _, _, notes = begin(saved(network, tmp_path), monkeypatch)
    assert any("room for fc6 but no numbers" in note for note in notes)
    assert any("fc6 and fc7 begin with random weights" in note for note in notes)


def marked(network, whose, order, turned=False):
    """The network with the first filters of conv1_1 that tell whose weights they are, channels in `order`."""
    if whose == "Caffe":
        filters, own = REAL["weight"][:4], "BGR"
    else:
        filters, own = TORCHVISION_FILTER[None], "RGB"
    if order != own:
        filters = filters[:, ::-1]
    if turned:
        filters = filters[:, :, ::-1, ::-1]
    network["features"][0].weight.data[: len(filters)] = torch.tensor(filters.copy())
    return network


@pytest.mark.parametrize(
    ("whose", "order", "mean"),
    [
        ("Caffe", "BGR", (102.9801, 115.9465, 122.7717)),
        ("Caffe", "RGB", (123.68, 116.779, 103.939)),
        ("torchvision", "RGB", (123.675, 116.28, 103.53)),
        ("torchvision", "BGR", (103.53, 116.28, 123.675)),
    ],
)
def test_the_first_layers_numbers_tell_the_pixels(whose, order, mean, tmp_path, monkeypatch):
    model, _, notes = begin(saved(marked(torchvision_like(), whose, order), tmp_path), monkeypatch)
    assert model.architecture.preprocessing.channel_order == order
    assert model.architecture.preprocessing.mean == mean
    assert notes == []


def test_theanos_turned_kernels_are_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="kernels for Theano"):
        begin(saved(marked(torchvision_like(), "Caffe", "BGR", turned=True), tmp_path), monkeypatch)


def test_names_from_before_2017_and_a_storage_shared_by_all_load_alike(tmp_path, monkeypatch):
    network = torchvision_like()
    want, _, _ = begin(saved(network, tmp_path), monkeypatch)
    state = network.state_dict()
    one = torch.cat([value.flatten() for value in state.values()])
    older, place = {}, 0
    for name, value in state.items():
        name = name.replace("classifier.0", "classifier.1").replace("classifier.3", "classifier.4")
        older[name] = one[place : place + value.numel()].view(value.shape)
        place += value.numel()
    torch.save(older, tmp_path / "older.pth")
    got, _, _ = begin(tmp_path / "older.pth", monkeypatch)
    for (name, parameter), (_, expected) in zip(got.named_parameters(), want.named_parameters(), strict=True):
        np.testing.assert_array_equal(parameter.value, expected.value, err_msg=name)


def test_a_vgg19_is_not_taken_for_a_vgg16(tmp_path, monkeypatch):
    numbers = [f"conv{block}_{number}" for block in range(1, 6) for number in range(1, 3 + (block > 2))]
    state = list(torchvision_like(classifier=False).state_dict().items())  # a weight, a bias, a weight, …
    tensors = {f"{numbers[k // 2]}.{name.split('.')[-1]}": value for k, (name, value) in enumerate(state)}
    torch.save(tensors, tmp_path / "sixteen.pth")
    begin(tmp_path / "sixteen.pth", monkeypatch)
    torch.save(tensors | {"conv3_4.weight": torch.zeros(10, 10, 3, 3)}, tmp_path / "nineteen.pth")
    with pytest.raises(InputError, match="more convolutions than a VGG16"):
        begin(tmp_path / "nineteen.pth", monkeypatch)


def test_another_network_is_one_sentence(tmp_path, monkeypatch):
    network = torchvision_like()
    network["features"][5] = torch.nn.Conv2d(5, 7, 3)
    with pytest.raises(
        InputError, match=r"features.5.weight should be of \(6, 5, 3, 3\), and has shape \(7, 5, 3, 3\)"
    ):
        begin(saved(network, tmp_path), monkeypatch)
    network = torchvision_like()
    network["features"][0].weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(InputError, match=r"features.0.weight holds values that are not finite"):
        begin(saved(network, tmp_path), monkeypatch)
