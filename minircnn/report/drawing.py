"""Detections drawn on their image: a box, a class and a score that can be read, also on an image of 160 pixels.

Comes after detection; the command line saves what this returns. The report draws its boxes in HTML instead.
"""

import colorsys
import functools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SMALLEST_PICTURE = 480  # longer side, pixels; below this a label hides the object it names
GOLDEN_ANGLE = 0.381966  # of a full turn: successive hues fall where the widest gap is
TONES = ((0.62, 0.85), (0.45, 0.75), (0.75, 0.90))  # (lightness, saturation), taken in turn

Box = tuple[float, float, float, float]


def class_colour(label: int) -> tuple[int, int, int]:
    """RGB of a class, 1..K; neighbouring classes differ in hue and in lightness."""
    lightness, saturation = TONES[label % len(TONES)]
    red, green, blue = colorsys.hls_to_rgb(label * GOLDEN_ANGLE % 1.0, lightness, saturation)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw_detections(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    scores: np.ndarray | None = None,
    truth: np.ndarray | None = None,
    others: np.ndarray | None = None,
) -> np.ndarray:
    """Draw boxes with their classes and scores.

    Parameters
    ----------
    image : (H, W, 3) uint8 RGB
    boxes : (D, 4) in pixels of `image`; best first, as `detect` gives them, so that the best lies on top
    labels : (D,) int, 1..K
    class_names : the K names; label i + 1 is class_names[i]
    scores : (D,), optional
        Written behind the names.
    truth : (G, 4), optional
        True boxes, drawn dashed below the others.
    others : (B, 4), optional
        Boxes without a class, drawn thin and grey below all.

    Returns
    -------
    (H', W', 3) uint8 RGB
        The image, enlarged by a whole factor if its longer side is under 480 pixels.
    """
    factor = math.ceil(SMALLEST_PICTURE / max(image.shape[:2]))
    picture = Image.fromarray(image)
    if factor > 1:
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    line = max(2, round(max(picture.size) / 240))
    for box in () if others is None else others:
        pen.rectangle(_inside(box * factor, picture.size, line), outline=(190, 190, 190), width=1)
    for box in () if truth is None else truth:
        _dashed(pen, _inside(box * factor, picture.size, line), line)
    placed = [_inside(box * factor, picture.size, line) for box in boxes]
    for box, label in reversed(list(zip(placed, labels, strict=True))):
        pen.rectangle(box, outline=class_colour(int(label)), width=line)
    words = [_name(int(label), class_names) for label in labels]
    if scores is not None:
        words = [f"{word} {score:.2f}" for word, score in zip(words, scores, strict=True)]
    height = max(13, round(max(picture.size) / 34))
    taken: list[Box] = []
    for box, label, text in zip(placed, labels, words, strict=True):
        font = ImageFont.truetype(_font_file(text) or _own_font(), height)
        taken.append(_write(pen, box, text, class_colour(int(label)), font, taken, picture.size))
    return np.array(picture)


def _name(label: int, class_names: Sequence[str]) -> str:
    """The class's name, or its number where no font on this machine can write the name."""
    name = class_names[label - 1]
    return name if _font_file(name) is not None else f"class {label}"


def can_write(name: str) -> bool:
    """Whether a font of this machine has the letters of a class name."""
    return _font_file(name) is not None


def _inside(box: np.ndarray, size: tuple[int, int], line: int) -> Box:
    """The box in whole pixels, moved so far into the picture that all four of its lines show."""
    width, height = size
    x1, y1, x2, y2 = (round(float(side)) for side in box)
    x1, y1 = min(max(x1, 0), width - 1 - line), min(max(y1, 0), height - 1 - line)
    return x1, y1, min(max(x2, x1 + line), width - 1), min(max(y2, y1 + line), height - 1)


def _dashed(pen: ImageDraw.ImageDraw, box: Box, line: int) -> None:
    """A dashed outline, white over black so that it shows on any ground."""
    x1, y1, x2, y2 = box
    dash = 4 * line
    for ax, ay, bx, by in ((x1, y1, x2, y1), (x1, y2, x2, y2), (x1, y1, x1, y2), (x2, y1, x2, y2)):
        length = max(bx - ax, by - ay)
        pen.line((ax, ay, bx, by), fill="black", width=line)
        for start in range(0, round(length) + 1, 2 * dash):
            end = min(start + dash, length)
            across = (ax + start, ay, ax + end, ay) if by == ay else (ax, ay + start, ax, ay + end)
            pen.line(across, fill="white", width=line)


def _write(
    pen: ImageDraw.ImageDraw,
    box: Box,
    text: str,
    colour: tuple[int, int, int],
    font: ImageFont.FreeTypeFont,
    taken: list[Box],
    size: tuple[int, int],
) -> Box:
    """Put the label above, in or below its box, where it covers the labels before it least; gives its place."""
    ascent, descent = font.getmetrics()
    pad = max(2, ascent // 5)
    width, height = math.ceil(pen.textlength(text, font)) + 2 * pad, ascent + descent
    x = max(0, min(box[0], size[0] - width))
    places = []
    for y in (box[1] - height, box[1], box[3] - height, box[3]):
        y = max(0, min(y, size[1] - height))
        places.append((x, y, x + width, y + height))
    place = min(places, key=lambda candidate: sum(_shared(candidate, other) for other in taken))
    red, green, blue = colour
    dark_ground = 0.299 * red + 0.587 * green + 0.114 * blue < 120
    pen.rectangle(place, fill=colour)
    pen.text((x + pad, place[1]), text, fill="white" if dark_ground else "black", font=font)
    return place


def _shared(a: Box, b: Box) -> float:
    """Area that two rectangles have in common."""
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


@functools.lru_cache(maxsize=1024)
def _font_file(text: str) -> str | None:
    """The first font file with all characters of `text` and of scores: Matplotlib's DejaVu Sans, then the system's."""
    from matplotlib import font_manager

    wanted = {ord(character) for character in text + " .0123456789"}
    if wanted <= _characters(_own_font()):
        return _own_font()
    upright_first = sorted(font_manager.findSystemFonts(), key=lambda file: ("Regular" not in file, file))
    return next((file for file in upright_first if wanted <= _characters(file)), None)


def _own_font() -> str:
    from matplotlib import get_data_path

    return str(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"))


@functools.lru_cache(maxsize=1024)
def _characters(file: str) -> frozenset[int]:
    """Code points that a font file can draw; none if it cannot be opened."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(file).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
