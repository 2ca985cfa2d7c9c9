"""Steps of training, bit for bit and without a disk: what a step learns from, its losses, backward, SGD.

`train.py` keeps what they leave, a second trainer (`tasks/pretrain.py`) takes the same `Steps` on other data, and a
program of one's own may take them one by one. `spread.py` has several processes take each together:

    steps = DetectorSteps(model, samples, proposals_of, settings)
    while steps.step < steps.count:
        print(steps.take())
"""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from minircnn.base.errors import NotFinite
from minircnn.data import Samples
from minircnn.models import Batch, FasterRCNN, FastRCNN, Model
from minircnn.models.crop_classifier import Crops
from minircnn.proposals import ProposalsOf
from minircnn.training.batches import make_batch
from minircnn.training.first_weights import fit_first_weights
from minircnn.training.freeze import freeze
from minircnn.training.optim import SGD
from minircnn.training.settings import TrainSettings
from minircnn.training.spread import Part, Spread, by_parts
from minircnn.weights.elsewhere import Outline, build_elsewhere, outline


def train_step(model: Model, optimiser: SGD, batch: Batch | Crops, lr: float) -> dict[str, float]:
    """One step: forward, losses, backward, update.

    Parameters
    ----------
    model : in training mode
    optimiser : SGD over its parameters
    batch : what the model's `losses` takes
    lr : learning rate of this step

    Returns
    -------
    losses by name

    Raises
    ------
    NotFinite : a loss is not finite; nothing was updated then
    """
    losses = model.losses(batch)
    if not math.isfinite(total := sum(losses.values())):
        raise NotFinite(f"the loss is {total} on images {', '.join(batch.image_ids)}")
    model.backward()
    optimiser.step(lr)
    return losses


class Steps:
    """A model, its optimiser, and how far they are; what a step learns from, `learn` says.

    Parameters
    ----------
    model, optimiser : SGD over the model's parameters
    count : steps in all
    lr : step → learning rate

    Attributes
    ----------
    step : steps done
    seconds : spent in them, those of before a checkpoint included
    figures : names of what `take` gives
    spread : what adds the gradient part by part, if anything does
    """

    spread: Spread | None = None

    def __init__(self, model: Model, optimiser: SGD, count: int, lr: Callable[[int], float]):
        self.model, self.optimiser, self.count, self.lr = model, optimiser, count, lr
        self.step, self.seconds = 0, 0.0
        self.figures = (*model.loss_names, *model.figure_names)

    def tensors(self) -> dict[str, np.ndarray]:
        """Every weight by name, and its velocity as "velocity.…": the arrays themselves, to be stored or filled."""
        if self.spread is not None:
            self.spread.collect()
        weights = {name: parameter.value for name, parameter in self.model.named_parameters()}
        return weights | {f"velocity.{name}": velocity for name, velocity in self.optimiser.velocity.items()}

    def learn(self, lr: float) -> dict[str, float]:
        """Take the next step at this rate → its figures by name; a name that begins with "loss" is a loss."""
        raise NotImplementedError

    def part(self, step: int, place: int, what: Part) -> tuple[Any, np.random.Generator]:
        """A part of a step, which depends on the seed, the step, the part's place in it and nothing else → what the
        model's `losses` takes, and the generator that draws what is random in them."""
        raise NotImplementedError

    def show(self, batch: Any) -> None:
        """Called on each rank with every part that was learned from."""

    def take(self) -> dict[str, float]:
        """One step → its figures by name.

        Raises
        ------
        NotFinite : a loss is not finite; the step is not counted then
        """
        began = time.perf_counter()
        self.model.train()
        figures = self.learn(self.lr(self.step))
        self.step += 1
        self.seconds += time.perf_counter() - began
        return figures


