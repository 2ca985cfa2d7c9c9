"""COCO's layout: one JSON file for all images of a split, boxes as [x, y, width, height].

annotations/instances_train2017.json beside train2017/, as COCO has it; train/_annotations.coco.json among the images;
annotations/instances_default.json beside images/; or the JSON file itself. It is streamed, never whole in memory: of a
million objects their numbers are kept, in flat arrays. Facts: https://cocodataset.org/#format-data.
"""

import os
from array import array
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minircnn.base.errors import InputError
from minircnn.data.formats.checks import check_size, checked_box, short, sound_boxes
from minircnn.data.formats.coco_file import CocoFile, is_coco
from minircnn.data.formats.layout import WHOLE, Opener, check_names, files_below, split_of, the_one
from minircnn.data.formats.pictures import Pictures, by_id
from minircnn.data.reader import Objects


def splits(folder: Path) -> dict[str, Opener]:
    """The splits whose JSON files lie in the folder, its annotations/, or folders called after splits."""
    if folder.is_file():
        above = folder.parent.parent if folder.parent.name == "annotations" else folder.parent
        return {WHOLE: partial(Coco, folder, above)} if folder.suffix == ".json" and is_coco(folder) else {}
    if not folder.is_dir():
        return {}
    found: dict[str, list[Path]] = {}
    files = list(files_below(folder, (".json",), depth=1))
    instances = [path for path in files if path.stem.startswith("instances")]
    for path in instances or files:  # not captions_…, person_keypoints_…
        split = split_of(path.stem) or (split_of(path.parent.name) if path.parent != folder else None)
        group = found.setdefault(split or WHOLE, [])
        if len(group) < 20 and is_coco(path):  # of a folder of 100,000 annotations, one an image, a look will do
            group.append(path)
    found = {split: paths for split, paths in found.items() if paths}
    if len(found) > 1:
        found.pop(WHOLE, None)
    return {split: partial(Coco, the_one(paths, folder), folder) for split, paths in found.items()}


