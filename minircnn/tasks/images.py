"""Which images `minircnn detect` looks at: files that are named, and those in and below folders that are named."""

from collections.abc import Sequence
from pathlib import Path

from minircnn.base.errors import InputError
from minircnn.base.files import reason
from minircnn.data.image import SUFFIXES, image_size
from minircnn.tasks.jpeg import MADE_BY, is_own_picture


def list_images(paths: Sequence[Path], out: Path) -> tuple[dict[Path, str], list[str], list[str]]:
    """The files named, and the images in the folders named and below them, in order.

    A file in a folder is taken by its suffix, or, where that says nothing, if it opens as an image. What `detect`
    itself has drawn there is left out, and so is `out` where it lies below. A file that is named is always taken.

    Returns
    -------
    found : the images, each once, with its path below the folder that was named
    left_out : a few words for everything else that lies in the folders
    wrong : a sentence for each path that is not there, or is a folder without an image

    Raises
    ------
    InputError : nothing is left to look at
    """
    found, left_out, wrong = dict[Path, str](), list[str](), list[str]()
    for path in paths:
        try:
            if path.is_dir():
                inside, others = _images_in(path, out)
                for image in inside:
                    found.setdefault(image, image.relative_to(path).as_posix())
                left_out += others
                if not inside:
                    besides = f", but {len(others)} other entries" if others else ""
                    wrong.append(f"{path} holds no image that can be read{besides}; name a folder that does")
            elif path.exists():
                found.setdefault(path, path.name)
            else:
                wrong.append(f"{path} is not there; name an image or a folder of images")
        except OSError as error:
            wrong.append(f"{path} cannot be read ({reason(error)}); name an image or a folder of images")
    if not found:
        raise InputError("; ".join(wrong))
    return found, left_out, wrong


def _images_in(folder: Path, out: Path, own: bool = False) -> tuple[list[Path], list[str]]:
    """own : whether the folder is below `out`, where pictures of detect's may lie"""
    inside, others = list[Path](), list[str]()
    own = own or folder.resolve() == out.resolve()
    for entry in sorted(folder.iterdir(), key=lambda path: (path.is_dir(), path)):
        if entry.is_dir() and (entry.is_symlink() or entry.name.startswith(".")):
            others.append(f"{entry} (a {'linked' if entry.is_symlink() else 'hidden'} folder)")
        elif entry.is_dir() and entry.resolve() == out.resolve():
            others.append(f"{entry} (what {MADE_BY} writes)")
        elif entry.is_dir():
            below, left = _images_in(entry, out, own)
            inside += below
            others += left
        elif not entry.is_file():
            others.append(f"{entry} (no file)")  # a broken link, or a pipe, which would wait for ever
        elif entry.name.startswith("."):
            others.append(f"{entry} (hidden)")
        elif own and is_own_picture(entry):
            others.append(f"{entry} (drawn by {MADE_BY})")
        elif entry.suffix.lower() in SUFFIXES or _opens(entry):
            inside.append(entry)
        else:
            others.append(f"{entry} (no image that can be read)")
    return inside, others


def _opens(path: Path) -> bool:
    try:
        image_size(path)
    except InputError:
        return False
    return True


def state(path: Path) -> str:
    """Size and time of change: an image that was changed is another one."""
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"
