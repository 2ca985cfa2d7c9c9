"""DeepFashion2's layout: image/000001.jpg beside annos/000001.json, and classes.json above the splits.

DeepFashion2 itself, fashion scenes and anyone's own folder of this layout are read alike. `annotation.py` checks one
annotation file.
"""

import unicodedata
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.files import read_bytes, write_json
from minircnn.data.formats.annotation import read_annotation
from minircnn.data.formats.checks import read_object
from minircnn.data.formats.folder_pair import FolderPair
from minircnn.data.formats.layout import WHOLE, Opener, split_of
from minircnn.data.formats.writing import Annotated, place, rows
from minircnn.data.reader import Objects

DEEPFASHION2_CLASSES = (
    "short sleeve top", "long sleeve top", "short sleeve outwear", "long sleeve outwear", "vest", "sling", "shorts",
    "trousers", "skirt", "short sleeve dress", "long sleeve dress", "vest dress", "sling dress",
)  # fmt: skip


def splits(folder: Path, half: bool = False) -> dict[str, Opener]:
    """What folders of this layout there are: DIR/train, DIR/validation, …, or DIR itself, each with image/, annos/.

    half : those as well that have one of the two, of which the reader says which is missing
    """
    if not folder.is_dir():
        return {}
    enough = any if half else all

    def _looks_so(path: Path) -> bool:
        return enough((path / name).is_dir() for name in ("image", "annos"))

    found = {path.name: path for path in sorted(folder.iterdir()) if _looks_so(path)}
    found |= {split: path for name, path in found.items() if (split := split_of(name)) and split not in found}
    if not found and _looks_so(folder):
        found[WHOLE] = folder
    return {split: partial(DeepFashion2, path) for split, path in found.items()}


class DeepFashion2:
    """DIR/train or DIR/validation, with image/ and annos/ in it.

    DIR/classes.json, {"classes": [names]}, names the categories 1, 2, …; without it they are DeepFashion2's thirteen.
    What a reader has: `minircnn/data/reader.py`.

    Raises
    ------
    InputError : a folder is missing or empty, or classes.json is broken
    """

    def __init__(self, folder: Path):
        self.folder = folder
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; give one that holds image/ and annos/")
        listed = folder / "classes.json"  # of a folder that is not split
        listed = listed if listed.exists() else folder.parent / "classes.json"
        self.own_names, self._names = listed.exists(), category_names(listed)
        self.categories: tuple[str, ...] | None = self._names
        self._pair = FolderPair(folder, "image", "annos", ".json")
        self.entries: Sequence[str] = self._pair.stems
        self.left_out, self.image_folder = self._pair.left_out, self._pair.image_folder

    def image(self, entry: str) -> Path:
        """DIR/train/image/….jpg."""
        self._pair.check(entry, empty="{}")
        return self._pair.image(entry)

    def objects(self, entry: str, height: int, width: int) -> Objects:
        """The items of DIR/train/annos/….json."""
        boxes, ids = read_annotation(self._pair.annotation(entry), height, width, self._names)
        return Objects(boxes, [self._names[i - 1] for i in ids.tolist()], np.zeros(len(boxes), bool))

    def files(self, entry: str) -> tuple[Path, ...]:
        """The image and its annotation."""
        return self._pair.image(entry), self._pair.annotation(entry)

    @staticmethod
    def beside(image: Path, height: int, width: int) -> tuple[np.ndarray, list[str]] | None:
        """Boxes (G, 4) and class names of the annotation that goes with an image; None where there is none."""
        annotation = image.parent.parent / "annos" / f"{image.stem}.json"
        if image.parent.name != "image" or not annotation.is_file():
            return None
        names = category_names(image.parent.parent.parent / "classes.json")
        boxes, categories = read_annotation(annotation, height, width, names)
        return boxes, [names[category - 1] for category in categories]


def category_names(path: Path) -> tuple[str, ...]:
    """The names in classes.json, or DeepFashion2's own if there is none.

    Raises
    ------
    InputError : the file is there but holds no list of names, each once
    """
    try:
        content = read_object(read_bytes(path))
    except FileNotFoundError:
        return DEEPFASHION2_CLASSES
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f'{path}: not readable as JSON ({error}); write {{"classes": ["name", …]}}') from error
    names = content.get("classes") if isinstance(content, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        names = []
    names = [unicodedata.normalize("NFC", name) for name in names]
    if not names or len(set(names)) != len(names):
        raise InputError(f'{path}: expected {{"classes": ["name", …]}} with every name once; correct the key classes')
    return tuple(names)


class DeepFashion2Writer:
    """image/, annos/ and classes.json. What a writer has: `minircnn/data/formats/writing.py`."""

    keeps_ignore = keeps_folders = False

    def __init__(self, folder: Path, class_names: Sequence[str]):
        self._folder, self._class_names = folder, list(class_names)

    def image(self, split: str, name: str) -> Path:
        """DIR/train/image/…."""
        return place(self._folder, split) / "image" / name

    def add(self, split: str, image: Annotated) -> None:
        """DIR/train/annos/….json."""
        content: dict[str, object] = {"source": "user", "pair_id": 0}
        for number, (box, name, _, score) in enumerate(rows(image), start=1):
            item = {"category_id": self._class_names.index(name) + 1, "category_name": name, "bounding_box": box}
            content[f"item{number}"] = item | ({} if score is None else {"score": score})
        path = place(self._folder, split) / "annos" / Path(image.name).with_suffix(".json")
        write_json(path, content)

    def finish(self) -> None:
        """classes.json."""
        write_json(self._folder / "classes.json", {"classes": self._class_names})
