"""The image that an annotation names: a path from another machine, with other separators, of another Unicode form."""

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from minircnn.base.errors import InputError
from minircnn.data.formats.layout import files_below, image_id
from minircnn.data.image import SUFFIXES

_ABSOLUTE = re.compile(r"(file://|[A-Za-z]:/|/)")


class Pictures:
    """Where the images of a data set lie.

    Parameters
    ----------
    folder : the data set's, which no name may leave
    roots : folders that names are relative to, the likeliest first
    """

    def __init__(self, folder: Path, roots: Sequence[Path]):
        self._folder, self.roots = folder, tuple(roots)

    def path(self, name: str, where: str) -> Path:
        """The image file.

        Parameters
        ----------
        name : as an annotation has it. A relative path is looked for below the roots. An absolute one is taken where
            it is there; else its end is looked for below the roots, for the folder may have moved.
        where : the annotation, for errors

        Raises
        ------
        InputError : it is nowhere; or the name climbs out of the data set's folder
        """
        text = name.strip().replace("\\", "/")
        absolute = _ABSOLUTE.match(text)
        if not text.strip("./") or "\0" in text:
            raise InputError(f"{where}: names no image; write the name of its file")
        if absolute and os.path.isfile(plain := text.removeprefix("file://")):
            return Path(plain)
        parts = [part for part in text.split("/") if part and not (absolute and part.endswith(":"))]
        for start in range(len(parts)) if absolute else (0,):
            for root in self.roots:
                if found := self._below(root, "/".join(parts[start:]), where, name):
                    return found
        wanted = self.roots[0] / ("/".join(parts[-1:]) if absolute else text)
        raise InputError(f"{where}: has no image {wanted}; add it, or take the annotation out")

    def _below(self, root: Path, name: str, where: str, written: str) -> Path | None:
        path = os.path.normpath(os.path.join(root, name))
        if ".." in name and not Path(path).absolute().is_relative_to(os.path.abspath(self._folder)):
            raise InputError(
                f"{where}: the image {written!r} would lie outside {self._folder}; put the image into that folder, and "
                "name it from there"
            )
        if os.path.isfile(path):
            return Path(path)
        for form in ("NFC", "NFD"):
            if os.path.isfile(other := unicodedata.normalize(form, path)):
                return Path(other)
        return None


def beside(folder: Path) -> dict[str, str]:
    """Id → name of each image below a folder, less those of one id, of which only an annotation says which is meant."""
    found: dict[str, str] = {}
    several = set()
    for path in files_below(folder, SUFFIXES):
        name = path.relative_to(folder).as_posix()
        if found.setdefault(image_id(name), name) != name:
            several.add(image_id(name))
    return {key: name for key, name in found.items() if key not in several}


def by_id(names: Iterable[str], where: str) -> dict[str, str]:
    """Id → name of each image, in the order of the ids; InputError where two have one."""
    taken: dict[str, str] = {}
    for name in names:
        key = image_id(name.replace("\\", "/"))
        if key in taken:
            pair = f"{taken[key]} and {name}" if taken[key] != name else f"{name} twice"
            raise InputError(f"{where}: holds the image {pair}; give every image a name of its own")
        taken[key] = name
    return dict(sorted(taken.items()))
