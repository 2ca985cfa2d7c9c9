"""12  Train, evaluate and detect through the Python interface.

What `minircnn train`, `eval` and `detect` do, in a dozen calls: write data in DeepFashion2's layout, train a run with
checkpoints and a log, go on with it, measure it, load the detector and look at one image. 40 scenes are far too few to
learn from; they show the way. `minircnn demo` takes it with 2400.
"""

import argparse
import csv
import tempfile
from pathlib import Path

from matplotlib.figure import Figure

from minircnn import detect, load_model
from minircnn.data import open_samples, read_image
from minircnn.detection.evaluate import evaluate_model
from minircnn.fashion import write_scenes
from minircnn.report.drawing import draw_detections
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.training.train import Training


def main() -> Figure:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for the figure; a temporary one if absent")
    out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="minircnn-"))
    out.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="run-", dir=out))

    # Data: train/ and validation/, each with image/000001.jpg beside annos/000001.json. Yours may look the same.
    write_scenes(work / "scenes", images=40, validation=8, size=128)
    train, validation = (open_samples(work / "scenes", split) for split in ("train", "validation"))
    sample = train[0]
    print(f"{len(train)} + {len(validation)} images; {sample.image_id}: {sample.boxes.astype(int).tolist()} are "
          f"{[train.class_names[label - 1] for label in sample.labels]}")  # fmt: skip

    # Training: everything is checked, proposals are computed once and kept, then come the steps.
    folder = RunFolder(work / "run")
    training = Training.start(folder, TrainSettings(data=str(work / "scenes"), epochs=2, validation_images=8))
    training.run()
    print(f"{training.step} steps in {training.steps.seconds:.0f} s; {folder.path} holds",
          ", ".join(sorted(path.name for path in folder.path.iterdir())))  # fmt: skip

    # Going on, for longer: the same weights, velocities, order and random numbers as if it had not stopped.
    training = Training.resume(folder, epochs=3)
    training.run()
    print(f"{training.step} steps now; mAP50 on 8 scenes so far:",
          ", ".join(f"{row['mAP50']:.3f}" for row in training.history))  # fmt: skip

    # Measuring: the best weights on the validation scenes.
    model = load_model(folder.path)  # best.safetensors; knows its classes and its preprocessing
    evaluation, _, _ = evaluate_model(model, validation, training.data.proposals_of)
    metrics = evaluation.as_metrics()
    print(f"mAP50 {metrics['mAP50']:.3f}, mAP75 {metrics['mAP75']:.3f}, AP {metrics['AP']:.3f}")

    # Detecting: any image, (H, W, 3) uint8 RGB. Proposals are searched if none are given.
    image = read_image(train[0].image_path)
    found = detect(model, image)
    best = [f"{model.class_names[k - 1]} {s:.2f}" for k, s in zip(found.labels, found.scores, strict=True)][:3]
    print(f"{len(found)} detections; the best: {', '.join(best)}")

    with open(folder.log, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"]), "the loss falls"
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name in ("loss", "loss_cls", "loss_bbox"):
        left.plot([int(row["step"]) for row in rows], [float(row[name]) for row in rows], "o-", label=name)
    left.set(xlabel="step", title="log.csv")
    left.legend()
    top = found.above(min(0.3, float(found.scores.max(initial=0))))
    right.imshow(draw_detections(image, top.boxes, top.labels, model.class_names, top.scores, train[0].boxes))
    right.set_title("a training scene after 150 steps; the truth dashed")
    right.set_axis_off()
    figure.savefig(out / "12_train_evaluate_detect.png", dpi=110)
    print(f"\nfigure: {out / '12_train_evaluate_detect.png'}")
    return figure


if __name__ == "__main__":  # proposals are searched by worker processes, which import this file again
    figure = main()
