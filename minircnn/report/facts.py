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
from minircnn.report.words import say

PARTS = {"proposals": "proposals", "network": "network", "post_processing": "post"}  # of ms_per_image → of the words


def number(value: float | None) -> str:
    """Three digits, or a dash where there was nothing to measure."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"


def table(rows: list[tuple[str, str]], name: str) -> str:
    """Two columns, both HTML."""
    body = "".join(f"<tr><th>{k}</th><td>{v}</td></tr>" for k, v in rows)
    return f'<table class="{name}">{body}</table>'


def duration(seconds: float) -> str:
    """In seconds or minutes, whichever reads better."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def about(metrics: dict, settings: dict, boxes: int) -> str:
    """The run in a few lines: data, start, length, speed, version and date. `boxes`: how many true ones there were."""
    data = metrics.get("data") or {}
    rows = []
    if data:
        figures = {"split": data["split"], "images": f"{metrics['images']:,}", "boxes": f"{boxes:,}"}
        chosen_on = "about.same" if data["chose_the_weights"] else "about.apart"
        figures["count"] = f"{data['validation_images']:,}"
        measured = say("about.measured.text", chosen_on, **figures)
        folder, count = PurePath(data["folder"]).name, f"{data['train_images']:,}"
        learned = say("about.learned.text", folder=folder, format=data["format"], count=count)
        rows += [(say("about.measured"), measured), (say("about.learned"), learned)]
    if metrics.get("started_from"):
        rows.append((say("about.started"), html.escape(metrics["started_from"])))
    if "steps" in metrics:
        time, epochs = duration(metrics["train_seconds"]), f"{settings.get('epochs', 0):.3g}"
        rows.append(
            (say("about.trained"), say("about.trained.text", steps=f"{metrics['steps']:,}", epochs=epochs, time=time))
        )
    if (speed := metrics.get("ms_per_image")) and speed["images"]:
        parts = {place: f"{speed[name]:.1f}" for name, place in PARTS.items()}
        whole = f"{sum(speed[name] for name in PARTS):.0f}"
        text = "about.rpn.text" if settings.get("model") == "faster" else "about.detection.text"
        rows.append((say("about.detection"), say(text, whole=whole, images=speed["images"], **parts)))
    if "version" in metrics:
        made = f"minircnn {metrics['version']}, {metrics['date']}, {metrics['machine']}"
        rows.append((say("about.made"), html.escape(made)))
    return table(rows, "facts") if rows else ""


def sizes(metrics: dict, truths: Sequence) -> str:
    """AP by COCO's three sizes, with the boxes in each."""
    counts = [0, 0, 0]
    for truth in truths:
        for x1, y1, x2, y2 in truth.boxes.astype(float):
            counts[sum((x2 - x1) * (y2 - y1) > most for _, most in SIZES[1:3])] += 1
    head = f"<thead><tr><th>{say('size')}</th><th>AP</th><th>{say('truths')}</th></tr></thead>"
    body = "".join(
        f"<tr><th>{say(name)}</th><td>{number(metrics[f'AP_{name}'])}</td><td>{count}</td></tr>"
        for name, count in zip(("small", "medium", "large"), counts, strict=True)
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
    head = "".join(f"<th>{name}</th>" for name in (say("rival.started"), *names, say("rival.training")))
    body = "".join(
        f'<tr><th><i class="{colour}"></i>{html.escape(run["started_from"])}</th>'
        + "".join(f"<td>{number(run[name])}</td>" for name in names)
        + f"<td>{duration(run['train_seconds'])}</td></tr>"
        for run, colour in ((metrics, "a"), (rival, "b"))
    )
    return (
        f"<h2>{say('rival')}</h2><p>{say('rival.text')}</p>"
        f'<div class="pair"><figure>{chart(lines, "epoch", top=1.0)}</figure>'
        f'<div class="scroll"><table class="starts"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        "</div></div>"
    )


def true_boxes(evaluation: Evaluation) -> int:
    """In all images."""
    return sum(row.truths for row in evaluation.classes)
