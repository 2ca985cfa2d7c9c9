"""What a data set holds, before anything learns from it: images, boxes of each class, sizes and shapes, faults.

`minircnn data info` prints it. A fault is what the readers would stop at, in their own sentences.
"""

from dataclasses import dataclass
from filecmp import cmp
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.base.progress import Progress, silent
from minircnn.data.all_splits import open_all
from minircnn.data.formats import AUTO, WHOLE
from minircnn.data.sample import Sample
from minircnn.data.samples import Samples

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
    counts : class name → how many of its boxes count
    ignored : boxes that are difficult or crowds
    empty : images without a box
    image_sides : (N, 2) int, height and width
    box_sides : (M, 2) float, height and width of the boxes that count
    boxes_per_image : (N,) int, how many of them
    """

    samples: Samples
    faults: tuple[str, ...]
    notes: tuple[str, ...]
    counts: dict[str, int]
    ignored: int
    empty: int
    image_sides: np.ndarray
    box_sides: np.ndarray
    boxes_per_image: np.ndarray

    @classmethod
    def of(cls, samples: Samples) -> "SplitSurvey":
        """Look at every sample's boxes; no image is decoded."""
        ignored = empty = 0
        image_sides, box_sides = np.zeros((len(samples), 2), np.int64), [np.zeros((0, 2))]
        for row, sample in enumerate(samples):
            boxes, _ = sample.learned()
            ignored += int(sample.ignore.sum())
            empty += len(sample.boxes) == 0
            image_sides[row] = sample.height, sample.width
            box_sides.append((boxes[:, 2:] - boxes[:, :2])[:, ::-1].astype(float))
        sides = np.concatenate(box_sides)
        counts = dict(zip(samples.class_names, samples.class_counts()[1:].tolist(), strict=True))
        per_image = np.array([len(part) for part in box_sides[1:]], np.int64)
        return cls(samples, samples.skipped, samples.left_out, counts, ignored, empty, image_sides, sides, per_image)


@dataclass(frozen=True)
class Survey:
    """All splits of a data set.

    Attributes
    ----------
    format : what it was read as
    class_names : of all splits
    splits : by name
    """

    format: str
    class_names: tuple[str, ...]
    splits: dict[str, SplitSurvey]

    @property
    def learned(self) -> SplitSurvey:
        """The split to learn from: train, or what is not split, or the first."""
        return self.splits.get("train") or self.splits.get(WHOLE) or next(iter(self.splits.values()))

    def remarks(self) -> list[str]:
        """What is no fault of a file, and yet to be known before training."""
        found = []
        if "train" in self.splits and "validation" not in self.splits:
            found.append("there is no validation split: train with --split 0.1, or add one")
        if WHOLE in self.splits:
            found.append("nobody has split the images: train with --split 0.1, or lay them out as docs/data.md says")
        pairs = [(name, self.learned.counts.get(name, 0)) for name in self.class_names]
        if none := [name for name, count in pairs if count == 0]:
            found.append(f"no box to learn from is of the class {', '.join(none)}")
        if few := [f"{name} ({count})" for name, count in pairs if 0 < count < FEW]:
            found.append(f"few boxes to learn from: {', '.join(few)}; below {FEW} little can be learned of a class")
        if shared := self._shared():
            one, other = shared[0]
            found.append(
                f"images of the validation split that are learned as well, byte for byte: {len(shared)}, as {other} "
                f"and {one}; take them out of one of the two"
            )
        return found

    def _shared(self) -> list[tuple[Path, Path]]:
        """Files of training and validation with the same content: what is measured on them says nothing."""
        if not {"train", "validation"} <= self.splits.keys():
            return []
        sizes: dict[int, list[Path]] = {}
        for sample in self.splits["train"].samples:
            sizes.setdefault(sample.image_path.stat().st_size, []).append(sample.image_path)
        found = []
        for sample in self.splits["validation"].samples:
            alike = sizes.get(sample.image_path.stat().st_size, [])
            if same := next((path for path in alike if cmp(path, sample.image_path, shallow=False)), None):
                found.append((same, sample.image_path))
        return found

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
                    "boxes": {key: split.counts.get(key, 0) for key in self.class_names},
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


def a_few(samples: Samples, count: int) -> list[Sample]:
    """At most `count` of the images, drawn at random, but always the same: of each class one, the rarest first."""
    order = np.random.default_rng(0).permutation(len(samples)).tolist()
    counts = samples.class_counts()
    missing = [label for label in np.argsort(counts, kind="stable").tolist() if label > 0 and counts[label] > 0]
    chosen: dict[int, None] = {}
    for label in missing:
        if len(chosen) == count:
            break
        if not any((samples[row].learned()[1] == label).any() for row in chosen):
            chosen[next(row for row in order if (samples[row].learned()[1] == label).any())] = None
    for row in order:
        if len(chosen) < count:
            chosen[row] = None
    return [samples[row] for row in sorted(chosen)]


def quantiles(values: np.ndarray) -> list[float] | None:
    """Least, tenth, median, nine tenths, most; None of nothing."""
    return [float(value) for value in np.quantile(values, QUANTILES)] if len(values) else None


def survey(folder: str | Path, format: str = AUTO, progress: Progress = silent) -> Survey:
    """Look at all splits; whatever is wrong with single files is gathered, not raised.

    Raises
    ------
    InputError : the data is of no format, or the list of its classes or of its images is broken
    """
    names, opened = open_all(Path(folder), format, skip_bad=True, progress=progress)
    if not names and not any(samples.skipped for samples in opened.values()):
        raise InputError(f"{folder}: not one object is annotated; label some")
    told = next(iter(opened.values())).format
    return Survey(told, names, {name: SplitSurvey.of(samples) for name, samples in opened.items()})
