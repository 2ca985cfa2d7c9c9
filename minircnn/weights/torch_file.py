"""PyTorch's `.pth` files, both formats, read without PyTorch and without running anything that stands in them.

Both formats hold a pickle, and a pickle is a program: it may name any function of any module and call it. `_Reader`
knows the six names that a dictionary of tensors needs, gives each a harmless meaning of its own, and refuses every
other by name. Tensors come as views of the file where it allows that.

    zip (PyTorch 1.6 on)   NAME/data.pkl, and NAME/data/KEY for each storage, none of them compressed
    legacy                 pickles of a magic number, the version, the system, the dictionary and the storages' keys,
                           and then for each key the count of its values, in 8 bytes, and the values
"""

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minircnn.errors import InputError
from minircnn.files import reason

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001  # of the legacy format
STORAGES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8"}
REMEDY = "with torch.save(model.state_dict(), FILE)"
LEGACY_PICKLES = 1 << 24  # bytes: names and shapes, not weights; more is no file of weights
_UNUSABLE = (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError,
             OverflowError, MemoryError, RecursionError, struct.error, zipfile.BadZipFile, NotImplementedError,
             ImportError, UnicodeDecodeError)  # fmt: skip


def is_torch_file(path: Path) -> bool:
    """Whether the first bytes are those of one of the two formats; the name does not count."""
    with path.open("rb") as file:
        start = file.read(64)
    return start.startswith(b"PK\x03\x04") or (start[:1] == b"\x80" and MAGIC.to_bytes(10, "little") in start)


def read_torch_file(path: str | Path) -> dict[str, np.ndarray]:
    """Name → array of every tensor in a file that holds a dictionary of them, in its order; read-only views.

    Raises
    ------
    InputError : not such a file, damaged, or its pickle names what no dictionary of tensors needs
    """
    path = Path(path)
    try:
        data = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)
        found = _read_zip(path, data) if bytes(data[:4]) == b"PK\x03\x04" else _read_legacy(data)
    except _Refused as error:
        raise InputError(
            f"{path} is refused: {error}; save the weights alone, with torch.save(model.state_dict())"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({reason(error)}); name a .pth file") from None
    except _UNUSABLE as error:
        raise InputError(f"{path} is not a .pth file, or it is damaged ({error}); take another copy") from None
    if isinstance(found, dict) and isinstance(found.get("state_dict"), dict):
        found = found["state_dict"]  # a checkpoint: what else it holds does not matter here
    tensors = (
        {name: value for name, value in found.items() if isinstance(value, np.ndarray)}
        if isinstance(found, dict)
        else {}
    )
    if not tensors or not all(isinstance(name, str) for name in tensors):
        raise InputError(f"{path} holds no dictionary of tensors; save one with torch.save(model.state_dict())")
    return tensors


class _Refused(Exception):
    """The pickle asked for something else than tensors."""


@dataclass(frozen=True)
class _Kind:
    """Stands for a storage class of torch."""

    dtype: str


class _Reader(pickle.Unpickler):
    """Unpickles names, numbers and tensors. `storage` gives the values of a key: (key, dtype, count) → flat array."""

    def __init__(self, data: bytes, storage: Callable[[str, np.dtype, int], np.ndarray]):
        self.file = io.BytesIO(data)
        super().__init__(self.file)
        self.storage = storage

    def find_class(self, module: str, name: str) -> object:
        if module == "collections" and name == "OrderedDict":
            return OrderedDict
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            return _tensor
        if module == "torch._utils" and name == "_rebuild_parameter":
            return _parameter
        if module == "torch" and name in STORAGES:
            return _Kind(STORAGES[name])
        raise _Refused(f"it names {module}.{name}, which could do anything")

    def persistent_load(self, identity: object) -> np.ndarray:
        what, kind, key, _, count, *_ = identity
        if what != "storage" or not isinstance(kind, _Kind) or not isinstance(key, str) or not isinstance(count, int):
            raise _Refused("it refers to something else than a tensor's values")
        return self.storage(key, np.dtype(kind.dtype), count)


def _tensor(storage: np.ndarray, offset: int, shape: tuple, steps: tuple, *_: object) -> np.ndarray:
    """What torch._utils._rebuild_tensor_v2 makes: a view of a storage, all of it within."""
    if not isinstance(storage, np.ndarray) or len(shape) != len(steps):
        raise ValueError("a tensor without values")
    if not all(isinstance(number, int) and number >= 0 for number in (offset, *shape, *steps)):
        raise ValueError("a tensor of a strange shape")
    if math.prod(shape) == 0:
        return np.zeros(shape, storage.dtype)
    last = offset + sum((size - 1) * step for size, step in zip(shape, steps, strict=True))
    if last >= len(storage) or math.prod(shape) > len(storage):
        raise ValueError("a tensor reaches beyond its values")
    bytes_apart = [step * storage.itemsize for step in steps]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, bytes_apart, writeable=False)


def _parameter(tensor: np.ndarray, *_: object) -> np.ndarray:
    """What torch._utils._rebuild_parameter makes."""
    return tensor


def _read_zip(path: Path, data: np.ndarray) -> object:
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise ValueError(f"{len(pickles)} data.pkl in it")
        for entry in entries.values():  # a compressed entry could be of any size once it is read
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise _Refused(f"{entry.filename} in it is compressed, which PyTorch never does")
        folder = pickles[0].removesuffix("data.pkl")

        def storage(key: str, dtype: np.dtype, count: int) -> np.ndarray:
            entry = entries[f"{folder}data/{key}"]
            if count < 0 or entry.file_size != count * dtype.itemsize:
                raise ValueError(f"{entry.filename} has {entry.file_size} bytes, not {count * dtype.itemsize}")
            head = bytes(data[entry.header_offset : entry.header_offset + 30])
            start = entry.header_offset + 30 + sum(struct.unpack("<HH", head[26:30]))
            return data[start : start + entry.file_size].view(dtype)

        return _Reader(archive.read(pickles[0]), storage).load()


def _read_legacy(data: np.ndarray) -> object:
    """Twice through the pickles: the values come after the dictionary that wants them."""
    head = bytes(data[:LEGACY_PICKLES])
    sizes: dict[str, tuple[np.dtype, int]] = {}

    def learn(key: str, dtype: np.dtype, count: int) -> np.ndarray:
        sizes[key] = dtype, count
        return np.broadcast_to(np.zeros(1, dtype), (max(0, count),))

    keys, end = _legacy_pickles(head, learn)[1:]
    values, at = {}, end
    for key in keys:
        dtype, count = sizes[key]
        if struct.unpack("<q", bytes(data[at : at + 8]))[0] != count or at + 8 + count * dtype.itemsize > len(data):
            raise ValueError(f"the values of {key} are not all there")
        values[key] = np.frombuffer(data, dtype, count, at + 8)
        at += 8 + count * dtype.itemsize
    return _legacy_pickles(head, lambda key, dtype, count: values[key])[0]


def _legacy_pickles(head: bytes, storage: Callable) -> tuple[object, list[str], int]:
    """The dictionary, the storages' keys in order, and where their values begin."""
    parts, at = [], 0
    for _ in range(5):
        reader = _Reader(head[at:], storage)
        parts.append(reader.load())
        at += reader.file.tell()
        if len(parts) == 1 and parts[0] != MAGIC:
            raise ValueError("it does not begin as one")
    if parts[1] != VERSION or not isinstance(parts[4], list):
        raise ValueError("its format is not known")
    return parts[3], parts[4], at
