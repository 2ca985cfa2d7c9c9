"""Pass over a folder of images and annotations: pair them, check every file, leave an index.

`annotation.py` checks one annotation and `annotation_index.py` holds what is found; `deepfashion2.py` serves it as
samples.
"""

import hashlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from minircnn.data.annotation import read_annotation
from minircnn.data.annotation_index import AnnotationIndex, IndexBuilder
from minircnn.data.image import image_size
from minircnn.errors import InputError

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
SMALLEST_SIDE = 16  # pixels: one cell of VGG16's feature map

Progress = Callable[[int, int], None]


class AnnotatedFolder:
    """The image/ and annos/ of a folder, listed and ready to be indexed.

    Parameters
    ----------
    folder : Path
    all_names : tuple of str
        Name of category 1, 2, …
    class_names : tuple of str
        The classes wanted: label i + 1 is class_names[i]; items of other classes are dropped.
    limit : int or None
        Take the first files by name.
    skip_bad : bool
        Leave a bad file out with a sentence in the index, instead of raising.
    """

    def __init__(
        self, folder: Path, all_names: tuple[str, ...], class_names: tuple[str, ...], limit: int | None, skip_bad: bool
    ):
        self._image_folder, self._annotation_folder = folder / "image", folder / "annos"
        self._images = _listing(self._image_folder, IMAGE_SUFFIXES)
        self._annotations = _listing(self._annotation_folder, (".json",))
        self._stems = sorted(self._images.keys() | self._annotations.keys())[:limit]
        if not self._stems:
            raise InputError(f"{folder}: image/ and annos/ are empty; put images and annotations there")
        self._settings = [str(folder.absolute()), all_names, class_names, skip_bad]
        self._skip_bad = skip_bad
        self._categories = len(all_names)
        self._labels = np.zeros(len(all_names) + 1, np.int64)  # category_id -> label, 0 = not wanted
        for label, name in enumerate(class_names, start=1):
            self._labels[all_names.index(name) + 1] = label

    def index(self, path: Path | None, progress: Progress | None) -> AnnotationIndex:
        """The index: from `path` while nothing has changed, else from a new pass, and then kept there."""
        if path is None:
            return self._build(progress)
        fingerprint = self._fingerprint()
        kept = AnnotationIndex.load(path, fingerprint)
        if kept is None:
            self._build(progress).save(path, fingerprint)
            kept = AnnotationIndex.load(path, fingerprint)
        if kept is None:
            raise InputError(f"{path}: the index was written but cannot be read back; give another place for it")
        return kept

    def _fingerprint(self) -> str:
        """Digest of the settings, and of name, size and time of change of every file."""
        digest = hashlib.sha256(json.dumps(self._settings).encode())
        for stem in self._stems:
            for path in (self._image_path(stem), self._annotation_path(stem)):
                digest.update(os.fsencode(f"{path.name}\0{_state(path)}\0"))
        return digest.hexdigest()

    def _build(self, progress: Progress | None) -> AnnotationIndex:
        """Read and check every file."""
        builder = IndexBuilder()
        for done, stem in enumerate(self._stems, start=1):
            try:
                self._add(stem, builder)
            except InputError as error:
                if not self._skip_bad:
                    raise
                builder.skipped.append(str(error))
            if progress:
                progress(done, len(self._stems))
        return builder.finish()

    def _image_path(self, stem: str) -> Path:
        return self._image_folder / f"{stem}{self._images.get(stem, '.jpg')}"

    def _annotation_path(self, stem: str) -> Path:
        return self._annotation_folder / f"{stem}{self._annotations.get(stem, '.json')}"

    def _add(self, stem: str, builder: IndexBuilder) -> None:
        image, annotation = self._image_path(stem), self._annotation_path(stem)
        if stem not in self._annotations:
            remedy = "add it ({} if the image shows no garment), or take the image out"
            raise InputError(f"{image}: has no annotation {annotation}; {remedy}")
        if stem not in self._images:
            raise InputError(f"{annotation}: has no image {image}; add it, or take the annotation out")
        height, width = image_size(image)
        if min(height, width) < SMALLEST_SIDE:
            raise InputError(
                f"{image}: {width}×{height} pixels (width×height) is less than one feature cell, {SMALLEST_SIDE} "
                "pixels a side; take it out"
            )
        boxes, category_ids = read_annotation(annotation, height, width, self._categories)
        labels = self._labels[category_ids]
        builder.add(image.name, height, width, boxes[labels > 0], labels[labels > 0])


def _listing(folder: Path, suffixes: tuple[str, ...]) -> dict[str, str]:
    """Stem -> suffix of the files with these suffixes; hidden files are not looked at."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give a folder that holds image/ and annos/")
    found: dict[str, str] = {}
    try:
        for name in os.listdir(folder):
            stem, suffix = os.path.splitext(name)
            if name.startswith(".") or suffix.lower() not in suffixes:
                continue
            if stem in found:
                raise InputError(f"{folder}: holds both {stem}{found[stem]} and {name}; keep one of them")
            found[stem] = sys.intern(suffix)  # one string for all, so that a large folder costs its stems alone
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from error
    return found


def _state(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"
