"""Compose a crop to classify: one garment as a detector meets it, or a piece of a photograph with none.

The garment is coloured, turned, scaled and mirrored as in a scene (`scenes.py`), with some of the photograph around
it or a little of it cut off, as a proposal would have it, and often with part of another garment beside it.
`tasks/pretrain.py` teaches a backbone on these.
"""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.fashion.garments import Cutout, draw_garment
from minircnn.fashion.materials import CLASS_NAMES, Garments, bundled_garments, bundled_photographs, idx_garments
from minircnn.fashion.scenes import add_noise, draw_pose, view_photograph

CROP_CLASSES = ("background", *CLASS_NAMES)
SIDES = (48, 64, 80)  # pixels of a crop: a scene's garments are 36 to 90 long
LONG_SIDE = (0.6, 1.0)  # of the garment, as a share of the crop's side
CUT_OFF = 0.12  # of the crop's side: how far the garment may reach beyond each border
NEIGHBOUR = 0.4  # probability that another garment reaches in
NEIGHBOUR_AWAY = (0.55, 0.85)  # from the middle of one garment to that of the other, in sides of the crop
MAX_DEGREES = 20
SCENE = 160  # pixels of the scene that a crop is taken from: how large the photograph shows behind it


@dataclass(frozen=True, eq=False)
class CropMaterial:
    """Garments and photographs to learn from; `name` says which garments they are."""

    garments: Garments
    photographs: list[np.ndarray]
    name: str

    @classmethod
    def training(cls, fashion_mnist: str | Path | None) -> "CropMaterial":
        """Training garments, bundled or of the full Fashion-MNIST, and the bundled training photographs.

        Raises
        ------
        InputError : the folder's files are missing or damaged, or its training garments are the bundled test ones
        """
        photographs = bundled_photographs("train")
        if fashion_mnist is None:
            return cls(bundled_garments("train"), photographs, "bundled")
        garments = idx_garments(fashion_mnist, "train")
        idx_garments(fashion_mnist, "test")  # a folder of half a data set is damaged
        held_out = {image.tobytes() for image in bundled_garments("test").images}
        if any(image.tobytes() in held_out for image in garments.images):
            raise InputError(
                f"{fashion_mnist}: its training garments hold some that detectors are tested on; give the folder that "
                "holds Fashion-MNIST as it was published"
            )
        return cls(garments, photographs, hashlib.sha256(garments.images.data).hexdigest())

    @classmethod
    def test(cls) -> "CropMaterial":
        """The bundled test garments and photographs, those of a demo's test scenes; nothing learns from them."""
        return cls(bundled_garments("test"), bundled_photographs("test"), "bundled")

    def crops(self, first: int, count: int, side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Crops number `first` and following, (N, side, side, 3) uint8, and their labels (N,).

        Labels take turns, so every class is seen equally often. A crop depends on the seed and its number alone.
        """
        labels = np.arange(first, first + count) % len(CROP_CLASSES)
        crops = np.empty((count, side, side, 3), np.uint8)
        for place, label in enumerate(labels):
            rng = np.random.default_rng([seed, first + place])
            crops[place] = compose_crop(self.photographs, self.garments, int(label), side, rng)
        return crops, labels


def compose_crop(
    photographs: list[np.ndarray], garments: Garments, label: int, side: int, rng: np.random.Generator
) -> np.ndarray:
    """One crop.

    Parameters
    ----------
    label : 0 for background, k + 1 for a garment of CLASS_NAMES[k]
    side : height and width in pixels, of `SIDES` or any other

    Returns
    -------
    (side, side, 3) uint8 array
        RGB.
    """
    photograph = photographs[rng.integers(len(photographs))]
    canvas = view_photograph(photograph, side, rng, share=side / SCENE).astype(np.float32)
    if label > 0:
        cutout = _draw(garments, label - 1, side, rng)
        height, width = cutout.mask.shape
        x, y = _corner(width, side, rng), _corner(height, side, rng)
        laid = [(cutout, x, y)]
        if rng.random() < NEIGHBOUR:
            neighbour = _draw(garments, int(rng.integers(len(CLASS_NAMES))), side, rng)
            angle, away = rng.uniform(0, 2 * math.pi), side * rng.uniform(*NEIGHBOUR_AWAY)
            left = round(x + (width - neighbour.mask.shape[1]) / 2 + away * math.cos(angle))
            top = round(y + (height - neighbour.mask.shape[0]) / 2 + away * math.sin(angle))
            laid.insert(int(rng.integers(2)), (neighbour, left, top))  # below or above
        for part, left, top in laid:
            _lay(canvas, part, left, top)
    return add_noise(canvas, rng)


def _draw(garments: Garments, label: int, side: int, rng: np.random.Generator) -> Cutout:
    """A random garment of a class in a random pose; another where there is too little of one."""
    while True:
        garment = garments.images[rng.choice(garments.by_class[label])]
        cutout = draw_garment(garment, draw_pose(rng, side, LONG_SIDE, MAX_DEGREES))
        if cutout is not None:
            return cutout


def _corner(length: int, side: int, rng: np.random.Generator) -> int:
    """Where a garment of this length begins along one axis: inside, or a little beyond a border."""
    beyond = CUT_OFF * side
    low, high = sorted((-beyond, side - length + beyond))
    return round(rng.uniform(low, high))


def _lay(canvas: np.ndarray, cutout: Cutout, x: int, y: int) -> None:
    """Blend a cutout into a canvas (S, S, 3) float32; what reaches beyond the border is cut off."""
    side = len(canvas)
    height, width = cutout.mask.shape
    x1, y1, x2, y2 = max(x, 0), max(y, 0), min(x + width, side), min(y + height, side)
    if x1 >= x2 or y1 >= y2:
        return
    part = np.s_[y1 - y : y2 - y, x1 - x : x2 - x]
    region = canvas[y1:y2, x1:x2]
    region += cutout.alpha[part][:, :, None] * (cutout.colour[part] - region)
