"""The folder that `minircnn detect` fills: which images go in, where each picture goes, and what was there before.

Pictures carry a JPEG comment and the lists an entry that say who made them: only such files are ever written over.
"""

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from minircnn.data.image import SUFFIXES, image_size
from minircnn.detection import Detections
from minircnn.errors import InputError
from minircnn.files import LONGEST_NAME, check_creatable, read_json, reason, write_bytes, write_json
from minircnn.metrics import coco_results
from minircnn.report.drawing import contact_sheet, draw_detections, fitted

MADE_BY = "minircnn detect"
QUALITY = 92
REMEDY = "choose another --out"


def list_images(paths: Sequence[Path], out: Path) -> tuple[list[Path], list[str], list[str]]:
    """The files named, and the images in the folders named, in order.

    A file in a folder is taken by its suffix, or, where that says nothing, if it opens as an image. What `detect`
    itself has drawn there is left out. A file that is named is always taken.

    Returns
    -------
    found : the images
    left_out : a few words for everything else that lies in the folders
    wrong : a sentence for each path that is not there, or is a folder without an image

    Raises
    ------
    InputError : nothing is left to look at
    """
    found, left_out, wrong = [], [], []
    for path in paths:
        try:
            if path.is_dir():
                inside, others = _images_in(path, out)
                found += inside
                left_out += others
                if not inside:
                    besides = f", but {len(others)} other entries" if others else ""
                    wrong.append(f"{path} holds no image that can be read{besides}; name a folder that does")
            elif path.exists():
                found.append(path)
            else:
                wrong.append(f"{path} is not there; name an image or a folder of images")
        except OSError as error:
            wrong.append(f"{path} cannot be read ({reason(error)}); name an image or a folder of images")
    if not found:
        raise InputError("; ".join(wrong))
    return found, left_out, wrong


def _images_in(folder: Path, out: Path) -> tuple[list[Path], list[str]]:
    inside, others = [], []
    own = folder.resolve() == out.resolve()
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            others.append(f"{entry} (a folder)")
        elif not entry.is_file():
            others.append(f"{entry} (no file)")  # a broken link, or a pipe, which would wait for ever
        elif entry.name.startswith("."):
            others.append(f"{entry} (hidden)")
        elif own and _is_own_picture(entry):
            others.append(f"{entry} (drawn by {MADE_BY})")
        elif entry.suffix.lower() in SUFFIXES or _opens(entry):
            inside.append(entry)
        else:
            others.append(f"{entry} (no image that can be read)")
    return inside, others


def _opens(path: Path) -> bool:
    try:
        image_size(path)
    except InputError:
        return False
    return True


