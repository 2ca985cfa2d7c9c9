"""What the report draws: charts as SVG, and pictures with their boxes over them in HTML.

Both take the page's own font and colours, light and dark, and are sharp at any width. `page.py` puts them into the
page, whose style sheet has the colours; a chart names them by class (ink, a, b, c), a box by right, wrong or missed.
"""

import base64
import html
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from minircnn.boxes import iou_matrix
from minircnn.data import Sample, read_image
from minircnn.detection import Detections
from minircnn.metrics.examples import Example

WIDTH, HEIGHT = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 10, 36  # room for ticks and the axis' name
MOST_POINTS = 500  # a line of a long run is thinned to this; more than the pixels it crosses
PICTURE_SIDE = 360  # pixels; keeps twelve pictures well under a megabyte
LABEL = (0.024, 0.06)  # width of a letter and height of a line, in widths of the picture as the page shows it


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes
    ----------
    x, y : equally long; what an axis cannot show (not finite, or not positive on a logarithmic one) is left out
    style : CSS classes: the colour a, b, c or ink, and perhaps faint
    dots : mark every point
    """

    x: Sequence[float]
    y: Sequence[float]
    style: str
    dots: bool = False


def chart(lines: Sequence[Line], x_name: str, top: float | None = None, log: bool = False) -> str:
    """Lines over common axes.

    Parameters
    ----------
    lines : drawn in order, the last on top
    x_name : written below the axis
    top : end of the vertical axis; what is above is drawn there. The highest value if None
    log : logarithmic vertical axis of whole decades; else it begins at 0

    Returns
    -------
    An `svg` element
    """
    points = [(np.asarray(line.x, float), np.asarray(line.y, float)) for line in lines]
    points = [(x[known], y[known]) for x, y in points for known in [np.isfinite(y) & ((y > 0) | (not log))]]
    xs, ys = (np.concatenate([pair[axis] for pair in points]) for axis in (0, 1))
    if not len(xs):
        return '<p class="soft">Nothing was recorded.</p>'
    x_end = float(xs.max()) or 1.0
    x_ticks = ticks(x_end)
    y_ticks, share = _decades(ys) if log else _from_zero(top or float(ys.max()) or 1.0)

    def across(x: Sequence[float]) -> np.ndarray:
        return LEFT + np.asarray(x) / x_end * (WIDTH - LEFT - RIGHT)

    def down(y: Sequence[float]) -> np.ndarray:
        return TOP + (1 - np.clip(share(np.asarray(y)), 0, 1)) * (HEIGHT - TOP - BOTTOM)

    parts = _grid(x_ticks, across(x_ticks), y_ticks, down(y_ticks), x_name)
    for line, (x, y) in zip(lines, points, strict=True):
        kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), MOST_POINTS)).astype(int))
        parts.append(_path(across(x[kept]), down(y[kept]), line.style, line.dots or len(kept) == 1))
    frame = f'class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="chart against {x_name}"'
    return f"<svg {frame}>{''.join(parts)}</svg>"


def _from_zero(end: float) -> tuple[list[float], Callable[[np.ndarray], np.ndarray]]:
    """Ticks, and what share of the axis' height a value reaches."""
    return ticks(end), lambda y: y / end


def _decades(values: np.ndarray) -> tuple[list[float], Callable[[np.ndarray], np.ndarray]]:
    """The same on a logarithmic axis, from the power of ten below all values to the one above."""
    low, high = math.floor(np.log10(values.min())), math.ceil(np.log10(values.max()))
    high = max(high, low + 1)
    return [10.0**power for power in range(low, high + 1)], lambda y: (np.log10(y) - low) / (high - low)


def _grid(x_ticks: list[float], xs: np.ndarray, y_ticks: list[float], ys: np.ndarray, x_name: str) -> list[str]:
    """Hairlines at the vertical axis' ticks, numbers at both axes' ticks, the name below; `xs` and `ys` are pixels."""
    floor = HEIGHT - BOTTOM
    parts = []
    for value, y in zip(y_ticks, ys, strict=True):
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    for value, x in zip(x_ticks, xs, strict=True):
        anchor = "end" if x > WIDTH - RIGHT - 12 else "middle"
        parts.append(f'<text x="{x:.1f}" y="{floor + 15}" text-anchor="{anchor}">{value:g}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 4}" text-anchor="middle">{x_name}</text>')
    return parts


def _path(x: np.ndarray, y: np.ndarray, style: str, dots: bool) -> str:
    """A polyline through pixels, and its points if they are few."""
    pairs = [f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)]
    drawn = f'<polyline class="line {style}" points="{" ".join(pairs)}"/>' if len(pairs) > 1 else ""
    if dots:
        drawn += "".join(
            f'<circle class="{style}" cx="{a:.1f}" cy="{b:.1f}" r="3"/>' for a, b in zip(x, y, strict=True)
        )
    return drawn


