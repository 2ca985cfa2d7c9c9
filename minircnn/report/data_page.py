"""`minircnn data info --out page.html`: a data set looked at before it is learned, in one self-contained page.

Boxes on images first, for what no count can show; then counts, sizes, and what Selective Search reaches. The style is
the report's, the figures are `data/survey.py`'s and `proposals/reach.py`'s.
"""

import html
from pathlib import Path

import numpy as np

from minircnn.base.files import write_text
from minircnn.data import Sample
from minircnn.data.survey import FEW, SplitSurvey, Survey
from minircnn.proposals.reach import Reach
from minircnn.report.charts import histogram
from minircnn.report.frame import first_language, frame
from minircnn.report.pictures import framed
from minircnn.report.words import LANGUAGES, filled, say

SHEET_SIDE = 300  # pixels of a picture: two dozen of them stay under a megabyte
FAULTS_SHOWN = 100
COLOURS = "abcd"  # of the splits


def write_data_page(path: Path, folder: Path, survey: Survey, reach: Reach) -> None:
    """Write the page.

    Parameters
    ----------
    folder : the data set's, for the title
    reach : of the images of the contact sheet

    Raises
    ------
    InputError : an image cannot be read, or the page cannot be written
    """
    splits = survey.splits
    counts = [sum(split.counts.values()) for split in splits.values()]
    images = sum(len(split.samples) for split in splits.values())
    said = ("known", "sheet", "sheet.text", "sizes", "sizes.text", "classes")
    page = frame("data_page").substitute(
        title=html.escape(folder.resolve().name),
        subtitle=say(
            "data.subtitle",
            format=survey.format,
            classes=len(survey.class_names),
            images=f"{images:,}",
            boxes=f"{sum(counts):,}",
        ),
        **first_language(survey.class_names),
        **{f"say_{key.replace('.', '_')}": say(f"data.{key}") for key in said},
        say_classes_text=say("data.classes.text", few=FEW),
        splits=_splits(splits),
        known=_known(survey),
        key=_key(),
        sheet="".join(
            _picture(sample, survey, overlaps) for sample, overlaps in zip(reach.samples, reach.overlaps, strict=True)
        ),
        classes=_classes(survey),
        colours="".join(f'<span><i class="{c}"></i>{html.escape(name)}</span>' for name, c in _coloured(splits)),
        charts=_charts(splits),
        reach=_reach(reach) if reach.samples else "",
    )
    write_text(path, page)


def _coloured(splits: dict[str, SplitSurvey]) -> list[tuple[str, str]]:
    return [(name, COLOURS[number % len(COLOURS)]) for number, name in enumerate(splits)]


def _splits(splits: dict[str, SplitSurvey]) -> str:
    names = ("data.split", "data.split.images", "data.split.empty", "data.split.boxes", "data.split.ignored",
             "data.split.faults")  # fmt: skip
    head = "".join(f"<th>{say(name)}</th>" for name in names)
    body = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{len(split.samples):,}</td><td>{split.empty:,}</td>"
        f"<td>{sum(split.counts.values()):,}</td><td>{split.ignored:,}</td><td>{len(split.faults):,}</td></tr>"
        for name, split in splits.items()
    )
    return f'<table class="sizes"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _known(survey: Survey) -> str:
    faults = [sentence for split in survey.splits.values() for sentence in split.faults]
    notes = [*survey.remarks(), *(sentence for split in survey.splits.values() for sentence in split.notes)]
    parts = []
    if faults:
        more = (
            "" if len(faults) <= FAULTS_SHOWN else f"<p>{say('data.faults.more', count=len(faults) - FAULTS_SHOWN)}</p>"
        )
        parts.append(f"<h3>{say('data.faults', count=len(faults))}</h3>{_list(faults[:FAULTS_SHOWN])}{more}")
    if notes:
        parts.append(_list(notes))
    return "".join(parts) or f"<p>{say('data.known.none')}</p>"


def _list(sentences: list[str]) -> str:
    return f'<ul class="remarks">{"".join(f"<li>{html.escape(sentence)}</li>" for sentence in sentences)}</ul>'


