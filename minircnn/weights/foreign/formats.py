"""Files of weights, whoever wrote them: told by what is in them, never by their names.

Comes first when a file is read: from its first bytes to one of the `…_file.py` readers, and to a sentence where it is
something else (a web page, a Git LFS pointer, pickled objects).
"""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minircnn.base.errors import InputError
from minircnn.base.files import reason
from minircnn.models import Preprocessing
from minircnn.weights.foreign.caffe_file import read_caffe_file
from minircnn.weights.foreign.keras_file import ENTRY, HDF, read_keras_file
from minircnn.weights.foreign.npz_file import read_npz_file
from minircnn.weights.foreign.onnx_file import read_onnx_file
from minircnn.weights.foreign.safetensors_file import is_safetensors_file, read_safetensors_file
from minircnn.weights.foreign.stored import UNREADABLE, Stored, damaged
from minircnn.weights.foreign.torch_file import is_legacy_torch_file, read_torch_file

OWN_KEY = "minircnn"  # in the metadata of model files (`model_file.py`)
CONVERTED_KEY = "minircnn_weights"  # of files that `minircnn weights convert` wrote
GUESSED = "guessed"  # what such a file may say of its pixels


@dataclass(frozen=True)
class Contents:
    """What a file says, before anybody asks what network it is.

    Attributes
    ----------
    path : the file
    format : PyTorch, safetensors, Caffe, Keras, ONNX or NumPy
    tensors : name in the file → array
    flatten : "CHW" or "HWC" where the file says how a map is flattened, else None
    origin, pixels : as a file says that minircnn converted; fields of Preprocessing
    guessed : whether those pixels were no more than a guess when it was
    notes : what the user should know
    """

    path: Path
    format: str
    tensors: dict[str, Stored]
    flatten: str | None = None
    origin: str = ""
    pixels: dict[str, Any] | None = None
    guessed: bool = False
    notes: tuple[str, ...] = ()


def read_contents(path: str | Path) -> Contents:
    """What a file holds.

    Raises
    ------
    InputError : it is not there, of no known format, or damaged
    """
    path = Path(path)
    start = first_bytes(path)
    if other := what_else(start):
        raise InputError(f"{path} is {other}")
    if is_safetensors_file(start):
        tensors, metadata = read_safetensors_file(path)
        return Contents(path, "safetensors", tensors, **converted(metadata, path))
    kind = _kind(start, path)
    if kind == "PyTorch":
        tensors, notes = read_torch_file(path)
        return Contents(path, kind, tensors, notes=notes)
    if kind in _READERS:
        return Contents(path, kind, _READERS[kind](path))
    if kind == "ONNX":
        tensors, flatten = read_onnx_file(path)
        return Contents(path, kind, tensors, flatten=flatten)
    raise InputError(
        f"{path} is of no format that holds weights here: safetensors, .pth, .h5, .keras, .caffemodel, .onnx, .npz"
    )


_READERS = {
    "Keras": read_keras_file,
    "NumPy": read_npz_file,
    "Caffe": read_caffe_file,
}


_OTHERS = {  # what stands where weights were expected
    b"version https://git-lfs": "a Git LFS pointer, not the file: run git lfs pull, or download the file itself",
    b"<!doctype": "a web page, not the file: download the file itself",
    b"<html": "a web page, not the file: download the file itself",
    b"<?xml": "XML, not weights: download the file itself",
    b"\x93numpy": "a single array or a pickle of NumPy's (.npy): save the arrays with numpy.savez",
    b"gguf": "a GGUF file, which is not read",
    b"\x1f\x8b": "compressed (gzip): unpack it first",
    b"bzh": "compressed (bzip2): unpack it first",
    b"7z": "an archive (7z): unpack it first",
    b"rar!": "an archive (RAR): unpack it first",
}


def _kind(start: bytes, path: Path) -> str | None:
    """Whose format it is, but for safetensors; None for no known one."""
    if start.startswith(HDF):
        return "Keras"
    if is_legacy_torch_file(start):
        return "PyTorch"
    if start.startswith(b"PK\x03\x04"):
        return _zip_kind(path)
    # Protocol buffers: an ONNX file begins with its version (field 1, a number), Caffe's with a name (field 1, text),
    # an input (field 3) or a layer (field 2 or 100)
    if start[:1] == b"\x08":
        return "ONNX"
    if start[:1] in (b"\x0a", b"\x12", b"\x1a") or start[:2] == b"\xa2\x06":
        return "Caffe"
    return None


def what_else(start: bytes) -> str:
    """What a file is that holds no weights here, by its first bytes; empty where nobody can tell."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for signature, words in _OTHERS.items():
        if text.startswith(signature):
            return words
    if start[4:8] == b"TFL3":
        return "a TensorFlow Lite model, which is not read"
    return ""


def _zip_kind(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except UNREADABLE as error:
        raise damaged(path, error) from None
    if ENTRY in names:
        return "Keras"
    return "NumPy" if any(name.endswith(".npy") for name in names) else "PyTorch"


def is_foreign(path: Path) -> bool:
    """Whether another program wrote the file, or `minircnn weights convert`; a model file is no foreign one.

    False also where nobody can tell: whoever reads model files says what is wrong.
    """
    start = first_bytes(path)
    if not is_safetensors_file(start):
        return _kind(start, path) is not None
    try:
        return OWN_KEY not in read_safetensors_file(path)[1]
    except InputError:
        return False


def converted(metadata: dict[str, str], path: Path) -> dict[str, Any]:
    """`origin`, `pixels` and `guessed` of a file that was converted, from its metadata; nothing for others.

    Raises
    ------
    InputError : it says what cannot be
    """
    if CONVERTED_KEY not in metadata:
        return {}
    try:
        told = json.loads(metadata[CONVERTED_KEY])
        pixels = {name: told["preprocessing"][name] for name in ("channel_order", "mean", "scale")}
        pixels = {name: tuple(value) if isinstance(value, list) else value for name, value in pixels.items()}
        Preprocessing(**pixels, short_side=600, long_side=1000)
        return {"origin": str(told["origin"]), "pixels": pixels, "guessed": told.get("pixels") == GUESSED}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is damaged: its description is not usable ({error}); convert it again") from None


def first_bytes(path: Path) -> bytes:
    """The file's first 64 bytes.

    Raises
    ------
    InputError : it is not there, no file, or empty
    """
    try:
        if not path.is_file():
            what = "is no file" if path.exists() else "is not there"
            raise InputError(f"{path} {what}; give a file of weights")
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({reason(error)}); give a file of weights") from None
    if not start:
        raise InputError(f"{path} is empty; take another copy")
    return start
