"""A table: a row an object, `image,x1,y1,x2,y2,class`, in pixels; a row with nothing but the image shows nothing.

Other tools' names of the columns are known (filename, xmin, …), as are tables without a first row of names
(keras-retinanet's), and semicolons and tabs for commas. A column `difficult` or `ignore` marks objects.
"""

import csv
import io
from array import array
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.files import write_text
from minircnn.data.formats.checks import check_size, checked_box
from minircnn.data.formats.layout import (
    WHOLE,
    Opener,
    check_names,
    encoding_of,
    files_below,
    listed_classes,
    opened_text,
    split_of,
    the_one,
)
from minircnn.data.formats.pictures import Pictures, by_id
from minircnn.data.formats.writing import Annotated, place, rows
from minircnn.data.reader import Objects

COLUMNS = {
    "image": ("image", "filename", "file_name", "file", "path", "image_path", "img", "image_name", "imagename"),
    "x1": ("x1", "xmin", "x_min", "left", "bbox_x1"),
    "y1": ("y1", "ymin", "y_min", "top", "bbox_y1"),
    "x2": ("x2", "xmax", "x_max", "right", "bbox_x2"),
    "y2": ("y2", "ymax", "y_max", "bottom", "bbox_y2"),
    "class": ("class", "label", "class_name", "label_name", "category", "name", "classname"),
    "ignore": ("difficult", "ignore", "iscrowd", "crowd"),
    "width": ("width", "image_width", "img_width"),
    "height": ("height", "image_height", "img_height"),
}
NEEDED = ("image", "x1", "y1", "x2", "y2", "class")
WIDTH_AND_HEIGHT = ("w", "h", "bbox_width", "bbox_height", "box_width", "box_height")
TRUE, FALSE = ("1", "true", "yes"), ("", "0", "false", "no")
FORMULA = tuple("=+-@\t\r")  # with what a spreadsheet begins to calculate


def splits(folder: Path) -> dict[str, Opener]:
    """Tables that are called after splits, or lie in folders that are; or the one that there is."""
    if folder.is_file():
        return {WHOLE: partial(CsvTable, folder, folder.parent)} if folder.suffix.lower() in (".csv", ".tsv") else {}
    if not folder.is_dir():
        return {}
    found: dict[str, list[Path]] = {}
    for path in files_below(folder, (".csv", ".tsv"), depth=1):
        split = split_of(path.stem) or (split_of(path.parent.name) if path.parent != folder else None) or WHOLE
        if _is_table(path):
            found.setdefault(split, []).append(path)
    if len(found) > 1:
        found.pop(WHOLE, None)
    return {split: partial(CsvTable, the_one(paths, folder), folder) for split, paths in found.items()}


def _is_table(path: Path) -> bool:
    with path.open(encoding=encoding_of(path), errors="replace") as file:
        line = file.readline(4096)
    return bool(line.strip()) and _columns(next(csv.reader([line], delimiter=_delimiter(line)))) is not None


def _delimiter(line: str) -> str:
    return max(",;\t", key=line.count)


