"""`compare.html`: four detectors side by side: time by stage and by part, figures beside the papers', the same images.

The figures come from `tasks/compare`, what they add up to from `road.py`, the charts from `charts.py`; the style is the
report's.
"""

import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from minircnn.base.files import write_text
from minircnn.data import Sample
from minircnn.detection import Detections
from minircnn.metrics.examples import judge_image
from minircnn.report.bar_charts import bars, beside
from minircnn.report.facts import duration, number
from minircnn.report.frame import first_language, frame
from minircnn.report.pictures import framed
from minircnn.report.road import NAMES, PARTS, PUBLISHED, Found, faster_network, faster_whole, mean_of, verdicts
from minircnn.report.words import LANGUAGES, filled, say

STAGES = {"fine-tuning": "a", "features": "b", "SVMs and boxes": "c", "one stage": "d"}
STAGE_WORDS = {"fine-tuning": "fine", "features": "features", "SVMs and boxes": "linear", "one stage": "one"}
PART_COLOURS = {"proposals": "a", "network": "b", "post_processing": "c"}
PART_WORDS = {"proposals": "proposals", "network": "network", "post_processing": "after"}
SAID = ("table", "table.text", "time", "accuracy", "accuracy.text", "road", "road.text", "pictures", "pictures.text",
        "verdict")  # fmt: skip


def write_compare_page(
    path: Path, found: Found, shown: Sequence[Sample], names: Sequence[str], ground: dict[str, float | str]
) -> None:
    """Write the page.

    Parameters
    ----------
    found : as `tasks/compare` gives it
    shown : the images of which every training kept its detections, in that order
    names : of the classes
    ground : what the systems have in common, as compare.json says it

    Raises
    ------
    InputError : an image cannot be read, or the page cannot be written
    """
    rows = {name: mean_of(figures) for name, figures in found.items()}
    first, trainings = next(iter(rows.values())), len(next(iter(found.values())))
    budget = {each: filled("compare.budget", each, epochs=f"{ground['epochs']:g}") for each in LANGUAGES}
    many = "compare.seeds" if trainings == 1 else "compare.seeds.many"
    subtitle = "".join(
        f'<span lang="{each}">'
        + html.escape(filled("compare.subtitle", each, images=f"{first['images']:,.0f}", budget=budget[each],
                             seeds=filled(many, each, count=trainings)))
        + "</span>"
        for each in LANGUAGES
    )  # fmt: skip
    page = frame("compare_page").substitute(
        title=" → ".join(NAMES[name] for name in found),
        subtitle=subtitle,
        **first_language(names),
        **{f"say_{key.replace('.', '_')}": say(f"compare.{key}") for key in SAID},
        figures=_figures(rows),
        verdicts=_verdicts(found),
        table=_table(rows),
        time=_time(rows),
        accuracy=_accuracy(found),
        road=_road(list(found)),
        key=_key({"a": "key.right", "b": "key.wrong", "gap": "missed"}),
        pictures=_pictures(found, shown, names),
    )
    write_text(path, page)


def _figures(rows: dict[str, dict]) -> str:
    """The headline."""
    parts = []
    if (times := faster_network(rows)) is not None:
        parts.append(("network", f"{times:.0f} ×"))
    if (times := faster_whole(rows)) is not None:
        parts.append(("whole", f"{times:.1f} ×"))
    if "rcnn" in rows:
        parts.append(("disk", f"{rows['rcnn']['disk'] / 1e6:.0f} MB"))
    return "".join(
        f'<div><dt>{say(f"compare.{name}.name")}</dt><dd class="value">{value}</dd>'
        f"<dd>{say(f'compare.{name}')}</dd></div>"
        for name, value in parts
    )


def _verdicts(found: Found) -> str:
    sentences = "".join(f"<li>{say(f'compare.verdict.{kind}', **values)}</li>" for kind, values in verdicts(found))
    return f'<ul class="verdicts">{sentences}</ul>'


