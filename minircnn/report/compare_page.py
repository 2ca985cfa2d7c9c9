"""`compare.html`: four detectors side by side: time by stage and by part, figures beside the papers', the same images.

The figures come from `tasks/compare`, the charts from `charts.py`; the style is the report's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minircnn.data import Sample

NAMES = {"rcnn": "R-CNN", "spp": "SPPnet", "fast": "Fast R-CNN", "faster": "Faster R-CNN"}


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


def write_compare_page(
    path: Path, found: dict[str, list[dict]], shown: Sequence[Sample], names: Sequence[str], ground: dict
) -> None:
    """Write the page."""


def mean_of(figures: Sequence[dict]) -> dict:
    """One row out of those of several seeds: means, and None where one of them had nothing to measure."""

    def mean(values: list) -> object:
        if isinstance(values[0], dict):
            return {key: mean([value[key] for value in values]) for key in values[0]}
        return None if None in values else sum(values) / len(values)

    return {key: mean([row[key] for row in figures]) for key in figures[0] if key not in ("pictures", "negatives")}


def verdicts(found: dict[str, list[dict]]) -> list[str]:
    """A sentence for each step of the road that was compared: faster by how much, and not worse by more than chance."""
    rows, said = {name: mean_of(figures) for name, figures in found.items()}, []
    if {"rcnn", "fast"} <= set(rows):
        times = rows["rcnn"]["ms_per_image"]["network"] / rows["fast"]["ms_per_image"]["network"]
        said.append(f"Network time of an image, R-CNN's to Fast R-CNN's: {times:.0f} times")
    if {"fast", "faster"} <= set(rows):
        whole = {name: sum(value for part, value in rows[name]["ms_per_image"].items() if part != "images")
                 for name in ("fast", "faster")}  # fmt: skip
        said.append(f"Whole test time of an image, Fast's with its search to Faster's: "
                    f"{whole['fast'] / whole['faster']:.1f} times")  # fmt: skip
    for one, other in (("fast", "rcnn"), ("faster", "fast")):
        if {one, other} <= set(found) and rows[one]["mAP50"] is not None and rows[other]["mAP50"] is not None:
            spread = max(spread_of(found[name]) for name in (one, other))
            less = rows[other]["mAP50"] - rows[one]["mAP50"]
            words = "not below"
            if less > 0:
                seen = f"spread over seeds {spread:.3f}" if len(found[one]) > 1 else "--seeds 3 shows what is chance"
                words = f"below by {less:.3f}; {seen}"
            said.append(f"mAP50, {NAMES[one]} {rows[one]['mAP50']:.3f} against {NAMES[other]} "
                        f"{rows[other]['mAP50']:.3f}: {words}")  # fmt: skip
    return said


def spread_of(figures: Sequence[dict]) -> float:
    """The largest mAP50 less the smallest."""
    values = [row["mAP50"] for row in figures]
    return max(values) - min(values)
