"""From anybody's VGG16 to a safetensors file that says where it came from and which pixels it expects.

What `vgg16.py` has found is written as it found it, so nothing about the file has to be guessed again.
"""

import hashlib
import json
import struct
from pathlib import Path

from minircnn.base.files import written_whole
from minircnn.weights.foreign.formats import CONVERTED_KEY, GUESSED
from minircnn.weights.foreign.vgg16 import Pretrained

KNOWN = {  # SHA-256 of files that people have, as published
    "57b026918159a6bf9faf8405c3a551903768e7138989d9c6224a14227203fad8": "timm's vgg16.tv_in1k",
    "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0": "torchvision's vgg16-397923af.pth",
    "f20805a3ecccaa88647bbab4ad011ff2412a9838485ea844de0fcbce349820b9": "the ONNX model zoo's vgg16-7.onnx",
}


def sha256(path: Path) -> str:
    """Of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def convert(found: Pretrained, out: Path) -> None:
    """Write float32 arrays in this project's names and order, one at a time; whole or not at all.

    Raises
    ------
    InputError : the file is damaged, holds a value that is not finite, or the disk refuses
    """
    path = found.contents.path
    description = {
        "origin": found.origin,
        "preprocessing": {name: getattr(found.preprocessing, name) for name in ("channel_order", "mean", "scale")},
        "pixels": GUESSED if found.guessed else "known",
        "source": {
            "name": path.name,
            "format": found.contents.format,
            "bytes": path.stat().st_size,
            "sha256": sha256(path),
        },
    }
    header: dict[str, dict] = {"__metadata__": {CONVERTED_KEY: json.dumps(description)}}
    place = 0
    for name, source in found.sources.items():
        count = 4 * source.count
        header[name] = {"dtype": "F32", "shape": list(source.shape), "data_offsets": [place, place + count]}
        place += count
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with written_whole(out) as temporary, temporary.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for source in found.sources.values():
            file.write(source.array().data.cast("B"))
