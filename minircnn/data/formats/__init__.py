"""The formats of annotated images: a format is a reader in a file of its own, and a line here."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.data.formats.deepfashion2 import DeepFashion2
from minircnn.data.reader import Reader

#: What `--format` calls a format → what reads a split of it.
FORMATS: dict[str, Callable[[Path], Reader]] = {"deepfashion2": DeepFashion2}


def check_format(name: str) -> None:
    """InputError where there is no such format."""
    if name not in FORMATS:
        raise InputError(f"format should be one of {', '.join(FORMATS)}, not {name!r}")


def truth_beside(image: Path, height: int, width: int) -> tuple[np.ndarray, list[str]] | None:
    """Boxes (G, 4) and class names that are annotated in an image, where its annotation lies as a format has it."""
    return DeepFashion2.beside(image, height, width)
