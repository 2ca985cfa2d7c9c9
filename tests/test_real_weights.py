"""The VGG authors' own first convolution, and files as other people's projects write them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minircnn.base.errors import InputError
from minircnn.models import vgg16
from minircnn.weights.foreign.convert import convert
from minircnn.weights.foreign.pixels import CHOICES, TORCHVISION_FILTER, known_pixels
from minircnn.weights.foreign.vgg16 import read_vgg16

for package in ("torch", "h5py", "onnx"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install torch h5py onnx to write such files")
import torch  # noqa: E402
from weight_files import CONVOLUTIONS, WRITERS, channels_last, random_arrays, write_caffe  # noqa: E402

REAL = np.load(Path(__file__).with_name("real") / "vgg16_conv1_1.npz")
WIDTHS = (64, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16)
ARCHITECTURE = replace(vgg16(), blocks=((64, 5), (6, 7), (8, 9, 10), (11, 12, 13), (14, 15, 16)), hidden=(24, 20))
FEATURES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)  # torchvision's numbers of the thirteen


def real_arrays(order="BGR"):
    """A narrow VGG16 on the real first convolution, whose channels are B, G, R as they were learned."""
    arrays = random_arrays(WIDTHS, hidden=ARCHITECTURE.hidden)
    kernel = REAL["weight"] if order == "BGR" else np.ascontiguousarray(REAL["weight"][:, ::-1])
    return arrays | {"conv1_1": (kernel, REAL["bias"])}


def convolutions(dtype=torch.float32):
    """Thirteen (weight, bias) as PyTorch has them."""
    pairs = [real_arrays()[name] for name in CONVOLUTIONS]
    return [tuple(torch.from_numpy(array).to(dtype) for array in pair) for pair in pairs]


def named(pattern, numbers=FEATURES):
    """{pattern with a number: tensor}, in the network's order."""
    return {
        f"{pattern.format(number)}.{part}": tensor
        for number, pair in zip(numbers, convolutions(), strict=True)
        for part, tensor in zip(("weight", "bias"), pair, strict=True)
    }


def all_there(found):
    want = real_arrays()
    for name in CONVOLUTIONS:
        np.testing.assert_array_equal(found.sources[f"{name}.weight"].array(), channels_last(name, want[name][0]))
        np.testing.assert_array_equal(found.sources[f"{name}.bias"].array(), want[name][1])
    assert found.preprocessing.channel_order == "BGR"
    return found


