"""Which images a split is: those of a folder or list of its own, or a share held out of what nobody has split."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from minircnn.base.errors import InputError
from minircnn.data.formats import find_splits
from minircnn.data.formats.layout import WHOLE, Listed, Opener
from minircnn.data.reader import Reader


def open_split(
    folder: Path, split: str, format: str, held_out: float | None, seed: int
) -> tuple[str, Reader, Sequence[str]]:
    """The format, what reads a split, and its entries.

    Parameters
    ----------
    split : "train", "validation" or "test"; "all" of data that is not split; or the path of a list, one image a line
    format : one of `FORMATS`, or "auto"
    held_out : share of the images that is the validation split, where the data has none
    seed : of the choice, which is by image: the same whatever the order, and hardly another when images are added

    Raises
    ------
    InputError : there is no such data or split; or it has a validation split and a share is to be held out
    """
    if held_out is not None and not 0 < held_out < 1:
        raise InputError(f"split is {held_out:g}; give the share to be held out, above 0 and below 1, as 0.1")
    name, splits = find_splits(folder, format)
    rest = splits.get(WHOLE) or splits.get("train")
    if split.endswith(".txt"):
        if rest is None:
            raise InputError(f"{folder}: has no images of which {split} could name some (it has {', '.join(splits)})")
        listed = Listed(rest(), Path(split))
        return name, listed, listed.entries
    if held_out is not None and split in ("train", "validation"):
        if rest is None or "validation" in splits:
            raise InputError(f"{folder}: has a validation split of its own: leave out --split")
        reader = rest()
        return name, reader, _part(reader.entries, held_out, seed, split == "validation", folder)
    if split not in splits:
        raise InputError(_no_such_split(folder, name, split, splits))
    reader = splits[split]()
    return name, reader, reader.entries


def _part(entries: Sequence[str], share: float, seed: int, chosen: bool, folder: Path) -> list[str]:
    """The share whose ids' digests are the least, or the others."""
    count = max(1, round(share * len(entries)))
    if count >= len(entries):
        raise InputError(
            f"{folder}: has {len(entries)} images, of which {share:g} leaves none to learn from; give less"
        )

    def digest(entry: str) -> bytes:
        return hashlib.blake2b(f"{seed} {entry}".encode("utf-8", "surrogatepass"), digest_size=16).digest()

    held = set(sorted(entries, key=digest)[:count])
    return [entry for entry in entries if (entry in held) == chosen]


def _no_such_split(folder: Path, format: str, split: str, splits: dict[str, Opener]) -> str:
    what = f"{folder} ({format})"
    if folder.is_dir() and split not in (WHOLE, "train", "validation", "test"):
        names = ", ".join(sorted(path.name for path in folder.iterdir() if path.is_dir())[:6])
        return f"{folder / split}: no such folder; {folder} holds {names or 'none'}"
    if WHOLE in splits and split in ("train", "validation"):
        return f"{what}: is not split; hold a tenth out for validation with --split 0.1, or split it as in docs/data.md"
    if split == "validation" and "train" in splits:
        return f"{what}: has no validation split; hold a tenth of train out with --split 0.1, or add one"
    return f"{what}: has no split {split}; it has {', '.join(splits)}"
