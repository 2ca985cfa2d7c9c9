"""The region proposal network in ONNX' operators: `models/rpn.py` and `anchors.py` over a map of any size."""

import numpy as np

from minircnn.anchors import cell_anchors
from minircnn.models import FasterRCNN
from minircnn.weights.export.onnx_boxes import clipped, decoded, with_area
from minircnn.weights.export.onnx_graph import Graph
from minircnn.weights.export.onnx_layers import add_layer

TOO_SMALL = -np.inf  # the score of such a proposal


def propose(graph: Graph, model: FasterRCNN, features: str, inner: str, limit: str, scale: str) -> str:
    """What `RPN.propose` and `FasterRCNN.propose` do: boxes (P, 4) in the photograph's pixels.

    inner, limit : (4,), width, height, width, height of the network's input and of the photograph
    """
    settings, layers = model.architecture.rpn, model.rpn.layers
    hidden = graph.op("Relu", add_layer(graph, "rpn_conv", layers["rpn_conv"], features))
    flat = {}
    for name in ("rpn_cls_score", "rpn_bbox_pred"):
        last = graph.op("Transpose", add_layer(graph, name, layers[name], hidden), perm=[0, 2, 3, 1])
        flat[name] = graph.op("Reshape", last, graph.constant([-1] if name == "rpn_cls_score" else [-1, 1, 4]))
    boxes = decoded(graph, _anchors(graph, model, features), flat["rpn_bbox_pred"])
    boxes = clipped(graph, graph.op("Squeeze", boxes, graph.constant([1])), inner)
    least = graph.op("Mul", graph.constant(settings.min_side, np.float32), scale)
    sides = graph.op("Sub", graph.columns(boxes, 2, 4), graph.columns(boxes, 0, 2))
    shorter = graph.op("ReduceMin", sides, axes=[1], keepdims=0)
    large = graph.op(
        "And", graph.op("GreaterOrEqual", shorter, least), graph.op("Greater", shorter, graph.constant(0, np.float32))
    )
    scores = graph.op("Where", large, flat["rpn_cls_score"], graph.constant(TOO_SMALL, np.float32))
    count = graph.op("ReduceSum", graph.op("Cast", large, to=7), graph.constant([0]), keepdims=1)
    scores, best = graph.ops("TopK", 2, scores, graph.op("Min", count, graph.constant([settings.test_before])))
    boxes = graph.op("Gather", boxes, best)
    kept = graph.op(
        "NonMaxSuppression",
        graph.op("Unsqueeze", boxes, graph.constant([0])),
        graph.op("Unsqueeze", scores, graph.constant([0, 1])),
        graph.constant([settings.test_after]),
        graph.constant([settings.nms_threshold], np.float32),
    )
    which = graph.op("Gather", kept, graph.constant(2), axis=1)
    boxes = clipped(graph, graph.op("Div", graph.op("Gather", boxes, which), scale), limit)
    sound = graph.op("NonZero", with_area(graph, boxes))
    return graph.op("Gather", boxes, graph.op("Squeeze", sound, graph.constant([0])))


def _anchors(graph: Graph, model: FasterRCNN, features: str) -> str:
    """The grid of `anchors.anchor_grid`, laid over a map of any size: (FH·FW·A, 4)."""
    shape = graph.op("Shape", features)
    rows, columns = (graph.op("Gather", shape, graph.constant(axis)) for axis in (2, 3))
    zero, one, stride = graph.constant(0), graph.constant(1), graph.constant(model.rpn.stride, np.float32)
    steps = [graph.op("Mul", graph.op("Cast", graph.op("Range", zero, n, one), to=1), stride) for n in (columns, rows)]
    grid = [
        graph.op("Expand", graph.op("Unsqueeze", step, graph.constant([axis])), graph.op("Concat", *(
            graph.op("Unsqueeze", n, graph.constant([0])) for n in (rows, columns)), axis=0))
        for step, axis in zip(steps, (0, 1), strict=True)
    ]  # fmt: skip
    x, y = (graph.op("Unsqueeze", shift, graph.constant([2])) for shift in grid)
    shift = graph.op("Unsqueeze", graph.op("Concat", x, y, x, y, axis=2), graph.constant([2]))  # (FH, FW, 1, 4)
    cell = graph.constant(cell_anchors(model.architecture.rpn), np.float32)
    return graph.op("Reshape", graph.op("Add", shift, cell), graph.constant([-1, 4]))
