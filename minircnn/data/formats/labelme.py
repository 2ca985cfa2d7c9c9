"""LabelMe's layout: a JSON file beside each image, with "shapes" of points in pixels.

A rectangle or circle is the box around it, a polygon the box around its points; what has no area (point, line) is left
out with a sentence. Shapes of one label and group are one object. A shape whose flag "difficult" is set is `ignore`.
Facts: https://github.com/wkentaro/labelme.
"""

import math
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.files import write_json, write_text
from minircnn.data.formats.checks import check_size, checked_box, load_object, short
from minircnn.data.formats.layout import Opener, check_names, files_below, folder_splits, image_id, listed_classes
from minircnn.data.formats.pictures import Pictures, beside
from minircnn.data.formats.writing import Annotated, place, rows
from minircnn.data.reader import Objects

FLAGS = ("difficult", "ignore", "crowd")
BOX_OF_TWO = ("rectangle", "mask")  # shapes that are given by two corners
AROUND = ("polygon", "oriented_rectangle", "rotation")  # by their points
WITHOUT_AREA = ("point", "points", "line", "linestrip")
MARKS = (b'"shapes"', b'"imagePath"')


def splits(folder: Path) -> dict[str, Opener]:
    """Folders called after splits, or the folder as a whole."""
    return folder_splits(folder, _whole_in)


def _whole_in(folder: Path) -> Opener | None:
    first = next(files_below(folder, (".json",), depth=2), None)
    return partial(LabelMe, folder) if first and _is_labelme(first) else None


def _is_labelme(path: Path) -> bool:
    """Either mark may stand behind the image's own bytes, at the end."""
    with path.open("rb") as file:
        head = file.read(65536)
        size = file.seek(0, 2)
        file.seek(max(0, size - 65536))
        text = head + file.read()
    return all(mark in text for mark in MARKS)


class LabelMe:
    """Images with a JSON file each. What a reader has: `minircnn/data/reader.py`.

    Without a labels.txt the classes are those that occur.
    """

    own_names = True

    def __init__(self, folder: Path):
        self.folder = self.image_folder = folder
        self.categories = listed_classes(folder)
        self._annotations = {
            image_id(path.relative_to(folder).as_posix()): path for path in files_below(folder, (".json",))
        }
        self.entries: Sequence[str] = sorted(self._annotations)
        self._beside = beside(folder)
        self._last: tuple[Path, dict[str, Any]] | None = None
        names = {Path(key).name for key in self._annotations}
        alone = [name for entry, name in self._beside.items() if Path(entry).name not in names]
        self.left_out: tuple[str, ...] = ()
        if alone:
            shown = ", ".join(alone[:5]) + (", …" if len(alone) > 5 else "")
            self.left_out = (f"{folder}: {len(alone)} images left out, without a JSON file: {shown}",)

    def image(self, entry: str) -> Path:
        """imagePath, from the JSON file's folder; the image beside it where that is not there."""
        path = self._annotations[entry]
        name = self._read(path).get("imagePath")
        pictures = Pictures(self.folder, list(dict.fromkeys((path.parent, self.folder, self.folder / "images"))))
        try:
            return pictures.path(name if isinstance(name, str) else "", f"{path}: imagePath")
        except InputError:
            if entry in self._beside:
                return self.folder / self._beside[entry]
            raise

    def objects(self, entry: str, height: int, width: int) -> Objects:
        """The boxes around its shapes."""
        path = self._annotations[entry]
        annotation = self._read(path)
        check_size((annotation.get("imageWidth"), annotation.get("imageHeight")), str(path), height, width)
        shapes = annotation.get("shapes")
        if not isinstance(shapes, list):
            raise InputError(f"{path}: shapes is {short(shapes)}, expected a list; correct it")
        corners: dict[Any, list[float]] = {}
        of: dict[Any, tuple[str, bool, str]] = {}
        left_out = []
        for number, shape in enumerate(shapes):
            where = f"{path}: shapes[{number}]"
            if not isinstance(shape, dict):
                raise InputError(f"{where} is {short(shape)}, expected an object; correct it")
            (name,) = check_names([shape.get("label")], f"{where}: label")
            if name == "__ignore__":
                continue
            if self.categories is not None and name not in self.categories:
                raise InputError(f"{where} is {name!r}, which the list of classes beside it lacks; add it there")
            if (form := shape.get("shape_type") or "polygon") in WITHOUT_AREA:
                left_out.append(f"{where} ({name}) is a {form}, which has no area: left out")
                continue
            group = shape.get("group_id")
            key = (name, group) if isinstance(group, int | str) else number
            box, flags = _box(shape, form, where), shape.get("flags")
            hard = isinstance(flags, dict) and any(flags.get(flag) is True for flag in FLAGS)
            if key in corners:  # of one object, which is difficult where a part of it is
                one, hard = corners[key], hard or of[key][1]
                box = [*map(min, one[:2], box[:2]), *map(max, one[2:], box[2:])]
            corners[key], of[key] = box, (name, hard, where)
        boxes = [checked_box(box, f"{of[key][2]}: points", height, width) for key, box in corners.items()]
        return Objects(
            np.array(boxes, np.float32).reshape(-1, 4),
            [name for name, _, _ in of.values()],
            np.array([hard for _, hard, _ in of.values()], bool),
            tuple(left_out),
        )

    def files(self, entry: str) -> tuple[Path, ...]:
        """The image beside it and its JSON file."""
        return self.folder / self._beside.get(entry, entry), self._annotations[entry]

    def _read(self, path: Path) -> dict[str, Any]:
        """The annotation; the last one is kept, for it is asked for its image and for its shapes."""
        if self._last is None or self._last[0] != path:
            self._last = (path, load_object(path, "shapes and imagePath, as LabelMe writes it"))
        return self._last[1]


