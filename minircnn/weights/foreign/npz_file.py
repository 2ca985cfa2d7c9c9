"""NumPy's `.npz` files, array by array, one of the readers that `formats.py` asks.

Objects, which would have to be unpickled and could run anything, are refused.
"""

import math
import tokenize
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from minircnn.base.errors import InputError
from minircnn.weights.foreign.stored import UNREADABLE, Stored, in_zip

MOST = 1.3  # times the file, unpacked: weights hardly shrink when they are packed, so more is no file of weights


def read_npz_file(path: str | Path) -> dict[str, Stored]:
    """Name → array.

    Raises
    ------
    InputError : not such a file, damaged, holds objects, or would unpack to far more than it has
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
            unpacked = sum(entry.file_size for entry in entries)
            if unpacked > MOST * path.stat().st_size + (1 << 20):
                raise ValueError(f"it would unpack to {unpacked} bytes, and weights hardly shrink")
            return {entry.filename.removesuffix(".npy"): _array(path, archive, entry) for entry in entries}
    except (*UNREADABLE, SyntaxError, tokenize.TokenError, TypeError, KeyError, MemoryError) as error:
        raise InputError(f"{path} is no .npz file, or it is damaged ({error}); take another copy") from None


def _array(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Stored:
    with archive.open(entry) as file:
        version = npy.read_magic(file)
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, column_major, dtype = read_header(file)
        offset = file.tell()
    if dtype.hasobject or dtype.kind not in "fiu":
        raise ValueError(f"{entry.filename} holds {dtype}, not numbers")
    if any(size < 0 for size in shape) or entry.file_size - offset != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{entry.filename} of shape {shape} without its values")
    strides = tuple(int(np.prod(shape[:axis], dtype=int)) for axis in range(len(shape))) if column_major else None
    return Stored(path, in_zip(path, entry.filename, offset), dtype, shape, strides if len(shape) > 1 else None)
