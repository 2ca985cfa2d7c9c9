"""`minircnn report`: a run's page at any time, beside the process that trains it: what is there so far is measured.

Nothing of the run is changed but `report.html`; a run that is finished gets its page again, of the same figures.
"""

import datetime
import platform

import minircnn
from minircnn.base.errors import InputError
from minircnn.base.files import read_json
from minircnn.base.progress import Progress
from minircnn.detection.evaluate import evaluate_model, own_proposals
from minircnn.proposals import proposal_recall
from minircnn.report.page import read_log, write_report
from minircnn.training.checkpoint import stored_training
from minircnn.training.data import TrainingData, open_split, with_proposals
from minircnn.training.run_folder import RunFolder
from minircnn.weights.model_file import load_model


def report_run(folder: RunFolder, progress: Progress) -> dict:
    """Measure the best weights so far on the images that choose them, and write the report; gives its figures.

    A finished run's weights are measured on what they were measured on in the end; its metrics.json is what is shown.

    Raises
    ------
    InputError : there is no run, or nothing to detect with yet, or its data is not there any more
    """
    settings = folder.read_settings()
    if settings.part != "all":
        raise InputError(f"{folder.path} trains the network that proposes alone: there is no detector to report on")
    model = load_model(folder.path)
    finished = read_json(folder.metrics, "take it away, and ask again") if folder.metrics.is_file() else None
    data = TrainingData.read(settings, folder.path, progress)
    split = finished["data"]["split"] if finished and "data" in finished else "validation"
    samples = data.validation
    if split != "validation":
        samples = open_split(settings, split, None, folder.path, progress, model.class_names)
    samples, _ = with_proposals(samples, data.cache, progress, settings.skip_bad, split)
    some = list(samples) if finished else [samples[n] for n in range(min(settings.validation_images, len(samples)))]
    evaluation, detections, truths = evaluate_model(model, some, data.proposals_of, settings.detection, progress)
    if finished:
        write_report(folder.path, evaluation, detections, truths, finished)
        return finished
    state, log = stored_training(folder.last, folder.previous), read_log(folder.log)
    proposed = data.proposals_of or own_proposals(model)
    recall = proposal_recall((proposed(truth), truth.learned()[0]) for truth in truths)
    steps = int(log["step"][-1]) if len(log["step"]) else 0
    metrics = evaluation.as_metrics() | {
        "train_seconds": float(log["seconds"][-1]) if steps else 0.0,
        "proposal_recall50": recall[0.5],
        "proposal_recall70": recall[0.7],
        "weights": f"{'best' if folder.best.is_file() else 'last'}.safetensors, after {steps:,} of "
        f"{settings.steps(len(data.train)):,} steps",
        "started_from": state.get("started_from", ""),
        "data": {
            "folder": settings.data,
            "format": settings.format,
            "split": "validation",
            "chose_the_weights": True,
            "train_images": len(data.train),
            "validation_images": len(data.validation),
        },
        "steps": steps,
        "version": minircnn.__version__,
        "date": datetime.datetime.now().astimezone().isoformat(timespec="minutes"),
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "skipped": [],
        "history": state["history"],
    }
    write_report(folder.path, evaluation, detections, truths, metrics)
    return metrics
