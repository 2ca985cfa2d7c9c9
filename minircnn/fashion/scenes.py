"""Compose a fashion scene: garments laid on a photograph, partly hiding one another, with a sensor's noise.

Everything random comes from the generator passed in. `folders.py` writes the scenes to disk.
"""

from dataclasses import dataclass

import numpy as np

from minircnn.data.opencv import opencv
from minircnn.fashion.garments import Cutout, Pose, draw_garment
from minircnn.fashion.materials import CLASS_NAMES, Garments

MAX_GARMENTS = 4
LONG_SIDE = (36 / 160, 90 / 160)  # of a garment, as a share of the scene's side
MAX_DEGREES = 15
MAX_HIDDEN = 0.3  # of a garment, by those laid later
SMALLEST_CROP = 0.4  # of the photograph's short side
NOISE = (1.5, 7.0)  # standard deviation in grey levels
PLACES = 12  # tries to lay a garment before another is drawn
DRAWS = 4  # garments tried before the scene makes do with fewer


@dataclass(frozen=True, eq=False)
class Item:
    """A garment in a scene.

    Attributes
    ----------
    label : int
        Index into `CLASS_NAMES`.
    box : tuple of int
        x1, y1, x2, y2 of the whole garment, hidden parts included; x2 is one past its last column.
    visible : (size, size) bool array
        The pixels of it that show.
    hidden : float
        Share of its pixels that later garments hide, 0..0.3.
    """

    label: int
    box: tuple[int, int, int, int]
    visible: np.ndarray
    hidden: float


def compose_scene(
    photographs: list[np.ndarray], garments: Garments, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, list[Item]]:
    """Compose one scene.

    Returns
    -------
    image : (size, size, 3) uint8 array
        RGB.
    items : list of Item
        One to four, in the order they were laid.
    """
    canvas = view_photograph(photographs[rng.integers(len(photographs))], size, rng).astype(np.float32)
    owner = np.full((size, size), -1, np.int8)  # which garment shows at each pixel
    areas: list[int] = []  # pixels of each whole garment
    laid: list[tuple[int, tuple[int, int, int, int]]] = []
    for _ in range(rng.integers(1, MAX_GARMENTS + 1)):
        drawn = _draw_for(owner, areas, garments, rng)
        if drawn is None:
            continue
        label, cutout, (x, y) = drawn
        height, width = cutout.mask.shape
        region = np.s_[y : y + height, x : x + width]
        canvas[region] += cutout.alpha[:, :, None] * (cutout.colour - canvas[region])
        owner[region][cutout.mask] = len(laid)
        areas.append(int(cutout.mask.sum()))
        laid.append((label, (x, y, x + width, y + height)))
    image = add_noise(canvas, rng)
    items = []
    for index, (label, box) in enumerate(laid):
        visible = owner == index
        items.append(Item(label, box, visible, 1 - float(visible.sum()) / areas[index]))
    return image, items


def _draw_for(
    owner: np.ndarray, areas: list[int], garments: Garments, rng: np.random.Generator
) -> tuple[int, Cutout, tuple[int, int]] | None:
    """A garment with its label and the corner (x, y) of its place, or None where no garment that was tried has one."""
    for _ in range(DRAWS):
        label, cutout = _draw(garments, len(owner), rng)
        corner = None if cutout is None else _find_place(cutout, owner, areas, rng)
        if cutout is not None and corner is not None:
            return label, cutout, corner
    return None


def _draw(garments: Garments, size: int, rng: np.random.Generator) -> tuple[int, Cutout | None]:
    """Draw a random garment of a random class in a random pose."""
    label = int(rng.integers(len(CLASS_NAMES)))
    garment = garments.images[rng.choice(garments.by_class[label])]
    return label, draw_garment(garment, draw_pose(rng, size, LONG_SIDE, MAX_DEGREES))


