"""One array in a file, and how to read it without holding the file twice.

Every format's reader gives name → `Stored`: where the values stand, their type and shape. Nothing of them is read until
somebody asks, and then block by block, so that filling a model takes the model's own memory and one block more.
"""

import io
import math
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from minircnn.errors import InputError
from minircnn.files import reason

BLOCK = 1 << 24  # bytes read at a time
BFLOAT16 = np.dtype("V2")  # NumPy has no such type: the upper half of a float32
UNREADABLE = (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError,
              OverflowError)  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """An array in a file.

    Attributes
    ----------
    path : the file, for messages
    open_at : gives the file, placed at the array's first byte; closing it is the reader's task
    dtype : as stored; `BFLOAT16` is widened when it is read
    shape : the array's
    strides : values from one entry to the next along each axis, where they are not in C order
    """

    path: Path
    open_at: Callable[[], BinaryIO]
    dtype: np.dtype
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None = None

    @property
    def size(self) -> int:
        """Count of values."""
        return math.prod(self.shape)

    @property
    def type_name(self) -> str:
        """float32, …"""
        return "bfloat16" if self.dtype == BFLOAT16 else self.dtype.name

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """(first row, rows) along the first axis, in order; each is to be used before the next is asked for.

        Raises
        ------
        InputError : the file ends too soon, cannot be read, or does not fit its own checksum
        """
        if not self.shape or self.strides is not None:
            yield 0, self._whole() if self.shape else self._whole().reshape(1)
            return
        row = math.prod(self.shape[1:]) * self.dtype.itemsize
        step = max(1, BLOCK // max(1, row))
        try:
            with self.open_at() as file:
                for start in range(0, self.shape[0], step):
                    rows = min(step, self.shape[0] - start)
                    flat = np.frombuffer(_exactly(file, rows * row), self.dtype)
                    yield start, _widened(flat).reshape(rows, *self.shape[1:])
                _finish(file)
        except UNREADABLE as error:
            raise damaged(self.path, error) from None

    def array(self) -> np.ndarray:
        """All of it."""
        if not self.shape or self.strides is not None:
            return self._whole()
        out = np.empty(self.shape, np.float32 if self.dtype == BFLOAT16 else self.dtype)
        for start, rows in self.blocks():
            out[start : start + len(rows)] = rows
        return out

    def _whole(self) -> np.ndarray:
        """An array whose values do not stand in C order, or that is a single one, in one piece."""
        steps = self.strides or (0,) * len(self.shape)
        count = 1 + sum((size - 1) * step for size, step in zip(self.shape, steps, strict=True))
        try:
            with self.open_at() as file:
                flat = _widened(
                    np.frombuffer(_exactly(file, count * self.dtype.itemsize if self.size else 0), self.dtype)
                )
                _finish(file)
        except UNREADABLE as error:
            raise damaged(self.path, error) from None
        if not self.size:
            return np.zeros(self.shape, flat.dtype)
        return np.lib.stride_tricks.as_strided(flat, self.shape, [step * flat.itemsize for step in steps]).copy()


def damaged(path: Path, error: BaseException) -> InputError:
    """What to say of a file that cannot be read to its end."""
    why = reason(error) if isinstance(error, OSError) else str(error) or type(error).__name__
    return InputError(f"{path} cannot be read, or it is damaged ({why}); take another copy")


def at(path: Path, offset: int) -> Callable[[], BinaryIO]:
    """Opens `path` at a byte, for `Stored.open_at`."""

    def opened() -> BinaryIO:
        file = path.open("rb", buffering=0)
        file.seek(offset)
        return file

    return opened


def in_zip(path: Path, entry: str, offset: int) -> Callable[[], BinaryIO]:
    """Opens an entry of a zip file at a byte; whoever reads it to its end has its checksum compared as well."""

    def opened() -> BinaryIO:
        with zipfile.ZipFile(path) as archive:
            file = archive.open(entry)  # keeps the file open for itself
        _exactly(file, offset)
        return file

    return opened


def _exactly(file: BinaryIO, count: int) -> bytes | bytearray:
    """`count` bytes: no fewer, which would be a file cut short."""
    parts = bytearray()
    while len(parts) < count:
        part = file.read(count - len(parts))
        if not part:
            raise EOFError("it ends too soon")
        if len(part) == count:
            return part
        parts += part
    return parts


def _finish(file: BinaryIO) -> None:
    """A zip entry compares its checksum when its end is read."""
    if isinstance(file, zipfile.ZipExtFile):
        while file.read(io.DEFAULT_BUFFER_SIZE * 128):
            pass


def _widened(flat: np.ndarray) -> np.ndarray:
    if flat.dtype != BFLOAT16:
        return flat
    return (flat.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
