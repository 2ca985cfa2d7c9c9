"""safetensors files of any origin, array by array. The library checks the file; this says where its values stand.

The library's own readers map the whole file and copy out of it, which is twice the file in memory.
"""

import json
import struct
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, deserialize, safe_open

from minircnn.base.errors import InputError
from minircnn.weights.foreign.stored import BFLOAT16, Stored, at

TYPES: dict[str, np.dtype] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "I64": np.dtype("<i8"),
}


def is_safetensors_file(start: bytes) -> bool:
    """Whether a file's first bytes are the length of a header and its opening brace."""
    return len(start) > 8 and start[8:9] == b"{" and struct.unpack("<Q", start[:8])[0] < 1 << 27


def _check(path: Path) -> None:
    """The library's own look at the whole file; some network drives map no files, and there it is read instead."""
    try:
        with safe_open(path, framework="numpy"):
            pass
    except OSError as error:
        if isinstance(error, FileNotFoundError | PermissionError):
            raise
        deserialize(path.read_bytes())


def read_safetensors_file(path: str | Path) -> tuple[dict[str, Stored], dict[str, str]]:
    """Name → array, and the file's metadata.

    Raises
    ------
    InputError : not such a file, or damaged
    """
    path = Path(path)
    try:
        _check(path)
        with path.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(length))
        metadata = dict(header.pop("__metadata__", None) or {})
        tensors = {}
        for name, entry in header.items():
            if entry["dtype"] in TYPES:
                opened_at = at(path, 8 + length + entry["data_offsets"][0])
                tensors[name] = Stored(path, opened_at, TYPES[entry["dtype"]], tuple(entry["shape"]))
    except (SafetensorError, OSError, ValueError, TypeError, KeyError, MemoryError) as error:
        raise InputError(f"{path} is damaged or no safetensors file ({error}); take another copy") from None
    return tensors, metadata