def draw_pose(rng: np.random.Generator, size: int, long_side: tuple[float, float], most_degrees: float) -> Pose:
    """A random pose: its long side between two shares of `size` pixels, turned by at most so many degrees."""
    return Pose(
        long_side=size * rng.uniform(*long_side),
        degrees=rng.uniform(-most_degrees, most_degrees),
        mirrored=bool(rng.integers(2)),
        tint=_tint(rng),
        contrast=rng.uniform(0.7, 1.3),
    )


def _tint(rng: np.random.Generator) -> np.ndarray:
    """A random colour of cloth, (3,) float32 RGB: any hue, from nearly grey to strong, never too dark to see."""
    hue = rng.uniform(0, 6) + np.array([0, 4, 2])
    ramp = np.clip(np.abs(hue % 6 - 3) - 1, 0, 1)
    saturation, value = rng.uniform(0, 0.85), rng.uniform(110, 255)
    return (value * (1 - saturation * (1 - ramp))).astype(np.float32)


def _find_place(
    cutout: Cutout, owner: np.ndarray, areas: list[int], rng: np.random.Generator
) -> tuple[int, int] | None:
    """The corner (x, y) of a random place inside the image that hides no garment too much, or None."""
    height, width = cutout.mask.shape
    size = len(owner)
    if height > size or width > size:
        return None
    showing = np.bincount(owner.ravel() + 1, minlength=len(areas) + 1)[1:]
    least = (1 - MAX_HIDDEN) * np.array(areas)
    for _ in range(PLACES):
        x, y = int(rng.integers(size - width + 1)), int(rng.integers(size - height + 1))
        under = owner[y : y + height, x : x + width][cutout.mask]
        hides = np.bincount(under + 1, minlength=len(areas) + 1)[1:]
        if (showing - hides >= least).all():
            return x, y
    return None


def add_noise(canvas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A canvas (H, W, 3) float32 as a sensor would give it, uint8; the canvas is written over."""
    canvas += rng.standard_normal(canvas.shape, np.float32) * np.float32(rng.uniform(*NOISE))
    return np.rint(np.clip(canvas, 0, 255)).astype(np.uint8)


def view_photograph(photograph: np.ndarray, size: int, rng: np.random.Generator, share: float = 1.0) -> np.ndarray:
    """A (size, size, 3) uint8 view of a photograph: a random crop, mirrored, blurred a little, in another light.

    share : the view's side in sides of a whole scene; a small one shows a small piece of the photograph
    """
    cv2 = opencv()
    height, width = photograph.shape[:2]
    side = min(height, width) * rng.uniform(SMALLEST_CROP, 1) * share
    stretch = rng.uniform(0.85, 1.15)
    crop_width, crop_height = min(width, round(side * stretch)), min(height, round(side / stretch))
    x, y = rng.integers(width - crop_width + 1), rng.integers(height - crop_height + 1)
    crop = photograph[y : y + crop_height, x : x + crop_width]
    interpolation = cv2.INTER_AREA if min(crop.shape[:2]) > size else cv2.INTER_CUBIC
    view = cv2.resize(crop, (size, size), interpolation=interpolation)
    if rng.integers(2):
        view = view[:, ::-1]
    if rng.random() < 0.3:
        view = cv2.GaussianBlur(view, (0, 0), rng.uniform(0.5, 1.5) * size / share / 160)
    return _relight(view, rng)


def _relight(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random brightness, contrast and colour balance, by one 256-entry table a channel."""
    brightness, contrast = rng.uniform(0.65, 1.3), rng.uniform(0.7, 1.2)
    balance = rng.uniform(0.85, 1.15, size=3)
    levels = (np.arange(256)[:, None] - 128) * contrast + 128
    table = np.rint(np.clip(levels * brightness * balance, 0, 255)).astype(np.uint8)
    return np.stack([table[:, channel][view[:, :, channel]] for channel in range(3)], axis=-1)
