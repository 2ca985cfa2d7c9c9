"""ONNX graphs of a plain chain of convolutions and dense layers, read without ONNX.

The names in such a file are the exporter's own, so layers are told by their order: convolutions become conv2d,
conv2d_1, …, dense layers dense, dense_1, … as Keras counts them. The graph also says how the map is flattened, and
whether dense weights are (OUT, IN) or (IN, OUT): here they come as (OUT, IN).

    ModelProto   graph 7                 NodeProto      input 1, output 2, op_type 4, attribute 5
    GraphProto   node 1, initializer 5   AttributeProto name 1, i 3, t 5, ints 8
    TensorProto  dims 1, data_type 2, float_data 4, int32_data 5 (the bits of half-precision numbers), name 8,
                 raw_data 9, double_data 10, external_data 13 (key 1, value 2)
"""

import io
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

import numpy as np

from minircnn.base.errors import InputError
from minircnn.weights.foreign.protobuf import Data, Span, fields, mapped, numbers, text
from minircnn.weights.foreign.stored import BFLOAT16, Stored, at

TYPES: dict[int, np.dtype] = {
    1: np.dtype("<f4"),
    2: np.dtype("u1"),
    3: np.dtype("i1"),
    6: np.dtype("<i4"),
    7: np.dtype("<i8"),
    10: np.dtype("<f2"),
    11: np.dtype("<f8"),
    16: BFLOAT16,
}
HALVES = (10, 16)  # which int32_data may hold


@dataclass
class _Node:
    kind: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    numbers: dict[str, list[int]] = field(default_factory=dict)
    tensor: Stored | None = None


def read_onnx_file(path: str | Path) -> tuple[dict[str, Stored], str]:
    """ "conv2d.weight" … → array, dense ones (OUT, IN); "CHW" or "HWC", as the map is flattened.

    Raises
    ------
    InputError : not such a file, damaged, or a graph of other layers
    """
    path = Path(path)
    try:
        with mapped(path) as data:
            graphs = [span for number, _, span in fields(data, (0, len(data))) if number == 7 and span]
            if len(graphs) != 1:
                raise ValueError(f"{len(graphs)} graphs in it")
            tensors: dict[str, Stored] = {}
            nodes: list[_Node] = []
            for number, _, span in fields(data, graphs[0]):
                if number == 1 and span:
                    nodes.append(_node(data, span, path))
                elif number == 5 and span:
                    tensors.update([_tensor(data, span, path)])
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(f"{path} is no ONNX file, or it is damaged ({error}); take another copy") from None
    return _layers(tensors, nodes, path)


def _layers(tensors: dict[str, Stored], nodes: list[_Node], path: Path) -> tuple[dict[str, Stored], str]:
    found, flatten, convolutions, dense = {}, "CHW", 0, 0
    for node in nodes:
        if node.kind == "Constant" and node.tensor is not None and node.outputs:
            tensors[node.outputs[0]] = node.tensor
        elif node.kind == "Identity" and node.inputs and node.outputs and node.inputs[0] in tensors:
            tensors[node.outputs[0]] = tensors[node.inputs[0]]
    last = max((place for place, node in enumerate(nodes) if node.kind == "Conv"), default=0)
    for place, node in enumerate(nodes):
        if node.kind.startswith(("QLinear", "ConvInteger", "DequantizeLinear")):
            raise InputError(f"{path} has {node.kind} layers; give the plain VGG16 with float32 weights")
        if node.kind == "BatchNormalization" and place < last:  # a later one is of somebody's own top
            raise InputError(f"{path} has batch normalisation, as vgg16_bn has; give a VGG16 without")
        weights = [name for name in node.inputs[1:2] if name in tensors]
        if node.kind == "Transpose" and node.numbers.get("perm") == [0, 2, 3, 1] and not dense:
            flatten = "HWC"
        elif node.kind == "Conv" and weights:
            layer = f"conv2d_{convolutions}" if convolutions else "conv2d"
            convolutions, flatten = convolutions + 1, "CHW"
            found[f"{layer}.weight"] = tensors[weights[0]]
        elif node.kind in ("Gemm", "MatMul") and weights:
            layer = f"dense_{dense}" if dense else "dense"
            dense += 1
            weight = tensors[weights[0]]
            found[f"{layer}.weight"] = weight if node.numbers.get("transB") == [1] else _transposed(weight)
        else:
            continue
        bias = node.inputs[2] if len(node.inputs) > 2 else _added(nodes, node, tensors)
        if bias in tensors:
            found[f"{layer}.bias"] = tensors[bias]
    return found, flatten


