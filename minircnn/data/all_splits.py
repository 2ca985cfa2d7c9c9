"""A data set as a whole: all its splits, and the classes of all of them."""

from pathlib import Path

from minircnn.base.progress import Progress
from minircnn.data.formats import WHOLE, find_splits
from minircnn.data.samples import Samples, open_samples

USUAL = (WHOLE, "train", "validation", "test")  # a folder val is also called validation: it is opened once


def open_all(
    folder: Path, format: str, skip_bad: bool, progress: Progress
) -> tuple[tuple[str, ...], dict[str, Samples]]:
    """Class names, and split → samples, whose labels are of their own `class_names`.

    The classes are in the order of their list where the format has one, else sorted.
    """
    format, found = find_splits(folder, format)
    splits = [name for name in USUAL if name in found] or list(found)
    opened = {name: open_samples(folder, name, format, skip_bad=skip_bad, progress=progress) for name in splits}
    names = dict.fromkeys(name for samples in opened.values() for name in samples.names)
    listed = all(samples.names_listed for samples in opened.values())
    return tuple(names if listed else sorted(names)), opened