def saved(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    return all_there(read_vgg16(tmp_path / "a.pth", ARCHITECTURE))


def as_type(arrays, dtype):
    if dtype == "bf16":
        import ml_dtypes

        return {name: [a.astype(ml_dtypes.bfloat16) for a in pair] for name, pair in arrays.items()}
    return {name: [a.astype(dtype) for a in pair] for name, pair in arrays.items()}


def write(kind, dtype, arrays, path):
    if dtype == "bf16" and kind in ("torch", "safetensors"):
        tensors = {
            f"features.{number}.{part}": torch.from_numpy(array).bfloat16()
            for number, name in zip(FEATURES, CONVOLUTIONS, strict=True)
            for part, array in zip(("weight", "bias"), arrays[name], strict=True)
        }
        if kind == "torch":
            return torch.save(tensors, path)
        from safetensors.torch import save_file

        return save_file(tensors, path)
    return WRITERS[kind](path, as_type(arrays, {"f32": "f4", "f16": "f2"}.get(dtype, dtype)))


TYPES = {
    **dict.fromkeys(("torch", "safetensors", "onnx"), ("f32", "f16", "bf16")),
    **dict.fromkeys(("torch legacy", "keras 1", "keras 2", "onnx last", "npz", "npz chainer"), ("f32", "f16")),
    **dict.fromkeys(("caffe", "caffe old"), ("f32",)),
}


@pytest.mark.parametrize("order", ["BGR", "RGB"])
@pytest.mark.parametrize(("kind", "dtype"), [(kind, dtype) for kind, types in TYPES.items() for dtype in types])
def test_the_real_kernel_is_known_in_every_format_type_and_order(kind, dtype, order, tmp_path):
    path = tmp_path / "a.npz"
    write(kind, dtype, real_arrays(order), path)
    found = read_vgg16(path, ARCHITECTURE)
    keras = kind.startswith("keras")
    means = {"BGR": (103.939, 116.779, 123.68) if keras else (102.9801, 115.9465, 122.7717)}
    assert found.preprocessing.channel_order == order
    assert found.preprocessing.mean == means.get(order, (123.68, 116.779, 103.939))
    assert found.preprocessing.scale == (1, 1, 1)
    assert "the VGG authors'" in found.origin
    assert not found.guessed
    assert not any("taken to expect" in note for note in found.notes)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras' own
@pytest.mark.parametrize("order", ["BGR", "RGB"])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_real_kernel_is_known_in_what_keras_saves(dtype, order, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    keras = pytest.importorskip("keras", reason="Keras is not installed: pip install keras to compare with it")
    from weight_files import keras_network

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    network = keras_network(real_arrays(order))
    keras.config.set_dtype_policy(before)
    network.save(tmp_path / "a.keras")
    network.save_weights(tmp_path / "a.weights.h5")
    for name in ("a.keras", "a.weights.h5"):
        found = read_vgg16(tmp_path / name, ARCHITECTURE)
        assert found.sources["conv1_1.weight"].stored.type_name == dtype
        assert (found.preprocessing.channel_order, found.guessed) == (order, False)


def test_weights_that_were_trained_on_are_still_known_and_others_are_not(rng):
    real = channels_last("conv1_1", REAL["weight"])
    moved = real + 0.02 * real.std() * rng.standard_normal(real.shape)
    pixels, whose = known_pixels(moved.astype(np.float32), "PyTorch", Path("a"))
    assert (pixels["channel_order"], whose) == ("BGR", "the VGG authors' (Caffe), trained on")
    far = real + 0.5 * real.std() * rng.standard_normal(real.shape)
    assert known_pixels(far.astype(np.float32), "PyTorch", Path("a")) is None
    for _ in range(100):
        assert known_pixels(rng.standard_normal((3, 3, 3, 64)).astype(np.float32), "PyTorch", Path("a")) is None
    torchvisions = real.copy()
    torchvisions[..., 0] = TORCHVISION_FILTER.transpose(1, 2, 0)
    assert known_pixels(torchvisions, "PyTorch", Path("a"))[1] == "torchvision's"


@pytest.mark.parametrize(
    "pattern", ["{}", "vgg.{}", "extractor.{}", "RCNN_base.{}", "backbone.features.{}", "module.vgg16.features.{}",
                "net.slice{}"]
)  # fmt: skip
def test_layers_are_found_below_any_prefix_or_by_number_alone(pattern, tmp_path):
    saved(tmp_path, named(pattern))


def test_layers_are_found_by_their_order_whatever_they_are_called(tmp_path):
    words = [f"{letter}_{word}" for letter in "zyx" for word in ("one", "two", "three", "four", "five")][:13]
    saved(tmp_path, {"mask": torch.zeros(3, dtype=torch.uint8), **named("{}", words)})
    shuffled = dict(sorted(named("layer{}").items()))  # by the alphabet: layer0, layer10, layer12, …
    assert list(shuffled) != list(named("layer{}"))
    saved(tmp_path, shuffled)


def test_what_follows_the_thirteen_does_not_hinder(tmp_path):
    more = {"rpn.conv.weight": torch.zeros(16, 16, 3, 3), "rpn.conv.bias": torch.zeros(16)}
    found = saved(tmp_path, named("extractor.{}") | more)
    assert any("rpn.conv.weight (16, 16, 3, 3)" in note for note in found.notes)


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", "net", "weight", "a.b"])
def test_a_checkpoints_weights_are_found_below_any_key(key, tmp_path):
    content = named("features.{}")
    for part in reversed(key.split(".")):
        content = {part: content}
    momentum = {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.01, "params": [0]}]}
    found = saved(tmp_path, {"epoch": 12, "loss": 0.7, "best": np.float64(0.5), **content, "optimizer": momentum})
    assert found.notes == []


def test_of_two_models_in_a_file_one_is_taken_and_named(tmp_path):
    other = {name: torch.zeros_like(tensor) for name, tensor in named("features.{}").items()}
    found = saved(tmp_path, {"ema": other, "model": named("features.{}")})
    assert any("'model' is taken, not ema" in note for note in found.notes)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.int32, torch.int16, torch.int8, torch.complex64])
def test_tensors_of_other_types_beside_the_weights_do_no_harm(dtype, tmp_path):
    saved(tmp_path, {"state_dict": named("features.{}"), "extra": torch.zeros(4, dtype=dtype)})