def ticks(end: float, about: int = 5) -> list[float]:
    """Round numbers from 0 to `end`, at most `about` steps of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(end / about))
    step = next(power * factor for factor in (1, 2, 5, 10) if end / (power * factor) <= about)
    return [round(step * i, 12) for i in range(math.floor(end / step + 1e-9) + 1)]


def smooth(values: np.ndarray) -> np.ndarray:
    """Centred mean over a twentieth of the run; the window shrinks towards both ends. Same length."""
    half = len(values) // 40
    sums = np.insert(np.cumsum(values, dtype=float), 0, 0)
    place = np.arange(len(values))
    reach = np.minimum(half, np.minimum(place, place[::-1]))
    return (sums[place + reach + 1] - sums[place - reach]) / (2 * reach + 1)


def precision_recall_chart(recall: np.ndarray, precision: np.ndarray, at: int) -> str:
    """One class's curve, small; `at` is how many detections are shown, whose point is marked."""

    def pixels(r: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 16 + 100 * r, 104 - 100 * p

    parts = ['<path class="grid" d="M16 4H116V104H16Z M66 4V104 M16 54H116"/>']
    for x, y, anchor, text in ((12, 108, "end", "0"), (12, 11, "end", "1"), (116, 115, "end", "1")):
        parts.append(f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>')
    if len(recall):
        corners = np.flatnonzero(np.diff(recall, prepend=-1))  # where a garment is found, and the first
        few = corners[np.linspace(0, len(corners) - 1, min(len(corners), MOST_POINTS // 4)).astype(int)]
        kept = np.union1d(few, [max(at - 1, 0), len(recall) - 1])
        x, y = pixels(np.insert(recall[kept], 0, 0), np.insert(precision[kept], 0, precision[0]))
        outline = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        parts.append(f'<polygon class="area a" points="16,104 {outline} {x[-1]:.1f},104"/>')
        parts.append(_path(x, y, "a", dots=False))
        if at:
            x, y = pixels(recall[at - 1], precision[at - 1])
            parts.append(f'<circle class="ink" cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
    frame = 'class="small" viewBox="0 0 120 118" role="img" aria-label="precision against recall"'
    return f"<svg {frame}>{''.join(parts)}</svg>"


def picture(example: Example, found: Detections, truth: Sample, names: Sequence[str]) -> str:
    """The photograph with its boxes over it in HTML: sharp at any size, in any script."""
    boxes = [(truth.boxes[t], "missed", names[truth.labels[t] - 1]) for t in example.missed]
    for style, chosen in (("wrong", example.wrong), ("right", example.right)):
        boxes += [(found.boxes[d], style, f"{names[found.labels[d] - 1]} {found.scores[d]:.2f}") for d in chosen]
    photograph = Image.fromarray(read_image(truth.image_path))
    photograph.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    content = io.BytesIO()
    photograph.save(content, "JPEG", quality=85)
    data = base64.b64encode(content.getvalue()).decode()
    caption = html.escape(f"{example.caption} ({truth.image_id})")
    frame = f'<img alt="{caption}" src="data:image/jpeg;base64,{data}">{_boxes(boxes, truth)}'
    return f'<figure><div class="frame">{frame}</div><figcaption>{caption}</figcaption></figure>'


def _boxes(boxes: Sequence[tuple[np.ndarray, str, str]], truth: Sample) -> str:
    """Boxes with style and words, in percent of the picture; each label where it covers the earlier ones least.

    Only the browser knows how large a label is; here it is taken for LABEL of a picture's width.
    """
    drawn, taken = [], []
    for box, style, words in boxes:
        x1, y1, x2, y2 = (float(v) / side for v, side in zip(box, (truth.width, truth.height) * 2, strict=True))
        width, height = LABEL[0] * len(words), LABEL[1] * truth.width / truth.height
        side = "end" if x2 > 1 - x1 else "start"  # towards the picture's middle
        left = x2 - width if side == "end" else x1
        tops = {"above": y1 - height, "top": y1, "bottom": y2 - height, "below": y2}
        places = {name: np.array([[left, top, left + width, top + height]]) for name, top in tops.items()}
        inside = {name: place for name, place in places.items() if place[0, 1] >= 0 and place[0, 3] <= 1}
        free = {n: sum(iou_matrix(place, other).item() for other in taken) for n, place in inside.items()}
        where = min(free, key=free.get, default="top")
        taken.append(places[where])
        frame = f"left:{x1:.2%};top:{y1:.2%};width:{x2 - x1:.2%};height:{y2 - y1:.2%}"
        label = f'<b class="{side} {where}">{html.escape(words)}</b>'
        drawn.append(f'<i class="box {style}" style="{frame}">{label}</i>')
    return "".join(drawn)
