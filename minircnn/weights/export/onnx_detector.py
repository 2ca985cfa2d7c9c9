"""A detector as an ONNX graph, from an image's pixels to boxes, classes and scores.

    image, scale, size (, proposals) → pixels → backbone (→ proposals) → pooling → fc6, fc7 → outputs → detections

It is `detection/detect.py` operator by operator, weights included: Conv, MaxRoiPool or RoiAlign, Gemm, and
NonMaxSuppression twice where the model proposes itself. Only resizing stays outside, for ONNX' Resize is not OpenCV's:
whoever runs the graph gives the image as `Preprocessing` sizes it, and how that was (docs/export.md shows it).
"""

import json
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.files import written_whole
from minircnn.layers import FactoredLinear, RoIAlign, RoIAverage, SpatialPyramid
from minircnn.models import FasterRCNN, FastRCNN
from minircnn.models.rcnn import refuse_staged
from minircnn.weights.export.onnx_boxes import clipped, decoded, with_area
from minircnn.weights.export.onnx_graph import Graph
from minircnn.weights.export.onnx_layers import add_layer
from minircnn.weights.export.onnx_proposals import propose

MAX_BYTES = 2_000_000_000  # of a protocol buffer, whose weights stand in it


def export_onnx(
    path: str | Path,
    model: FastRCNN,
    *,
    score_threshold: float = 0.05,
    nms_threshold: float = 0.3,
    max_detections: int = 100,
) -> None:
    """Write a detector as ONNX.

    The graph takes `image` (H, W, 3) uint8 RGB, resized; `scale` (), pixels of it per pixel of the photograph; `size`
    (2,) int64, the photograph's height and width; and of Fast R-CNN `proposals` (P, 4) float32, the photograph's
    pixels. It gives `boxes` (D, 4), `labels` (D,) and `scores` (D,), as `detect` does.

    Parameters
    ----------
    model : FastRCNN or FasterRCNN, as `load_model` gives it
    score_threshold, nms_threshold, max_detections : as in `DetectionSettings`; they stand in the graph

    Raises
    ------
    InputError : the package onnx is not installed, the weights are too many for one file, or the disk refuses
    """
    path = Path(path)
    refuse_staged(model, f"{path} cannot be written")
    weights = sum(value.nbytes for value in model.folded_parameters().values())
    if weights > MAX_BYTES:
        raise InputError(f"{path}: {weights / 1e9:.1f} GB of weights do not fit one ONNX file; take a smaller model")
    graph = Graph()
    image = graph.input("image", np.uint8, ["height", "width", 3])
    scale = graph.input("scale", np.float32, [])
    size = graph.input("size", np.int64, [2])
    limit = graph.op("Cast", graph.op("Gather", size, graph.constant([1, 0, 1, 0])), to=1)  # of x1, y1, x2, y2
    features = _features(graph, model, image)
    if isinstance(model, FasterRCNN):
        shape = graph.op("Cast", graph.op("Shape", image), to=1)
        inner = graph.op("Gather", shape, graph.constant([1, 0, 1, 0]))
        proposals = propose(graph, model, features, inner, limit, scale)
    else:
        proposals = graph.input("proposals", np.float32, ["regions", 4])
    cls_score, offsets = _outputs(graph, model, _pooled(graph, model, features, graph.op("Mul", proposals, scale)))
    found = _detections(graph, proposals, cls_score, offsets, limit, score_threshold, nms_threshold, max_detections)
    boxes, labels, scores = found
    graph.output("boxes", boxes, np.float32, ["found", 4])
    graph.output("labels", labels, np.int64, ["found"])
    graph.output("scores", scores, np.float32, ["found"])
    pixels = model.architecture.preprocessing
    metadata = {
        "class_names": json.dumps(["background", *model.class_names], ensure_ascii=False),
        "short_side": str(pixels.short_side),
        "long_side": str(pixels.long_side),
        "architecture": model.architecture.name,
        "model": model.kind,
    }
    if model.best_score is not None:
        metadata["best_score"] = str(model.best_score)
    content = graph.model("minircnn", metadata).SerializeToString()
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def _features(graph: Graph, model: FastRCNN, image: str) -> str:
    """image (H, W, 3) uint8 → features (1, C, FH, FW), ONNX' order."""
    pixels = model.architecture.preprocessing
    value = graph.op("Cast", image, to=1)
    if pixels.channel_order == "BGR":
        value = graph.op("Gather", value, graph.constant([2, 1, 0]), axis=2)
    value = graph.op("Sub", value, graph.constant(pixels.mean, np.float32))
    value = graph.op("Div", value, graph.constant(pixels.scale, np.float32))
    value = graph.op("Unsqueeze", graph.op("Transpose", value, perm=[2, 0, 1]), graph.constant([0]))
    for name, layer in model.backbone.layers.items():
        value = add_layer(graph, name, layer, value)
    return value


