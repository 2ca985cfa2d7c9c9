"""Pascal VOC's layout: an XML file an image, Annotations/ beside JPEGImages/, or both in one folder (LabelImg).

xmin and ymin count pixels from 1, and xmax and ymax are the last pixel that belongs to the box: in the coordinates of
this project, where a pixel has a width, (1, 1, W, H) is (0, 0, W, H). A difficult object is `ignore`. Facts:
http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, SubElement, indent, tostring

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from minircnn.base.errors import InputError
from minircnn.base.files import read_bytes, write_bytes, write_text
from minircnn.data.formats.checks import MAX_BYTES, check_size, checked_box
from minircnn.data.formats.layout import (
    WHOLE,
    Listed,
    Opener,
    check_names,
    files_below,
    folder_splits,
    image_id,
    listed_classes,
)
from minircnn.data.formats.pictures import Pictures, beside
from minircnn.data.formats.writing import Annotated, place, rows
from minircnn.data.reader import Objects

ANNOTATIONS, IMAGES = ("Annotations", "annotations", "xmls"), ("JPEGImages", "images", "Images")
LISTS = {"train": ("train",), "validation": ("val", "validation"), "test": ("test",)}
DEEPEST = 50  # elements within elements


def splits(folder: Path) -> dict[str, Opener]:
    """What ImageSets/Main lists, or else folders called after splits, or the folder as a whole."""
    for inside in (*(sorted(folder.glob("VOC[0-9]*")) if folder.is_dir() else ()), folder):
        if found := folder_splits(inside, _whole_in):
            return _by_lists(inside, found[WHOLE]) if WHOLE in found else found
    return {}


def _whole_in(folder: Path) -> Opener | None:
    annotations = next((folder / name for name in ANNOTATIONS if (folder / name).is_dir()), folder)
    first = next(files_below(annotations, (".xml",), depth=2), None)
    return partial(Voc, folder, annotations) if first and _is_voc(first) else None


def _is_voc(path: Path) -> bool:
    with path.open("rb") as file:
        return b"<annotation" in file.read(4096)


def _by_lists(folder: Path, whole: Opener) -> dict[str, Opener]:
    """The splits that lists make of the whole; without lists for both train and validation, the whole as well."""
    found: dict[str, Opener] = {}
    for split, names in LISTS.items():
        places = (base / f"{name}.txt" for base in (folder / "ImageSets" / "Main", folder) for name in names)
        if path := next((path for path in places if path.is_file()), None):
            found[split] = partial(_listed, whole, path)
    return found or {WHOLE: whole}


def _listed(whole: Opener, path: Path) -> Listed:
    return Listed(whole(), path)


class Voc:
    """Images with an XML file each. What a reader has: `minircnn/data/reader.py`.

    Without a classes.txt the classes are those that occur.

    Raises
    ------
    InputError : there is no XML file; or the list of classes is broken
    """

    own_names = True

    def __init__(self, folder: Path, annotations: Path):
        self.folder = folder
        self.categories = listed_classes(folder)
        inside = next((folder / name for name in IMAGES if (folder / name).is_dir()), None)
        self.image_folder = inside or annotations
        self._annotations = {image_id(path.relative_to(annotations).as_posix()): path
                             for path in files_below(annotations, (".xml",))}  # fmt: skip
        if not self._annotations:
            raise InputError(f"{annotations}: holds no XML file; put the annotations there")
        self._images = beside(self.image_folder)
        self.entries: Sequence[str] = sorted(self._annotations)
        self._pictures = Pictures(folder, [self.image_folder, *dict.fromkeys((annotations, folder))])
        alone = sorted(self._images.keys() - self._annotations.keys())
        self.left_out: tuple[str, ...] = ()
        if alone:
            shown = ", ".join(self._images[stem] for stem in alone[:5]) + (", …" if len(alone) > 5 else "")
            self.left_out = (f"{self.image_folder}: {len(alone)} images left out, without an XML file: {shown}",)

    def image(self, entry: str) -> Path:
        """The image of the same name, or the one that the XML file names."""
        if entry in self._images:
            return self.image_folder / self._images[entry]
        path = self._annotations[entry]
        root = _parsed(path)
        return self._pictures.path(root.findtext("filename") or root.findtext("path") or "", str(path))

    def objects(self, entry: str, height: int, width: int) -> Objects:
        """The <object>s of its XML file; parts of objects (heads, hands) are none."""
        path = self._annotations[entry]
        root = _parsed(path)
        size = root.find("size")
        if size is not None:
            check_size((_whole(size.findtext("width")), _whole(size.findtext("height"))), str(path), height, width)
        boxes, names, ignore = [], [], []
        for number, item in enumerate(root.findall("object"), start=1):
            where = f"{path}: object {number}"
            (name,) = check_names([item.findtext("name") or ""], where)
            if self.categories is not None and name not in self.categories:
                raise InputError(f"{where} is {name!r}, which the list of classes beside it lacks; add it there")
            boxes.append(checked_box(_corners(item, where), f"{where}: bndbox", height, width))
            names.append(name)
            ignore.append((item.findtext("difficult") or "0").strip() not in ("0", "false", "False"))
        return Objects(np.array(boxes, np.float32).reshape(-1, 4), names, np.array(ignore, bool))

    def files(self, entry: str) -> tuple[Path, ...]:
        """Its image and its XML file."""
        return self.image_folder / self._images.get(entry, entry), self._annotations[entry]


def _corners(item: Element, where: str) -> list[float]:
    box = item.find("bndbox")
    if box is None:
        raise InputError(f"{where} has no bndbox; add one, or take the object out")
    corners = []
    for tag, first in (("xmin", 1), ("ymin", 1), ("xmax", 0), ("ymax", 0)):
        text = (box.findtext(tag) or "").strip()
        try:
            corners.append(float(text) - first)
        except ValueError:
            raise InputError(f"{where}: {tag} is {text[:60]!r}, expected a number; correct it") from None
    return corners


def _whole(text: str | None) -> float | None:
    try:
        return float(text or 0)
    except ValueError:
        return None


def _parsed(path: Path) -> Element:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: larger than {MAX_BYTES // 1_000_000} MB, no annotation of one image; replace it")
        root = fromstring(read_bytes(path), forbid_dtd=True)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check that it is there and readable") from error
    except DefusedXmlException as error:
        raise InputError(f"{path}: declares {type(error).__name__}, as no annotation needs; write it without") from None
    except (ParseError, ValueError, LookupError) as error:  # LookupError: an encoding nobody knows
        raise InputError(f"{path}: not valid XML ({error}); write the annotation again") from None
    level, depth = [root], 0
    while level:
        level, depth = [child for element in level for child in element], depth + 1
        if depth > DEEPEST:
            raise InputError(f"{path}: elements nested more than {DEEPEST} deep, as no annotation's are; replace it")
    if root.tag != "annotation":
        raise InputError(f"{path}: begins with <{root.tag[:40]}>, expected <annotation>; is it of another form?")
    return root


class VocWriter:
    """JPEGImages/, Annotations/ and classes.txt. What a writer has: `minircnn/data/formats/writing.py`."""

    keeps_ignore = keeps_folders = True

    def __init__(self, folder: Path, class_names: Sequence[str]):
        self._folder, self._class_names = folder, class_names

    def image(self, split: str, name: str) -> Path:
        """DIR/train/JPEGImages/…."""
        return place(self._folder, split) / "JPEGImages" / name

    def add(self, split: str, image: Annotated) -> None:
        """DIR/train/Annotations/….xml."""
        root = Element("annotation")
        SubElement(root, "filename").text = image.name
        size = SubElement(root, "size")
        for tag, value in (("width", image.width), ("height", image.height), ("depth", 3)):
            SubElement(size, tag).text = str(value)
        for box, name, ignore, score in rows(image):
            item = SubElement(root, "object")
            SubElement(item, "name").text = name
            SubElement(item, "difficult").text = str(int(ignore))
            if score is not None:
                SubElement(item, "score").text = str(score)
            corners = SubElement(item, "bndbox")
            for tag, number, first in zip(("xmin", "ymin", "xmax", "ymax"), box, (1, 1, 0, 0), strict=True):
                SubElement(corners, tag).text = str(number + first)
        indent(root)
        path = place(self._folder, split) / "Annotations" / Path(image.name).with_suffix(".xml")
        write_bytes(path, tostring(root, encoding="utf-8") + b"\n")

    def finish(self) -> None:
        """classes.txt: the order of the classes."""
        write_text(self._folder / "classes.txt", "\n".join(self._class_names) + "\n")
