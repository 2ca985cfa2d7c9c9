"""The folder that `minircnn detect` fills: where each picture goes, what was there before, and the lists of it all.

Pictures of images in sub-folders lie in sub-folders of the same names.

Pictures carry a JPEG comment and the lists an entry that say who made them: only such files are ever written over.
The lists also say of which image, with which model: what is done already is not done again.
"""

import hashlib
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.files import (
    LONGEST_NAME,
    NoRoom,
    check_creatable,
    json_bytes,
    read_json,
    read_json_list,
    reason,
    write_bytes,
)
from minircnn.detection import Detections
from minircnn.metrics import coco_results
from minircnn.report.drawing import draw_detections
from minircnn.tasks.images import state
from minircnn.tasks.jpeg import MADE_BY, is_own_picture, jpeg

REMEDY = "choose another --out"


@dataclass(frozen=True)
class Found:
    """One image that is done: its row in images.json, and its rows in detections.json."""

    listed: dict
    results: list[dict]


class PictureFolder:
    """Where the pictures of `images` go, beside those that are there already.

    Parameters
    ----------
    out : folder, made when the first file is written
    images : the paths that will be drawn, each with its name below the folder that was named, as `list_images` has them
    class_names : K names
    made_with : what else a picture depends on, JSON-ready; one that was made with something else is done again
    score : what scores less is not shown

    Attributes
    ----------
    remaining : those of `images` that are not done yet
    notes : what the user should know of what was there

    Raises
    ------
    InputError : something stands where a file will go that is an input, or that `detect` did not make; or the lists
        there are of other classes
    """

    def __init__(
        self,
        out: Path,
        images: Mapping[Path, str],
        class_names: Sequence[str],
        made_with: dict,
        score: float = 0.5,
    ):
        self.out, self.images, self.class_names = out, images, class_names
        self.made_with, self.score = made_with | {"score": score}, score
        self.results, self.list = out / "detections.json", out / "images.json"
        self.notes: list[str] = []
        self._done = self._read_lists()  # by file name as it was given; in the order of the lists
        self._numbers, self._targets = self._numbered()
        self.remaining = [path for path in images if not self._is_done(path)]
        self._check()
        if kept := len(images) - len(self.remaining):
            self.notes.append(f"{kept} of {len(images)} pictures are in {out} already, of these images by this model")
        if again := sum(str(path) in self._done for path in self.remaining):
            self.notes.append(
                f"{again} pictures in {out} are done again: of another model or --score, or a changed image"
            )

    def _read_lists(self) -> dict[str, Found]:
        """What the lists there say, less images whose results were not written; InputError of other classes."""
        if not self._is_own_list(self.list) or not self._is_own_list(self.results):
            return {}
        listed, results = read_json(self.list, REMEDY), read_json_list(self.results, REMEDY)
        try:
            classes = [row["name"] for row in listed["categories"]]
            if listed["images"] and classes != list(self.class_names):
                raise InputError(f"{self.list} lists pictures of a model of other classes ({classes[0]}, …); {REMEDY}")
            of_image: dict[int, list[dict]] = {row["id"]: [] for row in listed["images"]}
            for row in results:
                of_image[row["image_id"]].append(row)
            rows = [row for row in listed["images"] if len(of_image[row["id"]]) == row["detections"]]
            return {row["file_name"]: Found(row, of_image[row["id"]]) for row in rows}
        except (KeyError, TypeError, IndexError) as error:
            raise InputError(f"{self.list} is not as {MADE_BY} writes it ({error!r}); {REMEDY}") from None

    def _is_done(self, path: Path) -> bool:
        if (found := self._done.get(str(path))) is None:
            return False
        same = (found.listed["made_with"], found.listed["state"]) == (self.made_with, state(path))
        return same and is_own_picture(self.out / found.listed["picture"])

    def _numbered(self) -> tuple[dict[Path, int], dict[Path, Path]]:
        """A number and a file for each image; an image that is in the lists keeps its own.

        a.jpg for a single a.png; 0007-a.jpg for the seventh of many, cut to what a file system takes; in the folder
        of the image's name.
        """
        numbers, targets = {}, {}
        wanted = {str(path) for path in self.images}
        taken = {found.listed["id"] for found in self._done.values()}
        others = {found.listed["picture"] for name, found in self._done.items() if name not in wanted}
        free = itertools.count(max(len(self.images), *taken, 0) + 1)
        for position, (path, full_name) in enumerate(self.images.items(), start=1):
            if found := self._done.get(str(path)):
                numbers[path], targets[path] = found.listed["id"], self.out / found.listed["picture"]
                continue
            numbers[path] = number = next(free) if position in taken else position
            folder = PurePosixPath(full_name).parent
            numbered = (folder / _cut(path.stem, f"{number:04d}-")).as_posix()
            name = (folder / _cut(path.stem)).as_posix() if len(self.images) == 1 else numbered
            targets[path] = self.out / (numbered if name in others else name)
        return numbers, targets

    def _check(self) -> None:
        try:
            if not self.out.exists():
                check_creatable(self.out)
            elif not self.out.is_dir():
                raise InputError(f"{self.out} cannot be made (it is a file); {REMEDY}")
            inputs = {(status.st_dev, status.st_ino): path for path in self.images for status in [path.stat()]}
            pictures = list(self._targets.values())
            for target in (*pictures, self.list, self.results):
                if not target.exists():
                    continue
                status = target.stat()
                if (status.st_dev, status.st_ino) in inputs:
                    raise InputError(f"{target} is one of the images and would be written over; {REMEDY}")
                own = is_own_picture(target) if target in pictures else self._is_own_list(target)
                if not own:
                    raise InputError(f"{target} is there already and was not made by {MADE_BY}; {REMEDY}")
        except OSError as error:
            raise InputError(f"{self.out} cannot be used ({reason(error)}); {REMEDY}") from None

    def _is_own_list(self, path: Path) -> bool:
        """images.json says who wrote it, and for which detections.json: the one it goes with, or the one before."""
        try:
            info = read_json(self.list, "")["info"]
            if path == self.list or info["made_by"] != MADE_BY:
                return info["made_by"] == MADE_BY
            return _digest(path.read_bytes()) in (info["results"], info.get("results_before"))
        except (InputError, OSError, KeyError, TypeError):
            return False

    @property
    def count(self) -> int:
        """How many of `images` are done."""
        return sum(str(path) in self._done for path in self.images)

    def draw(self, path: Path, image: np.ndarray, shown: Detections) -> bytes:
        """One picture as JPEG; InputError where its size cannot be encoded."""
        picture = draw_detections(image, shown.boxes, shown.labels, self.class_names, shown.scores)
        return jpeg(picture, self._targets[path])

    def add(self, path: Path, content: bytes, size: tuple[int, int], detections: Detections) -> None:
        """Write what `draw` gave; the detections go into the list; `size` is the image's height and width."""
        target, number = self._targets[path], self._numbers[path]
        write_bytes(target, content, REMEDY)
        results = coco_results([detections], [number])
        for result in results:
            result["category_name"] = self.class_names[result["category_id"] - 1]
        listed = {"id": number, "file_name": str(path), "height": size[0], "width": size[1]}
        listed |= {
            "picture": target.relative_to(self.out).as_posix(),
            "state": state(path),
            "made_with": self.made_with,
        }
        self._done[str(path)] = Found(listed | {"detections": len(results)}, results)

    def write_lists(self) -> None:
        """Write images.json and detections.json: of what was there, and of what was added so far.

        COCO's own loader takes the two together: COCO("images.json").loadRes("detections.json"). Where the disk is
        full, the last pictures are taken away until there is room: they can be made again, the lists cannot.
        """
        for attempt in range(64):
            try:
                return self._write_lists()
            except NoRoom:
                if not self._done:
                    raise
                for name in list(self._done)[-(1 << attempt) :]:
                    (self.out / self._done.pop(name).listed["picture"]).unlink(missing_ok=True)

    def _write_lists(self) -> None:
        rows = sorted(self._done.values(), key=lambda found: found.listed["id"])
        results = json_bytes([result for found in rows for result in found.results])
        info = {"made_by": MADE_BY, "results": _digest(results)}
        if self.results.exists():
            info["results_before"] = _digest(self.results.read_bytes())
        listed = {
            "info": info,
            "images": [found.listed for found in rows],
            "categories": [{"id": k, "name": name} for k, name in enumerate(self.class_names, start=1)],
            "annotations": [],
        }
        write_bytes(self.list, json_bytes(listed), REMEDY)
        write_bytes(self.results, results, REMEDY)

    def found(self) -> Iterator[tuple[Path, Found]]:
        """Each of `images` that is done, and what was found on it."""
        return ((path, self._done[str(path)]) for path in self.images if str(path) in self._done)

    def shown(self, found: Found) -> list[dict]:
        """The rows of what scores enough to be shown."""
        return [row for row in found.results if row["score"] >= self.score]

    def lines(self) -> Iterator[tuple[Path, str]]:
        """Each image and what is shown on it, in words."""
        for path, found in self.found():
            yield path, ", ".join(f"{row['category_name']} {row['score']:.2f}" for row in self.shown(found))

    def saved(self) -> str:
        """What is there, for whoever stops half-way."""
        return f"{self.count} of {len(self.images)} pictures and their detections.json are in {self.out}"


def _cut(stem: str, prefix: str = "") -> str:
    while len(os.fsencode(f"{prefix}{stem}.jpg")) > LONGEST_NAME:
        stem = stem[:-1]
    return f"{prefix}{stem}.jpg"


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
