"""Run a detector over a data set and measure it: detections of every image against the truth.

Comes after training and before the report; the measures themselves are in `metrics`.
"""

import time
from collections.abc import Sequence

import numpy as np

from minircnn.base.progress import Progress, silent
from minircnn.base.ranks import ranks
from minircnn.data import Sample, read_image
from minircnn.detection import (
    Detections,
    DetectionSettings,
    detect,
    image_features,
    score_regions,
    select_scored,
)
from minircnn.detection.by_ranks import detect_by_ranks
from minircnn.metrics import Evaluation, evaluate_detections
from minircnn.models import FastRCNN
from minircnn.proposals import ProposalsOf


def detect_all(
    model: FastRCNN,
    samples: Sequence[Sample],
    proposals_of: ProposalsOf | None = None,
    settings: DetectionSettings | None = None,
    progress: Progress = silent,
    stage: str = "measuring",
) -> list[Detections]:
    """Detections of every sample, in order. Images are read one at a time, by each rank where there are several.

    Parameters
    ----------
    model : FastRCNN
    samples : of Sample, as `open_samples` gives them
    proposals_of : sample → (P, 4), as `ProposalCache.get`; what the model itself proposes when None
    settings : DetectionSettings; the paper's if absent
    progress : called after each image, with `stage`

    Raises
    ------
    InputError : an image cannot be read
    """
    if ranks().size > 1:
        return detect_by_ranks(model, samples, proposals_of, settings, progress, stage)
    found = []
    for done, sample in enumerate(samples, start=1):
        proposals = None if proposals_of is None else proposals_of(sample)
        found.append(detect(model, read_image(sample.image_path), proposals, settings))
        progress(stage, done, len(samples), "")
    return found


def evaluate_model(
    model: FastRCNN,
    samples: Sequence[Sample],
    proposals_of: ProposalsOf | None = None,
    settings: DetectionSettings | None = None,
    progress: Progress = silent,
    stage: str = "measuring",
) -> tuple[Evaluation, list[Detections], list[Sample]]:
    """Detect in every sample and measure; the arguments are those of `detect_all`.

    Returns
    -------
    The Evaluation, the detections, and the samples that they were measured against

    Raises
    ------
    InputError : an image cannot be read
    """
    truths = list(samples)
    detections = detect_all(model, truths, proposals_of, settings, progress, stage)
    return evaluate_detections(detections, truths, model.class_names), detections, truths


def own_proposals(model: FastRCNN) -> ProposalsOf:
    """What the model itself proposes, as a function of a sample."""

    def of(sample: Sample) -> np.ndarray:
        if model.training:
            model.eval()
        return model.propose(read_image(sample.image_path))

    return of


TIMED = 25  # images at most


def time_parts(
    model: FastRCNN,
    samples: Sequence[Sample],
    settings: DetectionSettings | None = None,
    seconds: float = 10.0,
) -> dict[str, float]:
    """What detecting one image costs from its pixels on, proposals included: medians over the first `TIMED` samples.

    After `seconds` no further image is begun, so large photographs, whose search takes seconds, keep nobody waiting.

    Returns
    -------
    {"proposals", "network", "post_processing"} : milliseconds; "images", how many were timed
    """
    settings = settings or DetectionSettings()
    rows: list[np.ndarray] = []
    end = time.perf_counter() + seconds
    for index in range(min(TIMED, len(samples))):
        if rows and time.perf_counter() > end:
            break
        image = read_image(samples[index].image_path)
        if index == 0:  # the first call pays for what later ones find ready
            detect(model, image, None, settings)
        marks = [time.perf_counter()]
        features = image_features(model, image)
        marks.append(time.perf_counter())
        proposals = model.propose(image, features)
        marks.append(time.perf_counter())
        cls_score, offsets = score_regions(model, image, features, proposals)
        marks.append(time.perf_counter())
        select_scored(proposals, model.probabilities(cls_score), offsets, image.shape[:2], settings)
        marks.append(time.perf_counter())
        backbone, proposing, regions, selecting = np.diff(marks)
        rows.append(np.array([proposing, backbone + regions, selecting]))
    median = 1000 * np.median(rows, axis=0) if rows else np.full(3, np.nan)
    parts = dict(zip(("proposals", "network", "post_processing"), median.tolist(), strict=True))
    return parts | {"images": len(rows)}
