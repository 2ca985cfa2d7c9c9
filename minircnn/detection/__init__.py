"""Detection: `detect.py` one image, from the model's outputs to boxes; `evaluate.py` over a data set, measured."""

from minircnn.detection.detect import (
    Detections,
    DetectionSettings,
    detect,
    detect_each,
    image_features,
    score_proposals,
    score_regions,
    select_detections,
    select_scored,
)
from minircnn.detection.origin import Origin, origins

__all__ = [
    "DetectionSettings",
    "Detections",
    "Origin",
    "detect",
    "detect_each",
    "image_features",
    "origins",
    "score_proposals",
    "score_regions",
    "select_detections",
    "select_scored",
]