def _columns(cells: list[str]) -> dict[str, int] | None:
    """What the first row's cells say: column → position; those of a table without names; None of another table."""
    plain = [cell.strip().casefold() for cell in cells]
    found = {column: plain.index(name) for column, names in COLUMNS.items() for name in names[::-1] if name in plain}
    if all(column in found for column in NEEDED):
        return found
    if len(cells) == 6 and (all(map(_is_number, cells[1:5])) or not any(cells[1:])):
        return dict(zip(NEEDED, range(6), strict=True))
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class CsvTable:
    """One table. What a reader has: `minircnn/data/reader.py`. Without a classes.txt the classes are those that occur.

    Raises
    ------
    InputError : it is no such table, or a row lacks a cell
    """

    own_names = True

    def __init__(self, path: Path, folder: Path):
        self._path, self.folder = path, path
        self.left_out: tuple[str, ...] = ()
        names: dict[str, int] = {}
        self._texts: dict[str, int] = {}
        self._of, self._lines, self._labels = array("i"), array("i"), array("i")
        self._boxes, self._ignore, self._sizes = array("d"), bytearray(), dict[int, tuple[float, float]]()
        for line, cells, at in self._rows():
            where = f"{path}: line {line}"
            if not (named := unguarded(cells[at["image"]])):
                raise InputError(f"{where}: names no image; write the name of its file")
            image = names.setdefault(named, len(names))
            if {"width", "height"} <= at.keys() and image not in self._sizes:
                width, height = (cells[at[key]] for key in ("width", "height"))
                if _is_number(width) and _is_number(height):
                    self._sizes[image] = (float(width), float(height))
            corners = [cells[at[key]].strip() for key in ("x1", "y1", "x2", "y2")]
            if not any(corners) and not cells[at["class"]].strip():
                continue
            for text in corners:
                if not _is_number(text):
                    raise InputError(f"{where}: {text[:40]!r} stands where a coordinate should; write pixels")
            (name,) = check_names([unguarded(cells[at["class"]])], f"{where}: class")
            mark = cells[at["ignore"]].strip().casefold() if "ignore" in at else ""
            if mark not in TRUE + FALSE:
                raise InputError(f"{where}: {mark[:40]!r} stands in the column of difficult objects; write 1 or 0")
            self._of.append(image)
            self._lines.append(line)
            self._labels.append(self._texts.setdefault(name, len(self._texts)))
            self._boxes.extend(map(float, corners))
            self._ignore.append(mark in TRUE)
        if not names:
            raise InputError(f"{path}: holds no row; write one an object: image,x1,y1,x2,y2,class")
        self.categories = listed_classes(path.parent) or listed_classes(folder)
        if self.categories is not None and (others := self._texts.keys() - set(self.categories)):
            raise InputError(f"{path}: {min(others)!r} is not in the list of classes beside it; add it there")
        self._names_of = by_id(names, str(path))
        self._numbers = {entry: names[name] for entry, name in self._names_of.items()}
        self.entries: Sequence[str] = list(self._names_of)
        order = np.argsort(np.array(self._of, np.int32), kind="stable")
        self._order, self._sorted = order, np.array(self._of, np.int32)[order]
        self._names = list(self._texts)
        roots = [path.parent, path.parent / path.stem, path.parent / "images", folder, folder / "images"]
        self._pictures = Pictures(folder, [root for root in dict.fromkeys(roots) if root.is_dir()])
        self.image_folder = path.parent

    def _rows(self) -> Iterator[tuple[int, list[str], dict[str, int]]]:
        """(line, cells, column → position) for each row that is not empty."""
        at: dict[str, int] | None = None
        with opened_text(self._path) as file:
            if not (first := file.readline()):
                raise InputError(f"{self._path}: is empty; write one row an object: image,x1,y1,x2,y2,class")
            file.seek(0)
            reader = csv.reader(file, delimiter=_delimiter(first), strict=True)
            try:
                for cells in reader:
                    if not any(cell.strip() for cell in cells):
                        continue
                    if at is None:
                        at = self._meaning(cells)
                        if not _is_number(cells[at["x1"]]) and cells[at["x1"]].strip():
                            continue
                    if len(cells) <= max(at.values()):
                        where = f"{self._path}: line {reader.line_num}"
                        raise InputError(f"{where} has {len(cells)} cells, too few; fill them")
                    yield reader.line_num, cells, at
            except csv.Error as error:
                raise InputError(f"{self._path}: line {reader.line_num} is no CSV ({error}); correct it") from None

    def _meaning(self, cells: list[str]) -> dict[str, int]:
        if (found := _columns(cells)) is not None:
            return found
        shown = ", ".join(cells)[:80]
        sizes = any(cell.strip().casefold() in WIDTH_AND_HEIGHT for cell in cells)
        but = "; boxes should be corners, not sizes" if sizes else ""
        raise InputError(f"{self._path}: its columns are {shown}; name them image,x1,y1,x2,y2,class{but}")

    def image(self, entry: str) -> Path:
        """The image of that name, below the table's folder."""
        return self._pictures.path(self._names_of[entry], str(self._path))

    def objects(self, entry: str, height: int, width: int) -> Objects:
        """Its rows."""
        number = self._numbers[entry]
        if number in self._sizes:
            check_size(self._sizes[number], f"{self._path}: {entry}", height, width)
        first, last = np.searchsorted(self._sorted, (number, number + 1))
        boxes, names, ignore = [], [], []
        for row in self._order[first:last].tolist():
            where = f"{self._path}: line {self._lines[row]}"
            boxes.append(checked_box(list(self._boxes[4 * row : 4 * row + 4]), where, height, width))
            names.append(self._names[self._labels[row]])
            ignore.append(bool(self._ignore[row]))
        return Objects(np.array(boxes, np.float32).reshape(-1, 4), names, np.array(ignore, bool))

    def files(self, entry: str) -> tuple[Path, ...]:
        """Its image, where it should lie, and the table."""
        return self.image_folder / self._names_of[entry], self._path


class CsvWriter:
    """DIR/train/annotations.csv among the images, and classes.txt. What a writer has: `formats/writing.py`."""

    keeps_ignore = keeps_folders = True

    def __init__(self, folder: Path, class_names: Sequence[str]):
        self._folder, self._class_names = folder, class_names
        self._tables: dict[str, io.StringIO] = {}

    def image(self, split: str, name: str) -> Path:
        """DIR/train/…."""
        return place(self._folder, split) / name

    def add(self, split: str, image: Annotated) -> None:
        """A row an object, or one without a box."""
        table = self._tables.setdefault(split, io.StringIO())
        out = csv.writer(table, lineterminator="\n")
        if not table.tell():
            out.writerow((*NEEDED, "difficult", *(() if image.scores is None else ("score",))))
        blank = ("",) * (6 if image.scores is None else 7)
        found = [(*box, guarded(name), int(ignore), *(() if score is None else (score,)))
                 for box, name, ignore, score in rows(image)]  # fmt: skip
        out.writerows((guarded(image.name), *row) for row in found or [blank])

    def finish(self) -> None:
        """The tables, and the order of the classes."""
        for split, table in self._tables.items():
            write_text(place(self._folder, split) / "annotations.csv", table.getvalue())
        write_text(self._folder / "classes.txt", "\n".join(self._class_names) + "\n")


def guarded(text: str) -> str:
    """A name that a spreadsheet would take for a formula, behind an apostrophe."""
    return f"'{text}" if text[:1] in FORMULA else text


def unguarded(text: str) -> str:
    """What `guarded` was given."""
    text = text.strip()
    return text[1:] if text[:1] == "'" and text[1:2] in FORMULA and text[1:] else text
