"""Training: data and proposals in, a run folder with a detector, its measures and a report out.

The steps themselves (`steps.py`) know nothing of disks. Here is what is around them: checkpoints that a run can go on
from bit for bit, a log, and validation that chooses the best weights.
"""

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError, NotFinite
from minircnn.base.progress import Progress, silent
from minircnn.detection.evaluate import evaluate_model
from minircnn.models import FastRCNN
from minircnn.training.begin import first_model, offset_statistics, reopen
from minircnn.training.checkpoint import TrainingState, load_newest, save_checkpoint
from minircnn.training.data import TrainingData
from minircnn.training.divergence import way_out
from minircnn.training.freeze import frozen_layers
from minircnn.training.loop import take_steps
from minircnn.training.notes import check_room, notes_on, notes_on_ranks
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.training.steps import DetectorSteps
from minircnn.training.tensorboard import Board
from minircnn.weights.model_file import save_model

LOG_EVERY = 20  # steps averaged into one row


class Training:
    """A run in progress: everything that changes from step to step, and how it is kept.

    `Training.start` begins one, `Training.resume` goes on where the checkpoint stands, `run` does the work.
    """

    def __init__(self, folder: RunFolder, settings: TrainSettings, data: TrainingData, model: FastRCNN):
        self.folder, self.settings, self.data, self.model = folder, settings, data, model
        self.images, self.contents = len(data.train), data.contents()
        if model.searches:
            model.search = settings.proposals  # the model file says so, and detection searches as training did
        self.steps = DetectorSteps(model, data.train, data.proposals_of, settings)
        self.columns = ("step", "epoch", "lr", "loss", *self.steps.figures, "seconds")  # of the log
        self.best_score = -1.0
        self.history: list[dict] = []
        self.rows: list[dict[str, float]] = []  # of the steps since the log's last
        self.started_from = ""  # in words
        self.notes: list[str] = []  # what the user should know of how the run began
        self.board = Board(folder.board, 1)

    @property
    def step(self) -> int:
        """Steps done."""
        return self.steps.step

    @classmethod
    def start(
        cls, folder: RunFolder, settings: TrainSettings, progress: Progress = silent, allowed: tuple[str, ...] = ()
    ) -> "Training":
        """A new run: checks everything, then computes proposals and draws or loads the first weights.

        allowed : entries of the folder that are there already and are the caller's

        Raises
        ------
        InputError : the folder holds something else; data, weights or classes do not serve. Nothing is written then.
        """
        folder.check_free(allowed)
        settings = settings.rooted()
        data = TrainingData.read(settings, folder.path, progress)
        settings = replace(settings, format=data.train.format)
        settings = replace(settings, frozen_blocks=settings.resolve(len(data.train)).frozen_blocks)
        beginning = first_model(settings, data.class_names, np.random.default_rng(settings.seed))
        model = beginning.model
        frozen_layers(settings.freeze, model)
        own = model.architecture  # which may be that of its weights
        settings = replace(settings, pooling=own.pooling, rpn=None if model.searches else own.rpn)
        check_room(model, folder.path)
        with folder.claimed():
            folder.check_free(allowed)  # nobody else began here meanwhile
            folder.write_settings(settings)
            data = data.with_proposals(progress)
            if settings.split is not None:
                folder.write_split("train", data.train.image_ids())
                folder.write_split("validation", data.validation.image_ids())
            settings = settings.resolve(len(data.train))  # which skip_bad may have made fewer
            folder.write_settings(settings)
            statistics = offset_statistics(data, settings)
            if beginning.same_classes:
                model.restate_offsets(statistics)  # the stored bbox_pred speaks in real offsets
            else:
                model.statistics = statistics  # a new one speaks in normalised offsets from the beginning
            training = cls(folder, settings, data, model)
            folder.start_log(training.columns)
        training.notes = beginning.notes + notes_on(data, settings, model, folder.path)
        training.started_from, training.steps.new = beginning.started_from, beginning.new
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
            if checkpoint.model.kind != settings.model:
                raise InputError(
                    f"{folder.path} is a run of --model {settings.model}, and its checkpoint holds a detector of "
                    f"--model {checkpoint.model.kind}; bring its own back, or start a new run"
                )
            if settings.steps(state.images) < state.step:
                done = settings.epochs_after(state.step, state.images)
                raise InputError(f"epochs is {settings.epochs:g}, and {done:g} are done already; give at least as many")
            found = reopen(checkpoint, settings, folder.path, progress)
            folder.write_settings(settings)
            training = cls(folder, settings, found, checkpoint.model)
            steps = training.steps
            for name, velocity in checkpoint.velocities.items():
                steps.optimiser.velocity[name][...] = velocity
            steps.order, steps.position, steps.step = checkpoint.order, state.position, state.step
            steps.seconds, steps.new = state.seconds, tuple(state.new)
            training.history, training.started_from = state.history, state.started_from
            training.rows = list(state.rows)
            training.best_score = max((row["AP"] or 0.0 for row in state.history), default=-1.0)
            training.model.rng.bit_generator.state = state.generator
            folder.start_log(training.columns, steps_kept=training.step)
        training.notes = ([note] if note else []) + notes_on_ranks(settings, state.images)
        if state.history and not folder.best.is_file():
            training.best_score = -1.0
            training.notes.append(f"{folder.best} is not there any more: the next validation writes it anew")
        return training

    def save(self) -> None:
        """Write the checkpoint from which `resume` goes on bit for bit; the one before it is kept as well."""
        folder, steps = self.folder, self.steps
        state = TrainingState(
            images=self.images,
            image_list=self.data.image_list(),
            step=steps.step,
            position=steps.position,
            seconds=steps.seconds,
            history=self.history,
            generator=dict(self.model.rng.bit_generator.state),
            started_from=self.started_from,
            new=steps.new,
            rows=self.rows,
        )
        save_checkpoint(folder.last, folder.previous, self.model, steps.tensors(), steps.order, state, self.contents)

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
        with self.folder.claimed(), closing(Board(self.folder.board, self.step + 1)) as self.board:
            if not self.folder.holds_a_run:
                self.save()

            def after(figures: dict[str, float]) -> None:
                self.rows.append(figures)
                if self.steps.said:
                    progress("first weights", 1, 1, self.steps.said)
                if self.step % LOG_EVERY == 0 or self.step == self.steps.count:
                    self._log()
                progress("training", self.step, self.steps.count, self._words())
                if self._validation_is_due():
                    self._validate(progress)
                    if self.rows and self.is_enough:
                        self._log()

            take_steps(self.steps, after, self.save, self.settings.checkpoint_seconds, lambda: self.is_enough)

    def _log(self) -> None:
        means = {name: float(np.mean([row[name] for row in self.rows])) for name in self.steps.figures}
        self.rows.clear()
        self._latest = _total(means)
        self.board.add(self.step, {"loss": self._latest} | means | {"lr": self.steps.lr(self.step - 1)})
        steps = self.steps
        epoch, lr = self.settings.epochs_after(steps.step, self.images), steps.lr(steps.step - 1)
        values = (steps.step, epoch, lr, self._latest, *means.values(), steps.seconds)
        self.folder.append_log(dict(zip(self.columns, values, strict=True)))

    def _words(self) -> str:
        loss = float(np.mean([_total(row) for row in self.rows])) if self.rows else self._latest
        best = f", best AP {self.best_score:.3f}" if self.best_score >= 0 else ""
        return f"loss {loss:.3f}{best}"

    def _validation_is_due(self) -> bool:
        count = self.steps.count
        if self.settings.part != "all":  # there is no detector to score
            return False
        times = self.settings.validations
        return self.step * times // count > (self.step - 1) * times // count

    @property
    def is_enough(self) -> bool:
        """Whether `patience` validations in a row were no better than the one that chose the weights."""
        patience, scores = self.settings.patience, [row["AP"] or 0.0 for row in self.history]
        if patience is None or not scores:
            return False
        best = max(index for index, score in enumerate(scores) if score == max(scores))
        return len(scores) - 1 - best >= patience

    def _validate(self, progress: Progress) -> None:
        """Score the validation images; keep the weights if their AP, the mean over ten IoUs, is the best so far."""
        some, settings = self.data.validation_subset(self.settings.validation_images), self.settings.detection
        found = evaluate_model(self.model, some, self.data.proposals_of, settings, progress, "validation")
        scores = {key: value for key, value in found[0].as_metrics().items() if key in ("mAP50", "mAP75", "AP")}
        epoch = self.settings.epochs_after(self.step, self.images)
        self.history.append({"epoch": epoch, "step": self.step, **scores})
        self.board.add(self.step, {f"validation/{name}": score for name, score in scores.items()})
        self.model.best_score = found[0].best.score if found[0].best else None
        if (scores["AP"] or 0.0) >= self.best_score:
            self.best_score = scores["AP"] or 0.0
            save_model(self.folder.best, self.model)
        self.save()


def _total(figures: dict[str, float]) -> float:
    """The loss that is minimised: all that are called so."""
    return sum(value for name, value in figures.items() if name.startswith("loss"))
