"""Keras' files: `.h5` of Keras 1 and 2, `.weights.h5` and `.keras` of Keras 3. h5py finds the arrays in them.

    Keras 1, 2   block1_conv1/block1_conv1_W_1:0, or block1_conv1/block1_conv1/kernel:0; under model_weights in a model
    Keras 3      layers/conv2d/vars/0 (the kernel) and 1 (the bias); a `.keras` is a zip with model.weights.h5 in it

Only arrays that lie in the file in one piece, as Keras writes them, are read: what is packed, spread over other files
or linked to is left out, and so is missing.
"""

import io
import re
import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from minircnn.base.errors import InputError
from minircnn.weights.foreign.stored import UNREADABLE, Stored, at

if TYPE_CHECKING:
    import h5py
    from typing_extensions import Buffer

ENTRY = "model.weights.h5"
HDF = b"\x89HDF\r\n\x1a\n"
_PART_ALONE = re.compile(r"(kernel|bias|W|b)(:0)?")


def read_keras_file(path: str | Path) -> dict[str, Stored]:
    """ "block1_conv1/kernel" or "conv2d.weight" … → array.

    Raises
    ------
    InputError : not such a file, or damaged; or h5py is not installed
    """
    path = Path(path)
    try:
        import h5py
    except ImportError:
        raise InputError(f"{path} is a Keras file, and h5py reads those: pip install 'minircnn[keras]'") from None
    try:
        if not zipfile.is_zipfile(path):
            with h5py.File(path, "r") as file:
                return _arrays(file, path, 0)
        start, length = _in_zip(path)
        with _Window(path, start, length) as window, h5py.File(window, "r") as file:
            return _arrays(file, path, start)
    except (*UNREADABLE, KeyError, TypeError, AttributeError, struct.error, MemoryError) as error:
        raise InputError(f"{path} is no Keras file, or it is damaged ({error}); take another copy") from None


def _arrays(file: "h5py.File", path: Path, start: int) -> dict[str, Stored]:
    import h5py

    found: dict[str, Stored] = {}
    elsewhere: list[str] = []

    def look(name: str, thing: object) -> None:
        parts = name.split("/")
        if not isinstance(thing, h5py.Dataset) or parts[0].startswith("optimizer") or thing.dtype.kind not in "fiu":
            return
        layout, offset = thing.id.get_create_plist().get_layout(), thing.id.get_offset()
        if layout == h5py.h5d.COMPACT and thing.nbytes < 1 << 16:
            content = thing[()].tobytes()
            stored = Stored(path, lambda: io.BytesIO(content), thing.dtype, thing.shape)
        elif layout == h5py.h5d.CONTIGUOUS and offset is not None:
            stored = Stored(path, at(path, start + offset), thing.dtype, thing.shape)
        else:
            elsewhere.append(name)
            return
        if len(parts) > 2 and parts[-2] == "vars":
            found[f"{parts[-3]}.{ {'0': 'weight', '1': 'bias'}.get(parts[-1], parts[-1]) }"] = stored
        else:
            found[f"{_layer(parts)}/{parts[-1]}" if _PART_ALONE.fullmatch(parts[-1]) else parts[-1]] = stored

    file.visititems(look)  # follows no link out of the file
    if elsewhere and not found:
        raise ValueError(f"{elsewhere[0]} in it is compressed, in pieces or in another file: save it again without")
    return found


def _layer(parts: list[str]) -> str:
    """A layer's name, of block1_conv1/block1_conv1_1/kernel:0 the group's: Keras numbers what is in a second model."""
    *groups, layer, _ = ["", *parts]
    return groups[-1] if re.fullmatch(re.escape(groups[-1]) + r"_\d+", layer) and groups[-1] else layer


def _in_zip(path: Path) -> tuple[int, int]:
    """Where the weights of a `.keras` file lie in it. Their checksum is compared."""
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo(ENTRY)
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ValueError(f"{ENTRY} in it is compressed, which Keras never does")
        with archive.open(entry) as file:
            while file.read(1 << 22):
                pass
    with path.open("rb") as file:
        file.seek(entry.header_offset)
        head = file.read(30)
    return entry.header_offset + 30 + sum(struct.unpack("<HH", head[26:30])), entry.file_size


class _Window(io.RawIOBase):
    """Part of a file as a file."""

    def __init__(self, path: Path, start: int, length: int):
        self.file, self.start, self.length, self.place = path.open("rb", buffering=0), start, length, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.place = offset + (0, self.place, self.length)[whence]
        return self.place

    def tell(self) -> int:
        return self.place

    def readinto(self, buffer: "Buffer") -> int:
        self.file.seek(self.start + self.place)
        count = self.file.readinto(memoryview(buffer)[: max(0, self.length - self.place)]) or 0
        self.place += count
        return count

    def close(self) -> None:
        self.file.close()
        super().close()