class Coco:
    """A split in COCO's form. What a reader has: `minircnn/data/reader.py`.

    iscrowd is `ignore`; where an object has no bbox its polygons give one. An object that is less than a pixel wide or
    high, of which COCO itself has some, is left out with a sentence.

    Parameters
    ----------
    path : the JSON file
    folder : the data set's

    Raises
    ------
    InputError : the file is no JSON of COCO's form, or contradicts itself
    """

    def __init__(self, path: Path, folder: Path):
        self._path, self.folder, self.own_names = path, path.parent if split_of(path.parent.name) else path, True
        self.left_out: tuple[str, ...] = ()
        file = CocoFile(path)
        numbers: dict[int, str] = {}
        groups = set()
        for where, row in file.rows("categories"):
            number, name = self._number(row, "id", where), row.get("name")
            if number in numbers:
                raise InputError(f"{where}: the id {number} stands twice; give every category its own")
            numbers[number] = name  # type: ignore[assignment] # checked below
            groups.add(group if isinstance(group := row.get("supercategory"), str) else None)
        self._images: dict[int, tuple[str, Any, Any]] = {}
        for where, row in file.rows("images"):
            number, name = self._number(row, "id", where), row.get("file_name")
            if number in self._images:
                raise InputError(f"{where}: the id {number} stands twice; give every image its own")
            if not isinstance(name, str) or not name:
                raise InputError(f"{where}: file_name is {short(name)}; write the name of its file")
            self._images[number] = (name, row.get("width"), row.get("height"))
        if not self._images:
            raise InputError(f"{path}: lists no image; give a file with images, annotations and categories")
        self._read_annotations(file, numbers)
        used = set(self._categories.tolist())
        groups &= {name for name in numbers.values() if isinstance(name, str)}
        empty = [n for n, name in numbers.items() if n not in used and name in list(groups) and len(numbers) > 1]
        self._names = {number: name for number, name in sorted(numbers.items()) if number not in empty}
        names = check_names(self._names.values(), f"{path}: categories")
        self.categories: tuple[str, ...] | None = names
        self._names = dict(zip(self._names, names, strict=True))
        if empty:
            shown = ", ".join(repr(numbers[n]) for n in empty)
            self.left_out += (f"{path}: {shown} has no object and is the supercategory of others: left out",)
        numbers_of = {name: number for number, (name, _, _) in self._images.items()}
        names_of = by_id([name for name, _, _ in self._images.values()], str(path))
        self._number_of = {entry: numbers_of[name] for entry, name in names_of.items()}
        self.entries: Sequence[str] = list(names_of)
        self._pictures = Pictures(folder, _roots(path, folder, next(iter(names_of.values()))))
        self.image_folder = self._pictures.roots[0]

    @staticmethod
    def _number(row: dict[str, Any], key: str, where: str) -> int:
        value = row.get(key)
        if type(value) is not int or not -(2**62) < value < 2**62:
            raise InputError(f"{where}: {key} is {short(value)}, expected a whole number; correct it")
        return value

    def _read_annotations(self, file: CocoFile, names: dict[int, str]) -> None:
        """All objects' boxes (x, y, width, height), categories and marks, sorted by image."""
        images, categories, boxes, crowd = array("q"), array("q"), array("d"), bytearray()
        for where, row in file.rows("annotations"):
            image, category = self._number(row, "image_id", where), self._number(row, "category_id", where)
            if image not in self._images:
                raise InputError(f"{where}: image_id is {image}, which is the id of no image; correct it")
            if category not in names:
                raise InputError(f"{where}: category_id is {category}, which is the id of no category; correct it")
            box = row.get("bbox") or _around(row.get("segmentation"))
            if not isinstance(box, list) or len(box) != 4 or any(type(n) not in (int, float) for n in box):
                raise InputError(f"{where}: bbox is {short(box)}, expected [x, y, width, height]; correct it")
            images.append(image)
            categories.append(category)
            boxes.extend(box)
            crowd.append(bool(row.get("iscrowd") or row.get("ignore")))
        by_image = np.argsort(np.array(images, np.int64), kind="stable")
        self._order = by_image
        self._of_image = np.array(images, np.int64)[by_image]
        self._categories = np.array(categories, np.int64)
        self._boxes = np.array(boxes, np.float64).reshape(-1, 4)
        self._crowd = np.frombuffer(bytes(crowd), bool)

    def image(self, entry: str) -> Path:
        """file_name, below the images' folder."""
        return self._pictures.path(self._images[self._number_of[entry]][0], str(self._path))

    def objects(self, entry: str, height: int, width: int) -> Objects:
        """The annotations with its image_id."""
        number = self._number_of[entry]
        check_size(self._images[number][1:], f"{self._path}: image {entry}", height, width)
        first, last = np.searchsorted(self._of_image, (number, number + 1))
        rows = self._order[first:last]
        corners = self._boxes[rows]
        corners[:, 2:] += corners[:, :2]
        if (sound := sound_boxes(corners, height, width)) is not None:
            return Objects(sound, [self._names[k] for k in self._categories[rows].tolist()], self._crowd[rows])
        boxes, names, ignore, left_out = [], [], [], []
        for row in rows.tolist():
            x, y, w, h = self._boxes[row].tolist()
            where = f"{self._path}: annotations[{row}] of {entry}: bbox"
            if w >= 0 and h >= 0 and min(w, h) < 1 and max(x, y) > 1:
                left_out.append(f"{where} is {w:g}×{h:g} pixels: left out")
                continue
            boxes.append(checked_box([x, y, x + w, y + h], where, height, width))
            names.append(self._names[int(self._categories[row])])
            ignore.append(bool(self._crowd[row]))
        stacked = np.array(boxes, np.float32).reshape(-1, 4)
        return Objects(stacked, names, np.array(ignore, bool), tuple(left_out))

    def files(self, entry: str) -> tuple[Path, ...]:
        """Its image, where it should lie, and the JSON file."""
        return self.image_folder / self._images[self._number_of[entry]][0], self._path


def _around(segmentation: object) -> list[float] | None:
    """The box [x, y, width, height] around polygons [[x, y, x, y, …], …]."""
    if not isinstance(segmentation, list) or not segmentation:
        return None
    numbers: list[float] = []
    for polygon in segmentation:
        if not isinstance(polygon, list) or len(polygon) % 2 or any(type(n) not in (int, float) for n in polygon):
            return None
        numbers += polygon
    if len(numbers) < 4:
        return None
    xs, ys = numbers[::2], numbers[1::2]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]


def _roots(path: Path, folder: Path, name: str) -> list[Path]:
    """Folders in which the images may lie, those in which the first one does before the others."""
    after = path.stem.removeprefix("instances_")
    bases = dict.fromkeys((path.parent, folder, path.parent.parent if path.parent != folder else folder))
    inner = ("", after, f"images/{after}", "images", f"images/{split_of(path.stem)}", "data", "img")
    roots = list(dict.fromkeys(base / sub for base in bases for sub in inner))
    roots = [root for root in roots if root == path.parent or root.is_dir()]
    return sorted(roots, key=lambda root: not os.path.isfile(root / name.replace("\\", "/")))
