"""From one format to another: boxes, classes and images, and a sentence for whatever the other has no place for."""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.files import check_creatable, written_whole
from minircnn.base.progress import Progress, silent
from minircnn.data.all_splits import open_all
from minircnn.data.formats import AUTO, WRITERS
from minircnn.data.formats.writing import Annotated, Writer
from minircnn.data.samples import Samples


@dataclass
class Converted:
    """What was written.

    Attributes
    ----------
    images, boxes : split → how many
    class_names : in the order of their numbers
    notes : a sentence for each kind of thing that is not in the new data as it was in the old
    """

    class_names: tuple[str, ...]
    images: dict[str, int] = field(default_factory=dict)
    boxes: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def convert(
    folder: str | Path,
    to: str,
    out: str | Path,
    format: str = AUTO,
    *,
    link: bool = False,
    skip_bad: bool = False,
    progress: Progress = silent,
) -> Converted:
    """Write all splits of a data set in another format, with its images.

    Parameters
    ----------
    folder, format : as `open_samples` takes them
    to : one of `minircnn.data.formats.WRITERS`
    out : a folder that is new or empty
    link : hard links in place of copies of the images, where the disk has them: a change of one is a change of both
    skip_bad : leave bad files out, with a note, instead of raising

    Raises
    ------
    InputError : the data is not sound; there is no such format; `out` holds something
    """
    folder, out = Path(folder), Path(out)
    if to not in WRITERS:
        raise InputError(f"--to should be one of {', '.join(WRITERS)}, not {to!r}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is there already and not empty; choose another --out")
    if not out.exists():
        check_creatable(out)
    names, opened = open_all(folder, format, skip_bad, progress)
    done, writer = Converted(names), WRITERS[to](out, names)
    for split, samples in opened.items():
        done.notes += [*samples.left_out, *samples.skipped]
        _write_split(writer, to, split, samples, done, link, progress)
    writer.finish()
    return done


def _write_split(
    writer: Writer, to: str, split: str, samples: Samples, done: Converted, link: bool, progress: Progress
) -> None:
    taken: set[str] = set()
    written = left_out = 0
    for number, sample in enumerate(samples, start=1):
        name = f"{sample.image_id}{sample.image_path.suffix}"
        name = name if writer.keeps_folders else name.replace("/", "__")
        if name in taken:
            raise InputError(f"{sample.image_path}: another image is called {name} as well; rename one of them")
        taken.add(name)
        stays = np.ones(len(sample.boxes), bool) if writer.keeps_ignore else ~sample.ignore
        names = [samples.class_names[label - 1] for label in sample.labels[stays].tolist()]
        image = Annotated(name, sample.height, sample.width, sample.boxes[stays], names, sample.ignore[stays])
        _copy(sample.image_path, writer.image(split, name), link)
        writer.add(split, image)
        written, left_out = written + len(names), left_out + int((~stays).sum())
        progress(f"writing {split}", number, len(samples), "")
    done.images[split], done.boxes[split] = len(samples), written
    if left_out:
        done.notes.append(f"{split}: {left_out} difficult or crowd objects are left out, for {to} has no mark for them")


def _copy(source: Path, target: Path, link: bool) -> None:
    if link and _linked(source, target):
        return
    with written_whole(target, "choose another --out", durable=False) as temporary:
        shutil.copyfile(source, temporary)


def _linked(source: Path, target: Path) -> bool:
    """Whether a hard link could be made; not to another disk, or on one without links."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source.resolve(), target)
    except OSError:
        return False
    return True
