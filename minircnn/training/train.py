"""Training: data and proposals in, a run folder with a detector, its measures and a report out.

Step after step (`step.py`), each on a minibatch (`batches.py`). Around it: checkpoints that a run can go
on from bit for bit, a log, validation that chooses the best weights, and at the end the whole validation set.
"""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError, NotFinite
from minircnn.base.progress import Progress, silent
from minircnn.data.sample import Sample
from minircnn.detection.evaluate import evaluate_model
from minircnn.models import FastRCNN
from minircnn.training.batches import Batch, make_batch
from minircnn.training.begin import first_model, offset_statistics, reopen
from minircnn.training.checkpoint import TrainingState, load_newest, save_checkpoint
from minircnn.training.data import TrainingData
from minircnn.training.divergence import way_out
from minircnn.training.first_weights import fit_first_weights
from minircnn.training.notes import check_room, notes_on
from minircnn.training.optim import SGD
from minircnn.training.run_folder import LOG_COLUMNS, RunFolder, StopRequest
from minircnn.training.settings import TrainSettings
from minircnn.training.step import train_step
from minircnn.weights.model_file import save_model

LOG_EVERY = 20  # steps averaged into one row
VALIDATIONS = 6  # times the validation images are scored during a run


class Interrupted(Exception):
    """The user asked to stop; a checkpoint was written."""


