"""PyTorch's `.pth` files, both formats, read without PyTorch and without running anything that stands in them.

Both formats hold a pickle, and a pickle is a program: it may name any function of any module and call it. `_Reader`
knows the names that a dictionary of tensors needs, gives each a harmless meaning of its own, and refuses every other by
name. What comes back says where each tensor's values stand (`stored.py`); they are read when somebody asks.

    zip (PyTorch 1.6 on)   NAME/data.pkl, and NAME/data/KEY for each storage, none of them compressed
    legacy                 pickles of a magic number, the version, the system, the dictionary and the storages' keys,
                           and then for each key the count of its values, in 8 bytes, and the values
"""

import io
import math
import pickle
import pickletools
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from minircnn.errors import InputError
from minircnn.files import reason
from minircnn.weights.stored import BFLOAT16, Stored, at, in_zip

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001  # of the legacy format
STORAGES: dict[str, np.dtype] = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": BFLOAT16,
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
    "ComplexFloatStorage": np.dtype("<c8"),
    "ComplexDoubleStorage": np.dtype("<c16"),
}
HARMLESS = {  # what checkpoints hold beside tensors: nothing is made of it
    ("argparse", "Namespace"),
    ("collections", "defaultdict"),
    ("collections", "Counter"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("_codecs", "encode"),
    ("pathlib", "PosixPath"),
    ("pathlib", "WindowsPath"),
    ("torch", "Size"),
    ("torch", "device"),
    ("torch.serialization", "_get_layout"),
    ("builtins", "set"),
    ("__builtin__", "set"),
}
FIRST = ("state_dict", "model_state_dict", "model", "net", "network", "weights")  # of several dictionaries in a file
DEEPEST = 3  # dictionaries within dictionaries
LARGEST_PICKLE = 1 << 24  # bytes: names and shapes, not weights; more is no file of weights
_UNUSABLE = (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError,
             OverflowError, MemoryError, RecursionError, struct.error, zipfile.BadZipFile, NotImplementedError,
             ImportError, UnicodeDecodeError)  # fmt: skip


def is_legacy_torch_file(start: bytes) -> bool:
    """Whether a file's first bytes are those of PyTorch's older format; the newer is a zip with a `data.pkl`."""
    return start[:1] == b"\x80" and MAGIC.to_bytes(10, "little") in start[:64]


def read_torch_file(path: str | Path) -> tuple[dict[str, Stored], tuple[str, ...]]:
    """Name → array of every tensor in a file that holds a dictionary of them, in its order; and what to know of it.

    A checkpoint keeps that dictionary under a key of its own: "state_dict", "model", …

    Raises
    ------
    InputError : not such a file, damaged, or its pickle names what no dictionary of tensors needs
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            zipped = file.read(4) == b"PK\x03\x04"
        found = _read_zip(path) if zipped else _read_legacy(path)
    except _Refused as error:
        raise InputError(
            f"{path} is refused: {error}; save the weights alone, with torch.save(model.state_dict())"
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({reason(error)}); name a .pth file") from None
    except _UNUSABLE as error:
        raise InputError(f"{path} is not a .pth file, or it is damaged ({error}); take another copy") from None
    tensors, notes = _choose(found, path)
    if not tensors:
        raise InputError(f"{path} holds no dictionary of tensors; save one with torch.save(model.state_dict())")
    return tensors, notes


def _choose(found: object, path: Path) -> tuple[dict[str, Stored], tuple[str, ...]]:
    """The dictionary of tensors in what was saved, and a note where there is more than one."""
    there = {where: tensors for where, tensors in _dictionaries(found) if not where.startswith("optim")}
    if not there:
        return {}, ()
    most = max(map(len, there.values()))
    large = [where for where, tensors in there.items() if 2 * len(tensors) >= most]  # beside a few of something else
    known = [where for name in FIRST for where in large if where.split(".")[-1] == name]
    chosen = (known or large)[0]
    others = [where or "the file's own" for where in large if where != chosen]
    notes = (f"{path} holds several dictionaries of tensors; {chosen!r} is taken, not {', '.join(others)}",)
    return there[chosen], notes if others else ()


def _dictionaries(found: object, where: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Stored]]]:
    """(keys that lead there, tensors by name) of each dictionary that has any."""
    if not isinstance(found, dict) or depth > DEEPEST:
        return
    named = {key: value for key, value in found.items() if isinstance(key, str)}
    if tensors := {name: value for name, value in named.items() if isinstance(value, Stored)}:
        yield where, tensors
    for key, value in named.items():
        yield from _dictionaries(value, f"{where}.{key}" if where else key, depth + 1)


class _Refused(Exception):
    """The pickle asked for something else than tensors."""


@dataclass(frozen=True)
class _Kind:
    """Stands for a storage class of torch."""

    dtype: np.dtype


@dataclass(frozen=True)
class _Storage:
    """The values that one or more tensors show: how to open them at a byte, their type and count."""

    path: Path
    open_at: Callable[[int], Callable[[], IO[bytes]]]
    dtype: np.dtype
    count: int


class _Nothing:
    """Stands for what is harmless and of no use here: takes whatever it is given, and is nothing."""

    def __init__(self, *_: object):
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass

    def append(self, value: object) -> None:
        pass

    def add(self, value: object) -> None:
        pass


class _Reader(pickle.Unpickler):
    """Unpickles names, numbers and tensors. `storage` gives what belongs to a key: (key, dtype, count) → storage."""

    def __init__(self, data: bytes, storage: Callable[[str, np.dtype, int], _Storage]):
        _check_memo(data)
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
        if (module, name) in HARMLESS:
            return _Nothing
        if module.startswith("__torch__"):
            raise _Refused(f"it is a TorchScript program ({module}.{name})")
        raise _Refused(f"it names {module}.{name}, which is no tensor's and could do anything")

    def persistent_load(self, identity: object) -> _Storage:
        if not isinstance(identity, tuple) or len(identity) < 5:
            raise _Refused("it refers to something without saying what")
        what, kind, key, _, count = identity[:5]
        if what != "storage" or not isinstance(kind, _Kind) or not isinstance(key, str) or not isinstance(count, int):
            raise _Refused("it refers to something else than a tensor's values")
        return self.storage(key, kind.dtype, count)


def _check_memo(data: bytes) -> None:
    """A pickle numbers what it refers to again, and the reader makes room for the highest number: gigabytes, if asked.

    No honest pickle has a higher number than bytes.
    """
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument is not None and argument > len(data):
            raise _Refused(f"it asks for room for {argument} objects")


def _tensor(storage: _Storage, offset: int, shape: tuple, steps: tuple, *_: object) -> Stored:
    """What torch._utils._rebuild_tensor_v2 makes: a view of a storage, all of it within."""
    if not isinstance(storage, _Storage) or len(shape) != len(steps):
        raise ValueError("a tensor without values")
    if not all(isinstance(number, int) and number >= 0 for number in (offset, *shape, *steps)):
        raise ValueError("a tensor of a strange shape")
    last = offset + sum((size - 1) * step for size, step in zip(shape, steps, strict=True))
    if math.prod(shape) and (last >= storage.count or math.prod(shape) > storage.count):
        raise ValueError("a tensor reaches beyond its values")
    in_order = all(
        size == 1 or step == math.prod(shape[axis + 1 :])
        for axis, (size, step) in enumerate(zip(shape, steps, strict=True))
    )
    opened = storage.open_at(offset * storage.dtype.itemsize)
    return Stored(storage.path, opened, storage.dtype, tuple(shape), None if in_order else tuple(steps))


def _parameter(tensor: Stored, *_: object) -> Stored:
    """What torch._utils._rebuild_parameter makes."""
    return tensor


def _read_zip(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if any(name.endswith("/constants.pkl") or name.split("/")[1:2] == ["code"] for name in entries):
            raise _Refused("it is a TorchScript program, not a dictionary of tensors")
        pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise ValueError(f"{len(pickles)} data.pkl in it")
        for entry in entries.values():  # a compressed entry could be of any size once it is read
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise _Refused(f"{entry.filename} in it is compressed, which PyTorch never does")
        if entries[pickles[0]].file_size > LARGEST_PICKLE:
            raise _Refused(f"{pickles[0]} in it is larger than any list of tensors")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in entries and archive.read(f"{folder}byteorder") != b"little":
            raise _Refused("its numbers are stored with the high byte first")

        def storage(key: str, dtype: np.dtype, count: int) -> _Storage:
            entry = entries[f"{folder}data/{key}"]
            if count < 0 or entry.file_size != count * dtype.itemsize:
                raise ValueError(f"{entry.filename} has {entry.file_size} bytes, not {count * dtype.itemsize}")
            return _Storage(path, lambda offset: in_zip(path, entry.filename, offset), dtype, count)

        return _Reader(archive.read(pickles[0]), storage).load()


def _read_legacy(path: Path) -> object:
    """Twice through the pickles: the values come after the dictionary that wants them."""
    with path.open("rb") as file:
        head = file.read(LARGEST_PICKLE)
        length = path.stat().st_size
        sizes: dict[str, tuple[np.dtype, int]] = {}

        def learn(key: str, dtype: np.dtype, count: int) -> _Storage:
            sizes[key] = dtype, count
            return _Storage(path, lambda offset: at(path, 0), dtype, count)

        keys, place = _legacy_pickles(head, learn)[1:]
        found = {}
        for key in keys:
            dtype, count = sizes[key]
            file.seek(place)
            if struct.unpack("<q", file.read(8))[0] != count or place + 8 + count * dtype.itemsize > length:
                raise ValueError(f"the values of {key} are not all there")
            found[key] = _from_byte(path, place + 8, dtype, count)
            place += 8 + count * dtype.itemsize
    return _legacy_pickles(head, lambda key, dtype, count: found[key])[0]


def _from_byte(path: Path, start: int, dtype: np.dtype, count: int) -> _Storage:
    return _Storage(path, lambda offset: at(path, start + offset), dtype, count)


def _legacy_pickles(head: bytes, storage: Callable) -> tuple[object, list[str], int]:
    """The dictionary, the storages' keys in order, and where their values begin."""
    parts, place = [], 0
    for _ in range(5):
        reader = _Reader(head[place:], storage)
        parts.append(reader.load())
        place += reader.file.tell()
        if len(parts) == 1 and parts[0] != MAGIC:
            raise ValueError("it does not begin as one")
    if parts[1] != VERSION or not isinstance(parts[4], list):
        raise ValueError("its format is not known")
    return parts[3], parts[4], place
