"""Model files: safetensors with everything else in the metadata.

A model file (`best.safetensors`) is enough to detect with: weights with the offsets' statistics folded in, the
architecture, class names and preprocessing. It is written to a temporary name, synced, renamed, and carries a
checksum. A checkpoint (`training/checkpoint.py`) is one too, with what training needs to go on.
"""

import json
import os
import zlib
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import save_file

from minircnn.base.errors import InputError, NotFinite
from minircnn.base.files import sync, written_whole
from minircnn.models import FastRCNN
from minircnn.targets import OffsetStatistics
from minircnn.weights.description import build, describe, stored_statistics
from minircnn.weights.foreign.detector import read_detector
from minircnn.weights.foreign.formats import OWN_KEY, is_foreign
from minircnn.weights.foreign.safetensors_file import read_safetensors_file

CHECKSUM_KEY = "crc32"


def save_model(path: str | Path, model: FastRCNN, half: bool = False) -> None:
    """Write a model file to detect with: safetensors, with all that `load_model` needs to build the model again.

    half : store float16, which halves the file and rounds each weight to three digits; a loaded model is float32 again

    Raises
    ------
    InputError : a weight is not finite, or the disk or folder refuses; what stood at `path` is still there
    """
    tensors = model.folded_parameters()
    if half:
        with np.errstate(over="ignore"):  # 65504 is the largest; what is beyond becomes infinity, and is refused
            tensors = {name: array.astype(np.float16) for name, array in tensors.items()}
    write_tensors(Path(path), tensors, describe(model))


def write_tensors(path: Path, tensors: dict[str, np.ndarray], description: dict, former: Path | None = None) -> None:
    """Write a safetensors file whole or not at all, synced, with a checksum in its metadata.

    former : where the file that stands at `path` is kept from now on

    Raises
    ------
    InputError : a value is not finite (NotFinite), or the disk or folder refuses; what stood at `path` is still there
    """
    for name, array in tensors.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise NotFinite(f"{path} is not written: {name} holds NaN or infinity")
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    text = json.dumps(description)
    metadata = {OWN_KEY: text, CHECKSUM_KEY: _checksum(contiguous, text)}
    with written_whole(path) as temporary:
        try:
            save_file(contiguous, temporary, metadata=metadata)
        except SafetensorError as error:
            raise OSError(str(error)) from None
        sync(temporary)
        if former is not None and path.exists():
            os.replace(path, former)


def _checksum(tensors: dict[str, np.ndarray], text: str) -> str:
    """CRC-32 of a description and of every tensor's name, kind, shape and bytes."""
    checksum = zlib.crc32(text.encode())
    for name in sorted(tensors):
        array = np.ascontiguousarray(tensors[name])
        checksum = zlib.crc32(f"{name} {array.dtype} {array.shape}".encode(), checksum)
        checksum = zlib.crc32(array.reshape(-1).view(np.uint8).data, checksum)
    return f"{checksum:08x}"


def read_tensors(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """Tensors and description of a file that minircnn wrote; InputError where a single bit of it has changed."""
    if not path.is_file():
        what = "is no file" if path.exists() else "is not there"
        raise InputError(f"{path} {what}; give a model file or a run folder that holds one")
    try:
        stored, metadata = read_safetensors_file(path)
        tensors = {name: array.array() for name, array in stored.items()}
    except MemoryError as error:
        raise InputError(f"{path} does not fit into memory ({error}); take a smaller model") from None
    if OWN_KEY not in metadata:
        raise InputError(f"{path} was not written by minircnn: its metadata has no {OWN_KEY!r} entry")
    text = metadata[OWN_KEY]
    if metadata.get(CHECKSUM_KEY) != _checksum(tensors, text):
        raise InputError(f"{path} is damaged: its content does not fit its checksum; take another copy")
    try:
        description = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: its description is no JSON ({error}); take another copy") from None
    if not isinstance(description, dict):
        raise InputError(f"{path} is damaged: its description is no JSON object; take another copy")
    return tensors, description


def kind_of(path: Path) -> str:
    """ "model", "backbone" or "pretraining", as a file that minircnn wrote says of itself; its arrays are not read.

    "model" also where it says nothing: whoever reads the whole says what is wrong.
    """
    try:
        description = json.loads(read_safetensors_file(path)[1][OWN_KEY])
        return str(description.get("kind", "model"))
    except (InputError, KeyError, ValueError, RecursionError, AttributeError):
        return "model"


def load_model(path: str | Path) -> FastRCNN:
    """Load a detector.

    path : a model file, a checkpoint, a run folder (its best weights, else the last), or the file of a detector that
        Fast R-CNN's authors published for Caffe

    Raises
    ------
    InputError : missing, damaged, or of another kind
    """
    path = model_path(path)
    if path.is_file() and is_foreign(path):
        return read_detector(path)
    tensors, description = read_tensors(path)
    model = build(description, tensors, path)
    if "offsets.mean" in tensors:  # a checkpoint: its bbox_pred still speaks in normalised offsets
        model.statistics = stored_statistics(model, tensors, path)
        model.restate_offsets(OffsetStatistics.identity(model.num_classes))
    return model


def model_path(path: str | Path) -> Path:
    """The file that `load_model` reads: of a run folder its best weights, else the last; InputError without."""
    path = Path(path)
    if not path.is_dir():
        return path
    found = [path / name for name in ("best.safetensors", "last.safetensors") if (path / name).is_file()]
    if not found:
        raise InputError(f"{path} holds no best.safetensors or last.safetensors; give a finished run's folder")
    return found[0]