class Training:
    """A run in progress: everything that changes from step to step, and how it is kept.

    `Training.start` begins one, `Training.resume` goes on where the checkpoint stands, `run` does the work.
    """

    def __init__(self, folder: RunFolder, settings: TrainSettings, data: TrainingData, model: FastRCNN):
        self.folder, self.settings, self.data, self.model = folder, settings, data, model
        self.images, self.contents = len(data.train), data.contents()
        self.steps = settings.steps(self.images)
        self.schedule = settings.schedule(self.steps)
        self.rng = model.rng  # one generator draws everything
        self.optimiser = SGD(model.named_parameters(), settings.momentum, settings.decay)
        self.order = np.zeros(0, np.int64)  # this epoch's permutation of the training images
        self.position = 0  # how much of it has been seen
        self.step = 0
        self.seconds = 0.0  # spent in training steps, resumed runs included
        self.best_score = -1.0
        self.history: list[dict] = []
        self.started_from = ""  # in words
        self.notes: list[str] = []  # what the user should know of how the run began
        self.new: tuple[str, ...] = ()  # hidden layers with random weights

    @classmethod
    def start(
        cls, folder: RunFolder, settings: TrainSettings, progress: Progress = silent, besides: tuple[str, ...] = ()
    ) -> "Training":
        """A new run: checks everything, then computes proposals and draws or loads the first weights.

        besides : entries of the folder that are there already and are the caller's

        Raises
        ------
        InputError : the folder holds something else; data, weights or classes do not serve. Nothing is written then.
        """
        folder.check_free(besides)
        settings = settings.rooted()
        data = TrainingData.read(settings, folder.path, progress)
        settings = replace(settings, frozen_blocks=settings.resolve(len(data.train)).frozen_blocks)
        beginning = first_model(settings, data.class_names, np.random.default_rng(settings.seed))
        model = beginning.model
        check_room(model, folder.path)
        with folder.claimed():
            folder.check_free(besides)  # nobody else began here meanwhile
            folder.write_settings(settings)
            data = data.with_proposals(progress)
            settings = settings.resolve(len(data.train))  # which skip_bad may have made fewer
            folder.write_settings(settings)
            statistics = offset_statistics(data, settings)
            if beginning.same_classes:
                model.restate_offsets(statistics)  # the stored bbox_pred speaks in real offsets
            else:
                model.statistics = statistics  # a new one speaks in normalised offsets from the beginning
            folder.start_log()
        training = cls(folder, settings, data, model)
        training.notes = beginning.notes + notes_on(data, settings, model, folder.path)
        training.started_from, training.new = beginning.started_from, beginning.new
        return training

    @classmethod
    def resume(
        cls, folder: RunFolder, progress: Progress = silent, epochs: float | None = None, data: str | Path | None = None
    ) -> "Training":
        """The run that stands in `folder`, at its last checkpoint.

        Parameters
        ----------
        epochs : the run's length from now on, if it is to be another; the schedule is laid over the new length
        data : where the run's data lies now, if it has moved

        Raises
        ------
        InputError : there is no run or it is damaged; the data is not the run's; more epochs are done already
        """
        settings = folder.read_settings()
        if data is not None:
            settings = replace(settings, data=os.path.abspath(data))
        if epochs is not None:
            settings = replace(settings, epochs=float(epochs))
        with folder.claimed():
            checkpoint, note = load_newest(folder.last, folder.previous)
            state = checkpoint.state
            if settings.steps(state.images) < state.step:
                done = settings.epochs_after(state.step, state.images)
                raise InputError(f"epochs is {settings.epochs:g}, and {done:g} are done already; give at least as many")
            found = reopen(checkpoint, settings, folder.path, progress)
            folder.write_settings(settings)
            training = cls(folder, settings, found, checkpoint.model)
            for name, velocity in checkpoint.velocities.items():
                training.optimiser.velocity[name][...] = velocity
            training.order, training.position, training.step = checkpoint.order, state.position, state.step
            training.seconds, training.history = state.seconds, state.history
            training.best_score = max((row["AP"] or 0.0 for row in state.history), default=-1.0)  # 0.1.0 kept mAP50
            training.started_from, training.new = state.started_from, tuple(state.new)
            training.rng.bit_generator.state = state.generator
            folder.start_log(steps_kept=training.step)
        training.notes = [note] if note else []
        if state.history and not folder.best.is_file():
            training.best_score = -1.0
            training.notes.append(f"{folder.best} is not there any more: the next validation writes it anew")
        return training

    def save(self) -> None:
        """Write the checkpoint from which `resume` goes on bit for bit; the one before it is kept as well."""
        folder = self.folder
        state = TrainingState(
            images=self.images,
            image_list=self.data.image_list(),
            step=self.step,
            position=self.position,
            seconds=self.seconds,
            best_score=self.best_score,
            history=self.history,
            generator=dict(self.rng.bit_generator.state),
            started_from=self.started_from,
            new=self.new,
        )
        save_checkpoint(folder.last, folder.previous, self.model, self.optimiser, self.order, state, self.contents)

    def next_batch(self) -> Batch:
        """The next images in the epoch's random order; a new epoch draws a new order."""
        chosen: list[Sample] = []
        while len(chosen) < self.settings.images_of_a_step(self.images):
            if self.position == len(self.order):
                self.order, self.position = self.rng.permutation(self.images), 0
            chosen.append(self.data.train[int(self.order[self.position])])
            self.position += 1
        return make_batch(
            chosen,
            self.data.proposals_of,
            self.model.architecture.preprocessing,
            self.settings.sampling,
            self.model.statistics,
            self.rng,
            self.settings.flip,
        )

    def run(self, progress: Progress = silent) -> None:
        """Train to the end; on Ctrl-C or SIGTERM, write a checkpoint and raise `Interrupted`.

        Raises
        ------
        InputError : a loss or a weight is not finite, with what is sound and how to go on; or the disk refuses
        """
        try:
            self._run(progress)
        except NotFinite as error:
            words = f"step {self.step + 1}: {error.fact}"
            raise InputError(f"{words}; {way_out(self.folder, self.settings, self.history)}") from None

    def _run(self, progress: Progress) -> None:
        with self.folder.claimed(), StopRequest() as stop:
            if not self.folder.holds_a_run:
                self.save()
            rows, saved_at = [], time.monotonic()
            while self.step < self.steps:
                rows.append(self._one_step(progress))
                if self.step % LOG_EVERY == 0 or self.step == self.steps:
                    self._log(rows)
                    rows = []
                progress("training", self.step, self.steps, self._words(rows))
                if self._validation_is_due():
                    self._validate(progress)
                if stop.asked or time.monotonic() - saved_at > self.settings.checkpoint_seconds:
                    self.save()
                    saved_at = time.monotonic()
                if stop.asked:
                    raise Interrupted
            self.save()

    def _one_step(self, progress: Progress = silent) -> tuple[float, float, float]:
        """Class loss, box loss, share of foreground RoIs."""
        began = time.perf_counter()
        self.model.train()
        batch = self.next_batch()
        losses = (0.0, 0.0)
        if len(batch.labels):  # images without a single usable RoI teach nothing
            if self.new and (words := fit_first_weights(self.model, batch, self.new)):
                progress("first weights", 1, 1, words)
            self.new = ()
            losses = train_step(self.model, self.optimiser, batch, self.schedule(self.step), self.settings.sigma)
        self.step += 1
        self.seconds += time.perf_counter() - began
        return *losses, float((batch.labels > 0).mean()) if len(batch.labels) else 0.0

    def _log(self, rows: list[tuple[float, float, float]]) -> None:
        loss_cls, loss_bbox, foreground = (float(value) for value in np.mean(rows, axis=0))
        self._latest = loss_cls + loss_bbox
        epoch, lr = self.settings.epochs_after(self.step, self.images), self.schedule(self.step - 1)
        row = (self.step, epoch, lr, loss_cls + loss_bbox, loss_cls, loss_bbox, foreground, self.seconds)
        self.folder.append_log(dict(zip(LOG_COLUMNS, row, strict=True)))

    def _words(self, rows: list[tuple[float, float, float]]) -> str:
        loss = float(np.mean([row[0] + row[1] for row in rows])) if rows else self._latest
        best = f", best AP {self.best_score:.3f}" if self.best_score >= 0 else ""
        return f"loss {loss:.3f}{best}"

    def _validation_is_due(self) -> bool:
        return self.step * VALIDATIONS // self.steps > (self.step - 1) * VALIDATIONS // self.steps

    def _validate(self, progress: Progress) -> None:
        """Score the validation images; keep the weights if their AP, the mean over ten IoUs, is the best so far."""
        some, settings = self.data.validation_subset(self.settings.validation_images), self.settings.detection
        found = evaluate_model(self.model, some, self.data.proposals_of, settings, progress, "validation")
        scores = {key: value for key, value in found[0].as_metrics().items() if key in ("mAP50", "mAP75", "AP")}
        epoch = self.settings.epochs_after(self.step, self.images)
        self.history.append({"epoch": epoch, "step": self.step, **scores})
        if (scores["AP"] or 0.0) >= self.best_score:
            self.best_score = scores["AP"] or 0.0
            save_model(self.folder.best, self.model)
        self.save()
