"""When training has diverged: which of the run's files are sound, and the command that goes on from there.

A checkpoint whose values are finite may be ruined all the same, for the loss explodes some steps before it is NaN. And
a run that is resumed ends at the same step again, bit for bit: going on takes a new run with a lower learning rate.
"""

import csv
from pathlib import Path

from minircnn.base.errors import InputError
from minircnn.base.files import shell_words
from minircnn.models import BACKBONES, MODELS
from minircnn.training.checkpoint import stored_step
from minircnn.training.defaults import DEFAULTS, RANDOM, SHIPPED
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings

TOO_HIGH = 1.5  # times the loss of the run's beginning


def way_out(folder: RunFolder, settings: TrainSettings, history: list[dict]) -> str:
    """What is sound, and the command that goes on, in words; `history` is that of the run's validations."""
    if settings.part != "all" or settings.proposals_by is not None:
        lr = (settings.lr or DEFAULTS[settings.backbone].lr) / 10
        return (
            "the learning rate is too high, or these annotations are wrong; this is one of four runs that learn in "
            f"turn: begin them again in another --out, with --alternating --lr {lr:g}"
        )
    sound = newest_sound(folder) or _best(folder, history)
    weights = str(sound[0]) if sound else settings.weights or RANDOM
    words = f"{sound[0].name} (step {sound[1]}) is sound" if sound else "no checkpoint of it is sound"
    command = shell_words(_command(folder, settings, weights))
    return f"the learning rate is too high, or these annotations are wrong; {words}, begin with a tenth: {command}"


def newest_sound(folder: RunFolder) -> tuple[Path, int] | None:
    """The newest checkpoint, and its step, around which the logged loss was no higher than at the beginning."""
    rows = _logged(folder.log)
    for path in (folder.last, folder.previous):
        try:
            step = stored_step(path)
        except InputError:
            continue
        before = [loss for row, loss in rows if row <= step]
        after = [loss for row, loss in rows if row >= step]  # none: it was taken in the last steps before the end
        if before and after and all(loss <= TOO_HIGH * before[0] for loss in (before[-1], after[0])):
            return path, step
    return None


def _best(folder: RunFolder, history: list[dict]) -> tuple[Path, int] | None:
    """The weights that scored best on the validation images, if they found anything there."""
    best = max(history, key=lambda row: row["AP"] or 0.0, default=None)
    return (folder.best, best["step"]) if best and best["AP"] and folder.best.is_file() else None


def _logged(log: Path) -> list[tuple[int, float]]:
    """Step and loss of each row; nan, which compares as false, where the loss was."""
    try:
        with open(log, newline="", encoding="utf-8") as file:
            return [(int(row["step"]), float(row["loss"])) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, TypeError):
        return []


def _command(folder: RunFolder, settings: TrainSettings, weights: str) -> list[str]:
    """A new run with the same settings but the first weights and a tenth of the learning rate."""
    usual = TrainSettings(settings.data)
    out = next(
        path
        for number in range(2, 1000)
        if not (path := folder.path.with_name(f"{folder.path.name}-{number}")).exists()
    )
    lr = settings.lr or DEFAULTS[settings.backbone].lr
    words = ["minircnn", "train", "--data", settings.data, "--out", str(out), "--lr", f"{lr / 10:g}"]
    if settings.backbone != usual.backbone:
        words += ["--backbone", settings.backbone]
    if settings.pooling not in (None, MODELS[settings.model].pooling):
        words += ["--pooling", str(settings.pooling)]
    if settings.class_agnostic:
        words.append("--class-agnostic")
    if weights != SHIPPED:
        words += ["--weights", weights]
        if settings.pixels is not None and weights == settings.weights:
            words += ["--pixels", settings.pixels]
    if weights != settings.weights and settings.frozen_blocks is not None:
        words += ["--frozen-blocks", str(settings.frozen_blocks)]
    for flag in ("epochs", "images_per_step", "limit", "validation_limit", "seed"):
        value = getattr(settings, flag)
        if value is not None and value != getattr(usual, flag):
            words += [f"--{flag.replace('_', '-')}", f"{value:.17g}" if isinstance(value, float) else str(value)]
    if settings.model != usual.model:
        words += ["--model", settings.model]
    if settings.rpn not in (None, BACKBONES[settings.backbone]().rpn):
        words += ["--anchor-scales", ",".join(f"{scale:g}" for scale in settings.rpn.scales)]
    if (most := settings.roi_sampling.rois_per_image) != MODELS[settings.model].sampling.rois_per_image:
        words += ["--rois-per-image", str(most)]
    if settings.classes:
        words += ["--classes", ",".join(settings.classes)]
    if MODELS[settings.model].searches:
        words += ["--proposals", settings.proposals_folder or str(folder.path / "proposals")]
    return words + (["--skip-bad"] if settings.skip_bad else [])