def _box(shape: dict[str, Any], form: object, where: str) -> list[float]:
    """Corners around a shape."""
    points = shape.get("points")
    whole = isinstance(points, list) and all(
        isinstance(point, list) and len(point) == 2 and all(type(n) in (int, float) for n in point) for point in points
    )
    if not whole or not points:
        raise InputError(f"{where}: points are {short(points)}, expected [[x, y], …]; correct them")
    if form == "circle" and len(points) == 2:
        (x, y), edge = points
        radius = math.dist((x, y), edge)
        return [x - radius, y - radius, x + radius, y + radius]
    if form not in (*BOX_OF_TWO, *AROUND) or len(points) < (3 if form in AROUND else 2):
        raise InputError(f"{where}: a {short(form)} of {len(points)} points has no box; draw a rectangle or a polygon")
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return [min(xs), min(ys), max(xs), max(ys)]


def _from(folder: Path, path: Path) -> str:
    """The way from a folder to a file, as LabelMe goes it; the whole path where they are on different drives."""
    try:
        return Path(os.path.relpath(path, folder.resolve())).as_posix()
    except ValueError:
        return path.as_posix()


class LabelMeWriter:
    """A JSON file beside each image, and labels.txt. What a writer has: `minircnn/data/formats/writing.py`."""

    keeps_ignore = keeps_folders = True

    def __init__(self, folder: Path, class_names: Sequence[str]):
        self._folder, self._class_names = folder, class_names

    def image(self, split: str, name: str) -> Path:
        """DIR/train/…."""
        return place(self._folder, split) / name

    def add(self, split: str, image: Annotated) -> None:
        """The JSON file beside it."""
        shapes: list[dict[str, Any]] = []
        for (x1, y1, x2, y2), name, ignore, score in rows(image):
            flags = {"difficult": True} if ignore else {}
            shape = {"label": name, "points": [[x1, y1], [x2, y2]], "group_id": None, "shape_type": "rectangle"}
            shapes.append(shape | {"flags": flags} | ({} if score is None else {"score": score}))
        target = self.image(split, image.name).with_suffix(".json")
        name = Path(image.name).name if image.path is None else _from(target.parent, image.path)
        content: dict = {"version": "5.0.1", "flags": {}, "shapes": shapes, "imagePath": name,
                   "imageData": None, "imageHeight": image.height, "imageWidth": image.width}  # fmt: skip
        write_json(target, content)

    def finish(self) -> None:
        """labels.txt: the order of the classes, as LabelMe's own tools read it."""
        write_text(self._folder / "labels.txt", "\n".join(("__ignore__", "_background_", *self._class_names)) + "\n")
