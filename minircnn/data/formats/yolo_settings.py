"""data.yaml of Ultralytics and Roboflow, obj.data of Darknet: what the classes are called, and where the splits lie."""

import os
from pathlib import Path
from typing import NamedTuple

import yaml

from minircnn.base.errors import InputError
from minircnn.data.formats.checks import short
from minircnn.data.formats.layout import check_names, opened_text, text_lines

DARKNETS = "data/"  # the folder that Darknet's own examples lie in
AT_MOST = 1_000_000  # bytes
KEYS = {"train": ("train",), "validation": ("val", "valid", "validation"), "test": ("test",)}


class YoloSettings(NamedTuple):
    """What such a file says.

    Attributes
    ----------
    root : the folder that paths are relative to
    names : of class 0, 1, …
    places : split → folders of images, and lists of them
    keypoints : whether keypoints stand behind the boxes
    """

    root: Path
    names: tuple[str, ...]
    places: dict[str, list[Path]]
    keypoints: bool


def read_settings(path: Path) -> YoloSettings | None:
    """What the file says; None where it is another's.

    Raises
    ------
    InputError : it is broken, or names a folder that is not there or lies outside the data set's
    """
    content = _darknet(path) if path.suffix == ".data" else _yaml(path)
    if not isinstance(content, dict) or not content.get("names"):
        return None
    root = path.parent
    if isinstance(given := content.get("path"), str) and (root / given).is_dir():
        root = root / given
    names, places = _names(path, content["names"]), {}
    for split, keys in KEYS.items():
        if value := next((content[key] for key in keys if content.get(key)), None):
            places[split] = [_place(path, root, place) for place in (value if isinstance(value, list) else [value])]
    return YoloSettings(root, names, places, "kpt_shape" in content)


def _names(path: Path, names: object) -> tuple[str, ...]:
    """A list, numbers with names, or, of obj.data, a file of names."""
    if path.suffix == ".data":
        names = list[object](text_lines(_place(path, path.parent, names)))
    if isinstance(names, dict):
        if sorted(names, key=str) != sorted(range(len(names)), key=str):
            raise InputError(f"{path}: names are numbered {short(sorted(names, key=str))}; number them 0, 1, 2, …")
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list):
        raise InputError(f"{path}: names is {short(names)}, expected a list of class names; correct it")
    return check_names([str(name) if type(name) in (int, float) else name for name in names], f"{path}: names")


def _place(path: Path, root: Path, value: object) -> Path:
    """A folder or file that the settings name.

    "../train/images", as Roboflow writes for train/images, is that. Only an absolute path, or one below an explicit
    `path`, may lie outside the settings' own folder.
    """
    if not isinstance(value, str):
        raise InputError(f"{path}: {short(value)} is no path; write the folder of the images, or a list of them")
    text = value.replace("\\", "/")
    inside = text
    while inside.startswith("../"):
        inside = inside.removeprefix("../")
    without = inside.removeprefix(DARKNETS)  # as CVAT's export has it, where nothing is called so
    tried = [place for base in (root, path.parent) for place in (base / inside, base / text, base / without)]
    for place in tried:
        if not _is_there(place):
            continue
        real = Path(os.path.abspath(place))
        if os.path.isabs(text) or any(real.is_relative_to(os.path.abspath(base)) for base in (root, path.parent)):
            return place
        raise InputError(f"{path}: {value!r} lies outside {root}; move it there, or say `path:` in the file")
    raise InputError(f"{path}: names {value!r}, and there is no {root / text}; correct the path")


def _is_there(place: Path) -> bool:
    try:
        return place.exists()
    except OSError:  # longer than any name may be
        return False


def _yaml(path: Path) -> object:
    try:
        if path.stat().st_size > AT_MOST:
            return None
        with opened_text(path) as file:
            return yaml.safe_load(file.read())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())[:120]}); correct it") from None


def _darknet(path: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in text_lines(path))
    return {key.strip(): value.strip() for key, sign, value in pairs if sign}
