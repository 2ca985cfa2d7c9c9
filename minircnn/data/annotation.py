"""Read one DeepFashion2 annotation file and check every value that is used: a bad one is named, never guessed.

`deepfashion2.py` calls it once for each image of a folder and keeps what it returns in an index.
"""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from minircnn.errors import InputError

MAX_BYTES = 32_000_000  # a thousand times the largest real annotation
TOLERANCE = 1.0  # pixels that a box may reach beyond the image before it is an error; real boxes touch the border

_ITEM = re.compile(r"item([0-9]{1,9})")


def read_annotation(path: Path, height: int, width: int, categories: int) -> tuple[np.ndarray, np.ndarray]:
    """Read the items of an annotation file.

    Parameters
    ----------
    path : Path
    height, width : int
        Of the image, in pixels.
    categories : int
        Highest category_id.

    Returns
    -------
    boxes : (G, 4) float32 array
        (x1, y1, x2, y2) in pixels, clipped to the image, in the order of the item numbers.
    category_ids : (G,) int64 array
        1..categories.

    Raises
    ------
    InputError
        The file cannot be read, is not JSON or lacks a key; a value is of the wrong type or out of range; a box has
        no area or lies outside the image.
    """
    items = _items(_load(path), path)
    boxes = np.zeros((len(items), 4), np.float32)
    category_ids = np.zeros(len(items), np.int64)
    for row, (key, item) in enumerate(items):
        category_ids[row] = _category_id(item, f"{path}: {key}", categories)
        boxes[row] = _box(item, f"{path}: {key}", height, width)
    return boxes, category_ids


def _load(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: larger than {MAX_BYTES // 1_000_000} MB, no annotation of one image; replace it")
        annotation = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check that it is there and readable") from error
    except RecursionError as error:
        raise InputError(f"{path}: JSON nested too deeply to be an annotation; replace the file") from error
    except InputError:
        raise
    except ValueError as error:  # bad JSON, bad UTF-8, or a number of thousands of digits
        raise InputError(f"{path}: not valid JSON ({error}); replace the file") from error
    if not isinstance(annotation, dict):
        raise InputError(f"{path}: the top level is {_kind(annotation)}, expected an object with keys item1, item2, …")
    return annotation


def _items(annotation: dict[str, Any], path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The items by number: item10 after item2, wherever in the file they stand."""
    numbered = []
    for key, value in annotation.items():
        match = _ITEM.fullmatch(key)
        if not match:
            continue
        if not isinstance(value, dict):
            raise InputError(f"{path}: {key} is {_kind(value)}, expected an object with category_id and bounding_box")
        numbered.append((int(match[1]), key, value))
    numbered.sort(key=lambda entry: entry[:2])
    return [(key, value) for _, key, value in numbered]


def _category_id(item: dict[str, Any], where: str, categories: int) -> int:
    value = _required(item, "category_id", where)
    if type(value) is not int:  # bool is an int to isinstance
        raise InputError(f"{where}.category_id is {_kind(value)}, expected a whole number 1..{categories}; correct it")
    if not 1 <= value <= categories:
        raise InputError(
            f"{where}.category_id is {_short(value)}, expected 1..{categories}; correct it, or list all classes in "
            "classes.json"
        )
    return value


def _box(item: dict[str, Any], where: str, height: int, width: int) -> np.ndarray:
    """(4,) float32, clipped to the image."""
    value = _required(item, "bounding_box", where)
    where = f"{where}.bounding_box"
    if not isinstance(value, list) or len(value) != 4 or any(type(number) not in (int, float) for number in value):
        raise InputError(f"{where} is {_short(value)}, expected four numbers [x1, y1, x2, y2]; correct it")
    if any(type(number) is float and not math.isfinite(number) for number in value):
        raise InputError(f"{where} is {_short(value)}, expected finite numbers; correct it")
    x1, y1, x2, y2 = value
    if x2 <= x1 or y2 <= y1:
        raise InputError(f"{where} is {_short(value)}, which has no area; it needs x1 < x2 and y1 < y2")
    if min(x1, y1) < -TOLERANCE or x2 > width + TOLERANCE or y2 > height + TOLERANCE:
        raise InputError(
            f"{where} is {_short(value)}, outside the image of {width}×{height} pixels (width×height); correct it"
        )
    clipped = np.array([max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)], np.float32)
    if clipped[2] <= clipped[0] or clipped[3] <= clipped[1]:
        raise InputError(f"{where} is {_short(value)}, which has no area inside the image; correct it")
    return clipped


def _required(item: dict[str, Any], key: str, where: str) -> Any:
    if key not in item:
        raise InputError(f"{where} has no {key}; add it, or take the item out")
    return item[key]


def _kind(value: object) -> str:
    """What JSON calls a value of this type."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", float: "a fraction"}
    return names.get(type(value), "null" if value is None else "a number")


def _short(value: object) -> str:
    """The value as it stands in the file, cut to fit a sentence."""
    try:
        text = json.dumps(value)
    except RecursionError:
        return "nested too deeply"
    return text if len(text) <= 60 else f"{text[:60]}…"
