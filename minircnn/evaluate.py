"""Run a detector over a data set and measure it: detections of every image against the truth.

Comes after training and before the report; the measures themselves are in `metrics`.
"""

from collections.abc import Sequence

from minircnn.data import Sample, read_image
from minircnn.data.progress import Progress, silent
from minircnn.detection import Detections, DetectionSettings, detect
from minircnn.metrics import Evaluation, evaluate_detections
from minircnn.models import FastRCNN
from minircnn.proposals import ProposalCache


def detect_all(
    model: FastRCNN,
    samples: Sequence[Sample],
    cache: ProposalCache,
    settings: DetectionSettings | None = None,
    progress: Progress = silent,
    stage: str = "measuring",
) -> list[Detections]:
    """Detections of every sample, in order. Images are read one at a time."""
    found = []
    for done, sample in enumerate(samples, start=1):
        found.append(detect(model, read_image(sample.image_path), cache.get(sample), settings))
        progress(stage, done, len(samples), "")
    return found


def evaluate_model(
    model: FastRCNN,
    samples: Sequence[Sample],
    cache: ProposalCache,
    settings: DetectionSettings | None = None,
    progress: Progress = silent,
    stage: str = "measuring",
) -> tuple[Evaluation, list[Detections], list[Sample]]:
    """The measures, and the detections and truths they were taken from."""
    truths = list(samples)
    detections = detect_all(model, truths, cache, settings, progress, stage)
    return evaluate_detections(detections, truths, model.class_names), detections, truths
