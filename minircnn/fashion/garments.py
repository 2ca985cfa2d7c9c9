"""Cut a 28×28 garment out of its black ground, and draw it larger, turned and in colour.

`materials.py` gives the garments; `scenes.py` lays what is drawn here on a photograph.
"""

from dataclasses import dataclass

import numpy as np

from minircnn.data.opencv import opencv

THRESHOLD = 8  # grey levels above the black ground that count as cloth: white garments are photographed dark
MIN_CLOTH = 40  # pixels of 784: fewer are too little to recognise
SPECK = 6  # pixels: smaller islands beside the garment are dust
SMOOTHING = 0.55  # sigma in garment pixels: rounds the staircase outline, keeps straps one pixel wide
OUTLINE = 0.4  # the smoothed silhouette's level taken as the outline; below 0.5, or thin straps would vanish
DARKEST = 0.12  # share of the tint that the darkest cloth keeps, so that folds stay visible on every tint


@dataclass(frozen=True)
class Pose:
    """How a garment is drawn.

    Attributes
    ----------
    long_side : float
        Of the upright silhouette, in pixels.
    degrees : float
        Rotation.
    mirrored : bool
    tint : (3,) float32 array
        RGB, 0..255: the colour of the brightest cloth.
    contrast : float
        Exponent of the cloth's grey: above 1 darkens the folds.
    """

    long_side: float
    degrees: float
    mirrored: bool
    tint: np.ndarray
    contrast: float


@dataclass(frozen=True, eq=False)
class Cutout:
    """A garment ready to be laid on a photograph, cropped tightly.

    Attributes
    ----------
    colour : (h, w, 3) float32 array
        RGB 0..255, defined beyond the outline too, so that blending leaves no dark fringe.
    alpha : (h, w) float32 array
        0..1, antialiased.
    mask : (h, w) bool array
        `alpha` of one half or more; it touches all four sides.
    """

    colour: np.ndarray
    alpha: np.ndarray
    mask: np.ndarray


def silhouette(garment: np.ndarray) -> np.ndarray:
    """(28, 28) uint8 0/1 mask of a garment: its cloth with holes filled, without specks; empty if it is hardly there.

    Holes are filled because dark places inside a garment are mostly prints and folds, which look like the ground.
    """
    cv2 = opencv()
    framed = cv2.copyMakeBorder((garment > THRESHOLD).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    cv2.floodFill(framed, None, (0, 0), 2)  # 2 marks the ground that is reached from outside
    cloth = (framed[1:-1, 1:-1] != 2).astype(np.uint8)
    _, islands, statistics, _ = cv2.connectedComponentsWithStats(cloth, connectivity=8)
    kept = statistics[:, cv2.CC_STAT_AREA] >= SPECK
    kept[0] = False  # component 0 is the ground
    cloth = kept[islands].astype(np.uint8)
    return cloth if cloth.sum() >= MIN_CLOTH else np.zeros_like(cloth)


def draw_garment(garment: np.ndarray, pose: Pose) -> Cutout | None:
    """Draw a (28, 28) uint8 garment in a pose; None if there is too little of it."""
    cv2 = opencv()
    cloth = silhouette(garment)
    if not cloth.any():
        return None
    x, y, width, height = cv2.boundingRect(cloth)
    scale = pose.long_side / max(width, height)
    matrix, canvas = _placement(x + width / 2, y + height / 2, scale, pose)
    coverage = cv2.GaussianBlur(cloth * np.uint8(255), (5, 5), SMOOTHING, borderType=cv2.BORDER_CONSTANT)
    coverage = cv2.warpAffine(coverage, matrix, canvas, flags=cv2.INTER_CUBIC)
    # The warped ramp is about `scale` pixels wide: steepen it to one, as a lens would show an edge.
    alpha = np.clip((coverage / np.float32(255) - np.float32(OUTLINE)) * np.float32(scale) + np.float32(0.5), 0, 1)
    grey = cv2.warpAffine(
        _spread(garment, cloth), matrix, canvas, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    shades = (np.arange(256) / 255) ** pose.contrast * (1 - DARKEST) + DARKEST
    colour = shades.astype(np.float32)[grey][:, :, None] * pose.tint
    mask = alpha >= 0.5
    if not mask.any():
        return None
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    tight = np.s_[y : y + height, x : x + width]
    return Cutout(colour[tight], alpha[tight], mask[tight])


def _placement(x: float, y: float, scale: float, pose: Pose) -> tuple[np.ndarray, tuple[int, int]]:
    """The affine map that scales, turns and mirrors about (x, y), and the (width, height) of a canvas to hold it."""
    side = int(np.ceil(pose.long_side * 1.5)) + 4  # more than the diagonal of a garment as wide as it is long
    angle = np.deg2rad(pose.degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if pose.mirrored:
        turn[:, 0] *= -1
    # Pixel centres lie at whole numbers for OpenCV, hence the halves.
    shift = side / 2 - 0.5 - turn @ np.array([x - 0.5, y - 0.5])
    return np.column_stack([turn, shift]), (side, side)


def _spread(garment: np.ndarray, cloth: np.ndarray) -> np.ndarray:
    """The garment with its grey carried outwards over the half-covered rim and the ground beyond it."""
    cv2 = opencv()
    inner = cv2.erode(cloth, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    spread = garment
    for _ in range(2):
        spread = np.where(inner > 0, garment, cv2.dilate(spread, np.ones((3, 3), np.uint8)))
    return spread
