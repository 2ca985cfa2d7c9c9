"""What `minircnn detect --save` writes: the boxes that are shown, in the formats of labelling tools, and cut-outs.

Each goes into a folder of its own beside the pictures, built under another name and renamed when it is whole. A folder
that is there already is never touched: somebody may have corrected the labels in it.
"""

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.files import write_bytes
from minircnn.base.progress import Progress, silent
from minircnn.data import read_image
from minircnn.data.formats import WHOLE, WRITERS
from minircnn.data.formats.writing import Annotated
from minircnn.tasks.jpeg import jpeg
from minircnn.tasks.picture_folder import REMEDY, PictureFolder

CROPS = "crops"
#: What `--save` takes: the formats that have a place for scores and for sub-folders, and cut-outs.
SAVED = (*(name for name, writer in WRITERS.items() if name != "deepfashion2"), CROPS)
FORBIDDEN = set('<>:"/\\|?*') | {chr(code) for code in range(32)}  # in a file's name, on one system or another


def check_save(text: str, out: Path, remaining: bool, names: Iterable[str] = ()) -> tuple[list[str], list[str]]:
    """ "coco,crops" → what of it is to be written, and a note for each that is there already.

    remaining : whether an image is left to look at, so that what is there would not be all
    names : of the images, below the folder that was named

    Raises
    ------
    InputError : an unknown word, or a folder that is there and would have to be written again
    """
    wanted = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if unknown := [word for word in wanted if word not in SAVED]:
        raise InputError(f"--save {unknown[0]}: give one or several of {','.join(SAVED)}")
    folders = {PurePosixPath(name).parts[0] for name in names if "/" in name}
    if mixed := [word for word in wanted if word in folders]:
        raise InputError(
            f"{out / mixed[0]} is where the pictures of a sub-folder called {mixed[0]} go; rename that one"
        )
    there = [word for word in wanted if (out / word).exists()]
    if there and remaining:
        raise InputError(f"{out / there[0]} is there already, and may hold corrections; move it away, or {REMEDY}")
    notes = [f"{out / word} is there already and left as it is" for word in there]
    return [word for word in wanted if word not in there], notes


def save_shown(folder: PictureFolder, wanted: Sequence[str], progress: Progress = silent) -> list[Path]:
    """Write what is shown on the images of a command in each of the `wanted` forms → the folders that were made.

    Raises
    ------
    InputError : the disk refuses; a crop's image cannot be read any more. What is not whole is not there then
    """
    made = []
    names = _names(folder.images, {path for path, _ in folder.found()})
    for word in wanted:
        target, building = folder.out / word, folder.out / f".{word}.partial"
        shutil.rmtree(building, ignore_errors=True)  # of a command that was killed
        try:
            if word == CROPS:
                _write_crops(folder, names, building, progress)
            else:
                _write_labels(folder, word, names, building, progress)
            if building.exists():
                building.rename(target)
                made.append(target)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return made


def _write_labels(folder: PictureFolder, word: str, names: dict[Path, str], building: Path, progress: Progress) -> None:
    writer = WRITERS[word](building, folder.class_names)
    for number, (path, found) in enumerate(folder.found(), start=1):
        row, shown = found.listed, folder.shown(found)
        image = Annotated(
            names[path],
            row["height"],
            row["width"],
            _corners(shown),
            [result["category_name"] for result in shown],
            np.zeros(len(shown), bool),
            np.array([result["score"] for result in shown], np.float32),
            path.resolve(),
        )
        writer.add(WHOLE, image)
        progress(f"saving {word}", number, len(names), "")
    writer.finish()


def _write_crops(folder: PictureFolder, names: dict[Path, str], building: Path, progress: Progress) -> None:
    """crops/shirt/a-1.jpg, a-2.jpg, …: the best first; whole pixels, all that a box touches."""
    folders = _class_folders(folder.class_names)
    for number, (path, found) in enumerate(folder.found(), start=1):
        shown, counts = folder.shown(found), Counter[str]()
        image = read_image(path) if shown else None
        for result, box in zip(shown, _corners(shown), strict=True):
            assert image is not None
            name = result["category_name"]
            counts[name] += 1
            x1, y1, x2, y2 = (int(side) for side in (*np.floor(box[:2]), *np.ceil(box[2:])))
            stem = PurePosixPath(names[path]).with_suffix("").as_posix()
            target = building / folders[name] / f"{stem}-{counts[name]}.jpg"
            write_bytes(target, jpeg(np.ascontiguousarray(image[y1:y2, x1:x2]), target), REMEDY)
        progress(f"saving {CROPS}", number, len(names), "")


def _corners(results: Sequence[dict]) -> np.ndarray:
    """COCO's x, y, width, height → (D, 4) float32."""
    boxes = np.array([result["bbox"] for result in results], np.float64).reshape(-1, 4)
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1).astype(np.float32)


def _names(images: Mapping[Path, str], wanted: set[Path]) -> dict[Path, str]:
    """A name for each: its own below the folder that was named; with its number where two would share a label file."""
    stems = Counter(str(PurePosixPath(name).with_suffix("")).casefold() for name in images.values())
    found = {}
    for number, (path, name) in enumerate(images.items(), start=1):
        if path in wanted:
            own = PurePosixPath(name)
            alone = stems[str(own.with_suffix("")).casefold()] == 1
            found[path] = name if alone else own.with_name(f"{number:04d}-{own.name}").as_posix()
    return found


def _class_folders(class_names: Sequence[str]) -> dict[str, str]:
    """Class name → a folder that every system takes, each its own: "a/b" is a_b."""
    found, taken = dict[str, str](), set[str]()
    for number, name in enumerate(class_names, start=1):
        plain = "".join("_" if letter in FORBIDDEN else letter for letter in name).strip(" .") or "class"
        if plain.casefold() in taken:
            plain = f"{plain}-{number}"
        taken.add(plain.casefold())
        found[name] = plain
    return found
