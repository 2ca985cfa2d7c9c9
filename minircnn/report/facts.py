"""What a reader asks of a run before its figures mean anything: which data, from what, how fast, when.

`page.py` puts these tables into the report; everything is read from metrics.json.
"""

import html
import math
from collections.abc import Sequence
from pathlib import PurePath

from minircnn.metrics import Evaluation
from minircnn.metrics.coco import SIZES
from minircnn.report.charts import Line, chart

PARTS = (("proposals", "Selective Search"), ("network", "network"), ("post_processing", "post-processing"))


def number(value: float | None) -> str:
    """Three digits, or a dash where there was nothing to measure."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"


def table(rows: list[tuple[str, str]], name: str) -> str:
    """Two columns, both escaped."""
    body = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in rows)
    return f'<table class="{name}">{body}</table>'


def duration(seconds: float) -> str:
    """In seconds or minutes, whichever reads better."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def about(metrics: dict, settings: dict, boxes: int) -> str:
    """The run in a few lines: data, start, length, speed, version and date. `boxes`: how many true ones there were."""
    data = metrics.get("data") or {}
    rows = []
    if data:
        folder = PurePath(data["folder"]).name
        measured = f"{metrics['images']:,} {data['split']} images with {boxes:,} true boxes"
        if data["chose_the_weights"]:
            measured += ". The weights were chosen on these images, so the figures are a little too good; a test set "
            measured += "of its own says more: minircnn eval RUN --data DIR --split test"
        else:
            measured += f"; the weights were chosen on {data['validation_images']:,} validation images"
        learnt = f"{folder} ({data['format']}), {data['train_images']:,} images"
        rows += [("Measured on", measured), ("Learned from", learnt)]
    if metrics.get("started_from"):
        rows.append(("Started from", metrics["started_from"]))
    if "steps" in metrics:
        time = duration(metrics["train_seconds"])
        rows.append(("Trained", f"{metrics['steps']:,} steps, {settings.get('epochs', 0):.3g} epochs, in {time}"))
    if (speed := metrics.get("ms_per_image")) and speed["images"]:
        parts = ", ".join(f"{words} {speed[name]:.1f} ms" for name, words in PARTS)
        whole = sum(speed[name] for name, _ in PARTS)
        rows.append(("Detection", f"{whole:.0f} ms an image: {parts} (medians of {speed['images']} images)"))
    if "version" in metrics:
        rows.append(("Made by", f"minircnn {metrics['version']}, {metrics['date']}, {metrics['machine']}"))
    return table(rows, "facts") if rows else ""


def sizes(metrics: dict, truths: Sequence) -> str:
    """AP by COCO's three sizes, with the boxes in each."""
    edges = ("area up to 32² pixels", "32² to 96²", "96² and more")
    counts = [0, 0, 0]
    for truth in truths:
        for x1, y1, x2, y2 in truth.boxes.astype(float):
            counts[sum((x2 - x1) * (y2 - y1) > most for _, most in SIZES[1:3])] += 1
    head = "<thead><tr><th>size</th><th>AP</th><th>true boxes</th></tr></thead>"
    body = "".join(
        f"<tr><th>{name}, {edge}</th><td>{number(metrics[f'AP_{name}'])}</td><td>{count}</td></tr>"
        for name, edge, count in zip(("small", "medium", "large"), edges, counts, strict=True)
    )
    return f'<table class="sizes">{head}<tbody>{body}</tbody></table>'


def rivalry(metrics: dict) -> str:
    """Two starts of the same training beside each other: figures and validation curves; "" for one alone."""
    rival = metrics.get("rival")
    if not rival:
        return ""
    lines = []
    for run, colour in ((rival, "b"), (metrics, "a")):
        for name, dashed in (("mAP75", True), ("mAP50", False)):
            epochs = [row["epoch"] for row in run["history"]]
            scores = [math.nan if row[name] is None else row[name] for row in run["history"]]
            lines.append(Line(epochs, scores, colour, dashed=dashed, dots=True))
    names = ("mAP50", "mAP75", "AP")
    head = "".join(f"<th>{name}</th>" for name in ("started from", *names, "training"))
    body = "".join(
        f'<tr><th><i class="{colour}"></i>{html.escape(run["started_from"])}</th>'
        + "".join(f"<td>{number(run[name])}</td>" for name in names)
        + f"<td>{duration(run['train_seconds'])}</td></tr>"
        for run, colour in ((metrics, "a"), (rival, "b"))
    )
    return (
        "<h2>Two starts</h2><p>The same scenes and the same schedule from two starts. Solid lines are mAP50, dashed "
        "ones mAP75, on the validation images; the figures are of the same images as everything else here.</p>"
        f'<div class="pair"><figure>{chart(lines, "epoch", top=1.0)}</figure>'
        f'<div class="scroll"><table class="starts"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div></div>"
    )


def true_boxes(evaluation: Evaluation) -> int:
    """In all images."""
    return sum(row.truths for row in evaluation.classes)
