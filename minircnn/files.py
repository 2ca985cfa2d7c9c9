"""Files written whole or not at all: under a temporary name, synced, then renamed over the old one.

Whatever the project writes goes through here, so a full disk or a lost process leaves the former content, and what
cannot be written is one sentence.
"""

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from minircnn.errors import InputError

LONGEST_NAME = 255  # bytes, on every usual file system
ROOM_FOR_SUFFIX = 24  # bytes of a temporary name that are not the file's own


@contextmanager
def written_whole(path: Path, remedy: str = "make room or choose another folder") -> Iterator[Path]:
    """Give a temporary path to write to; when the block ends well, sync it and rename it to `path`.

    The file gets the permissions that the user's umask gives any new file. An OSError in the block, or here, becomes
    an InputError with the remedy, and the temporary file is gone.
    """
    own = os.fsdecode(os.fsencode(path.name)[: LONGEST_NAME - ROOM_FOR_SUFFIX])
    temporary = path.with_name(f"{own}.{os.getpid()}.partial")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        with open(temporary, "r+b") as file:  # Windows syncs only what was opened to be written
            os.fsync(file.fileno())
        os.chmod(temporary, mode)  # a library may have made it the user's alone
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}); {remedy}") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_bytes(path: Path, content: bytes, remedy: str = "make room or choose another folder") -> None:
    """Write whole or not at all."""
    with written_whole(path, remedy) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write whole or not at all, in UTF-8. A name that is no UTF-8 keeps its bytes as \\udcXX escapes."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, content: dict | list) -> None:
    """Indented JSON, written whole or not at all; a figure that is not finite is null."""
    write_text(path, json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _finite(content: object) -> object:
    """JSON has no NaN: None in its place."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return content


def read_json(path: Path, remedy: str) -> dict:
    """The object in a JSON file that the project wrote; InputError with the remedy where there is none."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {remedy}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error}); {remedy}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object; {remedy}")
    return content