def _table(rows: dict[str, dict]) -> str:
    heads = ("compare.system", "compare.train", "compare.disk.column", "compare.proposals", "compare.part.network",
             "compare.after", "mAP50", "mAP75", "AP", "recall.column", "compare.peak")  # fmt: skip
    head = "".join(f"<th>{name if name.isupper() or name.startswith('mAP') else say(name)}</th>" for name in heads)
    body = ""
    for name, row in rows.items():
        times = "".join(f"<td>{row['ms_per_image'][part]:,.0f} ms</td>" for part in PARTS)
        scores = "".join(f"<td>{number(row[key])}</td>" for key in ("mAP50", "mAP75", "AP", "recall50"))
        peak = "–" if row["peak_memory"] is None else f"{row['peak_memory'] / 1e9:.2f} GB"
        body += (
            f"<tr><th>{NAMES[name]}</th><td>{duration(sum(row['seconds'].values()))}</td>"
            f"<td>{row['disk'] / 1e6:.0f} MB</td>{times}{scores}<td>{peak}</td></tr>"
        )
    return f'<table class="classes"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _time(rows: dict[str, dict]) -> str:
    """Two charts of bars: training by stage, an image by part."""
    names = [NAMES[name] for name in rows]
    training = bars(names, {STAGES[stage]: [row["seconds"].get(stage, 0.0) for row in rows.values()]
                            for stage in STAGES}, "s")  # fmt: skip
    test = bars(names, {PART_COLOURS[part]: [row["ms_per_image"][part] for row in rows.values()] for part in PARTS},
                "ms")  # fmt: skip
    stages = {stage for row in rows.values() for stage in row["seconds"]}
    keys = (
        {colour: f"compare.stage.{STAGE_WORDS[stage]}" for stage, colour in STAGES.items() if stage in stages},
        {colour: f"compare.part.{PART_WORDS[part]}" for part, colour in PART_COLOURS.items()},
    )
    return "".join(
        f'<figure><h3>{say(f"compare.time.{name}")}</h3><div class="key">{_key(key)}</div>{drawing}'
        f"<figcaption>{say(f'compare.time.{name}.text')}</figcaption></figure>"
        for name, key, drawing in zip(("train", "test"), keys, (training, test), strict=True)
    )


def _accuracy(found: Found) -> str:
    """Ours and the papers', each on its own axis, since they are of different images."""
    names = [NAMES[name] for name in found]
    ours = beside(names, [[row["mAP50"] or 0.0 for row in figures] for figures in found.values()], "a")
    papers = beside(names, [[PUBLISHED[name].mean_ap / 100] for name in found], "b")
    return "".join(
        f"<figure><h3>{say(f'compare.{name}')}</h3>{drawing}</figure>"
        for name, drawing in (("ours", ours), ("papers", papers))
    )


def _road(systems: Sequence[str]) -> str:
    """What each system computes once and for each region, what learns, the papers' figures, and what differs here."""
    heads = ("system", "once", "each", "learns", "paper.figures", "differs")
    head = "".join(f"<th>{say(f'compare.{name}')}</th>" for name in heads)
    body = ""
    for name in systems:
        paper = PUBLISHED[name]
        hours = "–" if paper.hours is None else f"{paper.hours:g} h"
        cells = "".join(f"<td>{say(f'compare.{name}.{part}')}</td>" for part in ("once", "each", "learns"))
        published = f"<td>{paper.mean_ap:g}<br>{hours}<br>{paper.seconds:g} s</td>"
        body += f"<tr><th>{NAMES[name]}</th>{cells}{published}<td>{say(f'compare.{name}.differs')}</td></tr>"
    return f'<table class="road"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _pictures(found: Found, shown: Sequence[Sample], names: Sequence[str]) -> str:
    """Each image once for each system, side by side."""
    rows = []
    for n, sample in enumerate(shown):
        cells = [_picture(NAMES[name], figures[0]["pictures"][n], sample, names) for name, figures in found.items()]
        rows.append(f'<div class="shots four">{"".join(cells)}</div>')
    return "".join(rows)


def _picture(system: str, kept: list[list[float]], sample: Sample, names: Sequence[str]) -> str:
    """One image with what one system found there, and what it missed."""
    table = np.array(kept, np.float32).reshape(-1, 6)
    labels, scores = table[:, 4].astype(np.int64), table[:, 5]
    shown = Detections(table[:, :4], labels, np.ones_like(scores))  # all of it, whatever it scores
    example = judge_image(0, shown, sample, names)
    boxes = [(sample.boxes[t], "missed", names[sample.labels[t] - 1]) for t in example.missed]
    for style, chosen in (("wrong", example.wrong), ("right", example.right)):
        boxes += [(table[d, :4], style, f"{names[labels[d] - 1]} {scores[d]:.2f}") for d in chosen]
    said = {"name": system, "right": len(example.right), "wrong": len(example.wrong), "all": len(sample.learned()[0])}
    captions = {language: filled("compare.found", language, **said) for language in LANGUAGES}
    return framed(sample, boxes, captions)


def _key(entries: dict[str, str]) -> str:
    return "".join(f'<span><i class="{style}"></i>{say(words)}</span>' for style, words in entries.items())
