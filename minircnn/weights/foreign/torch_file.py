"""PyTorch's `.pth` files, both formats, read without PyTorch and without running anything that stands in them.

Both formats hold a pickle, which `torch_pickle.py` reads. What comes back says where each tensor's values stand
(`stored.py`); they are read when somebody asks.

    zip (PyTorch 1.6 on)   NAME/data.pkl, and NAME/data/KEY for each storage, none of them compressed
    legacy                 pickles of a magic number, the version, the system, the dictionary and the storages' keys,
                           and then for each key the count of its values, in 8 bytes, and the values
"""

import pickle
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.files import reason
from minircnn.weights.foreign.stored import Stored, at, in_zip
from minircnn.weights.foreign.torch_pickle import Refused, Storage, TensorReader

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001  # of the legacy format
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
    except Refused as error:
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


def _read_zip(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if any(name.endswith("/constants.pkl") or name.split("/")[1:2] == ["code"] for name in entries):
            raise Refused("it is a TorchScript program, not a dictionary of tensors")
        pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(pickles) != 1:
            raise ValueError(f"{len(pickles)} data.pkl in it")
        for entry in entries.values():  # a compressed entry could be of any size once it is read
            if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
                raise Refused(f"{entry.filename} in it is compressed, which PyTorch never does")
        if entries[pickles[0]].file_size > LARGEST_PICKLE:
            raise Refused(f"{pickles[0]} in it is larger than any list of tensors")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in entries and archive.read(f"{folder}byteorder") != b"little":
            raise Refused("its numbers are stored with the high byte first")

        def storage(key: str, dtype: np.dtype, count: int) -> Storage:
            entry = entries[f"{folder}data/{key}"]
            if count < 0 or entry.file_size != count * dtype.itemsize:
                raise ValueError(f"{entry.filename} has {entry.file_size} bytes, not {count * dtype.itemsize}")
            return Storage(path, lambda offset: in_zip(path, entry.filename, offset), dtype, count)

        return TensorReader(archive.read(pickles[0]), storage).load()


def _read_legacy(path: Path) -> object:
    """Twice through the pickles: the values come after the dictionary that wants them."""
    with path.open("rb") as file:
        head = file.read(LARGEST_PICKLE)
        length = path.stat().st_size
        sizes: dict[str, tuple[np.dtype, int]] = {}

        def learn(key: str, dtype: np.dtype, count: int) -> Storage:
            sizes[key] = dtype, count
            return Storage(path, lambda offset: at(path, 0), dtype, count)

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


def _from_byte(path: Path, start: int, dtype: np.dtype, count: int) -> Storage:
    return Storage(path, lambda offset: at(path, start + offset), dtype, count)


def _legacy_pickles(head: bytes, storage: Callable) -> tuple[object, list[str], int]:
    """The dictionary, the storages' keys in order, and where their values begin."""
    parts, place = [], 0
    for _ in range(5):
        reader = TensorReader(head[place:], storage)
        parts.append(reader.load())
        place += reader.file.tell()
        if len(parts) == 1 and parts[0] != MAGIC:
            raise ValueError("it does not begin as one")
    if parts[1] != VERSION or not isinstance(parts[4], list):
        raise ValueError("its format is not known")
    return parts[3], parts[4], place