def _pooled(graph: Graph, model: FastRCNN, features: str, regions: str) -> str:
    """regions (P, 4), in pixels of the network's input → (P, C, PH, PW)."""
    layer = model.roi_layer
    PH, PW = layer.output_size
    if isinstance(layer, RoIAverage):
        raise InputError("ONNX has no average of RoI pooling's bins; train the model with --pooling pool or align")
    first = graph.columns(regions, 0, 1)
    if isinstance(layer, RoIAlign):
        if not layer.aligned:
            raise InputError("RoIAlign that is not aligned is not exported; take a model whose layer is")
        index = graph.op("Cast", graph.op("Mul", graph.op("Squeeze", first, graph.constant([1])),
                                          graph.constant(0, np.float32)), to=7)  # fmt: skip
        return graph.op(
            "RoiAlign", features, regions, index, mode="avg", coordinate_transformation_mode="half_pixel",
            output_height=PH, output_width=PW, sampling_ratio=layer.sampling_ratio, spatial_scale=layer.spatial_scale,
        )  # fmt: skip
    index = graph.op("Mul", first, graph.constant(0, np.float32))
    rois = graph.op("Concat", index, regions, axis=1)
    if isinstance(layer, SpatialPyramid):
        levels = []
        for pool in layer.pools:
            shape, bins = list(pool.output_size), pool.output_size[0] ** 2
            pooled = graph.op("MaxRoiPool", features, rois, pooled_shape=shape, spatial_scale=layer.spatial_scale)
            levels.append(graph.op("Reshape", pooled, graph.constant([0, model.architecture.channels, bins, 1])))
        return graph.op("Concat", *levels, axis=2)
    return graph.op("MaxRoiPool", features, rois, pooled_shape=[PH, PW], spatial_scale=layer.spatial_scale)


def _outputs(graph: Graph, model: FastRCNN, pooled: str) -> tuple[str, str]:
    """pooled (P, C, PH, PW) → cls_score (P, K+1), offsets (P, K+1, 4)."""
    values, head = model.parameters_by_class(), model.head
    PH, PW, C = head.shape
    value = graph.op("Flatten", pooled)
    for name in ("fc6", "fc7"):
        layer = head.layers[name]
        thin = isinstance(layer, FactoredLinear)
        rows = values[f"{name}.first" if thin else f"{name}.weight"]
        if name == "fc6":  # its rows run over cells and then channels; here it is channels and then cells
            rows = rows.reshape(PH, PW, C, -1).transpose(2, 0, 1, 3).reshape(PH * PW * C, -1)
        if thin:
            value = graph.op("MatMul", value, graph.constant(rows, np.float32, f"{name}.first"))
            rows = values[f"{name}.second"]
        value = graph.op("Relu", _linear(graph, name, value, rows, values[f"{name}.bias"]))
    cls_score, bbox_pred = (
        _linear(graph, name, value, values[f"{name}.weight"], values[f"{name}.bias"])
        for name in ("cls_score", "bbox_pred")
    )
    return cls_score, graph.op("Reshape", bbox_pred, graph.constant([0, model.num_classes + 1, 4]))


def _linear(graph: Graph, name: str, value: str, weight: np.ndarray, bias: np.ndarray) -> str:
    return graph.op("Gemm", value, graph.constant(weight, np.float32, f"{name}.weight"),
                    graph.constant(bias, np.float32, f"{name}.bias"))  # fmt: skip


def _detections(
    graph: Graph, proposals: str, cls_score: str, offsets: str, limit: str, score: float, overlap: float, most: int
) -> tuple[str, str, str]:
    """`select_detections`; each class is a batch of its own for NonMaxSuppression, for its boxes are its own."""
    probabilities = graph.op("Transpose", graph.op("Softmax", cls_score, axis=1), perm=[1, 0])  # (K+1, P)
    boxes = graph.op("Transpose", clipped(graph, decoded(graph, proposals, offsets), limit), perm=[1, 0, 2])
    last = np.iinfo(np.int64).max
    probabilities, boxes = (graph.columns(value, 1, last, axis=0) for value in (probabilities, boxes))
    sure = graph.op("Where", with_area(graph, boxes), probabilities, graph.constant(0, np.float32))
    sure = graph.op("Unsqueeze", sure, graph.constant([1]))  # (K, 1, P)
    kept = graph.op(
        "NonMaxSuppression",
        boxes,
        sure,
        graph.constant([np.iinfo(np.int32).max]),
        graph.constant([overlap], np.float32),
        graph.constant([score], np.float32),
    )
    scores = graph.op("GatherND", sure, kept)
    count = graph.op("Min", graph.op("Shape", scores), graph.constant([most]))
    scores, best = graph.ops("TopK", 2, scores, count)
    kept = graph.op("Gather", kept, best)  # class, 0, region
    labels = graph.op("Add", graph.op("Gather", kept, graph.constant(0), axis=1), graph.constant(1))
    boxes = graph.op("GatherND", boxes, graph.op("Gather", kept, graph.constant([0, 2]), axis=1))
    return boxes, labels, scores
