"""Read a folder in DeepFashion2's layout: image/000001.jpg beside annos/000001.json.

One pass checks every file and leaves an index of flat arrays; afterwards a sample is looked up, and no annotation is
opened again. DeepFashion2 itself, fashion scenes and anyone's own folder of this layout are read alike.
"""

import copy
import hashlib
import operator
import os
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.files import read_bytes
from minircnn.base.progress import Progress, silent
from minircnn.data.annotated_folder import AnnotatedFolder
from minircnn.data.annotation import read_object
from minircnn.data.sample import Sample

END_BYTES = 4096  # of an image file, for its digest
DEEPFASHION2_CLASSES = (
    "short sleeve top", "long sleeve top", "short sleeve outwear", "long sleeve outwear", "vest", "sling", "shorts",
    "trousers", "skirt", "short sleeve dress", "long sleeve dress", "vest dress", "sling dress",
)  # fmt: skip


class DeepFashion2(Sequence[Sample]):
    """The samples of one split, in the order of their file names.

    Parameters
    ----------
    folder : path
        DIR/train or DIR/validation, with image/ and annos/ in it. DIR/classes.json, {"classes": [names]}, names the
        categories 1, 2, …; without it they are DeepFashion2's thirteen.
    classes : sequence of str, optional
        Keep these classes only, numbered 1, 2, … in this order; an image that shows none of them stays, as background.
    limit : int, optional
        Take the first `limit` images by name.
    skip_bad : bool
        Leave a file that fails a check out, and say so in `skipped`, instead of raising.
    index : path, optional
        File to keep the index in, mapped into memory; reused while no file of the folder and no setting has changed.
    write_index : bool
        False leaves writing it to `keep_index`; what is there is used all the same.
    progress : Progress
        Called after each image while the index is built.

    Attributes
    ----------
    class_names : tuple of str
        Label i + 1 is class_names[i].
    own_names : bool
        Whether classes.json names the categories; else they are taken for DeepFashion2's.
    left_out : tuple of str
        A sentence for each folder that holds something that is no image or annotation.

    Raises
    ------
    InputError
        A folder or file is missing, empty or broken; one sentence names the file, the key and the remedy.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        classes: Sequence[str] | None = None,
        limit: int | None = None,
        skip_bad: bool = False,
        index: str | Path | None = None,
        write_index: bool = True,
        progress: Progress = silent,
    ):
        self._folder = Path(folder)
        if limit is not None and limit < 1:
            raise InputError(f"limit is {limit}; give at least 1 image, or no limit")
        if not self._folder.is_dir():
            raise InputError(f"{self._folder}: no such folder{_instead(self._folder.parent)}")
        self.own_names = (self._folder.parent / "classes.json").exists()
        all_names = category_names(self._folder.parent / "classes.json")
        self.class_names = _subset(all_names, classes)
        files = AnnotatedFolder(self._folder, all_names, self.class_names, limit, skip_bad)
        self._index = files.index(None if index is None else Path(index), progress)
        self.left_out = files.left_out
        self._to_keep = None if index is None else (files, Path(index))
        if write_index:
            self.keep_index()
        self._rows = np.arange(len(self._index), dtype=np.int32)

    @property
    def skipped(self) -> tuple[str, ...]:
        """One sentence for each file that failed a check and was left out."""
        return self._index.skipped

    def keep_index(self) -> None:
        """Write the index to the file that was given for it, if any, and map it into memory from there."""
        if self._to_keep is not None:
            files, path = self._to_keep
            self._index = files.keep(self._index, path)
            self._to_keep = None

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, position: int) -> Sample: ...

    @overload
    def __getitem__(self, position: slice) -> "DeepFashion2": ...

    def __getitem__(self, position: int | slice) -> "Sample | DeepFashion2":
        """The sample at a position, or those of a slice: `samples[:100]` reads none of their files."""
        if isinstance(position, slice):
            return self._with(self._rows[position])
        position = operator.index(position)
        if not 0 <= position < len(self):
            raise IndexError(f"sample {position} of {len(self)}: positions are 0..{len(self) - 1}")
        row = int(self._rows[position])
        path = self._folder / "image" / self._index.name(row)
        height, width = self._index.size(row)
        boxes, labels = self._index.items(row)
        return Sample(_image_id(path.name), path, height, width, boxes, labels)

    def __iter__(self) -> Iterator[Sample]:
        return (self[position] for position in range(len(self)))

    def image_ids(self) -> Iterator[str]:
        """The samples' ids, without their boxes."""
        return (_image_id(self._index.name(row)) for row in self._rows.tolist())

    def class_counts(self) -> np.ndarray:
        """(K + 1,) int64: true boxes of each label; those of 0, the background, are none."""
        counts = np.zeros(len(self.class_names) + 1, np.int64)
        for row in self._rows.tolist():
            counts += np.bincount(self._index.items(row)[1], minlength=len(counts))
        return counts

    def digests(self) -> np.ndarray:
        """(N,) int64: of each image file's size and last bytes, its boxes and labels; of nothing that a copy changes.

        The end of a JPEG or PNG changes with its pixels, and to read all of every image would take as long as an epoch.
        """
        digests = np.zeros(len(self), np.int64)
        for position, row in enumerate(self._rows.tolist()):
            path = self._folder / "image" / self._index.name(row)
            boxes, labels = self._index.items(row)
            content = _end(path) + str(self._index.size(row)).encode() + boxes.tobytes() + labels.tobytes()
            digests[position] = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little", signed=True)
        return digests

    def without(self, image_ids: Collection[str]) -> "DeepFashion2":
        """The same samples less those of these ids; the index is shared, not copied."""
        stays = [image_id not in image_ids for image_id in self.image_ids()]
        return self._with(self._rows[np.array(stays, bool)])

    def _with(self, rows: np.ndarray) -> "DeepFashion2":
        view = copy.copy(self)
        view._rows = rows
        return view


