"""What is known of a folder of annotated images, as flat arrays of a few dozen bytes an image.

`reader.py` fills one in a single validated pass. Kept in a file, it is mapped into memory, so a folder of
any size costs no memory and opens at once; a file that is damaged or was made for other files counts as none.
"""

import json
import os
import struct
import zlib
from array import array
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from minircnn.base.files import write_bytes

_MAGIC = b"minircnn index 4"  # raise it when the checks change: an index is what passed them
_PREAMBLE = struct.Struct("<16sQQ")  # magic, bytes of the JSON header, CRC-32 of all that follows
_ALIGNMENT = 8  # bytes: the widest number in the arrays
_DTYPES = {
    "names": np.uint8,
    "name_ends": np.int64,
    "sizes": np.int32,
    "item_ends": np.int64,
    "boxes": np.float32,
    "labels": np.int32,
    "ignore": np.uint8,
}
WORDS = ("class_names", "names", "skipped", "left_out")


class AnnotationIndex:
    """File name, height, width, boxes and labels of N images.

    Attributes
    ----------
    class_names : tuple of str
        Label i + 1 is class_names[i].
    names : tuple of str
        Every category that occurs, wanted or not, sorted.
    skipped : tuple of str
        One sentence for each file that was left out.
    left_out : tuple of str
        One sentence for each object that was, for it has no box.

    Notes
    -----
    The arrays are names (the file names' bytes, end to end), name_ends (N,), sizes (N, 2) = height and width,
    item_ends (N,), boxes (M, 4), labels (M,) and ignore (M,). Row i's items are those from item_ends[i - 1] to
    item_ends[i].
    """

    def __init__(self, arrays: dict[str, np.ndarray], words: dict[str, Sequence[str]]):
        self._arrays, self._words = arrays, {key: tuple(words[key]) for key in WORDS}
        self.class_names, self.names, self.skipped, self.left_out = self._words.values()

    def __len__(self) -> int:
        return len(self._arrays["name_ends"])

    def name(self, row: int) -> str:
        """File name of an image."""
        return os.fsdecode(bytes(_slice(self._arrays["names"], self._arrays["name_ends"], row)))

    def size(self, row: int) -> tuple[int, int]:
        """Height and width of an image in pixels."""
        height, width = self._arrays["sizes"][row]
        return int(height), int(width)

    def items(self, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes (G, 4) float32, labels (G,) int64 and ignore (G,) bool of an image, as copies."""
        ends = self._arrays["item_ends"]
        boxes, labels, ignore = (_slice(self._arrays[name], ends, row) for name in ("boxes", "labels", "ignore"))
        return np.array(boxes), np.array(labels, np.int64), np.array(ignore, bool)

    def save(self, path: Path, fingerprint: str) -> None:
        """Write the index whole or not at all."""
        shapes = {name: values.shape for name, values in self._arrays.items()}
        header = {"fingerprint": fingerprint, "shapes": shapes, "words": self._words}
        head = _padded(json.dumps(header).encode(), filling=b" ")
        content = head + b"".join(_padded(values.tobytes()) for values in self._arrays.values())
        preamble = _PREAMBLE.pack(_MAGIC, len(head), zlib.crc32(content))
        write_bytes(path, preamble + content, "give a folder with room for the index")

    @classmethod
    def load(cls, path: Path, fingerprint: str) -> "AnnotationIndex | None":
        """Map an index file into memory; None if it is missing, damaged or of another fingerprint."""
        try:
            file = np.memmap(path, np.uint8, mode="r").view(np.ndarray)
            magic, head_length, checksum = _PREAMBLE.unpack(file[: _PREAMBLE.size].data)
            content = file[_PREAMBLE.size :]
            if magic != _MAGIC or zlib.crc32(content.data) != checksum:
                return None
            header = json.loads(content[:head_length].tobytes())
            if header["fingerprint"] != fingerprint:
                return None
            start = head_length
            arrays = {}
            for name, dtype in _DTYPES.items():
                shape = header["shapes"][name]
                stop = start + int(np.prod(shape)) * np.dtype(dtype).itemsize
                arrays[name] = content[start:stop].view(dtype).reshape(shape)
                start = stop + -stop % _ALIGNMENT
            return cls(arrays, header["words"]) if _fit(arrays, header["words"]) else None
        except (OSError, ValueError, KeyError, TypeError, OverflowError, struct.error):
            return None


def _fit(arrays: dict[str, np.ndarray], words: dict[str, Sequence[str]]) -> bool:
    """Whether the arrays belong together, and the words are some: a checksum says only that nothing has changed."""
    if not all(isinstance(words[key], list) and all(isinstance(word, str) for word in words[key]) for key in WORDS):
        return False
    count, items = len(arrays["name_ends"]), len(arrays["labels"])
    shapes = {"names": (len(arrays["names"]),), "name_ends": (count,), "sizes": (count, 2), "item_ends": (count,),
              "boxes": (items, 4), "labels": (items,), "ignore": (items,)}  # fmt: skip
    if any(arrays[name].shape != shape for name, shape in shapes.items()):
        return False
    for ends, most in ((arrays["name_ends"], len(arrays["names"])), (arrays["item_ends"], items)):
        if count and not (ends[0] >= 0 and (np.diff(ends) >= 0).all() and ends[-1] == most):
            return False
    return items == 0 or bool(arrays["labels"].min() >= 1 and arrays["labels"].max() <= len(words["class_names"]))


class IndexBuilder:
    """Collects images one by one into flat arrays, not into Python objects.

    class_names : of label 1, 2, …: others are dropped; where None, the names that occur, sorted
    """

    def __init__(self, class_names: Sequence[str] | None):
        self._fixed = class_names is not None
        self._numbers = {name: number for number, name in enumerate(class_names or (), start=1)}
        self._seen: dict[str, None] = {}
        self._names = bytearray()
        self._name_ends, self._item_ends = array("q"), array("q")
        self._sizes, self._labels = array("i"), array("i")
        self._boxes, self._ignore = array("f"), bytearray()
        self.skipped: list[str] = []
        self.left_out: list[str] = []

    def add(
        self, name: str, height: int, width: int, boxes: np.ndarray, names: Sequence[str], ignore: np.ndarray
    ) -> None:
        """Append an image with its boxes (G, 4), their G categories and ignore (G,) bool."""
        self._seen.update(dict.fromkeys(names))
        if not self._fixed:
            for category in names:
                self._numbers.setdefault(category, len(self._numbers) + 1)
        labels = np.array([self._numbers.get(category, 0) for category in names], np.int64)
        if not (wanted := labels > 0).all():
            boxes, labels, ignore = boxes[wanted], labels[wanted], ignore[wanted]
        self._names += os.fsencode(name)
        self._name_ends.append(len(self._names))
        self._sizes.extend((height, width))
        self._boxes.extend(boxes.ravel().tolist())
        self._labels.extend(labels.tolist())
        self._ignore += ignore.astype(np.uint8).tobytes()
        self._item_ends.append(len(self._labels))

    def finish(self) -> AnnotationIndex:
        """The index of what was added."""
        class_names, labels = list(self._numbers), np.array(self._labels, np.int32)
        if not self._fixed:
            class_names = sorted(class_names)
            labels = np.array([0, *(class_names.index(name) + 1 for name in self._numbers)], np.int32)[labels]
        arrays: dict[str, np.ndarray] = {
            "names": np.frombuffer(bytes(self._names), np.uint8),
            "name_ends": np.array(self._name_ends, np.int64),
            "sizes": np.array(self._sizes, np.int32).reshape(-1, 2),
            "item_ends": np.array(self._item_ends, np.int64),
            "boxes": np.array(self._boxes, np.float32).reshape(-1, 4),
            "labels": labels,
            "ignore": np.frombuffer(bytes(self._ignore), np.uint8),
        }
        words = (class_names, sorted(self._seen), self.skipped, self.left_out)
        return AnnotationIndex(arrays, dict(zip(WORDS, words, strict=True)))


def _slice(values: np.ndarray, ends: np.ndarray, row: int) -> np.ndarray:
    return values[ends[row - 1] if row else 0 : ends[row]]


def _padded(content: bytes, filling: bytes = b"\0") -> bytes:
    return content + filling * (-len(content) % _ALIGNMENT)
