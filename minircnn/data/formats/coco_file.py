"""A JSON file of COCO's form, streamed: its lists one entry at a time, and never nested without end."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import ijson
import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.files import check_regular
from minircnn.data.formats.checks import short

SNIFFED = 200_000  # events of JSON: of a file that has not named its images by then, the form is another
MARKS = {"images", "annotations", "categories"}
DEEPEST = 100  # objects within objects
CHUNK = 1 << 20  # bytes that are read at once
LONGEST = 8_000_000  # bytes of a string; RLE masks of a whole image have some thousands
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_STEPS = np.zeros(256, np.int8)  # of a byte outside strings: one deeper, one less deep
_STEPS[[ord("["), ord("{")]], _STEPS[[ord("]"), ord("}")]] = 1, -1


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
            self._named = _looked_through(path)
            if any(len(offsets) > 1 for offsets in self._named.values()):
                _check_keys(path)
        if not any(self._named.values()):
            raise InputError(f"{path}: has none of images, annotations, categories; give a file of COCO's form")

    def rows(self, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(where, object) for each entry of a list at the top level."""
        offsets = self._named[key]
        with self._sound(), _opened(self._path) as whole:
            file = _From(whole, offsets[0]) if len(offsets) == 1 else whole  # the last list is read alone
            for position, row in enumerate(ijson.items(file, f"{key}.item", use_float=True, buf_size=CHUNK)):
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


def _looked_through(path: Path) -> dict[str, list[int]]:
    """Where the file names each of MARKS, in a string of its own: offsets in bytes, two at most.

    ValueError where anything is nested so deeply that building it would fill the memory; nothing is built here.
    """
    named: dict[str, list[int]] = {mark: [] for mark in sorted(MARKS)}
    depth, open_string = 0, b""
    with _opened(path) as file:
        offset = file.tell()
        while chunk := file.read(CHUNK):
            text = open_string + chunk
            bare, quote, rest = _STRING.sub(b"", text).partition(b'"')
            open_string = quote + rest
            if len(open_string) > LONGEST:
                raise ValueError(f"a string of more than {LONGEST // 1_000_000} MB: a quotation mark is missing")
            for mark, offsets in named.items():
                found = -1
                end = len(text) - len(open_string)
                while len(offsets) < 2 and (found := text.find(b'"%s"' % mark.encode(), found + 1, end)) >= 0:
                    offsets.append(offset + found)
            offset += len(text) - len(open_string)
            if bare:
                levels = depth + np.cumsum(_STEPS[np.frombuffer(bare, np.uint8)], dtype=np.int64)
                if levels.max() > DEEPEST:
                    raise ValueError(f"nested more than {DEEPEST} deep")
                depth = int(levels[-1])
    return named


class _From:
    """A file from an offset on, behind a bracket: the rest of an object as an object."""

    def __init__(self, file: BinaryIO, offset: int):
        file.seek(offset)
        self._file, self._first = file, b"{"

    def read(self, size: int) -> bytes:
        """Up to so many bytes."""
        first, self._first = (self._first, b"") if size else (b"", self._first)
        return first or self._file.read(size)


def _check_keys(path: Path) -> None:
    """ValueError where the top level has one of MARKS twice, of which the second would join the first."""
    found: set[str] = set()
    depth = 0
    with _opened(path) as file:
        for event, value in ijson.basic_parse(file, use_float=True, buf_size=CHUNK):
            if depth == 1 and event == "map_key" and value in MARKS:
                if value in found:
                    raise ValueError(f"the key {short(value)} stands twice")
                found.add(value)
            depth += _step(event)
