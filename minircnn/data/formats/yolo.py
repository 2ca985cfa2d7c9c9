"""YOLO's layout: a text file an image, lines of `class x y width height` in fractions of the image, x and y the middle.

data.yaml says where the splits and what the classes are, or obj.data and obj.names (Darknet), or classes.txt beside
images/ and labels/. An image without a text file shows nothing. Lines of more numbers are polygons, and the box is the
one around them. Facts: https://docs.ultralytics.com/datasets/detect/.
"""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import yaml

from minircnn.base.errors import InputError
from minircnn.base.files import write_text
from minircnn.data.formats.checks import checked_box, short
from minircnn.data.formats.layout import (
    WHOLE,
    Opener,
    check_names,
    files_below,
    folder_splits,
    listed_classes,
    read_text,
    text_lines,
)
from minircnn.data.formats.pictures import Pictures, in_order
from minircnn.data.formats.writing import Annotated, rows
from minircnn.data.image import SUFFIXES
from minircnn.data.reader import Objects

YAML_AT_MOST = 1_000_000  # bytes
KEYS = {"train": ("train",), "validation": ("val", "valid", "validation"), "test": ("test",)}
BEYOND = 0.01  # of the image's side: what a box may reach beyond it by rounding


def splits(folder: Path) -> dict[str, Opener]:
    """What data.yaml or obj.data lists; else folders of images and of text files beside a list of classes."""
    if folder.is_file() and folder.suffix not in (".yaml", ".yml", ".data"):
        return {}
    for path in [folder] if folder.is_file() else sorted([*folder.glob("*.y*ml"), *folder.glob("*.data")]):
        if found := _of_settings(path):
            return found
    names = listed_classes(folder)
    return _laid_out(folder, names) if names else {}


def _laid_out(folder: Path, names: tuple[str, ...]) -> dict[str, Opener]:
    """Splits that only folders name; or the folder as a whole."""
    for inside in (folder / "images", folder):
        if found := folder_splits(inside, lambda path: _opener_of(folder, [path], names)):
            return found
    return {}


def _opener_of(folder: Path, places: list[Path], names: tuple[str, ...]) -> Opener | None:
    """What reads these folders, where there are text files for images of one of them."""
    images = [image for place in places for image in files_below(place, SUFFIXES)]
    if not any(labels_of(image).is_file() for image in images):
        return None
    return partial(Yolo, folder, places, names)


def _of_settings(path: Path) -> dict[str, Opener]:
    """The splits of a data.yaml or obj.data; none where the file is another's."""
    content = _darknet(path) if path.suffix == ".data" else _yaml(path)
    if not isinstance(content, dict) or not content.get("names"):
        return {}
    names = content["names"]
    if path.suffix == ".data":
        names = text_lines(_place(path, path.parent, names))
    if isinstance(names, dict):
        if sorted(names) != list(range(len(names))):
            raise InputError(f"{path}: names are numbered {short(sorted(names, key=str))}; number them 0, 1, 2, …")
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list):
        raise InputError(f"{path}: names is {short(names)}, expected a list of class names; correct it")
    classes = check_names([str(name) if type(name) in (int, float) else name for name in names], f"{path}: names")
    root = path.parent
    if isinstance(given := content.get("path"), str) and (root / given).is_dir():
        root = root / given
    found: dict[str, Opener] = {}
    for split, keys in KEYS.items():
        value = next((content[key] for key in keys if content.get(key)), None)
        if value is None:
            continue
        places = [_place(path, root, place) for place in (value if isinstance(value, list) else [value])]
        found[split] = partial(Yolo, root, places, classes)
    values = [str(content[key]) for key in KEYS["train"] + KEYS["validation"] if content.get(key)]
    if {"train", "validation"} <= found.keys() and len(set(values)) == 1:  # one folder, which nobody has split
        return {WHOLE: found["train"]}
    return found or _laid_out(path.parent, classes)


def _place(path: Path, root: Path, value: object) -> Path:
    """A folder or list that the settings name; "../train/images", as Roboflow writes for train/images, is that."""
    if not isinstance(value, str):
        raise InputError(f"{path}: {short(value)} is no path; write the folder of the images, or a list of them")
    text = value.replace("\\", "/")
    tried = [root / text, path.parent / text]
    while text.startswith("../"):
        text = text.removeprefix("../")
        tried.append(path.parent / text)
    if found := next((place for place in tried if place.exists()), None):
        return found
    raise InputError(f"{path}: names {value!r}, and there is no {tried[0]}; correct the path")


def _yaml(path: Path) -> object:
    try:
        return yaml.safe_load(read_text(path, YAML_AT_MOST))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())[:120]}); correct it") from None


def _darknet(path: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in text_lines(path))
    return {key.strip(): value.strip() for key, sign, value in pairs if sign}


def labels_of(image: Path) -> Path:
    """…/images/train/a.jpg → …/labels/train/a.txt; a.txt beside it where no folder is called images."""
    parts = list(image.parts)
    for position in range(len(parts) - 2, -1, -1):
        if parts[position] == "images":
            other = Path(*parts[:position], "labels", *parts[position + 1 :]).with_suffix(".txt")
            return image.with_suffix(".txt") if image.with_suffix(".txt").is_file() else other
    return image.with_suffix(".txt")


