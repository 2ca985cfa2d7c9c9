"""Files written whole or not at all: under a temporary name, synced, then renamed over the old one.

Whatever the project writes goes through here, so a full disk or a lost process leaves the former content, and what
cannot be written is one sentence.
"""

import errno
import itertools
import json
import math
import os
import shlex
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from minircnn.base.errors import InputError

REMEDY = "choose another folder"
LONGEST_NAME = 255  # bytes, on every usual file system
FULL = (errno.ENOSPC, errno.EDQUOT)
ROOM_FOR_SUFFIX = 32  # bytes of a temporary name that are not the file's own
_count = itertools.count()


class NoRoom(InputError):
    """The disk is full, or the user's share of it."""


@contextmanager
def written_whole(path: Path, remedy: str = REMEDY, durable: bool = True) -> Iterator[Path]:
    """Give a temporary path to write to; when the block ends well, rename it to `path`. Makes missing folders.

    The file gets the permissions that the user's umask gives any new file. `durable` waits for the disk, so that even
    a power cut leaves the old content or the new. An OSError in the block, or here, becomes an InputError with the
    remedy, and the temporary file is gone.
    """
    own = os.fsdecode(os.fsencode(path.name)[: LONGEST_NAME - ROOM_FOR_SUFFIX])
    temporary = path.with_name(f"{own}.{os.getpid()}.{next(_count)}.partial")  # threads may write one file at once
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        mode = temporary.stat().st_mode
        yield temporary
        if durable:
            sync(temporary)
        if temporary.stat().st_mode != mode:  # a library may have made it the user's alone
            with suppress(OSError):  # some network drives have no modes
                os.chmod(temporary, mode)
        os.replace(temporary, path)
    except OSError as error:
        kind = NoRoom if error.errno in FULL else InputError
        raise kind(f"{path} cannot be written ({reason(error)}); {remedy_for(error, remedy)}") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def sync(path: Path) -> None:
    """Wait until the file's content is on the disk."""
    with open(path, "r+b") as file:  # Windows syncs only what was opened to be written
        os.fsync(file.fileno())


def write_bytes(path: Path, content: bytes, remedy: str = REMEDY) -> None:
    """Write whole or not at all."""
    with written_whole(path, remedy, durable=False) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write whole or not at all, in UTF-8. A name that is no UTF-8 keeps its bytes as \\udcXX escapes."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, content: dict | list) -> None:
    """Indented JSON, written whole or not at all; a figure that is not finite is null."""
    write_bytes(path, json_bytes(content))


def json_bytes(content: dict | list) -> bytes:
    """What `write_json` writes."""
    text = json.dumps(_finite(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return text.encode("utf-8", "backslashreplace")


def _finite(content: object) -> object:
    """JSON has no NaN: None in its place."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return content


def read_bytes(path: Path) -> bytes:
    """A file's content. OSError also where it is a pipe or a device, which might go on for ever."""
    check_regular(path)
    return path.read_bytes()


def check_regular(path: Path) -> None:
    """OSError where something is there that is neither a file nor a folder."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EINVAL, "a pipe, a device or a socket, not a file", str(path))


def read_json(path: Path, remedy: str) -> dict:
    """The object in a JSON file that the project wrote; InputError with the remedy where there is none."""
    content = _json(path, remedy)
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object; {remedy}")
    return content


def read_json_list(path: Path, remedy: str) -> list:
    """The same where it is a list."""
    content = _json(path, remedy)
    if not isinstance(content, list):
        raise InputError(f"{path} holds no JSON list; {remedy}")
    return content


def _json(path: Path, remedy: str) -> object:
    try:
        return json.loads(read_bytes(path))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {remedy}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error}); {remedy}") from None


def check_target(
    path: Path,
    option: str,
    suffixes: tuple[str, ...] = (),
    made_by: str = "",
    is_own: Callable[[Path], bool] | None = None,
) -> None:
    """InputError unless a file may be written at `path`: before the work, and nothing is made yet.

    Parameters
    ----------
    option : which gave the path, "--out"
    suffixes : it should have one of these; any if none
    made_by, is_own : who writes such files, and whether one that stands there is theirs and may be written over;
        without the two, nothing may stand there
    """
    if suffixes and path.suffix.lower() not in suffixes:
        *others, last = suffixes
        wanted = f"{', '.join(others)} or {last}" if others else last
        raise InputError(f"{option} should end in {wanted}, not {path.name!r}")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give {option} a file")
    if path.parent.is_file():
        raise InputError(f"{path} cannot be made ({path.parent} is a file); choose another {option}")
    if not path.parent.is_dir():
        check_creatable(path.parent)
    if path.exists() and is_own is None:
        raise InputError(f"{path} is there already; choose another {option}")
    if path.exists() and is_own is not None and not is_own(path):
        raise InputError(f"{path} is there already and was not written by {made_by}; choose another {option}")


def check_creatable(folder: Path) -> None:
    """InputError unless a folder that is not there yet could be made; makes nothing."""
    above = nearest(folder.absolute().parent)
    if not above.is_dir():
        raise InputError(f"{folder} cannot be made ({above} is a file); choose another folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"{folder} cannot be made ({above}: Permission denied); choose another folder")


def nearest(path: Path) -> Path:
    """The path itself, or the folder above it that is there."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def reason(error: OSError) -> str:
    """What went wrong with a path, without the path: "File name too long"."""
    return error.strerror or str(error)


def remedy_for(error: OSError, usual: str) -> str:
    """What helps against it: "make room" on a full disk, and not where nothing is full."""
    if error.errno in FULL:
        return "make room"
    return "raise the limit of open files, ulimit -n" if error.errno in (errno.EMFILE, errno.ENFILE) else usual


def shell_words(words: list[str]) -> str:
    """A command as it would be typed: words with spaces or signs in quotes."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


@contextmanager
def locked(path: Path, taken: str) -> Iterator[None]:
    """Hold a lock file within the block, for this process; makes missing folders.

    The system lets go of it when the process ends, however it ends. Blocks of one process may nest.

    Raises
    ------
    InputError : another process holds it; `taken` says of what
    """
    path = path.absolute()
    lock = FileLock(path, timeout=0, thread_local=False, is_singleton=True)
    nested = lock.is_locked
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise InputError(f"{taken}{_holder(path)}; wait for it or stop it first") from None
    except OSError as error:
        raise InputError(f"{path.parent} cannot be written ({reason(error)}); choose another folder") from None
    # Windows lets nobody write to a locked file, nor remove it; and where a file system has no locks, what stands in
    # the file is the lock, and more than a number.
    ours = not nested and os.name != "nt" and (_content(path).isdigit() or not _content(path))
    try:
        if ours:
            with suppress(OSError):  # on a full disk the number is missing
                path.write_text(f"{os.getpid()}\n")
        yield
    finally:
        if ours:  # while it is held: whoever opened it meanwhile sees that it is gone
            path.unlink(missing_ok=True)
        lock.release()


def _holder(path: Path) -> str:
    """The number of the process that holds a lock file, in words; empty where it cannot be read."""
    number = _content(path).partition("\n")[0]
    return f" (number {number})" if number.isdigit() else ""


def _content(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:  # another process's, on Windows; or gone meanwhile
        return ""
