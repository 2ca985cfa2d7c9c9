"""Training: data and proposals in, a run folder with a detector, its measures and a report out.

One step: a minibatch (`batches.py`), forward, the two losses, backward, SGD. Around it: checkpoints that a run can go
on from bit for bit, a log, validation that chooses the best weights, and at the end the whole validation set.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from minircnn.errors import InputError
from minircnn.evaluate import evaluate_model
from minircnn.losses import smooth_l1, softmax_cross_entropy
from minircnn.models import BACKBONES, FastRCNN
from minircnn.training.batches import STATISTICS_IMAGES, Batch, make_batch, measure_offsets
from minircnn.training.checkpoint import load_checkpoint, save_checkpoint
from minircnn.training.data import TrainingData
from minircnn.training.optim import SGD
from minircnn.training.run_folder import RunFolder, StopRequest
from minircnn.training.settings import TrainSettings
from minircnn.weights.model_file import assign, load_model, save_model

Report = Callable[[str, int, int, str], None]  # stage, done, total, a few words
LOG_EVERY = 20  # steps averaged into one row
VALIDATIONS = 6  # times the validation images are scored during a run


class Interrupted(Exception):
    """The user asked to stop; a checkpoint was written."""


def silent(stage: str, done: int, total: int, words: str = "") -> None:
    """Report to nobody."""


def train_step(model: FastRCNN, optimiser: SGD, batch: Batch, lr: float, sigma: float = 1.0) -> tuple[float, float]:
    """One step: forward, losses, backward, update → (class loss, box loss). The model is in training mode.

    A loss that is not finite raises InputError before anything is updated.
    """
    cls_score, bbox_pred = model.forward(batch.images, batch.rois)
    loss_cls, dcls_score = softmax_cross_entropy(cls_score, batch.labels)
    loss_bbox, dbbox_pred = smooth_l1(bbox_pred, batch.targets, batch.labels, sigma)
    if not math.isfinite(loss_cls + loss_bbox):
        raise InputError(
            f"the loss is {loss_cls + loss_bbox} on images {', '.join(batch.image_ids)}; "
            "lower --lr, or look at these images' annotations"
        )
    model.backward(dcls_score, dbbox_pred)
    optimiser.step(lr)
    return loss_cls, loss_bbox


class Training:
    """A run in progress: everything that changes from step to step, and how it is kept.

    `Training.start` begins one, `Training.resume` goes on where the checkpoint stands, `run` does the work.
    """

    def __init__(self, folder: RunFolder, settings: TrainSettings, data: TrainingData, model: FastRCNN):
        self.folder, self.settings, self.data, self.model = folder, settings, data, model
        self.images = len(data.train)
        self.steps = settings.steps(self.images)
        self.schedule = settings.schedule(self.steps)
        self.rng = model.drop6.rng  # one generator draws everything
        self.optimiser = SGD(model.named_parameters(), settings.momentum, settings.decay)
        self.order = np.zeros(0, np.int64)  # this epoch's permutation of the training images
        self.position = 0  # how much of it has been seen
        self.step = 0
        self.seconds = 0.0  # spent in training steps, resumed runs included
        self.best_score = -1.0
        self.history: list[dict] = []

    @classmethod
    def start(cls, folder: RunFolder, settings: TrainSettings, report: Report = silent) -> "Training":
        """A new run: reads the data, computes proposals, draws or loads the first weights."""
        folder.create(settings)
        data = TrainingData.open(settings, folder.path, report)
        settings = settings.resolve(len(data.train))
        folder.write_settings(settings)
        rng = np.random.default_rng(settings.seed)
        model = FastRCNN(BACKBONES[settings.backbone](), len(data.class_names), rng, data.class_names)
        if settings.weights:
            source = load_model(settings.weights)
            assign(model, source.folded_parameters(), Path(settings.weights))
        evenly = np.linspace(0, len(data.train) - 1, min(len(data.train), STATISTICS_IMAGES)).astype(int)
        some = (data.train[int(i)] for i in evenly)
        model.statistics = measure_offsets(
            some, data.cache.get, settings.sampling.foreground_iou, len(data.class_names)
        )
        folder.start_log()
        return cls(folder, settings, data, model)

    @classmethod
    def resume(cls, folder: RunFolder, report: Report = silent) -> "Training":
        """The run that stands in `folder`, at its last checkpoint."""
        settings = folder.read_settings()
        model, velocities, order, state = load_checkpoint(folder.last)
        training = cls(folder, settings, TrainingData.open(settings, folder.path, report), model)
        if state["images"] != training.images:
            raise InputError(
                f"{settings.data} has {training.images} usable training images where the run began with "
                f"{state['images']}; bring the data back, or start a new run"
            )
        for name, velocity in velocities.items():
            training.optimiser.velocity[name][...] = velocity
        training.order, training.position = order, state["position"]
        training.step, training.seconds = state["step"], state["seconds"]
        training.best_score, training.history = state["best_score"], state["history"]
        training.rng.bit_generator.state = state["generator"]
        folder.start_log(steps_kept=training.step)
        return training

    def save(self) -> None:
        """Write the checkpoint from which `resume` goes on bit for bit."""
        state = {
            "images": self.images,
            "step": self.step,
            "position": self.position,
            "seconds": self.seconds,
            "best_score": self.best_score,
            "history": self.history,
            "generator": self.rng.bit_generator.state,
        }
        save_checkpoint(self.folder.last, self.model, self.optimiser, self.order, state)

    def next_batch(self) -> Batch:
        """The next images in the epoch's random order; a new epoch draws a new order."""
        chosen = []
        while len(chosen) < min(self.settings.images_per_step, self.images):
            if self.position == len(self.order):
                self.order, self.position = self.rng.permutation(self.images), 0
            chosen.append(self.data.train[int(self.order[self.position])])
            self.position += 1
        return make_batch(
            chosen,
            self.data.cache.get,
            self.model.architecture.preprocessing,
            self.settings.sampling,
            self.model.statistics,
            self.rng,
            self.settings.flip,
        )

    def run(self, report: Report = silent) -> None:
        """Train to the end; on Ctrl-C or SIGTERM, write a checkpoint and raise `Interrupted`."""
        if self.step == 0:
            self.save()
        saved_at = time.monotonic()
        rows: list[tuple[float, float, float]] = []
        with StopRequest() as stop:
            while self.step < self.steps:
                rows.append(self._one_step())
                if self.step % LOG_EVERY == 0 or self.step == self.steps:
                    self._log(rows)
                    rows = []
                report("training", self.step, self.steps, self._words(rows))
                if self._validation_is_due():
                    self._validate(report)
                if stop.asked or time.monotonic() - saved_at > self.settings.checkpoint_seconds:
                    self.save()
                    saved_at = time.monotonic()
                if stop.asked:
                    raise Interrupted
        self.save()

    def _one_step(self) -> tuple[float, float, float]:
        """Class loss, box loss, share of foreground RoIs."""
        began = time.perf_counter()
        self.model.train()
        batch = self.next_batch()
        losses = (0.0, 0.0)
        if len(batch.labels):  # images without a single usable RoI teach nothing
            try:
                losses = train_step(self.model, self.optimiser, batch, self.schedule(self.step), self.settings.sigma)
            except InputError as error:
                raise InputError(f"step {self.step + 1}: {error}; {self.folder.last} is the last good one") from None
        self.step += 1
        self.seconds += time.perf_counter() - began
        return *losses, float((batch.labels > 0).mean()) if len(batch.labels) else 0.0

    def _log(self, rows: list[tuple[float, float, float]]) -> None:
        loss_cls, loss_bbox, foreground = (float(value) for value in np.mean(rows, axis=0))
        self._latest = loss_cls + loss_bbox
        self.folder.append_log(
            {
                "step": self.step,
                "epoch": self.step * self.settings.images_per_step / self.images,
                "lr": self.schedule(self.step - 1),
                "loss": loss_cls + loss_bbox,
                "loss_cls": loss_cls,
                "loss_bbox": loss_bbox,
                "foreground": foreground,
                "seconds": self.seconds,
            }
        )

    def _words(self, rows: list[tuple[float, float, float]]) -> str:
        loss = float(np.mean([row[0] + row[1] for row in rows])) if rows else self._latest
        best = f", best mAP50 {self.best_score:.3f}" if self.best_score >= 0 else ""
        return f"loss {loss:.3f}{best}"

    def _validation_is_due(self) -> bool:
        return self.step * VALIDATIONS // self.steps > (self.step - 1) * VALIDATIONS // self.steps

    def _validate(self, report: Report) -> None:
        """Score the validation images; keep the weights if they are the best so far."""
        some = self.data.validation_subset(self.settings.validation_images)
        evaluation, _, _ = evaluate_model(
            self.model, some, self.data.cache, self.settings.detection, lambda d, t: report("validation", d, t, "")
        )
        scores = {key: value for key, value in evaluation.as_metrics().items() if key in ("mAP50", "mAP75", "AP")}
        epoch = self.step * self.settings.images_per_step / self.images
        self.history.append({"epoch": epoch, "step": self.step, **scores})
        if (scores["mAP50"] or 0.0) >= self.best_score:
            self.best_score = scores["mAP50"] or 0.0
            save_model(self.folder.best, self.model)
        self.save()
