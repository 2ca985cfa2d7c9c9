"""Pretraining: a backbone learns to tell garments on crops, before any detector asks it where they are.

The paper's detectors begin with convolutions that learned on ImageNet; this does the same for `vgg_small` with
Fashion-MNIST. `fashion/crops.py` composes the crops, `models/crop_classifier.py` puts a small head on the backbone, and
`weights/backbone_file.py` keeps the convolutions. Crop i depends on the seed and i alone, so a stopped pretraining
goes on bit for bit from its last checkpoint.
"""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError, NotFinite
from minircnn.base.files import check_target
from minircnn.base.progress import Progress, silent
from minircnn.fashion.crops import CROP_CLASSES, SIDES, CropMaterial
from minircnn.fashion.materials import CLASS_NAMES
from minircnn.models import vgg_small
from minircnn.models.crop_classifier import CropClassifier, Crops
from minircnn.training.loop import take_steps
from minircnn.training.optim import SGD, StepSchedule
from minircnn.training.spread import Part, Spread, by_parts
from minircnn.training.steps import Steps, train_step
from minircnn.weights.architecture import FORMAT
from minircnn.weights.backbone_file import Backbone, save_backbone
from minircnn.weights.description import check_shape
from minircnn.weights.model_file import read_tensors, write_tensors

CROPS_PER_STEP = 32
PART = 8  # crops whose gradient is computed at once where the sum goes part by part
LR = 0.02
DROPS = (0.65, 0.88)  # at these fractions of the steps the rate falls to a tenth
WARMUP_STEPS = 300
MOMENTUM, DECAY = 0.9, 5e-4
TEST_CROPS = 2200  # 200 of each class
MEASURED_STEPS = 4  # of each side, by which the time of all is judged
SMALL_SHARE = 0.4  # of the steps, the first: smallest crops only, which teach the beginning in half the time
CHECKPOINT_SECONDS = 60.0
TEST_SEED = 2**32  # far from any training crop's