def _transposed(weight: Stored) -> Stored:
    """(IN, OUT), as the file has it, seen as (OUT, IN)."""
    if len(weight.shape) != 2:
        return weight
    rows, columns = weight.shape
    return replace(weight, shape=(columns, rows), strides=(1, columns))


def _added(nodes: list[_Node], node: _Node, tensors: dict[str, Stored]) -> str | None:
    """What an Add puts on top of a node's output."""
    for other in nodes:
        if other.kind == "Add" and node.outputs and node.outputs[0] in other.inputs:
            return next((name for name in other.inputs if name in tensors), None)
    return None


def _node(data: Data, span: Span, path: Path) -> _Node:
    node = _Node()
    for number, _, within in fields(data, span):
        if within is None:
            continue
        if number == 1:
            node.inputs.append(text(data, within))
        elif number == 2:
            node.outputs.append(text(data, within))
        elif number == 4:
            node.kind = text(data, within)
        elif number == 5:
            name, found = "", []
            for part, value, inner in fields(data, within):
                if part == 1 and inner:
                    name = text(data, inner)
                elif (part == 3 and value is not None) or part == 8:
                    found += numbers(data, value, inner)
                elif part == 5 and inner:
                    node.tensor = _tensor(data, inner, path)[1]
            node.numbers[name] = found
    return node


def _tensor(data: Data, span: Span, path: Path) -> tuple[str, Stored]:
    name, kind, where = "", 0, None
    shape: list[int] = []
    outside: dict[str, str] = {}
    bits: Span | None = None
    for number, value, within in fields(data, span):
        if number == 1:
            shape += numbers(data, value, within)
        elif number == 2 and value is not None:
            kind = value
        elif number in (4, 9, 10) and within:
            where = within
        elif number == 5 and within:
            bits = within
        elif number == 8 and within:
            name = text(data, within)
        elif number == 13 and within:
            pair = {part: text(data, inner) for part, _, inner in fields(data, within) if inner}
            outside[pair.get(1, "")] = pair.get(2, "")
    dtype = TYPES.get(kind, np.dtype("V1"))
    count = math.prod(shape) * dtype.itemsize
    if outside:
        return name, Stored(path, at(*_outside(outside, path, count)), dtype, tuple(shape))
    if bits and where is None and kind in HALVES:
        if _halves(data[bits[0] : bits[1]]).nbytes != count:
            raise ValueError(f"{name or 'a tensor'} of shape {tuple(shape)} without its values")
        return name, Stored(path, _decoded(path, bits), dtype, tuple(shape))
    if dtype.kind in "fV" and dtype.itemsize > 1 and (where is None or where[1] - where[0] != count) and count:
        raise ValueError(f"{name or 'a tensor'} of shape {tuple(shape)} without its values")
    return name, Stored(path, at(path, where[0] if where else 0), dtype, tuple(shape))


def _decoded(path: Path, span: Span) -> Callable[[], IO[bytes]]:
    """Opens the values that stand in int32_data, a number each."""

    def opened() -> IO[bytes]:
        with mapped(path) as data:
            return io.BytesIO(_halves(data[span[0] : span[1]]).tobytes())

    return opened


def _halves(packed: bytes) -> np.ndarray:
    """Numbers below 65,536, seven bits a byte and lowest first, as uint16."""
    parts = np.frombuffer(packed, np.uint8)
    ends = np.flatnonzero(parts < 128)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    if len(ends) == 0 or ends[-1] != len(parts) - 1 or (ends - starts > 2).any():
        raise ValueError("a half-precision number in it does not end")
    values = np.zeros(len(ends), np.uint32)
    for place in range(3):
        there = starts + place <= ends
        values[there] |= (parts[starts[there] + place].astype(np.uint32) & 127) << (7 * place)
    return values.astype("<u2")


def _outside(told: dict[str, str], path: Path, count: int) -> tuple[Path, int]:
    """A tensor's file and place, where values are kept in a file beside the graph; nowhere else is looked."""
    name = told.get("location", "")
    file, offset = path.parent / name, int(told.get("offset", "0"))
    if not name or Path(name).name != name or "\\" in name or os.path.islink(file):
        raise ValueError(f"its values are said to be in {name!r}, which is no file beside it")
    if not file.is_file():
        raise ValueError(f"its values are in {file}, which is not there: bring both files")
    if offset < 0 or offset + count > file.stat().st_size:
        raise ValueError(f"its values are not all in {file}")
    return file, offset
