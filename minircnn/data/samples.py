"""Annotated images as a sequence of samples, whatever their format: streamed, sliced, and never all in memory.

One pass of the format's reader checks every file and leaves an index of flat arrays; afterwards a sample is looked up,
and no annotation is opened again.
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
from minircnn.base.progress import Progress, silent
from minircnn.data.formats import AUTO
from minircnn.data.formats.layout import image_id
from minircnn.data.index import AnnotationIndex
from minircnn.data.reader import Reader, build_index, fingerprint
from minircnn.data.sample import Sample
from minircnn.data.splits import open_split

END_BYTES = 4096  # of an image file, for its digest


def open_samples(
    folder: str | Path,
    split: str,
    format: str = AUTO,
    *,
    classes: Sequence[str] | None = None,
    only_known: bool = True,
    held_out: float | None = None,
    split_seed: int = 0,
    limit: int | None = None,
    skip_bad: bool = False,
    index: str | Path | None = None,
    write_index: bool = True,
    progress: Progress = silent,
) -> "Samples":
    """Open one split of a data set, checked.

    Parameters
    ----------
    folder : path, of the data set, or of its one annotation file
    split : "train", "validation" or "test"; "all" of data that is not split; or a list of images, a path ending in .txt
    format : one of `minircnn.data.formats.FORMATS`, or "auto": told from the content
    classes : sequence of str, optional
        Keep these classes only, numbered 1, 2, … in this order; an image that shows none of them stays, as background.
    only_known : bool
        Whether a class in `classes` that the data does not know is an error.
    held_out : float, optional
        The share of the images that is "validation", and the others "train", where the data has no validation split.
    split_seed : int
        Of that choice, which is by image and depends on nothing else.
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

    Returns
    -------
    Samples

    Raises
    ------
    InputError
        A folder or file is missing, empty or broken; one sentence names the file, the key and the remedy.
    """
    if limit is not None and limit < 1:
        raise InputError(f"limit is {limit}; give at least 1 image, or no limit")
    told, reader, entries = open_split(Path(folder), split, format, held_out, split_seed)
    if classes is not None:
        classes = _checked(classes, reader.categories if only_known else None)
    samples = Samples(
        told, reader, entries[:limit], classes, skip_bad, None if index is None else Path(index), progress
    )
    if classes is not None and only_known:
        _checked(classes, reader.categories or samples.names)
    if write_index:
        samples.keep_index()
    return samples


class Samples(Sequence[Sample]):
    """The samples of one split, in the order of their file names; `open_samples` makes it.

    Attributes
    ----------
    format : str
        What the data was read as.
    class_names : tuple of str
        Label i + 1 is class_names[i].
    own_names : bool
        Whether the data names its categories; else they are taken for the format's own.
    names : tuple of str
        Every category that the data knows: those in its list, or, where it has none, those that occur.
    names_listed : bool
        Whether the data has such a list.
    left_out : tuple of str
        A sentence for each folder that holds something that is no image or annotation.
    """

    def __init__(
        self,
        format: str,
        reader: Reader,
        entries: Sequence[str],
        class_names: Sequence[str] | None,
        skip_bad: bool,
        path: Path | None,
        progress: Progress,
    ):
        self.format, self.own_names, self._image_folder = format, reader.own_names, reader.image_folder
        self.names_listed = reader.categories is not None
        self._to_keep: tuple[Path, str] | None = None
        kept = None
        if path is not None:
            self._to_keep = (path, fingerprint(reader, entries, class_names, skip_bad))  # as the pass finds the files
            kept = AnnotationIndex.load(*self._to_keep)
        self._index = kept or build_index(reader, entries, class_names, skip_bad, progress)
        self.class_names, self.names = self._index.class_names, reader.categories or self._index.names
        self.left_out = (*reader.left_out, *self._index.left_out)
        self._rows = np.arange(len(self._index), dtype=np.int32)

    @property
    def skipped(self) -> tuple[str, ...]:
        """One sentence for each file that failed a check and was left out."""
        return self._index.skipped

    def keep_index(self) -> None:
        """Write the index to the file that was given for it, if any, and map it into memory from there."""
        if self._to_keep is None:
            return
        path, state = self._to_keep
        if (kept := AnnotationIndex.load(path, state)) is None:
            self._index.save(path, state)
            kept = AnnotationIndex.load(path, state)
        if kept is None:
            raise InputError(f"{path}: the index was written but cannot be read back; give another place for it")
        self._index, self._to_keep = kept, None

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, position: int) -> Sample: ...

    @overload
    def __getitem__(self, position: slice) -> "Samples": ...

    def __getitem__(self, position: int | slice) -> "Sample | Samples":
        """The sample at a position, or those of a slice: `samples[:100]` reads none of their files."""
        if isinstance(position, slice):
            return self._with(self._rows[position])
        position = operator.index(position)
        if not 0 <= position < len(self):
            raise IndexError(f"sample {position} of {len(self)}: positions are 0..{len(self) - 1}")
        row = int(self._rows[position])
        name = self._index.name(row)
        return Sample(image_id(name), self._image_folder / name, *self._index.size(row), *self._index.items(row))

    def __iter__(self) -> Iterator[Sample]:
        return (self[position] for position in range(len(self)))

    def image_ids(self) -> Iterator[str]:
        """The samples' ids, without their boxes."""
        return (image_id(self._index.name(row)) for row in self._rows.tolist())

    def class_counts(self) -> np.ndarray:
        """(K + 1,) int64: true boxes of each label that count; those of 0, the background, are none."""
        counts = np.zeros(len(self.class_names) + 1, np.int64)
        for row in self._rows.tolist():
            _, labels, ignore = self._index.items(row)
            counts += np.bincount(labels[~ignore], minlength=len(counts))
        return counts

    def digests(self) -> np.ndarray:
        """(N,) int64: of each image file's size and last bytes, its boxes and labels; of nothing that a copy changes.

        The end of a JPEG or PNG changes with its pixels, and to read all of every image would take as long as an epoch.
        """
        digests = np.zeros(len(self), np.int64)
        for position, row in enumerate(self._rows.tolist()):
            path = self._image_folder / self._index.name(row)
            boxes, labels, ignore = self._index.items(row)
            content = _end(path) + str(self._index.size(row)).encode() + boxes.tobytes() + labels.tobytes()
            content += ignore.tobytes() if ignore.any() else b""  # as it was before there was such a thing
            digests[position] = int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little", signed=True)
        return digests

    def without(self, image_ids: Collection[str]) -> "Samples":
        """The same samples less those of these ids; the index is shared, not copied."""
        stays = [image_id not in image_ids for image_id in self.image_ids()]
        return self._with(self._rows[np.array(stays, bool)])

    def _with(self, rows: np.ndarray) -> "Samples":
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


def _checked(classes: Sequence[str], all_names: Sequence[str] | None) -> tuple[str, ...]:
    """In NFC; InputError unless there is one, each stands once, and is among `all_names`, if these are known."""
    classes = tuple(unicodedata.normalize("NFC", name) for name in classes)
    for name in classes:
        if all_names is not None and name not in all_names:
            raise InputError(f"class {name!r} is unknown; choose among: {', '.join(all_names)}")
    if not classes or len(set(classes)) != len(classes):
        raise InputError(f"classes are {', '.join(classes) or 'none'}; name at least one, and each once")
    return classes
