"""From one format to another: boxes, classes and images, and a sentence for whatever the other has no place for."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from minircnn.base.errors import InputError
from minircnn.base.files import check_creatable, written_whole
from minircnn.base.progress import Progress, silent
from minircnn.data.formats import AUTO, WRITERS, find_splits
from minircnn.data.formats.writing import Annotated, Writer
from minircnn.data.samples import Samples, open_samples


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
    format, splits = find_splits(folder, format)
    seen = {name: open_samples(folder, name, format, skip_bad=skip_bad, progress=progress) for name in _each(splits)}
    done = Converted(_all_names(seen))
    writer = WRITERS[to](out, done.class_names)
    for split, samples in seen.items():
        done.notes += [*samples.left_out, *samples.skipped]
        _write_split(writer, to, split, samples, done, link, progress)
    writer.finish()
    return done


def _each(splits: dict) -> list[str]:
    """Every split once: a folder val is also called validation."""
    usual = [name for name in ("all", "train", "validation", "test") if name in splits]
    return usual or list(splits)


def _all_names(seen: dict[str, Samples]) -> tuple[str, ...]:
    """The classes of all splits: in the order of their list where they have one, else sorted."""
    names = dict.fromkeys(name for samples in seen.values() for name in samples.names)
    listed = all(samples.names_listed for samples in seen.values())
    return tuple(names if listed else sorted(names))


def _write_split(
    writer: Writer, to: str, split: str, samples: Samples, done: Converted, link: bool, progress: Progress
) -> None:
    taken: set[str] = set()
    dropped = images = boxes = 0
    for sample, image in _annotated(samples, writer.keeps_ignore):
        name = image.name if writer.keeps_folders else image.name.replace("/", "__")
        if name in taken:
            raise InputError(f"{sample.image_path}: another image is called {name} as well; rename one of them")
        taken.add(name)
        _copy(sample.image_path, writer.image(split, name), link)
        writer.add(split, Annotated(name, *_rest(image)))
        images, boxes = images + 1, boxes + len(image.boxes)
        dropped += len(sample.boxes) - len(image.boxes)
        progress(f"writing {split}", images, len(samples), "")
    done.images[split], done.boxes[split] = images, boxes
    if dropped:
        done.notes.append(f"{split}: {dropped} difficult or crowd objects are left out, for {to} has no mark for them")


def _annotated(samples: Samples, keeps_ignore: bool) -> "Iterator":
    for sample in samples:
        stays = ~sample.ignore if not keeps_ignore else slice(None)
        names = [samples.class_names[label - 1] for label in sample.labels[stays].tolist()]
        name = f"{sample.image_id}{sample.image_path.suffix}"
        yield (
            sample,
            Annotated(name, sample.height, sample.width, sample.boxes[stays], names, sample.ignore[stays]),
        )


def _rest(image: Annotated) -> tuple:
    return image.height, image.width, image.boxes, image.names, image.ignore


def _copy(source: Path, target: Path, link: bool) -> None:
    if link:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            return os.link(source.resolve(), target)
        except OSError:  # another disk, or one without links
            pass
    with written_whole(target, "choose another --out", durable=False) as temporary:
        shutil.copyfile(source, temporary)
    return None
