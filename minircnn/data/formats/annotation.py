"""Read one DeepFashion2 annotation file and check every value that is used: a bad one is named, never guessed.

`deepfashion2.py` calls it once for each image of a folder; what it returns is kept in an index.
"""

import itertools
import json
import math
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.files import read_bytes

MAX_BYTES = 32_000_000  # a thousand times the largest real annotation
TOLERANCE = 1.0  # pixels that a box may reach beyond the image before it is an error; real boxes touch the border

OTHER_KEYS = {
    "annotations", "images", "objects", "object", "shapes", "regions", "instances", "garments", "clothes", "boxes",
    "bboxes", "boundingbox", "boundingboxes", "bbox", "labels",
}  # fmt: skip
_ITEM = re.compile(r"item([0-9]{1,9})")


def read_annotation(
    path: Path, height: int, width: int, category_names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Read the items of an annotation file.

    Parameters
    ----------
    path : Path
    height, width : int
        Of the image, in pixels.
    category_names : sequence of str
        Names of category 1, 2, …

    Returns
    -------
    boxes : (G, 4) float32 array
        (x1, y1, x2, y2) in pixels, clipped to the image, in the order of the item numbers.
    category_ids : (G,) int64 array
        1..number of categories.

    Raises
    ------
    InputError
        The file cannot be read, is not JSON, holds a key twice, lacks one, or has items under other keys; a value is
        of the wrong type or out of range; category_name contradicts category_id; a box has no area, lies outside the
        image, or is in fractions of it.
    """
    items = _items(_load(path), path)
    boxes = np.zeros((len(items), 4), np.float32)
    category_ids = np.zeros(len(items), np.int64)
    for row, (key, item) in enumerate(items):
        category_ids[row] = _category_id(item, f"{path}: {key}", category_names)
        boxes[row] = _box(item, f"{path}: {key}", height, width)
    return boxes, category_ids


def _load(path: Path) -> dict[str, Any]:
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
        raise InputError(f"{path}: the top level is {_kind(annotation)}, expected an object with keys item1, item2, …")
    return annotation


def read_object(content: bytes) -> Any:
    """Parse JSON; a key given twice in one object is a ValueError that names it, where Python would take the last."""
    return _DECODER.decode(content.decode(json.detect_encoding(content)).removeprefix("\ufeff"))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for i, (key, _) in enumerate(pairs) if any(key == other for other, _ in pairs[:i]))
        raise ValueError(f"the key {_short(twice)} stands twice in one object")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_unique)


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
    _refuse_other_forms(annotation, path, not numbered)
    numbered.sort(key=lambda entry: entry[:2])
    for (number, key, _), (other_number, other, _) in itertools.pairwise(numbered):
        if number == other_number:
            raise InputError(f"{path}: {key} and {other} are the same item; renumber one of them")
    return [(key, value) for _, key, value in numbered]


def _refuse_other_forms(annotation: dict[str, Any], path: Path, empty: bool) -> None:
    """Items under keys that look like item1, or where there is not one item like another form's, would be lost."""
    for key, value in annotation.items():
        plain = re.sub(r"[\W_]+", "", key).casefold()
        alike = re.fullmatch(r"items?[0-9]*", plain) or (empty and plain in OTHER_KEYS)
        if value and isinstance(value, dict | list) and alike and not _ITEM.fullmatch(key):
            form = " (COCO's form)" if plain in ("annotations", "images") else ""
            raise InputError(
                f"{path}: has the key {_short(key)}{form}, which is not read; DeepFashion2's keys are item1, item2, …: "
                "rename it, or convert the annotation"
            )


def _category_id(item: dict[str, Any], where: str, category_names: Sequence[str]) -> int:
    value = _required(item, "category_id", where)
    categories = len(category_names)
    if type(value) is not int:  # bool is an int to isinstance
        raise InputError(f"{where}.category_id is {_kind(value)}, expected a whole number 1..{categories}; correct it")
    if not 1 <= value <= categories:
        raise InputError(
            f"{where}.category_id is {_short(value)}, expected 1..{categories}; correct it, or list all classes in "
            "classes.json"
        )
    _check_name(item.get("category_name"), value, where, category_names)
    return value


def _check_name(name: object, category_id: int, where: str, category_names: Sequence[str]) -> None:
    """category_name is not needed, but where it is given it must be that of category_id."""
    expected = category_names[category_id - 1]
    if name is None or name == "" or name == expected:
        return
    if not isinstance(name, str) or plain_name(name) != plain_name(expected):
        raise InputError(
            f"{where}.category_name is {_short(name)}, but category {category_id} is {_short(expected)}; correct one "
            "of them, or name your own categories in classes.json beside train/ and validation/"
        )


def plain_name(name: str) -> str:
    """A class name with what people write differently taken out: Unicode form, case, underscores and spaces."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().replace("_", " ").replace("-", " ").split())


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
        raise InputError(
            f"{where} is {_short(value)}, which has no area; it needs x1 < x2 and y1 < y2: corners, not a size"
        )
    if min(value) >= 0 and max(value) <= 1:
        raise InputError(
            f"{where} is {_short(value)}, all between 0 and 1: fractions of the image, it seems; write pixels "
            f"(x times {width}, y times {height})"
        )
    if x2 - x1 < 1 or y2 - y1 < 1:
        raise InputError(
            f"{where} is {_short(value)}, less than one pixel wide or high; if these are fractions of the image, "
            "write pixels, else take the item out"
        )
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
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "nested too deeply"
    return text if len(text) <= 60 else f"{text[:60]}…"
