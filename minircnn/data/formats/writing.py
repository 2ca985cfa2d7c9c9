"""What every format's writer has: where an image goes, one image after another, and the end.

A writer takes what a reader gives, and detections with their scores as well. What it cannot keep, its `loses` says.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from minircnn.data.formats.layout import WHOLE


@dataclass(frozen=True)
class Annotated:
    """One image and what is on it.

    Attributes
    ----------
    name : its path below the images' folder, with "/" between folders
    height, width : pixels
    boxes : (G, 4) float32, x1, y1, x2, y2 in pixels
    names : G class names
    ignore : (G,) bool, difficult or crowd
    scores : (G,) float32 of detections; None of true boxes
    path : where the image lies, if not where the writer would put it
    """

    name: str
    height: int
    width: int
    boxes: np.ndarray
    names: Sequence[str]
    ignore: np.ndarray
    scores: np.ndarray | None = None
    path: Path | None = None


class Writer(Protocol):
    """A data set that is being written.

    Attributes
    ----------
    keeps_ignore : whether the format has difficult or crowd objects; where not, they are left out
    keeps_folders : whether images may lie in sub-folders; where not, a/b.jpg is called a__b.jpg
    """

    keeps_ignore: bool
    keeps_folders: bool

    def __init__(self, folder: Path, class_names: Sequence[str]):
        """Nothing is written yet."""

    def image(self, split: str, name: str) -> Path:
        """Where an image of that name goes."""

    def add(self, split: str, image: Annotated) -> None:
        """Write, or keep for the end, what is on an image."""

    def finish(self) -> None:
        """Write what is for all images."""


Writers = dict[str, Callable[[Path, Sequence[str]], Writer]]


def place(folder: Path, split: str) -> Path:
    """The folder of a split; the data set's own where it has none."""
    return folder if split == WHOLE else folder / split


def rows(image: Annotated) -> list[tuple[list[float], str, bool, float | None]]:
    """(box, class name, ignore, score) of each object, in Python's numbers: a float32 as the shortest decimal."""
    scores = [None] * len(image.boxes) if image.scores is None else [plain(score) for score in image.scores]
    boxes = [[plain(value) for value in box] for box in image.boxes]
    return list(zip(boxes, image.names, image.ignore.tolist(), scores, strict=True))


def plain(value: np.floating) -> float:
    """The shortest decimal that is this float32 again: 0.1, not 0.10000000149; a whole number without a fraction."""
    number = float(str(np.float32(value)))
    return int(number) if number.is_integer() else number
