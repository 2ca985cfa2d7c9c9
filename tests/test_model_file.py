"""Model files and checkpoints: a changed bit is found, damage is one sentence, offsets stay what they were."""

import json
import struct

import numpy as np
import pytest
from safetensors.numpy import load, save_file

from minircnn.base.errors import InputError
from minircnn.models import FastRCNN, vgg_small
from minircnn.targets import OffsetStatistics
from minircnn.training.checkpoint import load_checkpoint
from minircnn.weights import model_file
from minircnn.weights.model_file import load_model, save_model, write_tensors


@pytest.fixture(scope="module")
def model():
    return FastRCNN(vgg_small(), 3, np.random.default_rng(0), ("a", "b", "c"))


@pytest.fixture(scope="module")
def content(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(path, model)
    return path.read_bytes()


def test_a_file_says_what_normalised_its_offsets_in_training(model, tmp_path):
    """Folded away they are not needed to detect, but who takes a step apart asks for them."""
    again = FastRCNN(vgg_small(), 3, np.random.default_rng(0))
    save_model(tmp_path / "new.safetensors", again)
    assert load_model(tmp_path / "new.safetensors").learned_in is None
    statistics = OffsetStatistics(np.linspace(-1, 1, 16).reshape(4, 4), np.linspace(0.1, 2, 16).reshape(4, 4))
    again.statistics = statistics
    for number in range(2):  # and a file that is loaded and saved once more does not lose them
        save_model(tmp_path / f"{number}.safetensors", again)
        again = load_model(tmp_path / f"{number}.safetensors")
        assert again.statistics.is_identity
        assert (again.learned_in.mean == statistics.mean).all()
        assert (again.learned_in.std == statistics.std).all()


def test_half_the_file_holds_three_digits_of_each_weight(model, tmp_path):
    save_model(tmp_path / "half.safetensors", model, half=True)
    save_model(tmp_path / "whole.safetensors", model)
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("half", "whole")]
    assert sizes[0] < 0.51 * sizes[1]
    halves = dict(load_model(tmp_path / "half.safetensors").named_parameters())
    for name, whole in model.named_parameters():
        assert halves[name].value.dtype == np.float32, name
        np.testing.assert_allclose(halves[name].value, whole.value, rtol=1e-3, atol=1e-6)
    former = model.head.fc7.weight.value[0, 0]
    model.head.fc7.weight.value[0, 0] = 1e5  # float16 ends at 65504
    try:
        with pytest.raises(InputError, match=r"fc7\.weight holds NaN or infinity"):
            save_model(tmp_path / "half.safetensors", model, half=True)
    finally:
        model.head.fc7.weight.value[0, 0] = former


@pytest.mark.parametrize("place", ["first weight", "middle", "last byte", "class name", "checksum"])
def test_a_single_changed_bit_is_found(content, place, tmp_path):
    header = struct.unpack("<Q", content[:8])[0]
    at = {
        "first weight": 8 + header,
        "middle": len(content) // 2,
        "last byte": len(content) - 1,
        "class name": content.index(b'\\"a\\"') + 2,
        "checksum": content.index(b'"crc32":"') + 9,
    }[place]
    changed = bytearray(content)
    changed[at] ^= 1
    (tmp_path / "m.safetensors").write_bytes(changed)
    with pytest.raises(InputError, match=r"m\.safetensors is damaged"):
        load_model(tmp_path / "m.safetensors")


def redescribed(content, change):
    """The file with another description and the checksum of that, as another program might write it."""
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    description = json.loads(header["__metadata__"]["minircnn"])
    text = json.dumps(change(description) or description)
    header["__metadata__"] = {"minircnn": text, "crc32": model_file._checksum(load(content), text)}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + content[8 + length :]


def test_a_checksum_cannot_be_stripped(content, tmp_path):
    save_file(load(content), tmp_path / "m.safetensors", metadata=_metadata(content))
    with pytest.raises(InputError, match=r"m\.safetensors is damaged"):
        load_model(tmp_path / "m.safetensors")


