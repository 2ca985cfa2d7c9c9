"""The four systems: their names, the papers' figures, and what measured ones add up to."""

from collections.abc import Sequence
from dataclasses import dataclass

NAMES = {"rcnn": "R-CNN", "spp": "SPPnet", "fast": "Fast R-CNN", "faster": "Faster R-CNN"}
PARTS = ("proposals", "network", "post_processing")  # of ms_per_image


@dataclass(frozen=True)
class Published:
    """What the papers give for VGG16 on VOC07: mean AP at an IoU of 0.5, hours of training, seconds an image.

    The seconds are without proposals, but for Faster R-CNN, which makes its own.
    """

    mean_ap: float
    hours: float | None
    seconds: float


PUBLISHED = {  # Girshick, Fast R-CNN, 2015, table 4; Ren et al., Faster R-CNN, 2015, tables 3 and 5
    "rcnn": Published(66.0, 84.0, 47.0),
    "spp": Published(63.1, 25.0, 2.3),
    "fast": Published(66.9, 9.5, 0.32),
    "faster": Published(69.9, None, 0.198),
}

Found = dict[str, list[dict]]  # system → what each training gave
Verdict = tuple[str, dict[str, str]]  # a sentence of words.json, and what stands in it


def mean_of(figures: Sequence[dict]) -> dict:
    """One row out of those of several trainings: means, and None where one of them had nothing to measure."""

    def mean(values: list) -> object:
        if isinstance(values[0], dict):
            return {key: mean([value[key] for value in values]) for key in values[0]}
        return None if None in values else sum(values) / len(values)

    return {key: mean([row[key] for row in figures]) for key in figures[0] if key not in ("pictures", "negatives")}


def whole_time(row: dict) -> float:
    """Milliseconds of an image, all parts."""
    return sum(row["ms_per_image"][part] for part in PARTS)


def spread_of(figures: Sequence[dict]) -> float:
    """The largest mAP50 less the smallest."""
    values = [row["mAP50"] for row in figures]
    return max(values) - min(values)


def faster_network(rows: dict[str, dict]) -> float | None:
    """How many times R-CNN's network time is Fast R-CNN's; None where one of them is not there."""
    if not {"rcnn", "fast"} <= set(rows):
        return None
    return rows["rcnn"]["ms_per_image"]["network"] / rows["fast"]["ms_per_image"]["network"]


def faster_whole(rows: dict[str, dict]) -> float | None:
    """How many times Fast R-CNN's whole time is Faster R-CNN's."""
    return whole_time(rows["fast"]) / whole_time(rows["faster"]) if {"fast", "faster"} <= set(rows) else None


def verdicts(found: Found) -> list[Verdict]:
    """What the road claims, where it was compared: faster by how much, and not worse by more than chance."""
    rows, said = {name: mean_of(figures) for name, figures in found.items()}, list[Verdict]()
    if (times := faster_network(rows)) is not None:
        said.append(("network", {"times": f"{times:.0f}"}))
    if (times := faster_whole(rows)) is not None:
        said.append(("whole", {"times": f"{times:.1f}"}))
    for one, other in (("fast", "rcnn"), ("faster", "fast")):
        if not {one, other} <= set(found) or None in (rows[one]["mAP50"], rows[other]["mAP50"]):
            continue
        less = rows[other]["mAP50"] - rows[one]["mAP50"]
        values = {"one": NAMES[one], "other": NAMES[other], "less": f"{less:.3f}"}
        values |= {"a": f"{rows[one]['mAP50']:.3f}", "b": f"{rows[other]['mAP50']:.3f}"}
        values |= {"spread": f"{max(spread_of(found[name]) for name in (one, other)):.3f}"}
        kind = "not.below" if less <= 0 else "below" if len(found[one]) > 1 else "below.one"
        said.append((kind, values))
    return said