def _key() -> str:
    entries = {"a": "data.key.reached", "b": "data.key.apart", "gap": "data.key.ignored"}
    return "".join(f'<span><i class="{style}"></i>{say(words)}</span>' for style, words in entries.items())


def _picture(sample: Sample, survey: Survey, overlaps: np.ndarray) -> str:
    names = survey.learned.samples.class_names
    boxes = [(box, "missed", names[label - 1]) for box, label in
             zip(sample.boxes[sample.ignore], sample.labels[sample.ignore], strict=True)]  # fmt: skip
    learned, labels = sample.learned()
    boxes += [
        (box, "right" if overlap >= 0.5 else "wrong", names[label - 1])
        for box, label, overlap in zip(learned, labels, overlaps, strict=True)
    ]
    words = f"{sample.image_id}, {sample.width}×{sample.height}"
    captions = {language: words + ("" if boxes else f": {filled('data.none', language)}") for language in LANGUAGES}
    return framed(sample, boxes, captions, SHEET_SIDE)


def _classes(survey: Survey) -> str:
    """Boxes of each class in each split, with a bar that is as long as their share of the commonest."""
    splits = survey.splits
    head = f"<th>{say('class')}</th>" + "".join(f"<th>{html.escape(name)}</th><th></th>" for name in splits)
    most = {name: max(1, *split.counts.values()) for name, split in splits.items()}
    body = ""
    for class_name in survey.class_names:
        cells = ""
        for (name, split), (_, colour) in zip(splits.items(), _coloured(splits), strict=True):
            count = split.counts.get(class_name, 0)
            width = f"{8 * count / most[name]:.2f}rem"
            cells += (
                f'<td>{count:,}</td><td style="text-align:left"><i class="{colour}" style="width:{width}"></i></td>'
            )
        body += f"<tr><th>{html.escape(class_name)}</th>{cells}</tr>"
    return f'<table class="classes"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _charts(splits: dict[str, SplitSurvey]) -> str:
    """Four histograms; the splits over each other."""
    chosen = [(split, colour) for split, (_, colour) in zip(splits.values(), _coloured(splits), strict=True)]
    sides = [(np.sqrt(split.box_sides.prod(axis=1)), colour) for split, colour in chosen]
    shapes = [(split.box_sides[:, 1] / split.box_sides[:, 0], colour) for split, colour in chosen]
    numbers = [(split.boxes_per_image, colour) for split, colour in chosen]
    images = [(split.image_sides.min(axis=1), colour) for split, colour in chosen]
    drawn = {
        "data.box.sides": histogram(sides, "pixels", log=True),
        "data.box.shapes": histogram(shapes, "width / height", log=True),
        "data.per.image": histogram(numbers, "boxes", whole=True),
        "data.image.sides": histogram(images, "pixels", whole=True),
    }
    return "".join(f"<figure><h3>{say(name)}</h3>{drawing}</figure>" for name, drawing in drawn.items())


def _reach(reach: Reach) -> str:
    """Recall by size of the boxes."""
    figures = reach.to_dict()
    text = say("data.reach.text", images=figures["images"], proposals=f"{figures['proposals_per_image'] or 0:.0f}",
               seconds=f"{figures['seconds_per_image'] or 0:.2f}")  # fmt: skip
    head = f"<th>{say('size')}</th><th>{say('data.reach.share')}</th><th>{say('data.reach.boxes')}</th>"
    rows = [(say(name), *found) for name, found in reach.recall_by_size(0.5).items()]
    rows.append((say("data.reach.all"), reach.recall(0.5), sum(len(part) for part in reach.overlaps)))
    body = "".join(
        f"<tr><th>{name}</th><td>{'–' if share is None else f'{100 * share:.1f} %'}</td><td>{count}</td></tr>"
        for name, share, count in rows
    )
    table = f'<table class="sizes"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<h2>{say("data.reach")}</h2><p>{text}</p><div class="scroll">{table}</div>'
