"""Pictures on one, as in the README: `python tests/tools/contact_sheet.py SHEET PICTURE…`."""

import math
import sys
from collections.abc import Sequence

import numpy as np
from PIL import Image

QUALITY = 85


def fitted(pixels: np.ndarray, side: int = 400) -> np.ndarray:
    """A picture (H, W, 3) uint8 scaled so that its longer side has `side` pixels."""
    picture = Image.fromarray(pixels)
    scale = side / max(picture.size)
    width, height = (max(1, round(length * scale)) for length in picture.size)
    return np.array(picture.resize((width, height), Image.Resampling.LANCZOS))


def contact_sheet(pictures: Sequence[np.ndarray], side: int = 400, gap: int = 8) -> np.ndarray:
    """Pictures (H, W, 3) uint8 on white, each fitted into a square of `side` pixels, about as many across as down."""
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    sheet = np.full((rows * (side + gap) - gap, columns * (side + gap) - gap, 3), 255, np.uint8)
    for number, pixels in enumerate(pictures):
        picture = fitted(pixels, side)
        height, width = picture.shape[:2]
        top = number // columns * (side + gap) + (side - height) // 2
        left = number % columns * (side + gap) + (side - width) // 2
        sheet[top : top + height, left : left + width] = picture
    return sheet


def main(sheet: str, *pictures: str) -> None:
    Image.fromarray(contact_sheet([np.asarray(Image.open(path).convert("RGB")) for path in pictures])).save(
        sheet, quality=QUALITY
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