class Yolo:
    """Images of some folders or lists. What a reader has: `minircnn/data/reader.py`."""

    own_names = True

    def __init__(self, folder: Path, places: list[Path], names: tuple[str, ...]):
        self.categories: tuple[str, ...] | None = names
        self.folder = self.image_folder = places[0] if places[0].is_dir() else folder
        pictures = Pictures(folder, [folder, *dict.fromkeys(place.parent for place in places)])
        images = []
        for place in places:
            if place.is_dir():
                images += list(files_below(place, SUFFIXES))
            else:
                images += [pictures.path(line, f"{place}: {line!r}") for line in text_lines(place)]
        if not images:
            raise InputError(f"{places[0]}: holds no image; put the images there")
        try:
            names_below = [path.relative_to(self.image_folder).as_posix() for path in images]
        except ValueError:
            self.image_folder = folder
            names_below = [path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)
                           for path in images]  # fmt: skip
        self.entries: Sequence[str] = in_order(names_below, str(self.folder))
        bare = sum(not labels_of(path).is_file() for path in images)
        self.left_out: tuple[str, ...] = ()
        if bare == len(images):
            raise InputError(
                f"{self.folder}: not one of {bare} images has its text file; put that of {images[0].name} at "
                f"{labels_of(images[0])}"
            )

    def image(self, entry: str) -> Path:
        """The image itself: it is what was listed."""
        return self.image_folder / entry

    def objects(self, entry: str, height: int, width: int) -> Objects:
        """The lines of its text file; none where there is no file."""
        path = labels_of(self.image(entry))
        boxes, names = [], []
        for number, line in enumerate(text_lines(path) if path.is_file() else (), start=1):
            where = f"{path}: object {number}"
            label, box = self._numbers(line, where)
            x1, y1, x2, y2 = box
            if max(-x1, -y1, x2 - 1, y2 - 1) > BEYOND:
                raise InputError(
                    f"{where}: {line[:60]!r} reaches beyond the image; YOLO's numbers are fractions of it, from 0 to "
                    "1, the middle before the size: correct it"
                )
            x1, y1, x2, y2 = max(x1, 0.0), max(y1, 0.0), min(x2, 1.0), min(y2, 1.0)
            corners = [x1 * width, y1 * height, x2 * width, y2 * height]
            boxes.append(checked_box(corners, f"{where}, in pixels", height, width))
            names.append(label)
        return Objects(np.array(boxes, np.float32).reshape(-1, 4), names, np.zeros(len(boxes), bool))

    def _numbers(self, line: str, where: str) -> tuple[str, list[float]]:
        """Class name, and (x1, y1, x2, y2) in fractions."""
        words = line.split()
        try:
            values = [float(word) for word in words]
            whole = all(math.isfinite(value) for value in values) and values[0] == int(values[0])
        except ValueError:
            whole = False
        polygon = len(words) >= 7 and len(words) % 2 == 1
        if whole and len(words) == 6:  # a detection, with its score behind
            words, values = words[:5], values[:5]
        if not whole or not (len(words) == 5 or polygon):
            raise InputError(f"{where}: {line[:60]!r}, expected five numbers: class x y width height; correct it")
        assert self.categories is not None
        if not 0 <= values[0] < len(self.categories):
            raise InputError(
                f"{where}: class {values[0]:g}, and there are {len(self.categories)} names, of 0 to "
                f"{len(self.categories) - 1}; correct it, or name it"
            )
        name = self.categories[int(values[0])]
        if polygon:
            return name, [min(values[1::2]), min(values[2::2]), max(values[1::2]), max(values[2::2])]
        x, y, w, h = values[1:]
        return name, [x - w / 2, y - h / 2, x + w / 2, y + h / 2]

    def files(self, entry: str) -> tuple[Path, ...]:
        """The image and its text file."""
        return self.image(entry), labels_of(self.image(entry))


class YoloWriter:
    """images/train, labels/train and data.yaml. What a writer has: `minircnn/data/formats/writing.py`."""

    keeps_ignore, keeps_folders = False, True

    def __init__(self, folder: Path, class_names: Sequence[str]):
        self._folder, self._class_names, self._splits = folder, list(class_names), dict[str, str]()

    def image(self, split: str, name: str) -> Path:
        """DIR/images/train/…."""
        return self._folder / "images" / split / name

    def add(self, split: str, image: Annotated) -> None:
        """DIR/labels/train/….txt, with as many digits as make the same pixels again."""
        self._splits[{"validation": "val"}.get(split, split)] = f"images/{split}"
        lines = []
        for (x1, y1, x2, y2), name, _, score in rows(image):
            parts = ((x1 + x2) / 2 / image.width, (y1 + y2) / 2 / image.height,
                     (x2 - x1) / image.width, (y2 - y1) / image.height)  # fmt: skip
            numbers = [f"{part:.12g}" for part in parts] + ([] if score is None else [str(score)])
            lines.append(" ".join((str(self._class_names.index(name)), *numbers)) + "\n")
        write_text(labels_of(self.image(split, image.name)), "".join(lines))

    def finish(self) -> None:
        """data.yaml."""
        splits = self._splits
        if WHOLE in splits:
            splits = {"train": splits[WHOLE], "val": splits[WHOLE]}
        content = splits | {"names": dict(enumerate(self._class_names))}
        write_text(self._folder / "data.yaml", yaml.safe_dump(content, allow_unicode=True, sort_keys=False))
