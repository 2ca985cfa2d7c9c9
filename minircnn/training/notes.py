"""What a user should know before a night of training, and would otherwise see only after it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from minircnn.anchors import BASE, anchor_grid, inside
from minircnn.base.errors import InputError
from minircnn.base.files import nearest
from minircnn.base.ranks import ranks
from minircnn.data.formats.deepfashion2 import DEEPFASHION2_CLASSES
from minircnn.models import FastRCNN
from minircnn.proposals import proposal_recall
from minircnn.training.data import TrainingData, spread
from minircnn.training.settings import TrainSettings

LOOKED_AT = 300  # images: enough to know a share of boxes to a few hundredths
LEAST_REACHED = 0.7  # of the true boxes; the bundled scenes' proposals reach 0.99, photographs' mostly above 0.9
ANCHOR_IOU = 0.5  # from where on an anchor can be moved onto a box; 99.7 % of the bundled scenes' garments have one
MUCH = 1e9  # bytes


def notes_on(data: TrainingData, settings: TrainSettings, model: FastRCNN, run: Path) -> list[str]:
    """Sentences about data, proposals and disk; `data` with its proposals, `run` the run folder."""
    notes = []
    counts = data.train.class_counts()
    if not data.train.own_names:
        notes.append(_naming(settings.data))
    if missing := [name for name, count in zip(data.class_names, counts[1:], strict=True) if count == 0]:
        names = ", ".join(missing)
        notes.append(f"not one box in {settings.data}/train is of these classes, so they cannot be learned: {names}")
    if settings.classes is None and (others := sorted(set(data.validation.names) - set(data.class_names))):
        notes.append(f"validation has classes that training lacks, whose boxes do not count: {', '.join(others)}")
    if words := _unreached(data, settings) if data.cache else _beyond_the_anchors(data, model):
        notes.append(words)
    notes += data.cache.notes if data.cache else []
    notes += notes_on_ranks(settings, len(data.train))
    if (size := run_bytes(model)) > MUCH:
        notes.append(f"{run} will take {size / 1e9:.1f} GB: two checkpoints and the best weights")
    return notes


def notes_on_ranks(settings: TrainSettings, images: int) -> list[str]:
    """Sentences about a minibatch that several processes compute, and a rate that follows its size."""
    notes, size, own = [], ranks().size, settings.images_of_a_step(images)
    if own < size:
        some = f"{size - own} of the {size} processes have" if size - own > 1 else f"one of the {size} processes has"
        notes.append(f"{some} nothing to compute, for a step has {own} images; give --images-per-step {size} or more")
    if size > 1 and settings.sum == "plain":
        notes.append("--sum plain: the weights depend on how many processes there are; with --sum tree they do not")
    if (factor := settings.lr_factor()) > 1:
        usual, warmup = (settings.lr or 0.0), settings.schedule(settings.steps(images)).warmup_steps
        notes.append(
            f"--scale-lr: {settings.images_per_step} images a step are {factor:g} times the usual, so the rate climbs "
            f"from {usual:g} to {factor * usual:g} over {warmup} steps"
        )
    elif settings.scale_lr:
        notes.append("--scale-lr: the minibatch is not larger than usual, and the rate stays as it is")
    return notes


def _naming(data: str) -> str:
    """For data without classes.json."""
    names = ", ".join(f"{number} {name}" for number, name in enumerate(DEEPFASHION2_CLASSES[:3], start=1))
    return f"{data} has no classes.json, so the categories are called as in DeepFashion2 ({names}, …)"


def _unreached(data: TrainingData, settings: TrainSettings) -> str:
    """A sentence where the proposals miss many of the true boxes; empty where they do not."""
    assert data.cache is not None
    samples = spread(data.train, LOOKED_AT)
    iou, min_side = settings.roi_sampling.foreground_iou, settings.proposals.min_side
    boxes = np.concatenate([sample.learned()[0] for sample in samples])
    proposals_of = data.cache.get
    share = proposal_recall(((proposals_of(sample), sample.learned()[0]) for sample in samples), (iou,))[iou]
    if not share < LEAST_REACHED:  # nor where there is no box
        return ""
    small = int(((boxes[:, 2:] - boxes[:, :2]).min(axis=1) < min_side).sum())
    why = f", of which {small} are narrower than {min_side:g} pixels" if small else ""
    return (
        f"the proposals reach only {share * len(boxes):.0f} of {len(boxes)} true boxes{why} (IoU {iou:g}, "
        f"{len(samples)} images): the others will hardly be learned or found; are the boxes right?"
    )


def _beyond_the_anchors(data: TrainingData, model: FastRCNN) -> str:
    """A sentence where many of the true boxes have no anchor near their size and shape; empty where they have."""
    architecture = model.architecture
    preprocessing, samples = architecture.preprocessing, spread(data.train, LOOKED_AT)

    def pairs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for sample in samples:
            height, width = preprocessing.input_size(sample.height, sample.width)
            cells = -(-height // architecture.stride), -(-width // architecture.stride)
            anchors = anchor_grid(*cells, architecture.stride, architecture.rpn)
            anchors = anchors[inside(anchors, height, width, architecture.rpn.border)]
            yield anchors, sample.learned()[0] * preprocessing.image_scale(sample.height, sample.width)

    share = proposal_recall(pairs(), (ANCHOR_IOU,))[ANCHOR_IOU]
    if not share < LEAST_REACHED:  # nor where there is no box
        return ""
    boxes = np.concatenate([truth for _, truth in pairs()])
    sides = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    low, middle, high = np.percentile(sides, (10, 50, 90))
    return (
        f"only {share:.0%} of the true boxes have an anchor that overlaps them by half: in the network's input they "
        f"are {low:.0f} to {high:.0f} pixels large (half of them below {middle:.0f}), the anchors "
        f"{', '.join(f'{BASE * scale:g}' for scale in architecture.rpn.scales)}; choose others, in units of {BASE} "
        f"pixels: --anchor-scales {','.join(f'{side / BASE:.2g}' for side in (low, middle, high))}"
    )


def run_bytes(model: FastRCNN) -> float:
    """What a run's model files take on the disk: two checkpoints of weights and velocities, and the best weights."""
    return float(sum(p.value.nbytes * (5 if p.learns else 3) for _, p in model.named_parameters()))


def check_room(model: FastRCNN, run: Path) -> None:
    """InputError where the disk has no room for the run's files; nothing is written."""
    needed, free = run_bytes(model), shutil.disk_usage(nearest(run)).free
    if free < needed:
        raise InputError(
            f"{run} would take {needed / 1e9:.1f} GB, and {free / 1e9:.1f} are free there; make room, or choose "
            "another --out"
        )
