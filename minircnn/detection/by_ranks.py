"""Detection over a data set by several ranks: image i by rank i mod n, each with the model of rank 0."""

from collections.abc import Sequence

from minircnn.base.progress import Progress, silent
from minircnn.base.ranks import Ranks, ranks
from minircnn.data import Sample, read_image
from minircnn.detection.detect import Detections, DetectionSettings, detect
from minircnn.models import FastRCNN
from minircnn.proposals import ProposalsOf
from minircnn.weights.elsewhere import Outline, build_elsewhere, hand_out_weights, outline


def detect_by_ranks(
    model: FastRCNN,
    samples: Sequence[Sample],
    proposals_of: ProposalsOf | None,
    settings: DetectionSettings | None,
    progress: Progress,
    stage: str,
) -> list[Detections]:
    """What `detect_all` gives, and to the same bit."""
    everybody = ranks()
    everybody.kept["detector"], everybody.kept["progress"] = model, progress
    found = everybody.together(_detect, outline(model), samples, proposals_of, settings, stage)
    del everybody.kept["detector"]
    return [found[i % everybody.size][i // everybody.size] for i in range(len(samples))]


def _detect(
    ranks: Ranks,
    given: Outline,
    samples: Sequence[Sample],
    proposals_of: ProposalsOf | None,
    settings: DetectionSettings | None,
    stage: str,
) -> list[Detections]:
    model = ranks.kept["detector"] if ranks.rank == 0 else build_elsewhere(given)
    hand_out_weights(ranks, model)
    tell, found = ranks.kept.get("progress", silent), list[Detections]()
    for sample in ranks.share(samples):
        proposals = None if proposals_of is None else proposals_of(sample)
        found.append(detect(model, read_image(sample.image_path), proposals, settings))
        tell(stage, min(len(found) * ranks.size, len(samples)), len(samples), "")
    return found
