"""The formats of annotated images: a format is a reader in a file of its own, and a line here."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.data.formats import coco, csv_table, deepfashion2, labelme, voc, yolo
from minircnn.data.formats.coco_writer import CocoWriter
from minircnn.data.formats.layout import WHOLE, Opener
from minircnn.data.formats.writing import Writers

#: What `--format` calls a format → what finds its splits in a folder, each with what opens it; none where the folder
#: holds something else.
FORMATS: dict[str, Callable[[Path], dict[str, Opener]]] = {
    "deepfashion2": deepfashion2.splits,
    "coco": coco.splits,
    "voc": voc.splits,
    "yolo": yolo.splits,
    "csv": csv_table.splits,
    "labelme": labelme.splits,
}
AUTO = "auto"
#: What writes each.
WRITERS: Writers = {
    "deepfashion2": deepfashion2.DeepFashion2Writer,
    "coco": CocoWriter,
    "voc": voc.VocWriter,
    "yolo": yolo.YoloWriter,
    "csv": csv_table.CsvWriter,
    "labelme": labelme.LabelMeWriter,
}


def check_format(name: str) -> None:
    """InputError where there is no such format."""
    if name not in (AUTO, *FORMATS):
        raise InputError(f"format should be one of {AUTO}, {', '.join(FORMATS)}, not {name!r}")


def find_splits(folder: Path, format: str) -> tuple[str, dict[str, Opener]]:
    """The format of a data set, told from its content where it is "auto", and its splits.

    Raises
    ------
    InputError : the content is of no format, or of several
    """
    check_format(format)
    if not folder.exists():
        raise InputError(f"{folder}: no such folder; give one that holds images and their annotations")
    faults: list[InputError] = []
    if format != AUTO:
        found = {format: FORMATS[format](folder)}
    else:
        found, faults = _found(folder)
    found = {name: splits for name, splits in found.items() if splits}
    if not found and faults:
        raise faults[0]
    if len(found) > 1:
        kinds = ", ".join(f"{name} ({', '.join(splits)})" for name, splits in found.items())
        raise InputError(f"{folder}: holds annotations of several formats, {kinds}; say which with --format")
    if not found:
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        there = f"it holds {', '.join(names[:6])}{', …' if len(names) > 6 else ''}" if names else "it is empty"
        if folder.is_file():
            there = "it is a file"
        wanted = ", ".join(FORMATS) if format == AUTO else format
        raise InputError(f"{folder}: no annotations that are read as {wanted} ({there}); see docs/data.md")
    return next(iter(found.items()))


def _found(folder: Path) -> tuple[dict[str, dict[str, Opener]], list[InputError]]:
    """What each format finds in a folder, and what is wrong with what others would have read.

    image/ beside annos/ is nobody else's layout: other files in such a folder are no matter. One of the two alone is
    DeepFashion2's where nothing else is found.
    """
    if whole := deepfashion2.splits(folder):
        return {"deepfashion2": whole}, []
    found, faults = dict[str, dict[str, Opener]](), list[InputError]()
    for name, find in FORMATS.items():
        try:
            found[name] = find(folder)
        except InputError as fault:  # a stray data.yaml is no matter where the labels are another format's
            faults.append(fault)
    if not any(found.values()) and not faults:
        found["deepfashion2"] = deepfashion2.splits(folder, half=True)
    return found, faults


def truth_beside(image: Path, height: int, width: int) -> tuple[np.ndarray, list[str]] | None:
    """Boxes (G, 4) and class names that are annotated in an image, where its annotation lies as a format has it."""
    return deepfashion2.DeepFashion2.beside(image, height, width)


__all__ = ["AUTO", "FORMATS", "WHOLE", "WRITERS", "check_format", "find_splits", "truth_beside"]
