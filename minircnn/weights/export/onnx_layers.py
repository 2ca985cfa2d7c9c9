"""A model's layers as ONNX' operators; weights (3, 3, C, OC) become (OC, C, 3, 3)."""

import numpy as np

from minircnn.base.errors import InputError
from minircnn.layers import Conv, Layer, MaxPool, ReLU
from minircnn.weights.export.onnx_graph import Graph


def add_layer(graph: Graph, name: str, layer: Layer, value: str) -> str:
    """What a convolution, ReLU or max-pool makes of value (N, C, H, W)."""
    if isinstance(layer, Conv):
        weight = graph.constant(layer.weight.value.transpose(3, 2, 0, 1), np.float32, f"{name}.weight")
        bias = graph.constant(layer.bias.value, np.float32, f"{name}.bias")
        stride, padding = [layer.stride] * 2, [layer.padding] * 4
        return graph.op("Conv", value, weight, bias, strides=stride, pads=padding)
    if isinstance(layer, ReLU):
        return graph.op("Relu", value)
    if isinstance(layer, MaxPool):
        sides = [layer.size] * 2
        return graph.op(
            "MaxPool", value, kernel_shape=sides, strides=[layer.stride] * 2, ceil_mode=int(layer.ceil_mode)
        )
    raise InputError(f"{name} is a {type(layer).__name__}, which has no operator of ONNX here; export another model")
