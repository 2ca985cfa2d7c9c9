"""Protocol buffers' wire format, walked without a schema: enough to find the arrays in Caffe's and ONNX' files.

A message is a row of fields. Each begins with a number that holds the field's own number and one of four kinds: a
varint (seven bits a byte, lowest first), 8 or 4 bytes, or a length and as many bytes: text, packed numbers, a message.
"""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5
MAX_FIELDS = 1 << 20  # of one message: a file of weights has some hundreds

Span = tuple[int, int]  # first byte and the one past the last


Data = mmap.mmap | bytes


@contextmanager
def mapped(path: Path) -> Iterator[Data]:
    """The file's bytes; only the pages that are looked at are read, but where a network drive maps no files."""
    with path.open("rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError:
            yield file.read()
            return
        with data:
            yield data


def varint(data: Data, place: int, end: int) -> tuple[int, int]:
    """The number at `place`, and where the next thing begins.

    Raises
    ------
    ValueError : it does not end before `end`
    """
    value = shift = 0
    while place < end and shift < 64:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value, place
    raise ValueError("a number in it does not end")


def fields(data: Data, span: Span) -> Iterator[tuple[int, int | None, Span | None]]:
    """(field's number, value, span) of the message in `span`: a varint has a value, what has a length a span.

    What has 8 or 4 bytes has neither: no shape, name or weight stands in such a field.

    Raises
    ------
    ValueError : it is no such message
    """
    place, end = span
    for _ in range(MAX_FIELDS):
        if place == end:
            return
        key, place = varint(data, place, end)
        number, kind = key >> 3, key & 7
        value, within = None, None
        if kind == VARINT:
            value, place = varint(data, place, end)
        elif kind == BYTES:
            length, place = varint(data, place, end)
            within = place, place + length
            place += length
        elif kind in (EIGHT, FOUR):
            place += 8 if kind == EIGHT else 4
        else:
            raise ValueError(f"a field of kind {kind} in it")
        if place > end or number == 0:
            raise ValueError("a field reaches beyond its message")
        yield number, value, within
    raise ValueError("it has more fields than any file of weights")


def text(data: Data, span: Span, longest: int = 1 << 16) -> str:
    """A field's text.

    Raises
    ------
    ValueError : it is no text, or longer than `longest` bytes
    """
    if span[1] - span[0] > longest:
        raise ValueError("a name in it is too long")
    return data[span[0] : span[1]].decode()


def numbers(data: Data, value: int | None, span: Span | None) -> list[int]:
    """A repeated integer field, whether packed or one by one; no more than 16, as axes have."""
    if value is not None:
        return [value]
    found: list[int] = []
    place, end = span or (0, 0)
    while place < end and len(found) < 16:
        number, place = varint(data, place, end)
        found.append(number)
    return found
