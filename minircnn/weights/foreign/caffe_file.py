"""Caffe's `.caffemodel` files, old (V1) and new, read without Caffe.

NetParameter       name 1, layers 2 (V1), layer 100
LayerParameter     name 1, blobs 7;  V1LayerParameter: name 4, blobs 6
BlobProto          data 5 (packed float32), shape 7 (dim 1), and before there was a shape: num, channels, height,
                   width 1 to 4, where a dense weight is (1, 1, OUT, IN) and a bias (1, 1, 1, OUT)
"""

import math
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.weights.foreign.protobuf import Data, Span, fields, mapped, numbers, text
from minircnn.weights.foreign.stored import Stored, at

KINDS = {100: (1, 7), 2: (4, 6)}  # a net's field of a layer → the layer's fields of its name and its blobs


def read_caffe_file(path: str | Path) -> dict[str, Stored]:
    """ "layer.weight" and "layer.bias" → array, of every layer that has any.

    Raises
    ------
    InputError : not such a file, or damaged
    """
    path = Path(path)
    try:
        with mapped(path) as data:
            tensors: dict[str, Stored] = {}
            for number, _, span in fields(data, (0, len(data))):
                if number in KINDS and span:
                    tensors |= _layer(data, span, *KINDS[number], path)
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(f"{path} is no .caffemodel, or it is damaged ({error}); take another copy") from None
    if not tensors:
        raise InputError(f"{path} has no layer with weights; is it a .prototxt's, and not the .caffemodel?")
    return tensors


def _layer(data: Data, span: Span, name_field: int, blobs_field: int, path: Path) -> dict[str, Stored]:
    name, blobs = "", []
    for number, _, within in fields(data, span):
        if number == name_field and within:
            name = text(data, within)
        elif number == blobs_field and within:
            blobs.append(_blob(data, within, path))
    if len(blobs) > 2:
        return {f"{name}.{place}": blob for place, blob in enumerate(blobs)}  # a normalisation's: nobody asks for it
    found = {}
    for part, blob in zip(("weight", "bias"), blobs, strict=False):
        shape = blob.shape
        if part == "bias":
            shape = (math.prod(shape),)
        elif len(shape) == 4 and shape[:2] == (1, 1):
            shape = shape[2:]
        found[f"{name}.{part}"] = Stored(path, blob.open_at, blob.dtype, shape)
    return found


def _blob(data: Data, span: Span, path: Path) -> Stored:
    shape: list[int] | None = None
    old: dict[int, int] = {}
    values: list[Span] = []
    for number, value, within in fields(data, span):
        if number == 7 and within:
            shape = [size for n, one, many in fields(data, within) if n == 1 for size in numbers(data, one, many)]
        elif number in (1, 2, 3, 4) and value is not None:
            old[number] = value
        elif number == 5 and within:
            values.append(within)
    if shape is None:
        shape = [old.get(axis, 1) for axis in (1, 2, 3, 4)]
    if len(values) != 1 or values[0][1] - values[0][0] != 4 * math.prod(shape):
        raise ValueError(f"a blob of shape {tuple(shape)} without its values")
    return Stored(path, at(path, values[0][0]), np.dtype("<f4"), tuple(shape))
