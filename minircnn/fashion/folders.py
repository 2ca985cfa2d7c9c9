"""Write fashion scenes: real garments on real photographs, in DeepFashion2's own layout.

`scenes.py` composes them. One reader, `deepfashion2.py`, then serves these and the real data set. Scene i of a split
depends on the seed, the split and i alone, so a folder can be extended or resumed and keeps the same bytes.
"""

import hashlib
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from minircnn.base.errors import InputError
from minircnn.base.files import write_bytes
from minircnn.base.progress import Progress, silent
from minircnn.data.opencv import opencv
from minircnn.fashion.materials import (
    CLASS_NAMES,
    Garments,
    bundled_garments,
    bundled_photographs,
    idx_garments,
)
from minircnn.fashion.scenes import Item, compose_scene

LARGEST_SIZE = 4096  # pixels; beyond it a scene takes minutes and gigabytes
MAX_IMAGES = 999_999  # of a split: file names have six digits
SMALLEST_SIZE = 96  # pixels: the smallest garment would be 21 pixels long, and hard for a person to name
JPEG_QUALITY = 95
RECIPE = 1  # raise it when the same seed begins to give other scenes
SPLITS = ("train", "validation", "test")
REMEDY = "give a folder with room to write in"


def write_scenes(
    out: str | Path,
    images: int,
    validation: int,
    size: int = 160,
    seed: int = 0,
    fashion_mnist: str | Path | None = None,
    test: int = 0,
    progress: Progress = silent,
) -> None:
    """Write scenes to out/train, out/validation and out/test, each with image/ and annos/, and out/classes.json.

    Training scenes use training garments and photographs. Validation and test scenes use the test photographs, and a
    fifth and four fifths of the test garments: no garment is in two splits. A folder that was written with the same
    settings is completed: scenes that are there are kept.

    Parameters
    ----------
    out : path
        New or empty, or holds scenes of the same settings.
    images, validation, test : int
        Number of training (1 or more), validation and test scenes (0 or more).
    size : int
        Height and width of a scene in pixels, 96 to 4096.
    seed : int
        0 or more. The same seed gives the same bytes.
    fashion_mnist : path, optional
        Folder of Fashion-MNIST's idx files, to use all 70,000 garments; by default the bundled 6,000.
    progress : Progress
        Called after each scene.

    Raises
    ------
    InputError
        An argument is out of range, an idx file is missing or damaged, or `out` holds something else or cannot be
        written.
    """
    out = Path(out)
    counts = dict(zip(SPLITS, (images, validation, test), strict=True))
    _check_arguments(counts, size, seed)
    materials, fingerprint = _materials(fashion_mnist)
    settings = {"recipe": RECIPE, "size": size, "seed": seed, "garments": fingerprint}
    try:
        _claim(out, settings, counts)
        total, done = sum(counts.values()), 0
        for split, count in counts.items():
            if not count:
                continue
            photographs, garments = materials[split]
            (out / split / "image").mkdir(parents=True, exist_ok=True)
            (out / split / "annos").mkdir(exist_ok=True)
            for number in range(1, count + 1):
                image_path, annotation_path = _paths(out, split, number)
                if not (image_path.exists() and annotation_path.exists()):
                    rng = np.random.default_rng([seed, SPLITS.index(split), number])
                    image, items = compose_scene(photographs, garments, size, rng)
                    write_bytes(image_path, _jpeg(image), REMEDY)
                    write_bytes(annotation_path, _annotation(items, number), REMEDY)
                done += 1
                progress("scenes", done, total, "")
    except OSError as error:
        raise InputError(f"{error.filename or out}: cannot be written ({error.strerror}); {REMEDY}") from error


def _check_arguments(counts: dict[str, int], size: int, seed: int) -> None:
    ranges = {
        "images": (counts["train"], 1, MAX_IMAGES),
        "validation": (counts["validation"], 0, MAX_IMAGES),
        "test": (counts["test"], 0, MAX_IMAGES),
        "size": (size, SMALLEST_SIZE, LARGEST_SIZE),
        "seed": (seed, 0, None),
    }
    for name, (value, least, most) in ranges.items():
        if not isinstance(value, int) or value < least or (most is not None and value > most):
            high = "" if most is None else f" and at most {most:,}"
            raise InputError(f"{name} is {value!r}; give a whole number of at least {least}{high}")


def _materials(fashion_mnist: str | Path | None) -> tuple[dict[str, tuple[list[np.ndarray], Garments]], str]:
    """(photographs, garments) of each split, and a fingerprint of all garments."""
    if fashion_mnist is None:
        train, held_out = bundled_garments("train"), bundled_garments("test")
    else:
        train, held_out = idx_garments(fashion_mnist, "train"), idx_garments(fashion_mnist, "test")
    digest = hashlib.sha256()
    for garments in (train, held_out):
        digest.update(garments.images.data)
        digest.update(garments.labels.data)
    validation, test = held_out.split_fifth()
    other_photographs = bundled_photographs("test")
    materials = {
        "train": (bundled_photographs("train"), train),
        "validation": (other_photographs, validation),
        "test": (other_photographs, test),
    }
    return materials, digest.hexdigest()[:16]


def _claim(out: Path, settings: dict, counts: dict[str, int]) -> None:
    """Take an empty folder for these settings, or check that it was taken for the same and holds no more scenes."""
    content = json.dumps({"classes": CLASS_NAMES, "scenes": settings}, indent=1).encode()
    marker = out / "classes.json"
    if marker.exists():
        if marker.read_bytes() != content:
            raise InputError(f"{marker}: written with other settings; give an empty folder, or the same settings")
        for split, count in counts.items():
            if _paths(out, split, count + 1)[0].exists():
                raise InputError(
                    f"{out / split}: holds more than {count} scenes; give an empty folder, or ask for more"
                )
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: already there and not a folder of fashion scenes; give an empty or a new folder")
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(marker, content, REMEDY)


def _paths(out: Path, split: str, number: int) -> tuple[Path, Path]:
    return out / split / "image" / f"{number:06}.jpg", out / split / "annos" / f"{number:06}.json"


def _jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def _annotation(items: list[Item], number: int) -> bytes:
    """DeepFashion2's JSON of a scene. Every scene is its own pair, of shop photographs, with unpaired items."""
    annotation: dict = {"source": "shop", "pair_id": number}
    for index, item in enumerate(items, start=1):
        annotation[f"item{index}"] = _item(item)
    return json.dumps(annotation, separators=(",", ":")).encode()


def _item(item: Item) -> dict:
    x1, y1, x2, y2 = item.box
    share = (x2 - x1) * (y2 - y1) / item.visible.size
    return {
        "segmentation": outline_polygons(item.visible),
        "scale": 1 if share < 0.1 else 2 if share <= 0.4 else 3,  # small, modest, large in the image
        "viewpoint": 1,  # nobody wears it
        "zoom_in": 1,  # all of it is in the image
        "landmarks": [],  # Fashion-MNIST's classes have none
        "style": 0,  # no other image shows the same garment on purpose
        "bounding_box": [x1, y1, x2, y2],
        "category_id": item.label + 1,
        "occlusion": 1 if item.hidden < 0.2 else 2,  # slight (or none), medium; half hidden would be heavy
        "category_name": CLASS_NAMES[item.label],
    }


def outline_polygons(visible: np.ndarray) -> list[list[int]]:
    """Outlines [x, y, x, y, …] of the visible parts, through the outermost pixels."""
    cv2 = opencv()
    contours, _ = cv2.findContours(visible.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [[int(value) for value in contour.ravel()] for contour in contours if len(contour) >= 3]
