"""YOLO's layout: a text file an image, lines of `class x y width height` in fractions of the image, x and y the middle.

data.yaml says where the splits and what the classes are, or obj.data and obj.names (Darknet), or classes.txt beside
images/ and labels/. An image without a text file shows nothing. Lines of more numbers are polygons, and the box is the
one around them; or, where data.yaml has a kpt_shape, a box with keypoints behind it. Facts: https://docs.ultralytics.com/datasets/detect/.
"""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import yaml

from minircnn.base.errors import InputError
from minircnn.base.files import write_text
from minircnn.data.formats.checks import checked_box
from minircnn.data.formats.layout import (
    WHOLE,
    Opener,
    files_below,
    folder_splits,
    listed_classes,
    text_lines,
)
from minircnn.data.formats.pictures import Pictures, by_id
from minircnn.data.formats.writing import Annotated, rows
from minircnn.data.formats.yolo_settings import DARKNETS, YoloSettings, read_settings
from minircnn.data.image import SUFFIXES
from minircnn.data.reader import Objects, name_below

BEYOND = 0.01  # of the image's side: what a box may reach beyond it by rounding


def splits(folder: Path) -> dict[str, Opener]:
    """What data.yaml or obj.data lists; else folders of images and of text files beside a list of classes."""
    if folder.is_file() and folder.suffix not in (".yaml", ".yml", ".data"):
        return {}
    for path in [folder] if folder.is_file() else sorted([*folder.glob("*.y*ml"), *folder.glob("*.data")]):
        if settings := read_settings(path):
            return _named(settings) or _laid_out(path.parent, settings.names, settings.keypoints)
    names = listed_classes(folder)
    return _laid_out(folder, names) if names else {}


def _named(settings: YoloSettings) -> dict[str, Opener]:
    """The splits that the settings name."""
    found: dict[str, Opener] = {
        split: partial(Yolo, settings.root, places, settings.names, settings.keypoints)
        for split, places in settings.places.items()
    }
    if "train" in found and settings.places["train"] == settings.places.get("validation"):
        return {WHOLE: found["train"]}  # one folder, which nobody has split
    return found


def _laid_out(folder: Path, names: tuple[str, ...], keypoints: bool = False) -> dict[str, Opener]:
    """Splits that only folders name; or the folder as a whole."""

    def opener(inside: Path) -> Opener | None:
        labelled = any(labels_of(image).is_file() for image in files_below(inside, SUFFIXES))
        return partial(Yolo, folder, [inside], names, keypoints) if labelled else None

    for inside in (folder / "images", folder):
        if found := folder_splits(inside, opener):
            return found
    return {}


def labels_of(image: Path) -> Path:
    """…/images/train/a.jpg → …/labels/train/a.txt; a.txt beside it where no folder is called images."""
    parts = list(image.parts)
    for position in range(len(parts) - 2, -1, -1):
        if parts[position] == "images":
            other = Path(*parts[:position], "labels", *parts[position + 1 :]).with_suffix(".txt")
            return image.with_suffix(".txt") if image.with_suffix(".txt").is_file() else other
    return image.with_suffix(".txt")


def _listed(pictures: Pictures, line: str) -> str:
    """A line of a list of images; without the folder "data" where no image is there, as CVAT writes it."""
    there = any((root / line).is_file() for root in pictures.roots)
    return line if there else line.removeprefix(DARKNETS)


class Yolo:
    """Images of some folders or lists. What a reader has: `minircnn/data/reader.py`."""

    own_names = True

    def __init__(self, folder: Path, places: list[Path], names: tuple[str, ...], keypoints: bool = False):
        self._names, self._keypoints = names, keypoints
        self.categories: tuple[str, ...] | None = names
        self.folder = self.image_folder = places[0] if places[0].is_dir() else folder
        pictures = Pictures(folder, [folder, *dict.fromkeys(place.parent for place in places)])
        images = []
        for place in places:
            if place.is_dir():
                images += list(files_below(place, SUFFIXES))
            else:
                images += [pictures.path(_listed(pictures, line), f"{place}: {line!r}") for line in text_lines(place)]
        if not images:
            raise InputError(f"{places[0]}: holds no image; put the images there")
        if any(not path.is_relative_to(self.image_folder) for path in images):
            self.image_folder = folder
        self._images = by_id((name_below(path, self.image_folder) for path in images), str(self.folder))
        self.entries: Sequence[str] = list(self._images)
        bare = [path for path in images if not labels_of(path).is_file()]
        self.left_out: tuple[str, ...] = ()
        if len(bare) == len(images):
            raise InputError(
                f"{self.folder}: not one of {len(bare)} images has its text file; put that of {images[0].name} at "
                f"{labels_of(images[0])}"
            )
        if bare:
            words = f"{len(bare)} of {len(images)} images have no text file, so nothing is on them: {bare[0].name}"
            self.left_out = (f"{self.folder}: {words}{', …' if len(bare) > 1 else ''}",)

    def image(self, entry: str) -> Path:
        """The image itself: it is what was listed."""
        return self.image_folder / self._images[entry]

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
        if whole and (len(words) == 6 or (self._keypoints and len(words) > 6)):  # behind the box its score, or points
            words, values = words[:5], values[:5]
        polygon = len(words) >= 7 and len(words) % 2 == 1
        if not whole or not (len(words) == 5 or polygon):
            raise InputError(f"{where}: {line[:60]!r}, expected five numbers: class x y width height; correct it")
        if not 0 <= values[0] < len(self._names):
            raise InputError(
                f"{where}: class {values[0]:g}, and there are {len(self._names)} names, of 0 to "
                f"{len(self._names) - 1}; correct it, or name it"
            )
        name = self._names[int(values[0])]
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
            numbers = [f"{part:.15g}" for part in parts] + ([] if score is None else [str(score)])
            lines.append(" ".join((str(self._class_names.index(name)), *numbers)) + "\n")
        write_text(labels_of(self.image(split, image.name)), "".join(lines))

    def finish(self) -> None:
        """data.yaml."""
        splits = self._splits
        if WHOLE in splits:
            splits = {"train": splits[WHOLE], "val": splits[WHOLE]}
        content = splits | {"names": dict(enumerate(self._class_names))}
        write_text(self._folder / "data.yaml", yaml.safe_dump(content, allow_unicode=True, sort_keys=False))
