"""Pass over a folder of images and annotations: pair them, check every file, leave an index.

`annotation.py` checks one annotation and `annotation_index.py` holds what is found; `deepfashion2.py` serves it as
samples.
"""

import hashlib
import json
import os
import sys
import unicodedata
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.progress import Progress
from minircnn.data.annotation import read_annotation
from minircnn.data.annotation_index import AnnotationIndex, IndexBuilder
from minircnn.data.image import SUFFIXES, image_size

SMALLEST_SIDE = 16  # pixels: one cell of VGG16's feature map


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

    Attributes
    ----------
    left_out : tuple of str
        A sentence for image/ and one for annos/ where they hold something that is not read at all.

    Notes
    -----
    An image and its annotation are matched by the NFC form of their names: macOS writes "é" as two characters.
    """

    def __init__(
        self, folder: Path, all_names: tuple[str, ...], class_names: tuple[str, ...], limit: int | None, skip_bad: bool
    ):
        self._name = folder.name
        self._image_folder, self._annotation_folder = folder / "image", folder / "annos"
        self._images, others = _listing(self._image_folder, SUFFIXES)
        self._annotations, notes = _listing(self._annotation_folder, (".json",))
        self.left_out = _left_out(self._image_folder, others, "image") + _left_out(
            self._annotation_folder, notes, "annotation"
        )
        self._other_images = {unicodedata.normalize("NFC", os.path.splitext(name)[0]): name for name in others}
        self._stems = sorted(self._images.keys() | self._annotations.keys())[:limit]
        if not self._stems:
            found = f" of what is read ({'; '.join(self.left_out)})" if self.left_out else ""
            raise InputError(f"{folder}: image/ and annos/ are empty{found}; put images and annotations there")
        self._settings = [str(folder.absolute()), all_names, class_names, skip_bad]
        self._skip_bad = skip_bad
        self._all_names = all_names
        self._labels = np.zeros(len(all_names) + 1, np.int64)  # category_id -> label, 0 = not wanted
        for label, name in enumerate(class_names, start=1):
            self._labels[all_names.index(name) + 1] = label

    def index(self, path: Path | None, progress: Progress) -> AnnotationIndex:
        """The index: from `path` while nothing has changed since `keep` wrote it there, else from a new pass."""
        if path is None:
            return self._build(progress)
        self._pass_began_at = self._fingerprint()
        kept = AnnotationIndex.load(path, self._pass_began_at)
        return self._build(progress) if kept is None else kept

    def keep(self, index: AnnotationIndex, path: Path) -> AnnotationIndex:
        """Write what `index` gave to `path`, and give it back as it is there, mapped into memory."""
        kept = AnnotationIndex.load(path, self._pass_began_at)
        if kept is None:
            index.save(path, self._pass_began_at)
            kept = AnnotationIndex.load(path, self._pass_began_at)
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

    def _build(self, progress: Progress) -> AnnotationIndex:
        """Read and check every file."""
        builder = IndexBuilder()
        for done, stem in enumerate(self._stems, start=1):
            try:
                self._add(stem, builder)
            except InputError as error:
                if not self._skip_bad:
                    raise
                builder.skipped.append(str(error))
            progress(f"reading {self._name}", done, len(self._stems), "")
        return builder.finish()

    def _image_path(self, stem: str) -> Path:
        return self._image_folder / _file_name(stem, self._images.get(stem, ".jpg"))

    def _annotation_path(self, stem: str) -> Path:
        return self._annotation_folder / _file_name(stem, self._annotations.get(stem, ".json"))

    def _add(self, stem: str, builder: IndexBuilder) -> None:
        image, annotation = self._image_path(stem), self._annotation_path(stem)
        if stem not in self._annotations:
            remedy = "add it ({} if the image shows no garment), or take the image out"
            raise InputError(f"{image}: has no annotation {annotation}; {remedy}")
        if stem not in self._images:
            there = self._other_images.get(stem)
            but = f" ({there} is of a kind that is not read)" if there else ""
            raise InputError(f"{annotation}: has no image {image}{but}; add it, or take the annotation out")
        height, width = image_size(image)
        if min(height, width) < SMALLEST_SIDE:
            raise InputError(
                f"{image}: {width}×{height} pixels (width×height) is less than one feature cell, {SMALLEST_SIDE} "
                "pixels a side; take it out"
            )
        boxes, category_ids = read_annotation(annotation, height, width, self._all_names)
        labels = self._labels[category_ids]
        builder.add(image.name, height, width, boxes[labels > 0], labels[labels > 0])


def _listing(folder: Path, suffixes: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """NFC stem -> suffix (or the whole name, where that is no NFC) of the files with these suffixes; other names.

    Hidden files are not looked at.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give a folder that holds image/ and annos/")
    found: dict[str, str] = {}
    others = []
    try:
        for name in os.listdir(folder):
            written, suffix = os.path.splitext(name)
            if name.startswith("."):
                continue
            if suffix.lower() not in suffixes:
                others.append(name)
                continue
            stem = unicodedata.normalize("NFC", written)
            if stem in found:
                raise InputError(f"{folder}: holds both {_file_name(stem, found[stem])} and {name}; keep one of them")
            # one string for all suffixes, so that a large folder costs its stems alone
            found[stem] = sys.intern(suffix) if stem == written else name
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from error
    return found, sorted(others)


def _file_name(stem: str, entry: str) -> str:
    """What `_listing` found for a stem: a suffix, or a whole name, which never begins with a dot."""
    return stem + entry if entry.startswith(".") else entry


def _left_out(folder: Path, names: list[str], kind: str) -> tuple[str, ...]:
    if not names:
        return ()
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    return (f"{folder}: {len(names)} left out, no {kind} that is read: {shown}",)


def _state(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"
