"""VGG16's convolutions in the inference engines: onnxruntime, OpenVINO, ncnn and MNN, each held to float32.

Every engine is given the same weights as the layers here, is told to use as many threads, and must give the same
features before its time counts.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numba import get_num_threads

from minircnn.bench.measure import Work
from minircnn.models import Architecture

Convolution = tuple[str, np.ndarray, np.ndarray, bool]  # name, weight (OC, C, 3, 3), bias, whether a pool follows


def convolutions(architecture: Architecture, parameters: dict) -> Iterator[Convolution]:
    """The convolutions in order, in the layout that the engines share."""
    for name, _, _, pool_after in architecture.convolutions:
        w, b = parameters[f"{name}.weight"].value, parameters[f"{name}.bias"].value
        yield name, np.ascontiguousarray(w.transpose(3, 2, 0, 1)), b, pool_after


def agree(engine: str, got: np.ndarray, want: np.ndarray, allowed: float = 1e-3) -> None:
    """RuntimeError where an engine computes something else than is compared with it."""
    error = np.abs(got.reshape(want.shape) - want).max() / np.abs(want).max()
    if not error < allowed:  # float32 through thirteen layers: 1e-5 or so; bfloat16: 1e-2
        raise RuntimeError(f"{engine} gives other features than minircnn (relative difference {error:.0e})")


def onnxruntime(layers: list[Convolution], x: np.ndarray, want: np.ndarray) -> Work:
    """x (1, 3, H, W), want (1, 512, OH, OW)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = get_num_threads()
    session = onnxruntime.InferenceSession(_onnx(layers, x.shape), options, providers=["CPUExecutionProvider"])
    agree("onnxruntime", session.run(None, {"x": x})[0], want)
    return lambda: session.run(None, {"x": x})


def _onnx(layers: list[Convolution], shape: tuple[int, ...]) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights, last = [], [], "x"
    for name, w, b, pool in layers:
        weights += [numpy_helper.from_array(w, f"{name}.w"), numpy_helper.from_array(b, f"{name}.b")]
        inputs = [last, f"{name}.w", f"{name}.b"]
        nodes.append(helper.make_node("Conv", inputs, [name], kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
        nodes.append(helper.make_node("Relu", [name], [f"{name}.relu"]))
        last = f"{name}.relu"
        if pool:
            nodes.append(
                helper.make_node("MaxPool", [last], [f"{name}.pool"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
            )
            last = f"{name}.pool"
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    outputs = [helper.make_tensor_value_info(last, TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "convolutions", [given], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def openvino(layers: list[Convolution], x: np.ndarray, want: np.ndarray) -> Work:
    """The same; float32 is asked for, since on processors with AMX bfloat16 is what it takes by itself."""
    import openvino
    from openvino import opset13 as ops

    first = last = ops.parameter(x.shape, np.float32)
    for _, w, b, pool in layers:
        last = ops.convolution(last, ops.constant(w), [1, 1], [1, 1], [1, 1], [1, 1])
        last = ops.relu(ops.add(last, ops.constant(b.reshape(1, -1, 1, 1))))
        if pool:
            last = ops.max_pool(last, [2, 2], [1, 1], [0, 0], [0, 0], [2, 2], rounding_type="ceil").output(0)
    hints = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": get_num_threads(),
    }
    compiled = openvino.Core().compile_model(openvino.Model([last], [first]), "CPU", hints)
    request = compiled.create_infer_request()
    agree("OpenVINO", request.infer({0: x})[0], want)
    return lambda: request.infer({0: x})


def ncnn(layers: list[Convolution], x: np.ndarray, want: np.ndarray) -> Work:
    """The same; a model is a list of layers in words, and a file of weights."""
    import ncnn

    lines, blobs, last = ["Input data 0 1 data"], 1, "data"
    weights = b""
    for name, w, b, pool in layers:
        activation = "9=1"  # ReLU
        lines.append(f"Convolution {name} 1 1 {last} {name} 0={len(b)} 1=3 3=1 4=1 5=1 6={w.size} {activation}")
        weights += np.int32(0).tobytes() + w.tobytes() + b.tobytes()
        last, blobs = name, blobs + 1
        if pool:
            lines.append(f"Pooling {name}_pool 1 1 {last} {name}_pool 0=0 1=2 2=2")  # max, 2×2, the last cut off
            last, blobs = f"{name}_pool", blobs + 1
    net = ncnn.Net()
    net.opt.num_threads = get_num_threads()
    for name in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(net.opt, name, False)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.param").write_text("\n".join(["7767517", f"{len(lines)} {blobs}", *lines, ""]))
        (Path(folder) / "a.bin").write_bytes(weights)
        net.load_param(f"{folder}/a.param")
        net.load_model(f"{folder}/a.bin")

    def once() -> np.ndarray:
        run = net.create_extractor()
        run.input("data", ncnn.Mat(x[0]))
        return np.array(run.extract(last)[1])

    agree("ncnn", once(), want)
    return once


def mnn(layers: list[Convolution], x: np.ndarray, want: np.ndarray) -> Work:
    """The same, converted from ONNX by the converter that MNN brings."""
    import MNN

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.onnx").write_bytes(_onnx(layers, x.shape))
        convert = [str(Path(sys.executable).parent / "mnnconvert"), "-f", "ONNX", "--bizCode", "minircnn"]
        convert += ["--modelFile", f"{folder}/a.onnx", "--MNNModel", f"{folder}/a.mnn"]
        subprocess.run(convert, check=True, capture_output=True)
        settings = {"backend": "CPU", "precision": "high", "numThread": get_num_threads()}
        runtime = MNN.nn.create_runtime_manager((settings,))
        net = MNN.nn.load_module_from_file(f"{folder}/a.mnn", [], [], runtime_manager=runtime)
    given = MNN.expr.const(x.ravel().tolist(), list(x.shape), MNN.expr.NCHW)

    def once() -> np.ndarray:
        return np.array(net.forward([given])[0].read())

    agree("MNN", once(), want, 1e-2)  # it trades this much of float32 for speed
    return once


def stack(
    architecture: Architecture, parameters: dict, image: np.ndarray, features: np.ndarray, engine: str
) -> dict[str, Work]:
    """All convolutions forward in one engine; image (1, H, W, 3), features (1, OH, OW, 512) as they are here."""
    layers = list(convolutions(architecture, parameters))
    x = np.ascontiguousarray(image.transpose(0, 3, 1, 2))
    want = np.ascontiguousarray(features.transpose(0, 3, 1, 2))
    return {
        engine: {"onnxruntime": onnxruntime, "openvino": openvino, "ncnn": ncnn, "mnn": mnn}[engine](layers, x, want)
    }
