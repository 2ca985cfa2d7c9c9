"""What a format's reader gives, and the one pass over all its files that leaves an index.

A reader lists what there is and reads one entry; it keeps nothing and knows nothing of classes that are wanted, bad
files or limits. `samples.py` serves the index as samples.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.progress import Progress
from minircnn.data.image import image_size
from minircnn.data.index import AnnotationIndex, IndexBuilder

SMALLEST_SIDE = 16  # pixels: one cell of VGG16's feature map


class Objects(NamedTuple):
    """What is annotated in one image.

    Attributes
    ----------
    boxes : (G, 4) float32, x1, y1, x2, y2 in pixels, clipped to the image
    names : G names of categories
    ignore : (G,) bool, which are neither to be learned nor to be found
    left_out : a sentence for each that is annotated in a way that gives no box
    """

    boxes: np.ndarray
    names: Sequence[str]
    ignore: np.ndarray
    left_out: tuple[str, ...] = ()


class Reader(Protocol):
    """One split of a data set in one format, listed and ready to be read.

    Attributes
    ----------
    folder : the split's
    categories : names of category 1, 2, …; None where the format has no list of them: they are those that occur
    own_names : whether the data names them; else they are taken for the format's own
    left_out : a sentence for each folder that holds something that is not read at all
    entries : a key for each image, its id: the name below `image_folder` without its suffix; sorted
    image_folder : below which the images' names in the index are
    """

    folder: Path
    categories: tuple[str, ...] | None
    own_names: bool
    left_out: tuple[str, ...]
    entries: Sequence[str]
    image_folder: Path

    def image(self, entry: str) -> Path:
        """Where its image lies; InputError where it or its annotation is missing."""

    def objects(self, entry: str, height: int, width: int) -> Objects:
        """What is annotated in its image of that size; InputError where that cannot be read."""

    def files(self, entry: str) -> tuple[Path, ...]:
        """The files that it is read from."""


def build_index(
    reader: Reader, entries: Sequence[str], class_names: Sequence[str] | None, skip_bad: bool, progress: Progress
) -> AnnotationIndex:
    """Read and check every file.

    Parameters
    ----------
    class_names : the classes wanted: label i + 1 is class_names[i]; objects of other classes are dropped. All if None
    skip_bad : leave a bad file out with a sentence in the index, instead of raising
    """
    builder = IndexBuilder(reader.categories if class_names is None else class_names)
    for done, entry in enumerate(entries, start=1):
        try:
            _add(reader, entry, builder)
        except InputError as error:
            if not skip_bad:
                raise
            builder.skipped.append(str(error))
        progress(f"reading {reader.folder.name}", done, len(entries), "")
    return builder.finish()


def _add(reader: Reader, entry: str, builder: IndexBuilder) -> None:
    image = reader.image(entry)
    height, width = image_size(image)
    if min(height, width) < SMALLEST_SIDE:
        raise InputError(
            f"{image}: {width}×{height} pixels (width×height) is less than one feature cell, {SMALLEST_SIDE} "
            "pixels a side; take it out"
        )
    objects = reader.objects(entry, height, width)
    builder.add(name_below(image, reader.image_folder), height, width, objects.boxes, objects.names, objects.ignore)
    builder.left_out += objects.left_out


def name_below(image: Path, folder: Path) -> str:
    """An image's name in the index: its path below the folder, or its whole path where it lies elsewhere."""
    try:
        return image.relative_to(folder).as_posix()
    except ValueError:
        return image.absolute().as_posix()


def fingerprint(reader: Reader, entries: Sequence[str], class_names: Sequence[str] | None, skip_bad: bool) -> str:
    """Digest of what an index depends on: the settings, and name, size and time of change of every file."""
    settings = [type(reader).__name__, str(reader.folder.absolute()), reader.categories, class_names, skip_bad]
    digest = hashlib.sha256(json.dumps(settings).encode())
    for entry in entries:
        for path in reader.files(entry):
            digest.update(os.fsencode(f"{path.name}\0{_state(path)}\0"))
    return digest.hexdigest()


def _state(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"
