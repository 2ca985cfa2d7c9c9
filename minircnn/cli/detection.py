"""`minircnn eval`, `minircnn detect` and `minircnn gradcheck`."""

import time
from pathlib import Path
from typing import Annotated

import typer

from minircnn.cli.console import Console, print_measures, write_figures
from minircnn.errors import InputError

LARGEST_ERROR = 1e-6  # what gradcheck allows


def evaluate(
    model: Annotated[Path, typer.Argument(help="Run folder or model file.")],
    data: Annotated[Path, typer.Option(help="Folder that holds the split.")],
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "validation",
    limit: Annotated[int | None, typer.Option(help="Only the first N images.")] = None,
    proposals: Annotated[Path | None, typer.Option(help="Folder that caches proposals; not kept if absent.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip and count broken files.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the figures here too.")] = None,
) -> None:
    """Measure a detector on a data set: COCO's AP and Pascal VOC's, per class.

    Example: minircnn eval runs/first --data scenes --split validation
    """
    import tempfile

    from minircnn.data import DeepFashion2
    from minircnn.evaluate import evaluate_model
    from minircnn.proposals import ProposalCache, ProposalSettings, proposal_recall
    from minircnn.weights.model_file import load_model

    detector = load_model(model)
    with Console() as console, tempfile.TemporaryDirectory() as scratch:
        samples = DeepFashion2(data / split, classes=detector.class_names, limit=limit, skip_bad=skip_bad)
        cache = ProposalCache(proposals or scratch, ProposalSettings())
        failed = cache.fill(samples, skip_bad=skip_bad, progress=lambda done, total: console("proposals", done, total))
        for sentence in [*samples.skipped, *(sentence for _, sentence in failed)]:
            console.say(f"skipped: {sentence}")
        samples = samples.without({image_id for image_id, _ in failed})
        measures, _, truths = evaluate_model(
            detector, samples, cache, progress=lambda done, total: console("measuring", done, total)
        )
        recall = proposal_recall((cache.get(truth), truth.boxes) for truth in truths)
    metrics = measures.as_metrics() | {"proposal_recall50": recall[0.5], "proposal_recall70": recall[0.7]}
    print_measures(metrics)
    print(f"proposals reach {recall[0.5]:.3f} of the garments at IoU 0.5, {recall[0.7]:.3f} at 0.7")
    write_figures(json, metrics)


def detect(
    model: Annotated[Path, typer.Argument(help="Run folder or model file.")],
    images: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures and detections.json.")],
    score: Annotated[float, typer.Option(help="Draw what scores at least this; the JSON holds all from 0.05.")] = 0.5,
) -> None:
    """Find garments in photographs: pictures with boxes, classes and scores, and a JSON in COCO's results form.

    Example: minircnn detect runs/demo photo.jpg --out found
    """
    import cv2

    from minircnn.data import read_image
    from minircnn.detection import detect as detect_garments
    from minircnn.files import write_json
    from minircnn.metrics import coco_results
    from minircnn.report.drawing import draw_detections
    from minircnn.weights.model_file import load_model

    detector = load_model(model)
    paths = list_images(images)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} cannot be made ({error.strerror}); choose another --out") from None
    found = []
    with Console() as console:
        for done, path in enumerate(paths, start=1):
            began = time.perf_counter()
            image = read_image(path)
            detections = detect_garments(detector, image)
            found.append(detections)
            shown = detections.above(score)
            picture = draw_detections(image, shown.boxes, shown.labels, detector.class_names, shown.scores)
            target = out / f"{path.stem}.jpg" if len(paths) == 1 else out / f"{done:04d}-{path.stem}.jpg"
            written, encoded = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
            if not written:
                raise InputError(f"{target} could not be encoded as JPEG; is {path} of a usual size?")
            target.write_bytes(encoded.tobytes())
            console("detecting", done, len(paths), f"{len(shown)} in {time.perf_counter() - began:.1f} s")
    results = coco_results(found, [path.name for path in paths])
    for result in results:
        result["category_name"] = detector.class_names[result["category_id"] - 1]
    write_json(out / "detections.json", results)
    for path, detections in zip(paths, found, strict=True):
        shown = detections.above(score)
        names = (f"{detector.class_names[k - 1]} {s:.2f}" for k, s in zip(shown.labels, shown.scores, strict=True))
        print(f"{path}: {', '.join(names) or 'nothing'}")
    print(f"Pictures and detections.json are in {out}")


def list_images(paths: list[Path]) -> list[Path]:
    """The files named, and the images in the folders named, in order."""
    found = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
            if not inside:
                raise InputError(f"{path} holds no .jpg or .png image; name a folder that does")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise InputError(f"{path} is not there; name an image or a folder of images")
    return found


def gradcheck(
    seed: Annotated[int, typer.Option(help="Of all inputs and directions.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the rows here too.")] = None,
) -> None:
    """Hold every hand-written gradient to finite differences in float64, end to end included.

    Example: minircnn gradcheck --json gradients.json
    """
    from minircnn.gradcheck.cases import run_all

    print(f"{'worst relative error':34}  along directions   at single entries")
    rows = []
    for row in run_all(seed):
        rows.append({"name": row.name, "directions": row.along_directions, "entries": row.at_entries})
        verdict = "" if row.worst <= LARGEST_ERROR else "   TOO LARGE"
        print(f"{row.name:34}  {row.along_directions:16.1e}   {row.at_entries:17.1e}{verdict}", flush=True)
    worst = max(max(row["directions"], row["entries"]) for row in rows)
    write_figures(json, {"worst": worst, "allowed": LARGEST_ERROR, "rows": rows})
    print(f"{len(rows)} gradients, the worst {worst:.1e} off; {LARGEST_ERROR:.0e} is allowed")
    if worst > LARGEST_ERROR:
        raise typer.Exit(1)
