"""How people lay their data out: folders and files that are called after a split, lists of names, or nothing of it.

Every format's `splits` says which of these it finds in a folder, as a dict from split to what opens it.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TextIO

from minircnn.base.errors import InputError
from minircnn.base.files import check_regular
from minircnn.data.image import SUFFIXES
from minircnn.data.reader import Reader

WHOLE = "all"  # the split of data that nobody has split
NAMES = {
    "train": ("train", "training", "trainset"),
    "validation": ("validation", "valid", "val", "dev", "evaluation"),
    "test": ("test", "testing", "testset"),
}
CLASS_LISTS = ("classes.txt", "labels.txt", "class_names.txt", "obj.names", "predefined_classes.txt")
Opener = Callable[[], Reader]


def split_of(name: str) -> str | None:
    """The split that a file or folder is called after: instances_val2017.json, valid, Training."""
    words = re.split(r"[^a-z]+", unicodedata.normalize("NFC", name).casefold())
    found = [split for split, names in NAMES.items() if set(names) & set(words)]
    return found[0] if len(found) == 1 else None


def folder_splits(folder: Path, whole_in: Callable[[Path], Opener | None]) -> dict[str, Opener]:
    """The folder's own set, or those in its sub-folders that are called after splits.

    whole_in : a folder → what opens the set in it, None where there is none
    """
    if not folder.is_dir():
        return {}
    found: dict[str, Opener] = {}
    for path in sorted(folder.iterdir()):
        split = split_of(path.name) if path.is_dir() else None
        if split and split not in found and (opener := whole_in(path)):
            found[split] = opener
    if not found and (opener := whole_in(folder)):
        found[WHOLE] = opener
    return found


def the_one(paths: list[Path], folder: Path) -> Path:
    """The only one; InputError where there are several, of which any could be meant."""
    if len(paths) > 1:
        names = ", ".join(str(path.relative_to(folder)) for path in paths[:4])
        raise InputError(f"{folder}: several files ({names}) could be meant; give one of them as --data")
    return paths[0]


def files_below(folder: Path, suffixes: tuple[str, ...], depth: int = 8) -> Iterator[Path]:
    """Files with one of these suffixes, by name; hidden ones aside, and links to folders not followed."""
    inside = []
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror}); check its permissions") from error
    for path in entries:
        if path.name.startswith(".") or path.name == "__MACOSX":
            continue
        try:
            is_folder, is_link = path.is_dir(), path.is_symlink()
        except OSError:  # nobody may so much as look at it
            continue
        if is_folder:
            if not is_link:
                inside.append(path)
        elif path.suffix.lower() in suffixes:
            yield path
    if depth:
        for path in inside:
            yield from files_below(path, suffixes, depth - 1)


def image_id(name: str) -> str:
    """An image's name without its suffix, in NFC. Of a name only: a.b.jpg is a.b, which is not to be cut again."""
    path = PurePosixPath(name)
    return unicodedata.normalize("NFC", str(path.with_suffix("") if path.name else path)).lstrip("/")


def text_lines(path: Path) -> list[str]:
    """Lines of a text file as `opened_text` takes it; empty ones left out."""
    with opened_text(path) as file:
        return [line.strip() for line in file if line.strip()]


@contextmanager
def opened_text(path: Path) -> Iterator[TextIO]:
    """A text file in UTF-8, with or without a byte order mark, or UTF-16.

    Raises
    ------
    InputError : it cannot be read, or is in another encoding; also while the block reads from it
    """
    try:
        check_regular(path)
        with path.open(encoding=encoding_of(path), newline="") as file:
            yield file
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check that it is there and readable") from error
    except UnicodeError as error:
        raise InputError(
            f"{path}: line {_undecodable(path)} is not UTF-8; save the file as UTF-8 (in a spreadsheet: CSV UTF-8)"
        ) from error


def encoding_of(path: Path) -> str:
    """UTF-16 where its mark stands at the beginning, else UTF-8."""
    with path.open("rb") as file:
        return "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def _undecodable(path: Path) -> int:
    """The first line that is no UTF-8, from 1."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeError:
                return number
    return 1


def listed_classes(folder: Path) -> tuple[str, ...] | None:
    """The class names of the first classes.txt, labels.txt or obj.names in a folder, one a line; None without.

    Of a folder that is called after a split they may stand in the one above, for all its splits.
    """
    for place in (folder, folder.parent) if split_of(folder.name) else (folder,):
        for name in CLASS_LISTS:
            if (path := place / name).is_file():
                names = [line for line in text_lines(path) if line not in ("__ignore__", "_background_")]
                return check_names(names, str(path))
    return None


def check_names(names: Iterable[object], where: str) -> tuple[str, ...]:
    """The names in NFC; InputError unless there is one, and each is a text and stands once."""
    found = []
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"{where}: {name!r} is no name of a class; write a text")
        found.append(unicodedata.normalize("NFC", name.strip()))
    if twice := {name for name in found if found.count(name) > 1}:
        raise InputError(f"{where}: the class {min(twice)!r} stands twice; give every class its own name")
    if not found:
        raise InputError(f"{where}: names no class; write one a line")
    return tuple(found)


def chosen(entries: Sequence[str], list_file: Path) -> list[str]:
    """Those of the entries that a list names: by id, path or file name, one a line, as tools for VOC and YOLO write it.

    entries : ids, sorted

    Raises
    ------
    InputError : a line names none of them, or several
    """
    ids = set(entries)
    by_end: dict[str, list[str]] = {}
    for entry in entries:
        by_end.setdefault(entry.rpartition("/")[2], []).append(entry)
    found = set()
    for line in text_lines(list_file):
        name = unicodedata.normalize("NFC", line.replace("\\", "/")).removeprefix("./")
        stem = image_id(name) if PurePosixPath(name).suffix.lower() in SUFFIXES else name
        alike = [next((known for known in (name, stem) if known in ids), "")]
        if not alike[0]:
            alike = [entry for entry in by_end.get(stem.rpartition("/")[2], []) if _ends_alike(entry, stem)]
        if len(alike) != 1:
            many = "several images" if alike else "no image that is annotated"
            raise InputError(f"{list_file}: {line!r} is the name of {many}; correct the line, or take it out")
        found.add(alike[0])
    if not found:
        raise InputError(f"{list_file}: names no image; write one a line")
    return sorted(found)


def _ends_alike(one: str, other: str) -> bool:
    """Whether one path is the end of the other."""
    longer, shorter = sorted((one.split("/"), other.split("/")), key=len, reverse=True)
    return longer[-len(shorter) :] == shorter


class Listed:
    """A reader's images that a list names, as a reader."""

    def __init__(self, reader: Reader, list_file: Path):
        self._reader = reader
        self.entries: Sequence[str] = chosen(reader.entries, list_file)
        self.folder, self.categories, self.own_names = reader.folder, reader.categories, reader.own_names
        self.left_out, self.image_folder = reader.left_out, reader.image_folder
        self.image, self.objects, self.files = reader.image, reader.objects, reader.files
