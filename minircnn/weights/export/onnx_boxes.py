"""`boxes.py` in ONNX' operators: moving boxes by offsets, cutting them to the image, and which have an area."""

import numpy as np

from minircnn.boxes import MAX_LOG_STRETCH
from minircnn.weights.export.onnx_graph import Graph


def decoded(graph: Graph, proposals: str, offsets: str) -> str:
    """`boxes.decode_boxes`: proposals (P, 4), offsets (P, M, 4) → boxes (P, M, 4)."""
    half, most = graph.constant(0.5, np.float32), graph.constant(MAX_LOG_STRETCH, np.float32)
    corner = graph.columns(proposals, 0, 2)
    size = graph.op("Sub", graph.columns(proposals, 2, 4), corner)
    centre = graph.op("Add", corner, graph.op("Mul", half, size))
    centre, size = (graph.op("Unsqueeze", value, graph.constant([1])) for value in (centre, size))  # (P, 1, 2)
    centre = graph.op("Add", centre, graph.op("Mul", graph.columns(offsets, 0, 2), size))
    stretch = graph.op("Exp", graph.op("Min", graph.columns(offsets, 2, 4), most))
    reach = graph.op("Mul", half, graph.op("Mul", size, stretch))
    return graph.op("Concat", graph.op("Sub", centre, reach), graph.op("Add", centre, reach), axis=2)


def clipped(graph: Graph, boxes: str, limit: str) -> str:
    """`boxes.clip_boxes`: boxes (…, 4); limit (4,), width, height, width, height."""
    return graph.op("Min", graph.op("Max", boxes, graph.constant(0, np.float32)), limit)


def with_area(graph: Graph, boxes: str) -> str:
    """boxes (…, 4) → (…) bool, x1 < x2 and y1 < y2."""
    sides = graph.op("Sub", graph.columns(boxes, 2, 4), graph.columns(boxes, 0, 2))
    shorter = graph.op("ReduceMin", sides, axes=[-1], keepdims=0)
    return graph.op("Greater", shorter, graph.constant(0, np.float32))
