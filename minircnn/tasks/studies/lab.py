"""Where studies are made: one set of scenes, and detectors that are trained once, kept, and shared by all studies."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from minircnn.base.files import locked, read_json, write_json
from minircnn.base.progress import Progress
from minircnn.data import Sample
from minircnn.detection.evaluate import evaluate_model
from minircnn.fashion import write_scenes
from minircnn.models import FastRCNN
from minircnn.proposals import ProposalsOf
from minircnn.tasks.budget import Budget, check_folder
from minircnn.training.begin import Beginning, first_model, offset_statistics
from minircnn.training.data import TrainingData, open_split, with_proposals
from minircnn.training.settings import TrainSettings
from minircnn.training.steps import DetectorSteps
from minircnn.training.warm_up import warm_up
from minircnn.weights.model_file import load_model, save_model

Kind = TypeVar("Kind", bound=FastRCNN)
FROZEN_BLOCKS = 2  # of convolutions, as the paper keeps them
SETTINGS = "study.json"


FULL = Budget(train=120, test=80, epochs=5)
QUICK = Budget(train=24, test=4, epochs=0.5)


@dataclass(frozen=True)
class Trained:
    """A detector and the seconds of its training steps."""

    model: FastRCNN
    seconds: float


@contextmanager
def open_lab(out: Path, size: Budget, seeds: Sequence[int], progress: Progress) -> Iterator["Lab"]:
    """A lab in a folder of its own, which no other process uses meanwhile.

    Raises
    ------
    InputError : `out` holds something else, or studies of another size, or is in use
    """
    check_folder(out, SETTINGS, asdict(size), "studies of another size")
    with locked(out / "lock", f"{out} is in use by another minircnn process"):
        yield Lab(out, size, seeds, progress)


class Lab:
    """The folder of all studies of one size.

    Parameters
    ----------
    out : new, or holds studies of the same size
    seeds : of training; the scenes are always the same
    """

    def __init__(self, out: Path, size: Budget, seeds: Sequence[int], progress: Progress):
        self.out, self.size, self.seeds, self.progress = out, size, tuple(seeds), progress
        write_json(out / SETTINGS, asdict(size))
        warm_up(progress)
        write_scenes(out / "scenes", size.train, 1, test=size.test, progress=progress)
        self._data: dict[str, TrainingData] = {}
        searched = self.data("fast")
        test = open_split(self.settings(0), "test", None, out, progress, searched.class_names)
        test, _ = with_proposals(test, searched.cache, progress, split="test")
        assert searched.proposals_of is not None
        self.test: list[Sample] = list(test)
        self.proposals_of: ProposalsOf = searched.proposals_of

    def settings(self, seed: int, **changes: Any) -> TrainSettings:
        """Those of every training, with the changes of a variant; `times` is of the epochs."""
        times = changes.pop("times", 1)
        searches = changes.get("model", "fast") == "fast"
        given: dict[str, Any] = {"proposals_folder": str(self.out / "proposals") if searches else None}
        given |= {"data": str(self.out / "scenes"), "epochs": times * self.size.epochs, "seed": seed}
        return TrainSettings(**given | {"frozen_blocks": FROZEN_BLOCKS} | changes)

    def data(self, model: str) -> TrainingData:
        """Training images, with the proposals of the search where the model needs them."""
        if model not in self._data:
            read = TrainingData.read(self.settings(0, model=model), self.out, self.progress)
            self._data[model] = read.with_proposals(self.progress)
        return self._data[model]

    def path(self, name: str, seed: int) -> Path:
        """Of the file of a trained detector."""
        return self.out / "models" / f"{name}-{seed}.safetensors"

    def trained(self, name: str, seed: int, kind: type[FastRCNN] | None = None, **changes: Any) -> Trained:
        """The detector of this name and seed, trained now if it was not before.

        Parameters
        ----------
        name : the same for the same `kind` and `changes`; "baseline" is without any
        kind : a class of the study's own, that learns otherwise; what is kept is a detector like any other
        changes : settings that differ

        Raises
        ------
        NotFinite : the training diverges
        """
        path = self.path(name, seed)
        if not (path.is_file() and path.with_suffix(".json").is_file()):
            model, seconds = self._train(name, seed, kind, changes)
            save_model(path, model)
            write_json(path.with_suffix(".json"), {"seconds": seconds})
        return Trained(load_model(path), read_json(path.with_suffix(".json"), "remove it")["seconds"])

    def _train(
        self, name: str, seed: int, kind: type[FastRCNN] | None, changes: dict[str, Any]
    ) -> tuple[FastRCNN, float]:
        settings = self.settings(seed, **changes)
        data = self.data(settings.model)
        settings = settings.resolve(len(data.train))
        begun = first_model(settings, data.class_names, np.random.default_rng(seed))
        model = begun.model if kind is None else as_kind(kind, begun)
        statistics = offset_statistics(data, settings)
        if begun.same_classes:
            model.restate_offsets(statistics)
        else:
            model.statistics = statistics
        steps = DetectorSteps(model, data.train, data.proposals_of, settings)
        steps.new = begun.new
        while steps.step < steps.count:
            figures = steps.take()
            loss = sum(value for key, value in figures.items() if key.startswith("loss"))
            self.progress(f"{name}, seed {seed}", steps.step, steps.count, f"loss {loss:.3f}")
        return model, steps.seconds

    def measure(
        self, model: FastRCNN, proposals_of: ProposalsOf | None = None, searches: bool = True
    ) -> dict[str, float]:
        """mAP50, mAP75 and AP on the test scenes, with the search's proposals if no others are given."""
        proposals = (proposals_of or self.proposals_of) if searches else None
        measures, _, _ = evaluate_model(model, self.test, proposals, None, self.progress)
        found = measures.as_metrics()
        return {key: found[key] or 0.0 for key in ("mAP50", "mAP75", "AP")}


def as_kind(kind: type[FastRCNN], begun: Beginning) -> FastRCNN:
    """A model of another class with the same weights, which goes on drawing where the first would have."""
    first = begun.model
    model = same_weights(kind, first)
    model.rng.bit_generator.state = first.rng.bit_generator.state
    return model


def same_weights(kind: type[Kind], first: FastRCNN) -> Kind:
    """A model of another class with another's network."""
    model = kind(first.architecture, first.num_classes, np.random.default_rng(0), first.class_names)
    values = dict(first.named_parameters())
    for name, parameter in model.named_parameters():
        parameter.value[...] = values[name].value
    return model
