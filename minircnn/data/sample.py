"""One annotated image, as every data set reader gives it and everything after it takes it.

A sample holds the path, not the pixels: a list of a million samples stays small, and `read_image` is called only
where the pixels are needed.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
class Sample:
    """An image on disk and the objects in it.

    Attributes
    ----------
    image_id : str
        The file's name without its suffix, in NFC, unique within its folder.
    image_path : Path
    height, width : int
        In pixels.
    boxes : (G, 4) float32 array
        Ground truth (x1, y1, x2, y2) in pixels, width = x2 - x1, inside the image, of positive area. G may be 0.
    labels : (G,) int64 array
        1..K; 0 is background and never appears here.
    ignore : (G,) bool array
        Objects that are neither to be learned nor to be found (crowds, difficult ones); none where it is not given.
    """

    image_id: str
    image_path: Path
    height: int
    width: int
    boxes: np.ndarray
    labels: np.ndarray
    ignore: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.ignore is None:
            object.__setattr__(self, "ignore", np.zeros(len(self.labels), bool))
        if not len(self.boxes) == len(self.labels) == len(self.ignore):
            counts = f"{len(self.boxes)} boxes, {len(self.labels)} labels and {len(self.ignore)} of ignore"
            raise ValueError(f"Sample {self.image_id}: {counts} do not belong together")

    def learned(self) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (G, 4) and labels (G,) of the objects that count."""
        return (self.boxes[~self.ignore], self.labels[~self.ignore]) if self.ignore.any() else (self.boxes, self.labels)
