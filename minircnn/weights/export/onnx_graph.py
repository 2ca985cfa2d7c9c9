"""An ONNX graph, node by node: each operator is a call that gives the name of its result.

    graph = Graph()
    x = graph.input("x", np.float32, ["rows", 4])
    graph.output("y", graph.op("Relu", x), np.float32, ["rows", 4])

The operators are those of opset 16 (https://onnx.ai/onnx/operators), which runtimes have known since 2022.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minircnn.base.errors import InputError

if TYPE_CHECKING:
    import onnx

OPSET, IR_VERSION = 16, 8


def onnx_package() -> Any:
    """The package that writes ONNX's files; InputError where it is not installed."""
    try:
        import onnx
    except ImportError as error:
        raise InputError(f"ONNX files are written by the package onnx ({error}): pip install onnx") from None
    return onnx


class Graph:
    """What has been put together so far; values are called by their names."""

    def __init__(self) -> None:
        self._onnx = onnx_package()
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []

    def input(self, name: str, dtype: type, shape: Sequence[int | str]) -> str:
        """What whoever runs the graph gives; a word in place of a number is any number."""
        self._inputs.append(self._described(name, dtype, shape))
        return name

    def output(self, name: str, value: str, dtype: type, shape: Sequence[int | str]) -> None:
        """What the graph gives back."""
        self._nodes.append(self._onnx.helper.make_node("Identity", [value], [name], name=name))
        self._outputs.append(self._described(name, dtype, shape))

    def constant(self, values: Any, dtype: type = np.int64, name: str = "") -> str:
        """An array that stands in the file; equal small ones stand there once."""
        array: np.ndarray = np.array(values, dtype, order="C")
        name = name or f"constant {array.dtype} {array.shape} {array.tolist()}"
        if name not in self._constants:
            self._constants[name] = self._onnx.numpy_helper.from_array(array, name)
        return name

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node with one result."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        """A node with several results."""
        number = len(self._nodes)
        names = [f"{kind}_{number}" if n == 0 else f"{kind}_{number}_{n}" for n in range(outputs)]
        self._nodes.append(self._onnx.helper.make_node(kind, list(inputs), names, name=names[0], **attributes))
        return names

    def columns(self, value: str, first: int, last: int, axis: int = -1) -> str:
        """value[…, first:last]"""
        return self.op("Slice", value, self.constant([first]), self.constant([last]), self.constant([axis]))

    def model(self, name: str, metadata: dict[str, str]) -> "onnx.ModelProto":
        """The whole, checked by ONNX' own checker, shapes inferred."""
        helper = self._onnx.helper
        graph = helper.make_graph(self._nodes, name, self._inputs, self._outputs, list(self._constants.values()))
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="minircnn")
        helper.set_model_props(model, metadata)
        self._onnx.checker.check_model(model, full_check=True)
        return model

    def _described(self, name: str, dtype: type, shape: Sequence[int | str]) -> Any:
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self._onnx.helper.make_tensor_value_info(name, kind, list(shape))
