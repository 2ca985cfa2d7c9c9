"""What a data set holds, before anything learns from it: images, boxes of each class, sizes and shapes, faults.

`minircnn data info` prints it. A fault is what the readers would stop at, in their own sentences.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.progress import Progress, silent
from minircnn.data.formats import AUTO, find_splits
from minircnn.data.samples import Samples, open_samples

USUAL = ("all", "train", "validation", "test")
FEW = 20  # boxes of a class, below which little can be learned of it
QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)


@dataclass(frozen=True)
class SplitSurvey:
    """One split.

    Attributes
    ----------
    samples : the images that are sound
    faults : a sentence for each file that is not
    notes : a sentence for what is left out without being a fault
    counts : (K + 1,) int, boxes of each label that count; of 0 none
    ignored : boxes that are difficult or crowds
    empty : images without a box
    image_sides : (N, 2) int, height and width
    box_sides : (M, 2) float, height and width of the boxes that count
    """

    samples: Samples
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    counts: np.ndarray
    ignored: int
    empty: int
    image_sides: np.ndarray
    box_sides: np.ndarray

    @classmethod
    def of(cls, samples: Samples) -> "SplitSurvey":
        """Look at every sample's boxes; no image is decoded."""
        counts, ignored, empty = np.zeros(len(samples.class_names) + 1, np.int64), 0, 0
        image_sides, box_sides = np.zeros((len(samples), 2), np.int64), [np.zeros((0, 2))]
        for row, sample in enumerate(samples):
            boxes, labels = sample.learned()
            counts += np.bincount(labels, minlength=len(counts))
            ignored += int(sample.ignore.sum())
            empty += len(sample.boxes) == 0
            image_sides[row] = sample.height, sample.width
            box_sides.append((boxes[:, 2:] - boxes[:, :2])[:, ::-1].astype(float))
        sides = np.concatenate(box_sides)
        return cls(samples, samples.skipped, samples.left_out, counts, ignored, empty, image_sides, sides)


@dataclass(frozen=True)
class Survey:
    """All splits of a data set.

    Attributes
    ----------
    format : what it was read as
    class_names : K names; `counts` of every split are in their order
    splits : by name
    """

    format: str
    class_names: tuple[str, ...]
    splits: dict[str, SplitSurvey]

    def remarks(self) -> list[str]:
        """What is no fault of a file, and yet to be known before training."""
        found = []
        if "train" in self.splits and "validation" not in self.splits:
            found.append("there is no validation split: train with --split 0.1, or add one")
        if "all" in self.splits:
            found.append("nobody has split the images: train with --split 0.1, or lay them out as docs/data.md says")
        learned = self.splits.get("train") or self.splits.get("all") or next(iter(self.splits.values()))
        pairs = list(zip(self.class_names, learned.counts[1:].tolist(), strict=True))
        if none := [name for name, count in pairs if count == 0]:
            found.append(f"no box to learn from is of the class {', '.join(none)}")
        if few := [f"{name} ({count})" for name, count in pairs if 0 < count < FEW]:
            found.append(f"few boxes to learn from: {', '.join(few)}; below {FEW} little can be learned of a class")
        if len(names := self._shared()) > 0:
            found.append(f"{len(names)} images are in training and validation by name and content: {names[0]}, …")
        return found

    def _shared(self) -> list[str]:
        """Images of both splits: what is measured on them says nothing."""
        if not {"train", "validation"} <= self.splits.keys():
            return []
        one, other = (self.splits[name].samples for name in ("train", "validation"))
        seen = set(zip(one.image_ids(), one.digests().tolist(), strict=True))
        both = zip(other.image_ids(), other.digests().tolist(), strict=True)
        return sorted(name for name, digest in both if (name, digest) in seen)

    def to_dict(self) -> dict:
        """JSON-ready."""
        return {
            "format": self.format,
            "classes": list(self.class_names),
            "remarks": self.remarks(),
            "splits": {
                name: {
                    "images": len(split.samples),
                    "without_a_box": split.empty,
                    "boxes": dict(zip(self.class_names, split.counts[1:].tolist(), strict=True)),
                    "difficult_or_crowd": split.ignored,
                    "image_sides": quantiles(split.image_sides.min(axis=1)) if len(split.samples) else None,
                    "box_sides": quantiles(np.sqrt(split.box_sides.prod(axis=1))),
                    "width_by_height": quantiles(split.box_sides[:, 1] / split.box_sides[:, 0]),
                    "faults": list(split.faults),
                    "left_out": list(split.notes),
                }
                for name, split in self.splits.items()
            },
        }


def quantiles(values: np.ndarray) -> list[float] | None:
    """Least, tenth, median, nine tenths, most; None of nothing."""
    return [float(value) for value in np.quantile(values, QUANTILES)] if len(values) else None


def survey(folder: str | Path, format: str = AUTO, progress: Progress = silent) -> Survey:
    """Look at all splits; whatever is wrong with single files is gathered, not raised.

    Raises
    ------
    InputError : the data is of no format, or the list of its classes or of its images is broken
    """
    folder = Path(folder)
    format, found = find_splits(folder, format)
    names = [name for name in USUAL if name in found] or list(found)
    first = open_samples(folder, names[0], format, skip_bad=True, progress=progress)
    known = first.class_names if first.names_listed else _all(folder, format, names, first, progress)
    opened = {
        name: open_samples(folder, name, format, classes=known, only_known=False, skip_bad=True, progress=progress)
        for name in (names[1:] if known == first.class_names else names)
    }
    opened = {name: opened.get(name, first) for name in names}
    if not known and not any(split.skipped for split in opened.values()):
        raise InputError(f"{folder}: not one object is annotated; label some")
    return Survey(format, known, {name: SplitSurvey.of(samples) for name, samples in opened.items()})


def _all(folder: Path, format: str, splits: Iterable[str], first: Samples, progress: Progress) -> tuple[str, ...]:
    """The classes that occur in any split, sorted."""
    seen = set(first.names)
    for split in list(splits)[1:]:
        seen |= set(open_samples(folder, split, format, skip_bad=True, progress=progress).names)
    return tuple(sorted(seen))
