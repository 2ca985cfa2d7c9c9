"""Which images `minircnn detect` looks at: files that are named, and those in folders that are named."""

from collections.abc import Sequence
from pathlib import Path

from minircnn.base.errors import InputError
from minircnn.base.files import reason
from minircnn.data.image import SUFFIXES, image_size
from minircnn.tasks.jpeg import MADE_BY, is_own_picture


def list_images(paths: Sequence[Path], out: Path) -> tuple[list[Path], list[str], list[str]]:
    """The files named, and the images in the folders named, in order.

    A file in a folder is taken by its suffix, or, where that says nothing, if it opens as an image. What `detect`
    itself has drawn there is left out. A file that is named is always taken.

    Returns
    -------
    found : the images, each once
    left_out : a few words for everything else that lies in the folders
    wrong : a sentence for each path that is not there, or is a folder without an image

    Raises
    ------
    InputError : nothing is left to look at
    """
    found, left_out, wrong = [], [], []
    for path in paths:
        try:
            if path.is_dir():
                inside, others = _images_in(path, out)
                found += inside
                left_out += others
                if not inside:
                    besides = f", but {len(others)} other entries" if others else ""
                    wrong.append(f"{path} holds no image that can be read{besides}; name a folder that does")
            elif path.exists():
                found.append(path)
            else:
                wrong.append(f"{path} is not there; name an image or a folder of images")
        except OSError as error:
            wrong.append(f"{path} cannot be read ({reason(error)}); name an image or a folder of images")
    if not found:
        raise InputError("; ".join(wrong))
    return list(dict.fromkeys(found)), left_out, wrong


def _images_in(folder: Path, out: Path) -> tuple[list[Path], list[str]]:
    inside, others = [], []
    own = folder.resolve() == out.resolve()
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            others.append(f"{entry} (a folder)")
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
