"""One training step of a trained model on one image, taken apart: the class loss, the box loss, and both sent back.

The model's own weights, preprocessing and, where a run folder has them, sampling and offset statistics. The true boxes
are those of the image's annotation where it lies in DeepFashion2's layout; without one, what the model itself detects
stands in for them. Nothing is updated.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from minircnn.base.errors import InputError
from minircnn.data import Sample, read_image
from minircnn.data.formats import truth_beside
from minircnn.data.formats.checks import plain_name
from minircnn.detection import detect
from minircnn.losses import softmax
from minircnn.models import Batch, FastRCNN
from minircnn.models.batch import Drawn
from minircnn.models.rcnn import refuse_staged
from minircnn.models.trace import Rows, norm_of, trace
from minircnn.targets import OffsetStatistics
from minircnn.training.batches import make_batch
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.weights.description import stored_statistics
from minircnn.weights.model_file import load_model

TRUTH = {
    "annotation": "the true boxes are the annotation's",
    "detections": "there is no annotation: the model's own detections stand in for true boxes",
    "nothing": "there is no annotation and nothing was detected: every RoI is background",
}
SURE = 0.5  # a detection that scores this stands in for a true box


@dataclass(frozen=True)
class CapturedStep:
    """What one step did.

    Attributes
    ----------
    model : as it was after the step, its layers still holding what backward needs
    image : (H, W, 3) uint8 RGB
    scale : pixels of the network's input per pixel of the image
    batch : the one image, and what is true of it
    drawn : its RoIs, labels and targets
    class_names : K names
    truth_from : "annotation", "detections" or "nothing"
    normalised : whether the targets are divided by the statistics of the training data
    losses : by the model's `loss_names`
    gradients : likewise, of each loss with respect to the output that it reads
    sent : what was sent back, in words, and of which losses: `model.sent`
    dropped : norm of what joint training leaves out, at the anchors' offsets; None where nothing has such a gradient
    probability : (R, K+1) class probabilities of the RoIs
    rows : the journey, each row with the gradients of `sent`, in that order; those of the RoI layer hold dy and dx,
        those of the first convolution dx
    roi_layer : the RoI layer's name
    first : the first convolution
    lowest : the lowest convolution that learns in training; None where none does
    """

    model: FastRCNN
    image: np.ndarray
    scale: float
    batch: Batch
    drawn: Drawn
    class_names: tuple[str, ...]
    truth_from: str
    normalised: bool
    losses: dict[str, float]
    gradients: dict[str, np.ndarray]
    sent: dict[str, tuple[str, ...]]
    dropped: float | None
    probability: np.ndarray
    rows: Rows
    roi_layer: str
    first: str
    lowest: str | None


def capture_step(run: Path, image_path: Path, seed: int = 0, down_to_the_image: bool = False) -> CapturedStep:
    """Take one step of the model in `run` on the image at `image_path` apart.

    Parameters
    ----------
    run : run folder or model file
    seed : of the RoIs that are drawn, and of dropout
    down_to_the_image : carry the gradient past the frozen convolutions, to the pixels

    Raises
    ------
    InputError : there is no model, the image or its annotation cannot be read, or no RoI is to be had
    """
    model = load_model(run)
    refuse_staged(model, f"{run} has no step to be followed")
    image = read_image(image_path)
    settings, statistics = _of_the_run(run, model)
    if statistics is not None:
        model.restate_offsets(statistics)
    model.search = settings.proposals
    proposals = model.propose(image) if model.searches else None
    boxes, labels, truth_from = _truth(model, image, image_path, proposals)
    height, width = image.shape[:2]
    sample = Sample(image_path.stem, image_path, height, width, boxes, labels)
    rng = np.random.default_rng(seed)
    model.rng, model.sigma, model.sampling = rng, settings.sigma, settings.roi_sampling
    preprocessing = model.architecture.preprocessing
    if proposals is not None and len(boxes) + len(proposals) == 0:
        raise InputError(f"{image_path}: nothing was proposed in it and nothing is annotated; take another image")
    proposals_of = None if proposals is None else lambda _: proposals
    batch = make_batch([sample], proposals_of, preprocessing, model.sampling, model.statistics, rng, flip_probability=0)
    if not model.can_learn_from(batch):
        raise InputError(f"{image_path}: no proposal overlaps a true box enough to be sampled; take another image")
    convolutions = [convolution.name for convolution in model.architecture.convolutions]
    lowest = next((name for name in convolutions if model.layers[name].parameters()["weight"].learns), None)
    if down_to_the_image:
        for _, parameter in model.backbone.named_parameters():
            parameter.lr_multiplier = max(parameter.lr_multiplier, 1.0)
    model.train()
    if down_to_the_image:
        model.layers[convolutions[0]].needs_dx = True
    kept = [f"{model.roi_layer.name}.dy", f"{model.roi_layer.name}.dx", f"{convolutions[0]}.dx"]
    with trace(model, keep=[*kept, "cls_score.y", "bbox_pred.y"]) as rows:
        losses = model.losses(batch)
        if len(model.drawn.labels) == 0:
            raise InputError(f"{image_path}: nothing was proposed in it and nothing is annotated; take another image")
        gradients = model.kept_gradients()
        for names in model.sent.values():
            model.backward(
                *(d * d.dtype.type(name in names) for name, d in zip(model.loss_names, gradients, strict=True))
            )
    dropped = model.dropped_gradient()
    cls_score = rows["cls_score"].y
    assert cls_score is not None  # it was to be kept
    return CapturedStep(
        model=model,
        image=image,
        scale=preprocessing.image_scale(height, width),
        batch=batch,
        drawn=model.drawn,
        class_names=model.class_names,
        truth_from=truth_from,
        normalised=statistics is not None,
        losses=losses,
        gradients=dict(zip(model.loss_names, gradients, strict=True)),
        sent=model.sent,
        dropped=None if dropped is None else norm_of(dropped),
        probability=softmax(cls_score),
        rows=rows,
        roi_layer=model.roi_layer.name,
        first=convolutions[0],
        lowest=lowest,
    )


def _of_the_run(run: Path, model: FastRCNN) -> tuple[TrainSettings, OffsetStatistics | None]:
    """The run's settings and the statistics of its offsets; for a model file alone the defaults, and what it says."""
    folder = RunFolder(run)
    if not folder.holds_a_run:
        return TrainSettings(data=".", backbone=model.architecture.name, model=model.kind), model.learned_in
    settings = folder.read_settings()
    for path in (folder.last, folder.previous):
        try:
            with safe_open(path, "numpy") as file:
                names = [name for name in ("offsets.mean", "offsets.std") if name in file.keys()]  # noqa: SIM118
                return settings, stored_statistics(model, {name: file.get_tensor(name) for name in names}, path)
        except (OSError, SafetensorError, InputError):
            continue
    return settings, model.learned_in


def _truth(
    model: FastRCNN, image: np.ndarray, path: Path, proposals: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, str]:
    """True boxes (G, 4) and labels (G,), and where they are from."""
    if (annotated := truth_beside(path, *image.shape[:2])) is not None:
        boxes, names = annotated
        label_of = {plain_name(name): label for label, name in enumerate(model.class_names, start=1)}
        labels = np.array([label_of.get(plain_name(name), 0) for name in names], np.int64)
        return boxes[labels > 0], labels[labels > 0], "annotation"  # none of the model's classes: all background
    found = detect(model, image, proposals)
    if len(found.labels) == 0:
        return np.zeros((0, 4), np.float32), np.zeros(0, np.int64), "nothing"
    sure = found.above(min(SURE, float(found.scores[0])))
    return sure.boxes, sure.labels, "detections"
