"""The end of a run: measure the chosen weights, write metrics.json and report.html."""

from minircnn.data import DeepFashion2
from minircnn.data.progress import Progress
from minircnn.evaluate import evaluate_model
from minircnn.files import write_json
from minircnn.proposals import proposal_recall
from minircnn.report.page import write_report
from minircnn.training.train import Training
from minircnn.weights.model_file import load_model


def finish_run(training: Training, samples: DeepFashion2, progress: Progress) -> dict:
    """Measure `best.safetensors` on `samples` and write what the run found; gives what metrics.json holds."""
    folder, cache = training.folder, training.data.cache
    model = load_model(folder.best)
    evaluation, detections, truths = evaluate_model(model, samples, cache, training.settings.detection, progress)
    recall = proposal_recall((cache.get(truth), truth.boxes) for truth in truths)
    chosen_on = min(training.settings.validation_images, len(training.data.validation))
    metrics = evaluation.as_metrics() | {
        "train_seconds": training.seconds,
        "proposal_recall50": recall[0.5],
        "proposal_recall70": recall[0.7],
        "weights": f"best.safetensors, chosen by mAP50 on {chosen_on} validation images",
        "skipped": list(training.data.skipped),
        "history": training.history,
    }
    write_json(folder.metrics, metrics)
    write_report(folder.path, evaluation, detections, truths)
    return metrics
