"""`minircnn export`: a detector for other programs. `weights/export/` writes the files."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    model: Annotated[Path, typer.Argument(help="Run folder or model file.")],
    out: Annotated[Path, typer.Option(help="model.onnx, or model.safetensors with torchvision's names; new.")],
    score: Annotated[float, typer.Option(min=0, max=1, help="ONNX: what scores no more is not found.")] = 0.05,
    nms: Annotated[float, typer.Option(min=0, max=1, help="ONNX: IoU above which a weaker box is dropped.")] = 0.3,
    max_detections: Annotated[int, typer.Option(min=1, help="ONNX: so many of an image at most.")] = 100,
) -> None:
    """Take a detector along: ONNX, which other languages and machines run, or weights under torchvision's names.

    The ONNX graph is the whole of detection, from the resized image's pixels to boxes, classes and scores. Fast R-CNN's
    takes proposals as well. How it is run: docs/export.md.

    Example: minircnn export runs/first --out first.onnx
    """
    from minircnn.base.files import check_target
    from minircnn.weights.export.onnx_detector import export_onnx
    from minircnn.weights.export.torchvision_names import export_torchvision
    from minircnn.weights.model_file import load_model

    check_target(out, "--out", (".onnx", ".safetensors"))
    detector = load_model(model)
    if out.suffix.lower() == ".onnx":
        export_onnx(out, detector, score_threshold=score, nms_threshold=nms, max_detections=max_detections)
        besides = "proposals, " if detector.searches else ""
        words = f"takes image, {besides}scale and size, gives boxes, labels and scores"
    else:
        export_torchvision(out, detector)
        lacks = ", without rpn: it has none" if detector.searches else ""
        words = f"torchvision's names, for torchvision.models.detection.FasterRCNN{lacks}"
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {len(detector.class_names)} classes; {words}")