class PictureFolder:
    """Where the pictures of `images` go.

    Parameters
    ----------
    out : folder, made when the first file is written
    images : the paths that will be drawn
    class_names : K names
    sheet : file for all pictures on one, or None

    Raises
    ------
    InputError : something stands where a file will go that is an input, or that `detect` did not make
    """

    def __init__(self, out: Path, images: Sequence[Path], class_names: Sequence[str], sheet: Path | None):
        self.out, self.images, self.class_names, self.sheet = out, images, class_names, sheet
        self.results, self.list = out / "detections.json", out / "images.json"
        self.targets = [self._target(number) for number in range(len(images))]
        self._found: dict[int, tuple[Detections, Detections, tuple[int, int]]] = {}
        self._pictures: list[np.ndarray] = []
        self._check()

    def _target(self, number: int) -> Path:
        """a.jpg for a single a.png; 0007-a.jpg for the seventh of many, cut to what a file system takes."""
        prefix = "" if len(self.images) == 1 else f"{number + 1:04d}-"
        stem = self.images[number].stem
        while len(os.fsencode(f"{prefix}{stem}.jpg")) > LONGEST_NAME:
            stem = stem[:-1]
        return self.out / f"{prefix}{stem}.jpg"

    def _check(self) -> None:
        try:
            if not self.out.exists():
                check_creatable(self.out)
            elif not self.out.is_dir():
                raise InputError(f"{self.out} cannot be made (it is a file); {REMEDY}")
            inputs = {(status.st_dev, status.st_ino): path for path in self.images for status in [path.stat()]}
            pictures = [*self.targets, *([self.sheet] if self.sheet else [])]
            if self.sheet in (*self.targets, self.list, self.results):
                raise InputError(f"{self.sheet} is where another file goes; choose another --sheet")
            for target in (*pictures, self.list, self.results):
                if not target.exists():
                    continue
                status = target.stat()
                if (status.st_dev, status.st_ino) in inputs:
                    raise InputError(f"{target} is one of the images and would be written over; {REMEDY}")
                own = _is_own_picture(target) if target in pictures else self._is_own_list(target)
                if not own:
                    raise InputError(f"{target} is there already and was not made by {MADE_BY}; {REMEDY}")
        except OSError as error:
            raise InputError(f"{self.out} cannot be used ({reason(error)}); {REMEDY}") from None

    def _is_own_list(self, path: Path) -> bool:
        """images.json says who wrote it, and for which detections.json."""
        try:
            info = read_json(self.list, "")["info"]
            return info["made_by"] == MADE_BY and (path == self.list or info["results"] == _digest(path.read_bytes()))
        except (InputError, OSError, KeyError, TypeError):
            return False

    @property
    def count(self) -> int:
        return len(self._found)

    def draw(self, number: int, image: np.ndarray, shown: Detections) -> bytes:
        """One picture as JPEG; InputError where its size cannot be encoded."""
        picture = draw_detections(image, shown.boxes, shown.labels, self.class_names, shown.scores)
        if self.sheet:
            self._pictures.append(fitted(picture))
        return _jpeg(picture, self.targets[number])

    def add(
        self, number: int, content: bytes, size: tuple[int, int], detections: Detections, shown: Detections
    ) -> None:
        """Write what `draw` gave; `detections` go into the list, `shown` is what was drawn on the (height, width)."""
        write_bytes(self.targets[number], content, REMEDY)
        self._found[number] = detections, shown, size

    def write_lists(self, sheet: bool = True) -> None:
        """Write detections.json, images.json, and the sheet if it is wanted now: of what was added so far.

        COCO's own loader takes the two together: COCO("images.json").loadRes("detections.json").
        """
        numbers = [number + 1 for number in self._found]
        results = coco_results([detections for detections, _, _ in self._found.values()], numbers)
        for result in results:
            result["category_name"] = self.class_names[result["category_id"] - 1]
        write_json(self.results, results)
        listed = {
            "info": {"made_by": MADE_BY, "results": _digest(self.results.read_bytes())},
            "images": [
                {"id": number + 1, "file_name": str(self.images[number]), "height": height, "width": width}
                for number, (_, _, (height, width)) in self._found.items()
            ],
            "categories": [{"id": k, "name": name} for k, name in enumerate(self.class_names, start=1)],
            "annotations": [],
        }
        write_json(self.list, listed)
        if self._pictures and self.sheet is not None and sheet:
            write_bytes(self.sheet, _jpeg(contact_sheet(self._pictures), self.sheet), "choose another --sheet")

    def lines(self) -> Iterator[tuple[Path, str]]:
        """Each image and what is shown on it, in words."""
        for number, (_, shown, _) in self._found.items():
            names = (f"{self.class_names[k - 1]} {s:.2f}" for k, s in zip(shown.labels, shown.scores, strict=True))
            yield self.images[number], ", ".join(names)

    def saved(self) -> str:
        """What is there, for whoever stops half-way."""
        return f"{self.count} of {len(self.images)} pictures and their detections.json are in {self.out}"


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _is_own_picture(path: Path) -> bool:
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            return image.info.get("comment") == MADE_BY.encode()
    except Exception:  # whatever this is, detect did not make it
        return False


def _jpeg(picture: np.ndarray, target: Path) -> bytes:
    buffer = io.BytesIO()
    try:
        Image.fromarray(picture).save(buffer, "JPEG", quality=QUALITY, comment=MADE_BY)
    except (OSError, ValueError) as error:
        raise InputError(f"{target} could not be encoded as JPEG ({error}); is the image of a usual size?") from None
    return buffer.getvalue()
