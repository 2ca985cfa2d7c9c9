"""One array in a file, and how to read it without holding the file twice.

Every format's reader gives name → `Stored`: where the values stand, their type and shape. Nothing of them is read until
somebody asks, and then block by block, so that filling a model takes the model's own memory and one block more.
"""

import io
import math
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.files import reason

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
    open_at: Callable[[], IO[bytes]]
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

    def reshaped(self, shape: tuple[int, ...]) -> "Stored":
        """The same values with axes split, or taken together where they lie in C order: (C*49, O) as (C, 7, 7, O).

        Raises
        ------
        ValueError : the axes of `shape` are no such parts
        """
        if self.strides is None or shape == self.shape:
            if math.prod(shape) != self.size:
                raise ValueError(f"{self.shape} is no {shape}")
            return replace(self, shape=shape)
        strides, axes = [], list(shape)
        for size, step in zip(self.shape, self.strides, strict=True):
            parts: list[int] = []
            while axes and math.prod(parts) * axes[0] <= size and (math.prod(parts) < size or axes[0] == 1):
                parts.append(axes.pop(0))
            if math.prod(parts) != size:
                raise ValueError(f"{self.shape} is no {shape}")
            strides += [step * math.prod(parts[place + 1 :]) for place in range(len(parts))]
        return replace(self, shape=shape, strides=tuple(strides))

    def blocks(self) -> Iterator[tuple[tuple[slice, ...], np.ndarray]]:
        """(where, values) in the file's order: `array[where]` is `values`, which is to be used before the next.

        An array in one piece comes by slices of the axis that is slowest in the file; one with gaps comes whole.

        Raises
        ------
        InputError : the file ends too soon, cannot be read, or does not fit its own checksum
        """
        axes = sorted(range(len(self.shape)), key=lambda axis: -self._steps[axis])  # slowest first
        sizes = [self.shape[axis] for axis in axes]
        in_one_piece = all(
            size == 1 or self._steps[axis] == math.prod(sizes[place + 1 :])
            for place, (axis, size) in enumerate(zip(axes, sizes, strict=True))
        )
        try:
            with self.open_at() as file:
                if not axes or not self.size or not in_one_piece:
                    yield (), self._with_gaps(file)
                else:
                    row = math.prod(sizes[1:]) * self.dtype.itemsize
                    most = max(1, BLOCK // row)
                    for start in range(0, sizes[0], most):
                        rows = min(most, sizes[0] - start)
                        values = _widened(np.frombuffer(_exactly(file, rows * row), self.dtype))
                        where = [slice(None)] * len(axes)
                        where[axes[0]] = slice(start, start + rows)
                        yield tuple(where), values.reshape(rows, *sizes[1:]).transpose(np.argsort(axes))
                _finish(file)
        except UNREADABLE as error:
            raise damaged(self.path, error) from None

    def array(self) -> np.ndarray:
        """All of it."""
        out = np.empty(self.shape, np.float32 if self.dtype == BFLOAT16 else self.dtype)
        for where, values in self.blocks():
            out[where] = values
        return out

    @property
    def _steps(self) -> tuple[int, ...]:
        """`strides`, or those of C order."""
        return self.strides or tuple(math.prod(self.shape[axis + 1 :]) for axis in range(len(self.shape)))

    def _with_gaps(self, file: IO[bytes]) -> np.ndarray:
        """A single value, none, or some of a larger array's, from the first of them to the last in one piece."""
        reach = 1 + sum((size - 1) * step for size, step in zip(self.shape, self._steps, strict=True))
        flat = _widened(np.frombuffer(_exactly(file, reach * self.dtype.itemsize if self.size else 0), self.dtype))
        if not self.size:
            return np.zeros(self.shape, flat.dtype)
        return np.lib.stride_tricks.as_strided(flat, self.shape, [step * flat.itemsize for step in self._steps])


def damaged(path: Path, error: BaseException) -> InputError:
    """What to say of a file that cannot be read to its end."""
    why = reason(error) if isinstance(error, OSError) else str(error) or type(error).__name__
    return InputError(f"{path} cannot be read, or it is damaged ({why}); take another copy")


def at(path: Path, offset: int) -> Callable[[], IO[bytes]]:
    """Opens `path` at a byte, for `Stored.open_at`."""

    def opened() -> IO[bytes]:
        file = path.open("rb", buffering=0)
        file.seek(offset)
        return file

    return opened


def in_zip(path: Path, entry: str, offset: int) -> Callable[[], IO[bytes]]:
    """Opens an entry of a zip file at a byte; whoever reads it to its end has its checksum compared as well."""

    def opened() -> IO[bytes]:
        with zipfile.ZipFile(path) as archive:
            file = archive.open(entry)  # keeps the file open for itself
        _exactly(file, offset)
        return file

    return opened


def _exactly(file: IO[bytes], count: int) -> bytes | bytearray:
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


def _finish(file: IO[bytes]) -> None:
    """A zip entry compares its checksum when its end is read."""
    if isinstance(file, zipfile.ZipExtFile):
        while file.read(io.DEFAULT_BUFFER_SIZE * 128):
            pass


def _widened(flat: np.ndarray) -> np.ndarray:
    if flat.dtype != BFLOAT16:
        return flat
    return (flat.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
