"""Fashion-MNIST's own files: where Debian puts them, and a small set of the same kind."""

import gzip
import struct
from pathlib import Path

import numpy as np

FULL_FASHION_MNIST = "/usr/share/datasets/fashion-mnist"


def write_idx(folder: Path, count: int = 50, compress: bool = False) -> None:
    """A small Fashion-MNIST in idx files."""
    rng = np.random.default_rng(0)
    for prefix in ("train", "t10k"):
        images = np.pad(rng.integers(100, 250, (count, 20, 20), np.uint8), ((0, 0), (4, 4), (4, 4)))
        labels = np.arange(count, dtype=np.uint8) % 10
        for name, magic, values in ((f"{prefix}-images-idx3", 2051, images), (f"{prefix}-labels-idx1", 2049, labels)):
            data = struct.pack(f">{1 + values.ndim}i", magic, *values.shape) + values.tobytes()
            suffix, data = (".gz", gzip.compress(data)) if compress else ("", data)
            (folder / f"{name}-ubyte{suffix}").write_bytes(data)