class DetectorSteps(Steps):
    """Steps of a detector over training images: a new random order each epoch, minibatches of a few images.

    Parameters
    ----------
    model : a detector; its generator draws everything
    samples : the training images
    proposals_of : sample → (P, 4); None where the model proposes regions itself
    settings : TrainSettings, resolved for so many images

    Attributes
    ----------
    order, position : this epoch's permutation of the images, and how much of it has been seen
    new : hidden layers with random weights, which the first step fits to what they are given
    said : what that did, in words; empty at any other step
    seen : called with each minibatch once it was learned from, if anybody wants to see it
    """

    seen: Callable[[Batch], None] | None = None

    def __init__(self, model: FastRCNN, samples: Samples, proposals_of: ProposalsOf | None, settings: TrainSettings):
        if settings.part == "rpn" and isinstance(model, FasterRCNN):
            model.learn_proposals_alone()
        freeze(model, settings.freeze)
        count = settings.steps(len(samples))
        optimiser = SGD(model.named_parameters(), settings.momentum, settings.decay)
        super().__init__(model, optimiser, count, settings.schedule(count))
        self.detector, self.samples, self.proposals_of, self.settings = model, samples, proposals_of, settings
        model.sigma, model.sampling = settings.sigma, settings.roi_sampling
        self.order, self.position = np.zeros(0, np.int64), 0
        self.new: tuple[str, ...] = ()
        self.said = ""

    def next_images(self) -> list[int]:
        """Numbers of the next images in the epoch's random order; a new epoch draws a new order."""
        rng, images, chosen = self.model.rng, len(self.samples), list[int]()
        while len(chosen) < self.settings.images_of_a_step(images):
            if self.position == len(self.order):
                self.order, self.position = rng.permutation(images), 0
            chosen.append(int(self.order[self.position]))
            self.position += 1
        return chosen

    def next_batch(self) -> Batch:
        """The next images, with what is drawn of each."""
        return self.batch_of(self.next_images(), self.model.rng)

    def batch_of(self, images: Part, rng: np.random.Generator) -> Batch:
        """These images, with what the generator draws of each."""
        return make_batch(
            [self.samples[image] for image in images],
            self.proposals_of,
            self.detector.architecture.preprocessing,
            self.settings.roi_sampling,
            self.detector.statistics,
            rng,
            self.settings.flip,
        )

    def part(self, step: int, place: int, what: Part) -> tuple[Batch, np.random.Generator]:
        """Images number `what`, with what is drawn of each."""
        rng = np.random.default_rng((self.settings.seed, step, place))
        return self.batch_of(what, rng), rng

    def show(self, batch: Batch) -> None:
        """To whoever wants to see it."""
        if self.seen is not None:
            self.seen(batch)

    def learn(self, lr: float) -> dict[str, float]:
        """The losses of the next minibatch, and what the model says besides."""
        if by_parts(self.settings.sum):
            return self._learn_in_parts(lr)
        batch, self.said = self.next_batch(), ""
        if not self.detector.can_learn_from(batch):
            return dict.fromkeys(self.figures, 0.0)
        if self.new:
            self.said, self.new = fit_first_weights(self.detector, batch, self.new), ()
        losses = train_step(self.model, self.optimiser, batch, lr)
        self.show(batch)
        return losses | self.detector.figures

    def _learn_in_parts(self, lr: float) -> dict[str, float]:
        """The same, image by image, on all ranks."""
        images, self.said = self.next_images(), ""
        if self.new:
            batch, _ = self.part(self.step, 0, images)
            if self.detector.can_learn_from(batch):
                self.said, self.new = fit_first_weights(self.detector, batch, self.new), ()
        if self.spread is None:
            given = outline(self.detector), self.samples, self.proposals_of, self.settings
            self.spread = Spread.begin(self, self.settings.sum == "plain", steps_elsewhere, *given)
        return self.spread.learn(self.step, [[image] for image in images], lr)


def steps_elsewhere(
    given: Outline, samples: Samples, proposals_of: ProposalsOf | None, settings: TrainSettings
) -> DetectorSteps:
    """A run's steps on another rank; the weights come afterwards."""
    return DetectorSteps(build_elsewhere(given), samples, proposals_of, settings)
