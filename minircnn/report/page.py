"""`report.html`: one self-contained page that shows how a run went and what its detector does.

Comes last in a run. The page's frame is `page.html` in `shell.html` and `page.css`, its charts come from
`charts.py`, its pictures from `pictures.py`, what is said of the run from `facts.py`; here the figures and tables of
the measures are filled in. Nothing is loaded from anywhere.
"""

import csv
import html
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.files import read_json, write_text
from minircnn.data import Sample
from minircnn.detection import Detections
from minircnn.metrics import ClassMeasures, Evaluation
from minircnn.metrics.examples import Example, choose_examples
from minircnn.report.charts import Line, chart, precision_recall_chart, smooth
from minircnn.report.facts import about, duration, number, rivalry, sizes, true_boxes
from minircnn.report.frame import first_language, frame
from minircnn.report.pictures import picture
from minircnn.report.words import say, sentences
from minircnn.training.run_folder import RunFolder

KEY = {"a": "key.right", "b": "key.wrong", "gap": "missed"}
HEADINGS = ("run", "learning", "classes", "pr", "confusion", "worst", "best", "settings")
TITLES = {"fast": "Fast R-CNN", "faster": "Faster R-CNN"}
SHARES = ("foreground", "rpn_recall")  # columns that are shares, each with a chart of its own where a log has it
ALWAYS = ("step", "loss", "lr", "foreground")  # columns of every log; a model's own losses are "loss_…"


def write_report(
    run: Path,
    evaluation: Evaluation,
    detections: Sequence[Detections],
    truths: Sequence[Sample],
    metrics: dict | None = None,
) -> None:
    """Write `report.html` into a run folder.

    Parameters
    ----------
    run : folder with settings.json, log.csv and metrics.json
    metrics : what would stand in metrics.json, of a run that is not finished
    evaluation : what was measured
    detections, truths : of the same images, which are read again for the pictures

    Raises
    ------
    InputError : a file of the run folder or an image cannot be read, or the report cannot be written
    """
    folder = RunFolder(run)
    metrics = metrics or read_json(folder.metrics, f"is {run} a finished run?")
    settings = read_json(folder.settings, f"is {run} a run?")
    names = [row.name for row in evaluation.classes]
    best, worst = choose_examples(detections, truths, names)
    page = frame("page").substitute(
        title=html.escape(f"{TITLES[settings.get('model', 'fast')]}, {settings['backbone']}"),
        subtitle=say("subtitle", classes=len(names), images=evaluation.images, weights=metrics["weights"]),
        **first_language(names),
        **{f"say_{key.replace('.', '_')}": say(key) for key in HEADINGS},
        **{f"say_{key}_text": say(f"{key}.text") for key in HEADINGS if f"{key}.text" in sentences()},
        figures=_figures(metrics),
        about=about(metrics, settings, true_boxes(evaluation)),
        rivalry=rivalry(metrics),
        learning=_learning(read_log(folder.log), metrics["history"]),
        classes=_class_table(evaluation.classes, metrics),
        sizes=sizes(metrics, truths),
        precision_recall="".join(_precision_recall(row) for row in evaluation.classes if row.truths),
        confusion=_confusion(evaluation.confusion, names),
        key=_key({style: say(key) for style, key in KEY.items()}),
        worst=_pictures(worst, detections, truths, names) or f'<p class="soft">{say("worst.none")}</p>',
        best=_pictures(best, detections, truths, names) or f'<p class="soft">{say("best.none")}</p>',
        settings=_settings(settings, metrics["skipped"]),
    )
    write_text(folder.report, page)


def read_log(path: Path) -> dict[str, np.ndarray]:
    """Columns of log.csv, float64."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows, names = list(reader), dict.fromkeys((*ALWAYS, *(reader.fieldnames or ())))
        return {name: np.array([float(row[name]) for row in rows]) for name in names}
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); is {path.parent} a run folder?") from None
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged ({error!r}); remove its broken line or start a new run") from None


def _figures(metrics: dict) -> str:
    """The headline: name, figure, and what it means."""
    time = duration(metrics["train_seconds"])
    rows = (
        ("mAP50", number(metrics["mAP50"]), say("mAP50")),
        ("mAP75", number(metrics["mAP75"]), say("mAP75")),
        ("AP", number(metrics["AP"]), say("AP")),
        ("VOC07 mAP", number(metrics["voc07_mAP"]), say("voc07")),
        (say("recall.name"), number(metrics["proposal_recall50"]), say("recall")),
        (say("time.name"), time, say("time")),
    )
    return "".join(f'<div><dt>{n}</dt><dd class="value">{v}</dd><dd>{meaning}</dd></div>' for n, v, meaning in rows)


def _learning(log: dict[str, np.ndarray], history: list[dict]) -> str:
    """The charts: losses, validation, learning rate, foreground, and what else the model's log has."""
    step = log["step"]
    parts = [name for name in log if name.startswith("loss_")]  # the model's own; the charts have four colours
    colours = {"loss": "ink"} | dict(zip(parts, "abcd", strict=False))
    losses = [Line(step, log["loss"], "ink", faint=True)]
    losses += [Line(step, smooth(log[name]), colour) for name, colour in colours.items()]
    epochs = [row["epoch"] for row in history]
    scores = [
        Line(epochs, [math.nan if row[name] is None else row[name] for row in history], colour, dots=True)
        for name, colour in (("mAP50", "a"), ("mAP75", "b"), ("AP", "c"))
    ]
    # The first rows of a run can be far above the rest and would flatten it.
    top = 1.1 * float(np.quantile(log["loss"], 0.98)) if len(step) else None
    return (
        _figure(
            "loss",
            {style: say({"loss": "loss.total"}.get(name, name.replace("_", "."))) for name, style in colours.items()},
            chart(losses, "step", top=top),
        )
        + _figure("validation", {"a": "mAP50", "b": "mAP75", "c": "AP"}, chart(scores, "epoch", top=1.0))
        + _figure("lr", {"ink": say("lr.key")}, chart([Line(step, log["lr"], "ink")], "step", log=True))
        + "".join(_share(name, step, log[name]) for name in SHARES if name in log)
    )