TOPS = {
    "256 and 10": {"classifier.0": (256, 784), "classifier.3": (10, 256)},
    "one layer": {"classifier.0": (10, 784)},
    "after a global mean": {"classifier.0": (128, 16), "classifier.3": (10, 128)},
    "the last layer alone": {"classifier.6": (10, 20)},
    "of no sizes known": {"head.a": (64, 784), "head.b": (64, 64), "head.c": (4, 64)},
    "as convolutions": {"fc6": (24, 16, 3, 3), "fc7": (20, 24, 1, 1)},
}


@pytest.mark.parametrize("top", TOPS)
def test_a_top_of_ones_own_is_left_out_and_named(top, tmp_path):
    parts = {
        f"{layer}.{part}": torch.zeros(shape if part == "weight" else shape[:1])
        for layer, shape in TOPS[top].items()
        for part in ("weight", "bias")
    }
    found = saved(tmp_path, named("features.{}") | parts)
    assert len(found.sources) == 26
    first, shape = next(iter(TOPS[top].items()))
    assert f"{first}.weight {shape}" in found.notes[0]
    assert "left out; its convolutions are used" in found.notes[0]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_top_of_ones_own_is_left_out_in_every_format(kind, tmp_path):
    arrays = real_arrays()
    for name, shape in (("fc6", (9, 784)), ("fc7", (9, 9)), ("fc8", (4, 9))):
        arrays[name] = np.ones(shape, np.float32), np.ones(shape[0], np.float32)
    WRITERS[kind](tmp_path / "a.npz", arrays)
    found = all_there(read_vgg16(tmp_path / "a.npz", ARCHITECTURE))
    assert len(found.sources) == 26
    assert "its convolutions are used" in found.notes[0]


def test_fc6_is_kept_where_only_what_follows_is_ones_own(tmp_path):
    arrays = real_arrays()
    arrays["fc7"] = np.ones((9, 24), np.float32), np.ones(9, np.float32)
    arrays["fc8"] = np.ones((4, 9), np.float32), np.ones(4, np.float32)
    write_caffe(tmp_path / "a", arrays)
    found = all_there(read_vgg16(tmp_path / "a", ARCHITECTURE))
    assert sorted(found.sources)[-2:] == ["fc6.bias", "fc6.weight"]
    assert "fc7.weight (9, 24)" in found.notes[0]


def with_normalisation(names, after):
    widths, C = {}, iter(WIDTHS)
    for name in names:
        width = next(C)
        widths[name] = width
    return {
        f"{after(name)}.{part}": torch.zeros(width)
        for name, width in widths.items()
        for part in ("weight", "bias", "running_mean", "running_var")
    }


def test_batch_normalisation_is_refused_by_name_but_not_in_the_top(tmp_path):
    places = [f"features.{number}" for number in (0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40)]  # vgg16_bn's
    tensors = named("features.{}", [place.split(".")[1] for place in places])
    norms = with_normalisation(places, lambda name: f"features.{int(name.split('.')[1]) + 1}")
    torch.save(tensors | norms, tmp_path / "a.pth")
    with pytest.raises(InputError, match="has batch normalisation"):
        read_vgg16(tmp_path / "a.pth", ARCHITECTURE)
    top = {f"classifier.1.{part}": torch.zeros(9) for part in ("weight", "bias", "running_mean", "running_var")}
    saved(tmp_path, named("features.{}") | top)


@pytest.mark.parametrize(("count", "words"), [(16, "more .*VGG19"), (10, "fewer .*VGG13"), (8, "fewer .*VGG11")])
def test_the_other_vggs_are_refused_by_name(count, words, tmp_path):
    tensors, C = {}, 3
    for number in range(count):
        tensors |= {
            f"features.{2 * number}.weight": torch.zeros(8, C, 3, 3),
            f"features.{2 * number}.bias": torch.zeros(8),
        }
        C = 8
    torch.save(tensors, tmp_path / "a.pth")
    with pytest.raises(InputError, match=words):
        read_vgg16(tmp_path / "a.pth", ARCHITECTURE)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's of TorchScript
def test_torchscript_is_refused_by_name(tmp_path):
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 3), torch.zeros(1, 2)), tmp_path / "a.pt")
    with pytest.raises(InputError, match="TorchScript"):
        read_vgg16(tmp_path / "a.pt", ARCHITECTURE)


