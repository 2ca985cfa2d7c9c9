"""A photograph of the report with its boxes over it, in HTML: sharp at any size, light and dark, in any script.

`page.py` puts it into the page, whose style sheet has the colours of right, wrong and missed.
"""

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from minircnn.boxes import iou_matrix
from minircnn.data import Sample, read_image
from minircnn.detection import Detections
from minircnn.metrics.examples import Example
from minircnn.report.words import LANGUAGES, both, filled

PICTURE_SIDE = 360  # pixels; keeps twelve pictures well under a megabyte
LABEL = (0.024, 0.06)  # width of a letter and height of a line, in widths of the picture as the page shows it


def picture(example: Example, found: Detections, truth: Sample, names: Sequence[str]) -> str:
    """The photograph with its boxes over it in HTML: sharp at any size, in any script."""
    boxes = [(truth.boxes[t], "missed", names[truth.labels[t] - 1]) for t in example.missed]
    for style, chosen in (("wrong", example.wrong), ("right", example.right)):
        boxes += [(found.boxes[d], style, f"{names[found.labels[d] - 1]} {found.scores[d]:.2f}") for d in chosen]
    captions = {language: f"{caption(example, language)} ({truth.image_id})" for language in LANGUAGES}
    return framed(truth, boxes, captions)


def framed(
    truth: Sample, boxes: Sequence[tuple[np.ndarray, str, str]], captions: dict[str, str], side: int = PICTURE_SIDE
) -> str:
    """The photograph of a sample, its longer side scaled down to `side`, with boxes, each with its style and words."""
    photograph = Image.fromarray(read_image(truth.image_path))
    photograph.thumbnail((side, side))
    content = io.BytesIO()
    photograph.save(content, "JPEG", quality=85)
    data = base64.b64encode(content.getvalue()).decode()
    frame = f'<img alt="{html.escape(captions["en"])}" src="data:image/jpeg;base64,{data}">{_boxes(boxes, truth)}'
    return f'<figure><div class="frame">{frame}</div><figcaption>{both(captions)}</figcaption></figure>'


def caption(example: Example, language: str) -> str:
    """What went wrong, or how well all of it fits, in one language."""
    said = ((filled(f"picture.{kind}", language, **dict(places)), times) for (kind, places), times in example.reasons)
    return "; ".join(text if times == 1 else f"{times} × {text}" for text, times in said)


def _boxes(boxes: Sequence[tuple[np.ndarray, str, str]], truth: Sample) -> str:
    """Boxes with style and words, in percent of the picture; each label where it covers the earlier ones least.

    Only the browser knows how large a label is; here it is taken for LABEL of a picture's width.
    """
    drawn: list[str] = []
    taken: list[np.ndarray] = []
    for box, style, words in boxes:
        x1, y1, x2, y2 = (float(v) / side for v, side in zip(box, (truth.width, truth.height) * 2, strict=True))
        width, height = LABEL[0] * len(words), LABEL[1] * truth.width / truth.height
        side = "end" if x2 > 1 - x1 else "start"  # towards the picture's middle
        left = x2 - width if side == "end" else x1
        tops = {"above": y1 - height, "top": y1, "bottom": y2 - height, "below": y2}
        places = {name: np.array([[left, top, left + width, top + height]]) for name, top in tops.items()}
        inside = {name: place for name, place in places.items() if place[0, 1] >= 0 and place[0, 3] <= 1}
        free = {n: sum(iou_matrix(place, other).item() for other in taken) for n, place in inside.items()}
        where = min(free, key=lambda name: free[name], default="top")
        taken.append(places[where])
        frame = f"left:{x1:.2%};top:{y1:.2%};width:{x2 - x1:.2%};height:{y2 - y1:.2%}"
        label = f'<b class="{side} {where}">{html.escape(words)}</b>'
        drawn.append(f'<i class="box {style}" style="{frame}">{label}</i>')
    return "".join(drawn)