def _share(name: str, step: np.ndarray, values: np.ndarray) -> str:
    """A chart of one column that lies in [0, 1]."""
    name = name.replace("_", ".")
    lines = [Line(step, values, "ink", faint=True), Line(step, smooth(values), "ink")]
    return _figure(name, {"ink": say(f"{name}.key")}, chart(lines, "step"))


def _figure(name: str, key: dict[str, str], drawing: str) -> str:
    key_line, meaning = f'<div class="key">{_key(key)}</div>', say(f"{name}.text")
    return f"<figure><h3>{say(name)}</h3>{key_line}{drawing}<figcaption>{meaning}</figcaption></figure>"


def _key(entries: dict[str, str]) -> str:
    """What each colour stands for."""
    return "".join(f'<span><i class="{style}"></i>{words}</span>' for style, words in entries.items())


def _class_table(classes: Sequence[ClassMeasures], metrics: dict) -> str:
    head = "".join(
        f"<th>{title}</th>"
        for title in (
            *(say("class"), "AP50", "AP75", "AP", "VOC07"),
            *(say("precision"), say("recall.column"), say("at"), say("truths")),
        )
    )
    body = "".join(
        f'<tr><th>{html.escape(row.name)}</th><td class="bar" style="--share: {100 * (row.AP50 or 0):.0f}%">'
        f"{number(row.AP50)}</td><td>{number(row.AP75)}</td><td>{number(row.AP)}</td><td>{number(row.voc07)}</td>"
        f"{_best(row)}<td>{row.truths}</td></tr>"
        for row in classes
    )
    means = "".join(f"<td>{number(metrics[name])}</td>" for name in ("mAP50", "mAP75", "AP", "voc07_mAP"))
    sums = f"<td></td><td></td><td></td><td>{sum(row.truths for row in classes)}</td>"
    return (
        f'<table class="classes"><thead><tr>{head}</tr></thead><tbody>{body}</tbody>'
        f"<tfoot><tr><th>{say('mean')}</th>{means}{sums}</tr></tfoot></table>"
    )


def _best(row: ClassMeasures) -> str:
    """Precision, recall and score where the class's F1 is best."""
    values = (row.best.precision, row.best.recall, row.best.score) if row.best else (None, None, None)
    return "".join(f"<td>{number(value)[:4]}</td>" for value in values)


def _precision_recall(row: ClassMeasures) -> str:
    best = (row.best.recall, row.best.precision) if row.best else None
    drawing = precision_recall_chart(row.recall, row.precision, row.shown, best)
    return f"<figure>{drawing}<figcaption>{html.escape(row.name)}, {number(row.AP50)}</figcaption></figure>"


def _confusion(matrix: np.ndarray, names: Sequence[str]) -> str:
    """Rows and columns in class order, background last; shaded by the share of the row."""
    order = [*range(1, len(matrix)), 0]
    titles = [html.escape(name) for name in names]
    head = "".join(f"<th><span>{title}</span></th>" for title in [*titles, say("missed")])
    body = []
    for true in order:
        total = max(1, int(matrix[true].sum()))
        cells = []
        for said in order:
            count = int(matrix[true, said])
            colour = "--hit" if true == said else "--slip"
            shade = f' style="background: rgba(var({colour}), {0.1 + 0.6 * count / total:.2f})"' if count else ""
            cells.append(f"<td{shade}>{count or ''}</td>")
        title = say("nothing") if true == 0 else titles[true - 1]
        body.append(f"<tr><th>{title}</th>{''.join(cells)}</tr>")
    return f'<table class="confusion"><thead><tr><th></th>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'


def _pictures(examples: list[Example], detections: Sequence[Detections], truths: Sequence[Sample], names: list) -> str:
    return "".join(picture(row, detections[row.image], truths[row.image], names) for row in examples)


def _settings(settings: dict, skipped: Sequence[str]) -> str:
    rows = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in _flat(settings))
    parts = [f"<details><summary>{say('settings.all')}</summary><table>{rows}</table></details>"]
    if skipped:
        sentences = "".join(f"<tr><td>{html.escape(sentence)}</td></tr>" for sentence in skipped)
        parts.append(
            f"<details><summary>{say('skipped', count=len(skipped))}</summary><table>{sentences}</table></details>"
        )
    return "".join(parts)


def _flat(settings: dict, prefix: str = "") -> Iterator[tuple[str, str]]:
    """("sampling.rois_per_image", "64") and so on."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "–" if value is None else str(value)
