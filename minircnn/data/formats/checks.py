"""What every format's reader asks of a file: JSON without a key twice, a box inside its image, a size that is its own.

Each check ends in one sentence with the file, the place in it, and the remedy. A reader hands in the place as `where`.
"""

import json
import math
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.files import read_bytes

MAX_BYTES = 32_000_000  # a thousand times the largest real annotation of one image
TOLERANCE = 1.0  # pixels that a box may reach beyond the image before it is an error; real boxes touch the border


def load_object(path: Path, expected: str) -> dict[str, Any]:
    """The object in the JSON file of one image's annotation; `expected` says what it should hold."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: larger than {MAX_BYTES // 1_000_000} MB, no annotation of one image; replace it")
        annotation = read_object(read_bytes(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check that it is there and readable") from error
    except RecursionError as error:
        raise InputError(f"{path}: JSON nested too deeply to be an annotation; replace the file") from error
    except InputError:
        raise
    except ValueError as error:  # bad JSON, bad UTF-8, or a number of thousands of digits
        raise InputError(f"{path}: not valid JSON ({error}); replace the file") from error
    if not isinstance(annotation, dict):
        raise InputError(f"{path}: the top level is {kind(annotation)}, expected an object with {expected}")
    return annotation


def read_object(content: bytes) -> Any:
    """Parse JSON; a key given twice in one object is a ValueError that names it, where Python would take the last."""
    return _DECODER.decode(content.decode(json.detect_encoding(content)).removeprefix("\ufeff"))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for i, (key, _) in enumerate(pairs) if any(key == other for other, _ in pairs[:i]))
        raise ValueError(f"the key {short(twice)} stands twice in one object")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


def checked_box(value: Any, where: str, height: int, width: int) -> np.ndarray:
    """(x1, y1, x2, y2) as it stands in a file → (4,) float32 in pixels, clipped to the image.

    Raises
    ------
    InputError : it is not four finite numbers; has no area; lies outside the image; or is in fractions of it
    """
    if not isinstance(value, list) or len(value) != 4 or any(type(number) not in (int, float) for number in value):
        raise InputError(f"{where} is {short(value)}, expected four numbers [x1, y1, x2, y2]; correct it")
    if any(type(number) is float and not math.isfinite(number) for number in value):
        raise InputError(f"{where} is {short(value)}, expected finite numbers; correct it")
    x1, y1, x2, y2 = value
    if x2 <= x1 or y2 <= y1:
        raise InputError(
            f"{where} is {short(value)}, which has no area; it needs x1 < x2 and y1 < y2: corners, not a size"
        )
    if min(value) >= 0 and max(value) <= 1:
        raise InputError(
            f"{where} is {short(value)}, all between 0 and 1: fractions of the image, it seems; write pixels "
            f"(x times {width}, y times {height})"
        )
    if x2 - x1 < 1 or y2 - y1 < 1:
        raise InputError(
            f"{where} is {short(value)}, less than one pixel wide or high; if these are fractions of the image, "
            "write pixels, else take the item out"
        )
    if min(x1, y1) < -TOLERANCE or x2 > width + TOLERANCE or y2 > height + TOLERANCE:
        raise InputError(
            f"{where} is {short(value)}, outside the image of {width}×{height} pixels (width×height); correct it"
        )
    clipped = np.array([max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)], np.float32)
    if clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
        raise InputError(f"{where} is {short(value)}, which has no area inside the image; correct it")
    return clipped


def sound_boxes(corners: np.ndarray, height: int, width: int) -> np.ndarray | None:
    """(G, 4) float64 at once: what `checked_box` gives of each, (G, 4) float32; None if it refuses any."""
    least, most = corners[:, :2], corners[:, 2:]
    inside = (least >= -TOLERANCE).all() and (most <= (width + TOLERANCE, height + TOLERANCE)).all()
    if not (inside and (most - least >= 1).all() and (most > 1).any(axis=1).all()):  # NaN is none of these
        return None
    clipped = np.concatenate([np.maximum(least, 0), np.minimum(most, (width, height))], axis=1).astype(np.float32)
    return clipped if (clipped[:, 2:] > clipped[:, :2]).all() else None


def check_size(written: tuple[Any, Any], where: str, height: int, width: int) -> None:
    """InputError where the (width, height) that an annotation was made at is not the image's; 0 or None says nothing.

    Boxes in the pixels of another size would be learned where nothing is.
    """
    if any(type(number) not in (int, float) or number <= 0 for number in written) or written == (width, height):
        return
    turned = ", which its EXIF orientation turns" if written == (height, width) else ""
    raise InputError(
        f"{where}: made for an image of {written[0]:g}×{written[1]:g} pixels (width×height), but its image has "
        f"{width}×{height}{turned}: the boxes would lie wrong; give the image that was annotated"
    )


def plain_name(name: str) -> str:
    """A class name with what people write differently taken out: Unicode form, case, underscores and spaces."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().replace("_", " ").replace("-", " ").split())


def kind(value: object) -> str:
    """What JSON calls a value of this type."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", float: "a fraction"}
    return names.get(type(value), "null" if value is None else "a number")


def short(value: object) -> str:
    """The value as it stands in the file, cut to fit a sentence."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (RecursionError, TypeError):
        return "nested too deeply" if isinstance(value, list | dict) else repr(value)[:60]
    return text if len(text) <= 60 else f"{text[:60]}…"
