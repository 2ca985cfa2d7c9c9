"""What fashion scenes are made of: garments (Fashion-MNIST) and photographs to lay them on.

A selection of both is bundled with the package; the full Fashion-MNIST is read from its idx files. Training and
test material never mix. `garments.py` cuts the garments out and `scenes.py` puts them on the photographs.
"""

import gzip
import re
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from minircnn.base.errors import InputError
from minircnn.data.image import read_image

BUNDLED = Path(__file__).parent / "bundled"
CLASS_NAMES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
SIDE = 28  # pixels of a Fashion-MNIST garment
SHEET_COLUMNS = 25  # garments in a row of a bundled contact sheet

_IDX_PREFIX = {"train": "train", "test": "t10k"}


@dataclass(frozen=True, eq=False)
class Garments:
    """Grey garments on black.

    Attributes
    ----------
    images : (G, 28, 28) uint8 array
    labels : (G,) uint8 array
        Index into `CLASS_NAMES`.
    by_class : tuple of ten int arrays
        The garments of each class.
    """

    images: np.ndarray
    labels: np.ndarray
    by_class: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, images: np.ndarray, labels: np.ndarray) -> "Garments":
        """Garments sorted out by class."""
        by_class = tuple(np.flatnonzero(labels == label) for label in range(len(CLASS_NAMES)))
        return cls(images, labels, by_class)

    def split_fifth(self) -> tuple["Garments", "Garments"]:
        """Every fifth garment of each class, and the other four fifths."""
        fifth = np.zeros(len(self.labels), bool)
        for members in self.by_class:
            fifth[members[::5]] = True
        return self._where(fifth), self._where(~fifth)

    def _where(self, chosen: np.ndarray) -> "Garments":
        return Garments.of(self.images[chosen], self.labels[chosen])


def bundled_garments(split: str) -> Garments:
    """The bundled garments of a split: 500 a class in "train", 100 in "test"."""
    sheets = [_read_sheet(BUNDLED / sheet_name(split, label)) for label in range(len(CLASS_NAMES))]
    labels = np.repeat(np.arange(len(sheets), dtype=np.uint8), [len(sheet) for sheet in sheets])
    return Garments.of(np.concatenate(sheets), labels)


def bundled_photographs(split: str) -> list[np.ndarray]:
    """The bundled photographs of a split, (H, W, 3) uint8 RGB each, in the order of their names."""
    return [read_image(path) for path in sorted(BUNDLED.glob(f"photo_{split}_*.jpg"))]


def sheet_name(split: str, label: int) -> str:
    """File name of the contact sheet of a class: garments_train_0_t_shirt_top.webp."""
    words = re.sub(r"[^a-z]+", "_", CLASS_NAMES[label].lower())
    return f"garments_{split}_{label}_{words}.webp"


def _read_sheet(path: Path) -> np.ndarray:
    """Cut a contact sheet into (G, 28, 28). It is lossless grey stored as RGB, so one channel is all of it."""
    with Image.open(path) as image:
        sheet = np.asarray(image.convert("RGB"))[:, :, 0]
    rows, columns = sheet.shape[0] // SIDE, sheet.shape[1] // SIDE
    return sheet.reshape(rows, SIDE, columns, SIDE).swapaxes(1, 2).reshape(-1, SIDE, SIDE)


def idx_garments(folder: str | Path, split: str) -> Garments:
    """All Fashion-MNIST garments of a split, from its idx or idx.gz files.

    Parameters
    ----------
    folder : path
        Holds train-images-idx3-ubyte, train-labels-idx1-ubyte and the same of t10k, each plain or with ".gz".
    split : {"train", "test"}

    Raises
    ------
    InputError
        A file is missing or truncated, is not an idx file of the right kind, or lacks a class.
    """
    prefix = _IDX_PREFIX[split]
    images_path = _idx_path(Path(folder), f"{prefix}-images-idx3-ubyte")
    labels_path = _idx_path(Path(folder), f"{prefix}-labels-idx1-ubyte")
    images = _read_idx(images_path, dimensions=3)
    labels = _read_idx(labels_path, dimensions=1)
    if images.shape[1:] != (SIDE, SIDE):
        raise InputError(f"{images_path}: images are {images.shape[1:]}, expected 28×28; give Fashion-MNIST's own")
    if len(images) != len(labels):
        raise InputError(f"{labels_path}: {len(labels)} labels for {len(images)} images; get both files together")
    counts = np.bincount(labels, minlength=len(CLASS_NAMES))
    if len(counts) > len(CLASS_NAMES) or counts.min() < 5:
        raise InputError(f"{labels_path}: expected labels 0..9 with 5 garments each or more; give Fashion-MNIST's")
    return Garments.of(images, labels)


def _idx_path(folder: Path, name: str) -> Path:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise InputError(
        f"{folder / name}: no such file, plain or .gz; give the folder that holds Fashion-MNIST's idx files"
    )


def _read_idx(path: Path, dimensions: int) -> np.ndarray:
    """An idx file of unsigned bytes: 0, 0, 8, number of dimensions, their sizes as big-endian int32, the bytes."""
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read or unpacked ({error}); download it again") from error
    header = 4 + 4 * dimensions
    magic = int.from_bytes(data[:4], "big")
    expected = 0x800 + dimensions
    if len(data) < header or magic != expected:
        raise InputError(f"{path}: magic number {magic}, expected {expected}; this is not that idx file")
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", dimensions, offset=4))
    if len(data) - header != np.prod(shape):
        raise InputError(f"{path}: {len(data) - header} bytes of data, its header promises {shape}; download it again")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
