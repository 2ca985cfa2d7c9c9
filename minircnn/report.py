"""`report.html`: one self-contained page that shows how a run went and what its detector does.

Comes last in a run. The page's frame is `report.html` beside this file, its plots are drawn in `report_plots.py`; here
the figures, tables and pictures are put in. Nothing is loaded from anywhere.
"""

import base64
import csv
import html
import io
import json
from collections.abc import Sequence
from pathlib import Path
from string import Template

import numpy as np
from PIL import Image

from minircnn.data import Sample, read_image
from minircnn.detection import Detections
from minircnn.drawing import draw_detections
from minircnn.metrics import Evaluation
from minircnn.metrics.confusion import match_image
from minircnn.report_plots import history_plot, loss_plot, precision_recall_plot
from minircnn.run_folder import RunFolder, read_json, write_text

SHOWN_SCORE = 0.5
PICTURES = 8  # best, and as many worst
PICTURE_SIDE = 360  # pixels


def write_report(run: Path, evaluation: Evaluation, detections: Sequence[Detections], truths: Sequence[Sample]) -> None:
    """Write `report.html` into the run folder, from what is there and what was just measured."""
    folder = RunFolder(run)
    metrics, settings = read_json(folder.metrics), read_json(folder.settings)
    with open(folder.log, newline="", encoding="utf-8") as file:
        log = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    names = [row.name for row in evaluation.classes]
    order = rank_images(detections, truths)
    page = Template((Path(__file__).parent / "report.html").read_text(encoding="utf-8")).substitute(
        title=f"Fast R-CNN, {html.escape(settings['backbone'])}",
        subtitle=f"{evaluation.images} images measured, {metrics['weights']}",
        figures=_figures(metrics),
        curves=f"<figure>{loss_plot(log)}</figure><figure>{history_plot(metrics['history'])}</figure>",
        classes="".join(_class_row(row) for row in evaluation.classes),
        precision_recall="".join(
            f"<figure>{precision_recall_plot(row.recall, row.precision)}"
            f"<figcaption>{html.escape(row.name)}</figcaption></figure>"
            for row in evaluation.classes
            if row.truths
        ),
        confusion=_confusion(evaluation.confusion, names),
        best="".join(_picture(detections[i], truths[i], names) for i in order[::-1][:PICTURES]),
        worst="".join(_picture(detections[i], truths[i], names) for i in order[:PICTURES]),
        settings=html.escape(json.dumps(settings, indent=2, ensure_ascii=False)),
    )
    write_text(folder.report, page)


def rank_images(detections: Sequence[Detections], truths: Sequence[Sample]) -> list[int]:
    """Image indices, worst first: by the share of garments and boxes that were right, then by how many there are."""

    def quality(index: int) -> tuple[float, int]:
        pairs = _label_pairs(detections[index], truths[index])
        right = sum(true == said for true, said in pairs)
        share = right / len(pairs) if pairs else 1.0
        return share, right if share == 1 else right - len(pairs)

    return sorted(range(len(truths)), key=quality)


def _label_pairs(found: Detections, truth: Sample) -> list[tuple[int, int]]:
    """(true, said) labels, 0 for background."""
    return [
        (int(truth.labels[t]) if t >= 0 else 0, int(found.labels[d]) if d >= 0 else 0)
        for d, t in match_image(found, truth, SHOWN_SCORE)
    ]


def describe_image(found: Detections, truth: Sample, names: Sequence[str]) -> str:
    """What went wrong in one image, in words: "Coat taken for Pullover; missed Bag"."""
    words = []
    for true, said in _label_pairs(found, truth):
        if true == said:
            continue
        if true == 0:
            words.append(f"{names[said - 1]} where nothing is")
        elif said == 0:
            words.append(f"missed {names[true - 1]}")
        else:
            words.append(f"{names[true - 1]} taken for {names[said - 1]}")
    return "; ".join(words) or "all right"


def _figures(metrics: dict) -> str:
    shown = [
        ("mAP50", _number(metrics["mAP50"])),
        ("mAP75", _number(metrics["mAP75"])),
        ("AP (COCO)", _number(metrics["AP"])),
        ("mAP (VOC07)", _number(metrics["voc07_mAP"])),
        ("garments reached by proposals", _number(metrics["proposal_recall50"])),
        ("spent in training steps", f"{metrics['train_seconds'] / 60:.1f} min"),
    ]
    return "".join(f"<div><b>{value}</b><span>{name}</span></div>" for name, value in shown)


def _class_row(row) -> str:
    cells = "".join(f"<td>{_number(value)}</td>" for value in (row.AP50, row.AP75, row.AP, row.voc07))
    return f"<tr><td>{html.escape(row.name)}</td>{cells}<td>{row.truths}</td></tr>"


def _number(value: float | None) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.3f}"


def _confusion(matrix: np.ndarray, names: Sequence[str]) -> str:
    """Rows and columns in class order, background last; shade by the share of the row."""
    order = [*range(1, len(matrix)), 0]
    titles = [html.escape(name) for name in names]
    head = "".join(f"<th>{title}</th>" for title in ["", *titles, "missed"])
    body = []
    for true in order:
        total = max(1, int(matrix[true].sum()))
        cells = []
        for said in order:
            count = int(matrix[true, said])
            colour = "--hit" if true == said else "--miss"
            shade = f' style="background: rgba(var({colour}), {0.75 * count / total:.2f})"' if count else ""
            cells.append(f"<td{shade}>{count or ''}</td>")
        title = "nothing there" if true == 0 else titles[true - 1]
        body.append(f"<tr><th>{title}</th>{''.join(cells)}</tr>")
    return f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody>"


def _picture(found: Detections, truth: Sample, names: Sequence[str]) -> str:
    shown = found.above(SHOWN_SCORE)
    drawn = draw_detections(read_image(truth.image_path), shown.boxes, shown.labels, names, shown.scores, truth.boxes)
    picture = Image.fromarray(drawn)
    picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=85)
    data = base64.b64encode(content.getvalue()).decode()
    caption = html.escape(f"{truth.image_id}: {describe_image(found, truth, names)}")
    return (
        f'<figure><img alt="{caption}" src="data:image/jpeg;base64,{data}"><figcaption>{caption}</figcaption></figure>'
    )
