"""A JSON file of COCO's form, streamed: its lists one entry at a time, and never nested without end."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import ijson

from minircnn.base.errors import InputError
from minircnn.base.files import check_regular
from minircnn.data.formats.checks import short

SNIFFED = 200_000  # events of JSON: of a file that has not named its images by then, the form is another
MARKS = {"images", "annotations", "categories"}
DEEPEST = 100  # objects within objects


def is_coco(path: Path) -> bool:
    """Whether the file's top level names images, annotations or categories as lists."""
    depth, key = 0, ""
    try:
        with _opened(path) as file:
            for count, (event, value) in enumerate(ijson.basic_parse(file, use_float=True)):
                if depth == 1 and event == "map_key":
                    key = value
                if depth == 1 and event == "start_array" and key in MARKS:
                    return True
                depth += _step(event)
                if count > SNIFFED or (count == 0 and event != "start_map") or depth > DEEPEST:
                    return False
    except (OSError, ValueError, ijson.JSONError):
        return False
    return False


def _opened(path: Path) -> BinaryIO:
    """The file, behind a byte order mark."""
    check_regular(path)
    file = path.open("rb")
    if file.read(3) != b"\xef\xbb\xbf":
        file.seek(0)
    return file


def _step(event: str) -> int:
    return (event in ("start_map", "start_array")) - (event in ("end_map", "end_array"))


class CocoFile:
    """The file, looked through once.

    Raises
    ------
    InputError : it cannot be read, is no JSON, names a list twice, or is of another form
    """

    def __init__(self, path: Path):
        self._path = path
        with self._sound():
            self._counts = _counted(path)
        if not MARKS & self._counts.keys():
            raise InputError(f"{path}: has none of images, annotations, categories; give a file of COCO's form")

    def rows(self, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(where, object) for each entry of a list at the top level."""
        with self._sound(), _opened(self._path) as file:
            rows = islice(ijson.items(file, f"{key}.item", use_float=True), self._counts.get(key, 0))
            for position, row in enumerate(rows):
                where = f"{self._path}: {key}[{position}]"
                if not isinstance(row, dict):
                    raise InputError(f"{where} is {short(row)}, expected an object; correct it")
                yield where, row

    @contextmanager
    def _sound(self) -> Iterator[None]:
        """What is wrong with the file as such, in a sentence."""
        try:
            yield
        except InputError:
            raise
        except OSError as error:
            raise InputError(f"{self._path}: cannot be read ({error.strerror}); check that it is readable") from error
        except (ValueError, ijson.JSONError) as error:
            words = " ".join(str(error).split())[:120]
            raise InputError(f"{self._path}: not valid JSON ({words}); write or download it again") from None


def _counted(path: Path) -> dict[str, int]:
    """Number of entries of each list at the top level.

    One pass over the whole file, before anything of it is built: ValueError where it is cut short, names a list twice,
    or is nested so deeply that building it would fill the memory.
    """
    found: dict[str, int] = {}
    depth, key = 0, ""
    with _opened(path) as file:
        for event, value in ijson.basic_parse(file, use_float=True):
            if depth == 0 and event != "start_map":
                raise ValueError("the top level is no object")
            if event == "map_key":
                if depth == 1:
                    key = value
                    if key in found:
                        raise ValueError(f"the key {short(key)} stands twice")
                    found[key] = 0
                continue
            if depth == 1 and key in MARKS and event not in ("start_array", "end_map", "null"):
                raise ValueError(f"{key} is no list")
            if depth == 2 and event not in ("end_map", "end_array"):
                found[key] += 1
            depth += _step(event)
            if depth > DEEPEST:
                raise ValueError(f"nested more than {DEEPEST} deep")
    return found
