"""Pickles that PyTorch wrote, read without running anything that stands in them.

A pickle is a program: it may name any function of any module and call it. `TensorReader` knows the names that a
dictionary of tensors needs, gives each a harmless meaning of its own, and refuses every other by name.
"""

import io
import math
import pickle
import pickletools
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from minircnn.weights.foreign.stored import BFLOAT16, Stored

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


class Refused(Exception):
    """The pickle asked for something else than tensors."""


@dataclass(frozen=True)
class _Kind:
    """Stands for a storage class of torch."""

    dtype: np.dtype


@dataclass(frozen=True)
class Storage:
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


class TensorReader(pickle.Unpickler):
    """Unpickles names, numbers and tensors. `storage` gives what belongs to a key: (key, dtype, count) → storage."""

    def __init__(self, data: bytes, storage: Callable[[str, np.dtype, int], Storage]):
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
            raise Refused(f"it is a TorchScript program ({module}.{name})")
        raise Refused(f"it names {module}.{name}, which is no tensor's and could do anything")

    def persistent_load(self, identity: object) -> Storage:
        if not isinstance(identity, tuple) or len(identity) < 5:
            raise Refused("it refers to something without saying what")
        what, kind, key, _, count = identity[:5]
        if what != "storage" or not isinstance(kind, _Kind) or not isinstance(key, str) or not isinstance(count, int):
            raise Refused("it refers to something else than a tensor's values")
        return self.storage(key, kind.dtype, count)


def _check_memo(data: bytes) -> None:
    """A pickle numbers what it refers to again, and the reader makes room for the highest number: gigabytes, if asked.

    No honest pickle has a higher number than bytes.
    """
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and argument is not None and argument > len(data):
            raise Refused(f"it asks for room for {argument} objects")


def _tensor(storage: Storage, offset: int, shape: tuple, steps: tuple, *_: object) -> Stored:
    """What torch._utils._rebuild_tensor_v2 makes: a view of a storage, all of it within."""
    if not isinstance(storage, Storage) or len(shape) != len(steps):
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
