"""How long a run will take, and what it needs, said before it begins: from a step and a validation image tried out."""

import time

import numpy as np

from minircnn.base.memory import memory_limit, most_used
from minircnn.base.ranks import ranks
from minircnn.data import read_image
from minircnn.detection import detect
from minircnn.training.notes import run_bytes
from minircnn.training.train import Training

TRIES = 2  # the first pays for what later ones find ready


def forecast(training: Training) -> str:
    """A sentence: steps and their time, validation's, memory and disk. What is trained afterwards is not changed by it.

    Memory is what the process has taken at most until now, a training step and a detection included.
    """
    steps, data, settings = training.steps, training.data, training.settings
    left = steps.count - steps.step
    step_seconds = _step_seconds(training) if steps.step == 0 else steps.seconds / steps.step
    images = min(settings.validation_images, len(data.validation))
    times = settings.validations * left // steps.count if settings.part == "all" else 0
    measured = len(data.validation) + times * images
    seconds = left * step_seconds + (measured * _detection_seconds(training) if settings.part == "all" else 0.0)
    memory, limit = most_used(), memory_limit()
    parts = [f"{left:,} steps of {_in_words(step_seconds)} each, with validation about {_in_words(seconds)}"]
    if memory is not None:
        parts.append(f"memory {memory / 1e9:.1f} GB" + (f" of {limit / 1e9:.1f}" if limit else ""))
    parts.append(f"model files {run_bytes(training.model) / 1e6:,.0f} MB")
    return "; ".join(parts)


def _step_seconds(training: Training) -> float:
    """Forward, backward and update at a learning rate of 0: neither weights nor anything drawn later depends on it."""
    steps, model = training.steps, training.model
    before = model.rng.bit_generator.state, steps.order, steps.position
    seconds = 0.0
    for _ in range(TRIES):
        began = time.perf_counter()
        model.train()
        images = steps.next_images()
        own = images[: -(-len(images) // ranks().size)]  # a rank's share
        for together in [own] if training.settings.sum == "plain" else [[image] for image in own]:
            batch = steps.batch_of(together, model.rng)
            if model.can_learn_from(batch):
                model.losses(batch)
                model.backward()
        gradients = [parameter.grad for parameter in steps.optimiser.parameters.values()]
        if all(gradient is not None and np.isfinite(gradient).all() for gradient in gradients):
            steps.optimiser.step(0.0)  # 0 times infinity would be no number, in the weights
        seconds = time.perf_counter() - began
    model.rng.bit_generator.state, steps.order, steps.position = before
    return seconds


def _detection_seconds(training: Training) -> float:
    data, seconds = training.data, 0.0
    sample = data.validation[0]
    for _ in range(TRIES):
        began = time.perf_counter()
        proposals = data.proposals_of(sample) if data.proposals_of else None
        detect(training.model, read_image(sample.image_path), proposals, training.settings.detection)
        seconds = time.perf_counter() - began
    training.model.train()
    return seconds


def _in_words(seconds: float) -> str:
    """12 ms, 3.1 s, 14 min, 5.2 h."""
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
