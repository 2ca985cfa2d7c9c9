"""Boxes, classes and scores drawn on a photograph."""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

SMALLEST_SIDE = 480  # smaller images are enlarged first: text must be legible
PALETTE = (
    (230, 80, 60), (40, 130, 220), (50, 160, 80), (240, 160, 30), (150, 90, 200),
    (0, 160, 160), (220, 90, 160), (120, 110, 40), (90, 90, 110), (180, 60, 30), (20, 90, 140), (110, 150, 20), (160, 40, 110),
)  # fmt: skip


def class_colour(label: int) -> tuple[int, int, int]:
    """RGB of class `label` (1..K); colours repeat after thirteen."""
    return PALETTE[(label - 1) % len(PALETTE)]


def draw_detections(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    scores: np.ndarray | None = None,
    truth: np.ndarray | None = None,
) -> np.ndarray:
    """A copy of `image` with boxes and their names, the best on top; small images are enlarged.

    Parameters
    ----------
    image : (H, W, 3) uint8 RGB
    boxes : (D, 4), labels : (D,), scores : (D,) or None, best first
    truth : (G, 4) true boxes, drawn thin and white, or None

    Returns
    -------
    (H', W', 3) uint8 RGB, H' ≥ H
    """
    factor = max(1, -(-SMALLEST_SIDE // min(image.shape[:2])))
    if factor > 1:
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    canvas = Image.fromarray(np.ascontiguousarray(image))
    pen = ImageDraw.Draw(canvas)
    line = max(2, round(min(image.shape[:2]) / 200))
    font = ImageFont.load_default(size=max(14, round(min(image.shape[:2]) / 30)))
    for box in truth if truth is not None else ():
        pen.rectangle([float(v) * factor for v in box], outline=(255, 255, 255), width=max(1, line // 2))
    for index in reversed(range(len(labels))):
        colour = class_colour(int(labels[index]))
        x1, y1, x2, y2 = (float(v) * factor for v in boxes[index])
        pen.rectangle([x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)], outline=colour, width=line)
        text = class_names[int(labels[index]) - 1] + (f" {scores[index]:.2f}" if scores is not None else "")
        _label(pen, text, x1, y1, colour, font, canvas.size)
    return np.asarray(canvas)


def _label(
    pen: ImageDraw.ImageDraw,
    text: str,
    x: float,
    y: float,
    colour: tuple[int, int, int],
    font: ImageFont.FreeTypeFont,
    size: tuple[int, int],
) -> None:
    """A name on a patch of its colour, above the box's corner or, where there is no room, inside it."""
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 8, bottom - top + 6
    x = min(max(0, x), max(0, size[0] - width))
    y = y - height if y >= height else y
    pen.rectangle([x, y, x + width, y + height], fill=colour)
    pen.text((x + 4 - left, y + 3 - top), text, fill=(255, 255, 255), font=font)
