"""Read one DeepFashion2 annotation file and check every value that is used: a bad one is named, never guessed.

`deepfashion2.py` calls it once for each image of a folder; what it returns is kept in an index.
"""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minircnn.base.errors import InputError
from minircnn.data.formats.checks import checked_box, kind, load_object, plain_name, short

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
    items = _items(load_object(path, "keys item1, item2, …"), path)
    boxes = np.zeros((len(items), 4), np.float32)
    category_ids = np.zeros(len(items), np.int64)
    for row, (key, item) in enumerate(items):
        category_ids[row] = _category_id(item, f"{path}: {key}", category_names)
        boxes[row] = _box(item, f"{path}: {key}", height, width)
    return boxes, category_ids


def _items(annotation: dict[str, Any], path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The items by number: item10 after item2, wherever in the file they stand."""
    numbered = []
    for key, value in annotation.items():
        match = _ITEM.fullmatch(key)
        if not match:
            continue
        if not isinstance(value, dict):
            raise InputError(f"{path}: {key} is {kind(value)}, expected an object with category_id and bounding_box")
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
                f"{path}: has the key {short(key)}{form}, which is not read; DeepFashion2's keys are item1, item2, …: "
                "rename it, or convert the annotation"
            )


def _category_id(item: dict[str, Any], where: str, category_names: Sequence[str]) -> int:
    value = _required(item, "category_id", where)
    categories = len(category_names)
    if type(value) is not int:  # bool is an int to isinstance
        raise InputError(f"{where}.category_id is {kind(value)}, expected a whole number 1..{categories}; correct it")
    if not 1 <= value <= categories:
        raise InputError(
            f"{where}.category_id is {short(value)}, expected 1..{categories}; correct it, or list all classes in "
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
            f"{where}.category_name is {short(name)}, but category {category_id} is {short(expected)}; correct one "
            "of them, or name your own categories in classes.json beside train/ and validation/"
        )


def _box(item: dict[str, Any], where: str, height: int, width: int) -> np.ndarray:
    """(4,) float32, clipped to the image."""
    return checked_box(_required(item, "bounding_box", where), f"{where}.bounding_box", height, width)


def _required(item: dict[str, Any], key: str, where: str) -> Any:
    if key not in item:
        raise InputError(f"{where} has no {key}; add it, or take the item out")
    return item[key]