@dataclass(frozen=True)
class PretrainSettings:
    """What a pretraining depends on.

    Attributes
    ----------
    garments : "bundled", or the SHA-256 of the training garments that were given
    crops : int, seen in all
    seed : int, of weights and crops
    sum : as `TrainSettings.sum`
    """

    garments: str
    crops: int
    seed: int
    sum: str = "plain"

    @property
    def steps(self) -> int:
        return max(1, round(self.crops / CROPS_PER_STEP))

    def side(self, step: int) -> int:
        """Side of a step's crops: the smallest at first, then all in turn."""
        return SIDES[0] if step < SMALL_SHARE * self.steps else SIDES[step % len(SIDES)]

    def lr(self, step: int) -> float:
        """Learning rate of a step."""
        milestones = tuple(round(share * self.steps) for share in DROPS)
        return StepSchedule(LR, milestones, warmup_steps=min(WARMUP_STEPS, self.steps // 4))(step)


class Pretraining:
    """One in progress: begin, or go on with what an earlier one left beside `out`; then `run`.

    Parameters
    ----------
    out : the backbone file to write; until then `out`.unfinished holds what is done
    material : CropMaterial to learn from
    crops : how many to see, or None for as many as `minutes` allow
    seed : int
    sum : as `TrainSettings.sum`

    Raises
    ------
    InputError : `out` is there already, or what was left beside it is damaged or another pretraining's
    """

    def __init__(
        self,
        out: Path,
        material: CropMaterial,
        crops: int | None,
        minutes: float,
        seed: int,
        progress: Progress = silent,
        sum: str = "plain",
    ):
        self.out, self.unfinished, self.material = out, unfinished(out), material
        check_out(out)
        if self.unfinished.exists():
            self.steps = self._load(crops, seed, sum)
            return
        if crops is None:
            progress("measuring speed", 0, 1, "")
            crops = max(1, round(60 * minutes / measure_seconds(material, seed))) * CROPS_PER_STEP
            progress("measuring speed", 1, 1, f"{crops:,} crops will take about {minutes:g} min")
        self.steps = CropSteps(material, PretrainSettings(material.name, crops, seed, sum))

    def run(self, progress: Progress = silent) -> float:
        """Learn to the end and write the backbone → top-1 accuracy on crops of unseen garments and photographs.

        On Ctrl-C or SIGTERM what is done is kept beside `out`, and `Interrupted` raised.

        Raises
        ------
        InputError : the loss is not finite, or the disk refuses
        """
        rate = 0.0

        def after(figures: dict[str, float]) -> None:
            nonlocal rate
            rate = figures["loss"] if self.steps.step == 1 else 0.98 * rate + 0.02 * figures["loss"]
            progress("pretraining", self.steps.step, self.steps.count, f"loss {rate:.3f}")

        try:
            take_steps(self.steps, after, self._save, CHECKPOINT_SECONDS)
        except NotFinite as error:
            raise InputError(f"step {self.steps.step + 1}: {error.fact}; give another --seed") from None
        accuracy = self.accuracy(progress)
        save_backbone(self.out, self._backbone(accuracy))
        self.unfinished.unlink(missing_ok=True)
        return accuracy

    def accuracy(self, progress: Progress = silent) -> float:
        """Top-1 on crops of the bundled test garments and photographs, as many of each class and side."""
        material, model, right = CropMaterial.test(), self.steps.model, 0
        model.eval()
        for turn, first in enumerate(range(0, TEST_CROPS, len(CROP_CLASSES))):
            side = SIDES[turn % len(SIDES)]
            crops, labels = material.crops(TEST_SEED + first, len(CROP_CLASSES), side, 0)
            scores = model.forward(model.architecture.preprocessing.centre(crops))
            right += int((scores.argmax(axis=1) == labels).sum())
            progress("testing", first + len(labels), TEST_CROPS, "")
        return right / TEST_CROPS

    def _backbone(self, accuracy: float) -> Backbone:
        names = {name: value.value for name, value in self.steps.model.backbone.named_parameters()}
        origin = asdict(self.steps.settings) | {
            "command": f"minircnn pretrain {'' if self.material.name == 'bundled' else '--fashion-mnist DIR '}"
            f"--crops {self.steps.settings.crops} --seed {self.steps.settings.seed}",
            "data": f"{len(self.material.garments.labels):,} training garments of Fashion-MNIST and "
            f"{len(self.material.photographs)} photographs bundled with minircnn",
            "classes": list(CLASS_NAMES),
            "top1": round(accuracy, 4),
            "top1_on": f"{TEST_CROPS} crops of test garments and photographs",
            "minutes": round(self.steps.seconds / 60, 1),
            "licence": "MIT, as Fashion-MNIST and minircnn are",
        }
        return Backbone(self.steps.model.architecture, names, origin)

    def _save(self) -> None:
        steps = self.steps
        state = asdict(steps.settings) | {"step": steps.step, "seconds": steps.seconds}
        write_tensors(self.unfinished, steps.tensors(), {"format": FORMAT, "kind": "pretraining", "pretraining": state})

    def _load(self, crops: int | None, seed: int, sum: str) -> "CropSteps":
        """Take weights, velocities and place from what was left."""
        path, other = self.unfinished, "delete it, or choose another --out"
        tensors, description = read_tensors(path)
        try:
            state = dict(description["pretraining"])
            step, seconds = int(state.pop("step")), float(state.pop("seconds"))
            settings = PretrainSettings(**state)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path} is no pretraining to go on with ({error}); {other}") from None
        asked = (self.material.name, settings.crops if crops is None else crops, seed, sum)
        if asked != (settings.garments, settings.crops, settings.seed, settings.sum):
            raise InputError(f"{path} is of other garments, crops, seed or sum; give the same flags again, or {other}")
        steps = CropSteps(self.material, settings)
        for name, target in steps.tensors().items():
            target[...] = check_shape(name, tensors.get(name), target.shape, "pretraining", path)
        steps.step, steps.seconds = step, seconds
        return steps


def unfinished(out: Path) -> Path:
    """Where what is done is kept until `out` is written."""
    return out.with_name(f"{out.name}.unfinished")


def check_out(out: Path) -> None:
    """InputError unless a backbone may be written there. What a finished one went on from is taken away: it was killed
    before it did."""
    if out.is_file() and unfinished(out).is_file():
        unfinished(out).unlink(missing_ok=True)
    check_target(out, "--out", (".safetensors",))


class CropSteps(Steps):
    """Steps of the classifier, each on the crops that are its own."""

    model: CropClassifier

    def __init__(self, material: CropMaterial, settings: PretrainSettings):
        model = CropClassifier(vgg_small(), len(CROP_CLASSES), np.random.default_rng(settings.seed))
        super().__init__(model, SGD(model.named_parameters(), MOMENTUM, DECAY), settings.steps, settings.lr)
        self.material, self.settings = material, settings

    def learn(self, lr: float) -> dict[str, float]:
        """The loss of the step's crops."""
        if not by_parts(self.settings.sum):
            return self.learn_crops(lr, self.settings.side(self.step))
        if self.spread is None:
            self.spread = Spread.begin(self, self.settings.sum == "plain", CropSteps, self.material, self.settings)
        first = self.step * CROPS_PER_STEP
        parts = [range(start, start + PART) for start in range(first, first + CROPS_PER_STEP, PART)]
        return self.spread.learn(self.step, parts, lr)

    def part(self, step: int, place: int, what: Part) -> tuple[Crops, np.random.Generator]:
        """Crops number `what`, which follow one another."""
        crops, labels = self.material.crops(what[0], len(what), self.settings.side(step), self.settings.seed)
        inputs = self.model.architecture.preprocessing.centre(crops)
        return Crops(inputs, labels, tuple(map(str, what))), self.model.rng

    def learn_crops(self, lr: float, side: int) -> dict[str, float]:
        """The same for crops of a given side."""
        first = self.step * CROPS_PER_STEP
        crops, labels = self.material.crops(first, CROPS_PER_STEP, side, self.settings.seed)
        names = tuple(str(first + number) for number in range(len(labels)))
        inputs = self.model.architecture.preprocessing.centre(crops)
        return train_step(self.model, self.optimiser, Crops(inputs, labels, names), lr)


def measure_seconds(material: CropMaterial, seed: int) -> float:
    """Seconds that a step takes on average, by a model that is thrown away."""
    steps, seconds = CropSteps(material, PretrainSettings(material.name, 0, seed)), {}
    steps.model.train()
    for side in SIDES:
        marks = []
        for steps.step in range(MEASURED_STEPS + 1):  # the first warms up
            steps.learn_crops(1e-4, side)
            marks.append(time.perf_counter())
        seconds[side] = float(np.median(np.diff(marks)))
    mixed = float(np.mean(list(seconds.values())))
    return SMALL_SHARE * seconds[SIDES[0]] + (1 - SMALL_SHARE) * mixed