@pytest.mark.parametrize("style", ["second model", "counted on", "nested"])
def test_keras_numbers_of_a_second_model_do_no_harm(style, tmp_path):
    import h5py

    arrays = real_arrays()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for count, name in enumerate(CONVOLUTIONS, 13):
            block = f"block{name[4]}_conv{name[6]}"
            group = {"second model": f"{block}/{block}_1", "counted on": f"conv2d_{count}/conv2d_{count}",
                     "nested": f"model_weights/vgg16/{block}"}[style]  # fmt: skip
            file.create_dataset(f"{group}/kernel:0", data=channels_last(name, arrays[name][0]))
            file.create_dataset(f"{group}/bias:0", data=arrays[name][1])
    all_there(read_vgg16(tmp_path / "a.h5", ARCHITECTURE))


def test_onnx_half_precision_in_int32_data_is_read(tmp_path):
    import onnx

    WRITERS["onnx"](tmp_path / "a.onnx", as_type(real_arrays(), "f2"))
    want = {n: s.array() for n, s in read_vgg16(tmp_path / "a.onnx", ARCHITECTURE).sources.items()}
    model = onnx.load(tmp_path / "a.onnx")
    for tensor in model.graph.initializer:
        bits = np.frombuffer(tensor.raw_data, np.uint16).tolist()
        tensor.ClearField("raw_data")
        tensor.int32_data.extend(bits)
    content = model.SerializeToString()
    (tmp_path / "b.onnx").write_bytes(content)
    found = read_vgg16(tmp_path / "b.onnx", ARCHITECTURE)
    assert list(found.sources) == list(want)
    for name, source in found.sources.items():
        np.testing.assert_array_equal(source.array(), want[name], err_msg=name)


def test_dense_layers_of_two_orders_in_one_onnx_graph_are_read(tmp_path):
    import onnx

    WRITERS["onnx"](tmp_path / "a.onnx", real_arrays())
    want = {n: s.array() for n, s in read_vgg16(tmp_path / "a.onnx", ARCHITECTURE).sources.items()}
    model = onnx.load(tmp_path / "a.onnx")
    gemm = [node for node in model.graph.node if node.op_type == "Gemm"][1]  # fc7
    gemm.attribute[0].i = 0
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == gemm.input[1])
    turned = np.ascontiguousarray(onnx.numpy_helper.to_array(tensor).T)
    tensor.CopyFrom(onnx.numpy_helper.from_array(turned, tensor.name))
    onnx.save(model, tmp_path / "b.onnx")
    found = read_vgg16(tmp_path / "b.onnx", ARCHITECTURE)
    np.testing.assert_array_equal(found.sources["fc7.weight"].array(), want["fc7.weight"])


@pytest.mark.parametrize("kind", ["MatMul", "Identity", "Constant", "Gemm", "Conv"])
def test_an_onnx_node_without_output_is_one_sentence(kind, tmp_path):
    from onnx import helper, numpy_helper

    weight = numpy_helper.from_array(np.ones((2, 2), np.float32), "w")
    node = helper.make_node(kind, ["w" if kind == "Identity" else "x", "w"], [])
    graph = helper.make_graph([node], "g", [], [], [weight])
    (tmp_path / "a.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(InputError, match="no VGG16"):
        read_vgg16(tmp_path / "a.onnx", ARCHITECTURE)


def test_pixels_that_were_told_win_and_stay_in_a_converted_file(tmp_path):
    WRITERS["torch"](tmp_path / "a.pth", random_arrays(WIDTHS, hidden=ARCHITECTURE.hidden))
    guess = read_vgg16(tmp_path / "a.pth", ARCHITECTURE)
    assert guess.guessed
    convert(guess, tmp_path / "guess.safetensors")
    again = read_vgg16(tmp_path / "guess.safetensors", ARCHITECTURE)
    assert again.guessed
    assert "guessed when it was converted" in again.notes[0]
    for name, (pixels, words) in CHOICES.items():
        told = read_vgg16(tmp_path / "guess.safetensors", ARCHITECTURE, pixels=name)
        assert not told.guessed
        assert words in told.notes[0]
        for field, value in pixels.items():
            assert getattr(told.preprocessing, field) == value
    convert(told, tmp_path / "told.safetensors")
    kept = read_vgg16(tmp_path / "told.safetensors", ARCHITECTURE)
    assert not kept.guessed
    assert kept.notes == []
    assert kept.preprocessing == told.preprocessing
    with pytest.raises(InputError, match="--pixels should be one of caffe, "):
        read_vgg16(tmp_path / "a.pth", ARCHITECTURE, pixels="bgr")
