"""A folder of images beside a folder of annotations, one file for each: listed, and paired by their names.

Names are matched in their NFC form: macOS writes "é" as two characters.
"""

import os
import sys
import unicodedata
from pathlib import Path

from minircnn.base.errors import InputError
from minircnn.data.image import SUFFIXES


class FolderPair:
    """Two folders, listed.

    Parameters
    ----------
    folder : Path, which holds them
    images, annotations : their names
    suffix : of an annotation, ".json"

    Attributes
    ----------
    stems : NFC names without suffix that occur in either, sorted
    left_out : a sentence for each of the two that holds something that is not read at all
    """

    def __init__(self, folder: Path, images: str, annotations: str, suffix: str):
        self.image_folder, self._annotation_folder, self._suffix = folder / images, folder / annotations, suffix
        self._images, others = _listing(self.image_folder, SUFFIXES)
        self._annotations, notes = _listing(self._annotation_folder, (suffix,))
        self.left_out = _left_out(self.image_folder, others, "image")
        self.left_out += _left_out(self._annotation_folder, notes, "annotation")
        self._other_images = {unicodedata.normalize("NFC", os.path.splitext(name)[0]): name for name in others}
        self.stems = sorted(self._images.keys() | self._annotations.keys())
        if not self.stems:
            found = f" of what is read ({'; '.join(self.left_out)})" if self.left_out else ""
            raise InputError(
                f"{folder}: {images}/ and {annotations}/ are empty{found}; put images and annotations there"
            )

    def image(self, stem: str) -> Path:
        """Where its image would lie."""
        return self.image_folder / _file_name(stem, self._images.get(stem, ".jpg"))

    def annotation(self, stem: str) -> Path:
        """Where its annotation would lie."""
        return self._annotation_folder / _file_name(stem, self._annotations.get(stem, self._suffix))

    def check(self, stem: str, empty: str) -> None:
        """InputError where one of the two is missing; `empty` is what stands in the annotation of an empty image."""
        image, annotation = self.image(stem), self.annotation(stem)
        if stem not in self._annotations:
            remedy = f"add it ({empty} if the image shows nothing of the classes), or take the image out"
            raise InputError(f"{image}: has no annotation {annotation}; {remedy}")
        if stem not in self._images:
            there = self._other_images.get(stem)
            but = f" ({there} is of a kind that is not read)" if there else ""
            raise InputError(f"{annotation}: has no image {image}{but}; add it, or take the annotation out")


def _listing(folder: Path, suffixes: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """NFC stem -> suffix (or the whole name, where that is no NFC) of the files with these suffixes; other names.

    Hidden files are not looked at.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give a folder that holds both")
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