def _end(path: Path) -> bytes:
    """A file's size and its last bytes; nothing where it cannot be read, which others say."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - END_BYTES))
            return f"{size} ".encode() + file.read()
    except OSError:
        return b""


def _instead(folder: Path) -> str:
    """What there is where a split's folder was looked for: most often it has another name, or is that folder itself."""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if {"image", "annos"} <= set(names):
        return f"; {folder} holds image/ and annos/ itself: give the folder above it, and name it train or validation"
    there = f" ({folder} holds {', '.join(names[:6])})" if names else ""
    return f"{there}; give one that holds image/ and annos/"


def _image_id(name: str) -> str:
    """A file's name without its suffix, in NFC, as image and annotation are matched."""
    return unicodedata.normalize("NFC", Path(name).stem)


def category_names(path: Path) -> tuple[str, ...]:
    """The names in classes.json, or DeepFashion2's own if there is none.

    Raises
    ------
    InputError : the file is there but holds no list of names, each once
    """
    try:
        content = read_object(read_bytes(path))
    except FileNotFoundError:
        return DEEPFASHION2_CLASSES
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f'{path}: not readable as JSON ({error}); write {{"classes": ["name", …]}}') from error
    names = content.get("classes") if isinstance(content, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        names = []
    names = [unicodedata.normalize("NFC", name) for name in names]
    if not names or len(set(names)) != len(names):
        raise InputError(f'{path}: expected {{"classes": ["name", …]}} with every name once; correct the key classes')
    return tuple(names)


def _subset(all_names: tuple[str, ...], classes: Sequence[str] | None) -> tuple[str, ...]:
    if classes is None:
        return all_names
    classes = tuple(unicodedata.normalize("NFC", name) for name in classes)
    for name in classes:
        if name not in all_names:
            raise InputError(f"class {name!r} is unknown; choose among: {', '.join(all_names)}")
    if not classes or len(set(classes)) != len(classes):
        raise InputError(f"classes are {', '.join(classes) or 'none'}; name at least one, and each once")
    return classes