DAMAGES = {
    "blocks of no list": lambda d: d["architecture"].update(blocks=5),
    "another block": lambda d: d["architecture"]["blocks"].append([64]),
    "a hundred petabytes": lambda d: d["architecture"].update(hidden=[10**9, 10**9]),
    "no architecture": lambda d: d.pop("architecture"),
    "unknown field": lambda d: d["architecture"].update(depth=3),
    "two means": lambda d: d["architecture"]["preprocessing"].update(mean=[1, 2]),
    "images of no side": lambda d: d["architecture"]["preprocessing"].update(short_side=0),
    "dropout in words": lambda d: d["architecture"].update(dropout="half"),
    "no names": lambda d: d.update(class_names=None),
    "names of numbers": lambda d: d.update(class_names=[1, 2, 3]),
    "one name too many": lambda d: d["class_names"].append("d"),
    "bins of 0": lambda d: d.update(output_size=[7, 0]),
    "a list": lambda d: [d],
    "a later format": lambda d: d.update(format=99),
}


@pytest.mark.parametrize("change", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_description_is_one_sentence(content, change, tmp_path):
    (tmp_path / "m.safetensors").write_bytes(redescribed(content, change))
    with pytest.raises(InputError, match=r"m\.safetensors"):
        load_model(tmp_path / "m.safetensors")
    (tmp_path / "sound.safetensors").write_bytes(redescribed(content, lambda d: None))
    assert load_model(tmp_path / "sound.safetensors").class_names == ("a", "b", "c")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_neither_written_nor_read(value, tmp_path):
    model = FastRCNN(vgg_small(), 3, np.random.default_rng(0))
    path = tmp_path / "m.safetensors"
    save_model(path, model)
    before = path.read_bytes()
    model.head.fc7.weight.value[3, 5] = value
    with pytest.raises(InputError, match=r"is not written: fc7\.weight holds NaN or infinity"):
        save_model(path, model)
    assert path.read_bytes() == before
    tensors = {name: parameter.value for name, parameter in model.named_parameters()}
    text = _metadata(before)["minircnn"]
    save_file(tensors, path, metadata={"minircnn": text, "crc32": model_file._checksum(tensors, text)})
    with pytest.raises(InputError, match=r"fc7\.weight holds values that are not finite"):
        load_model(path)


def _metadata(content):
    length = struct.unpack("<Q", content[:8])[0]
    return {"minircnn": json.loads(content[8 : 8 + length])["__metadata__"]["minircnn"]}


def test_the_former_file_is_kept_where_one_is_asked_for(tmp_path):
    last, former = tmp_path / "last", tmp_path / "former"
    for number in range(3):
        write_tensors(last, {"x": np.array([number])}, {}, former)
    assert former.read_bytes() != last.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["former", "last"]


def test_a_model_file_is_no_checkpoint(content, tmp_path):
    (tmp_path / "m.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="is a model file, not a checkpoint"):
        load_checkpoint(tmp_path / "m.safetensors")


def test_restated_offsets_predict_the_same(rng):
    """Whatever mean and spread bbox_pred is normalised by, the real offsets that it stands for do not move."""
    model = FastRCNN(vgg_small(), 3, rng, dtype=np.float64)
    hidden = rng.standard_normal((5, 256))
    real = model.offsets(model.head.bbox_pred.forward(hidden))
    for _ in range(2):
        statistics = OffsetStatistics(rng.standard_normal((4, 4)), rng.uniform(0.1, 2, (4, 4)))
        model.restate_offsets(statistics)
        assert model.statistics is statistics
        np.testing.assert_allclose(model.offsets(model.head.bbox_pred.forward(hidden)), real, atol=1e-12)
    assert not np.allclose(model.head.bbox_pred.forward(hidden), real)
