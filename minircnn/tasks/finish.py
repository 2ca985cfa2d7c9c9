"""The end of a run: measure the chosen weights, write metrics.json and report.html.

Comes after `training/train.py`; `minircnn train` and `minircnn demo` both end with it.
"""

import datetime
import os
import platform

import minircnn
from minircnn.base.files import write_json
from minircnn.base.progress import Progress
from minircnn.data import Samples
from minircnn.detection.evaluate import evaluate_model, own_proposals, time_parts
from minircnn.proposals import proposal_recall
from minircnn.report.page import write_report
from minircnn.training.train import Training
from minircnn.weights.model_file import load_model, save_model


def finish_run(training: Training, samples: Samples, split: str, progress: Progress, rival: dict | None = None) -> dict:
    """Measure `best.safetensors` on `samples` and write what the run found; gives what metrics.json holds.

    split : which split `samples` are
    rival : what `minircnn demo --compare` measured of the same training from another start, to be shown beside this
    """
    folder, proposals_of, settings = training.folder, training.data.proposals_of, training.settings
    moved = not folder.best.is_file()  # somebody took it, and no validation came after
    if moved:
        save_model(folder.best, training.model)
    model = load_model(folder.best)
    evaluation, detections, truths = evaluate_model(model, samples, proposals_of, settings.detection, progress)
    model.search = settings.proposals
    proposed = proposals_of or own_proposals(model)
    recall = proposal_recall((proposed(truth), truth.learned()[0]) for truth in truths)
    chosen_on = min(settings.validation_images, len(training.data.validation))
    metrics = evaluation.as_metrics() | {
        "train_seconds": training.steps.seconds,
        "proposal_recall50": recall[0.5],
        "proposal_recall70": recall[0.7],
        "weights": "the last ones, since best.safetensors was moved away"
        if moved
        else f"best.safetensors, chosen by AP on {chosen_on} validation images",
        "started_from": training.started_from,
        "data": {
            "folder": settings.data,
            "format": settings.format,
            "split": split,
            "chose_the_weights": split == "validation",
            "train_images": len(training.data.train),
            "validation_images": len(training.data.validation),
        },
        "steps": training.step,
        "ms_per_image": time_parts(model, truths, settings.detection),
        "version": minircnn.__version__,
        "date": datetime.datetime.now().astimezone().isoformat(timespec="minutes"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "skipped": list(training.data.skipped),
        "history": training.history,
    }
    if training.step < training.steps.count:
        done = f"after {training.step} of {training.steps.count} steps"
        metrics["stopped_early"] = f"{done}: {settings.patience} validations without a better AP"
    if rival is not None:
        metrics["rival"] = rival
    write_json(folder.metrics, metrics)
    write_report(folder.path, evaluation, detections, truths)
    return metrics
