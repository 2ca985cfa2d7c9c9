"""The figures that commands print, as a table on a terminal and as JSON for other programs."""

import unicodedata
from pathlib import Path

from minircnn.base.errors import InputError

MADE_BY = "made_by"


def check_figures(path: Path | None) -> None:
    """`--json FILE`, before the work: InputError where it cannot be written, or is a file of somebody else's."""
    if path is not None:
        from minircnn.base.files import check_target

        check_target(path, "--json", made_by="minircnn", is_own=_holds_figures)


def _holds_figures(path: Path) -> bool:
    from minircnn.base.files import read_json

    try:
        return MADE_BY in read_json(path, "")
    except InputError:
        return False


def write_figures(path: Path | None, command: str, content: dict) -> None:
    """`--json FILE`: the figures for other programs, written before they are printed."""
    if path is not None:
        from minircnn.base.files import write_json

        write_json(path, {MADE_BY: f"minircnn {command}"} | content)


def print_measures(metrics: dict) -> None:
    """The headline figures and a line per class."""
    print(f"mAP50 {figure(metrics['mAP50'])}   mAP75 {figure(metrics['mAP75'])}   AP {figure(metrics['AP'])}   "
          f"VOC07 {figure(metrics['voc07_mAP'])}   ({metrics['images']} images)")  # fmt: skip
    if best := metrics.get("best"):
        print(f"  at a score of {best['score']:.3f} and above, precision {best['precision']:.3f} and recall "
              f"{best['recall']:.3f}: the best F1, {best['f1']:.3f}")  # fmt: skip
    for name, row in metrics["per_class"].items():
        print(f"  {padded(name, 22)} AP50 {figure(row['AP50'])}   AP75 {figure(row['AP75'])}   of {row['truths']}")


def padded(text: str, width: int) -> str:
    """The text with blanks up to so many columns."""
    return text + " " * (width - columns(text))


def columns(text: str) -> int:
    """How many columns of a terminal the text takes; a letter of Hangul takes two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def figure(value: float | None) -> str:
    """Three digits, or a dash where there was nothing to measure."""
    return "  -  " if value is None or value != value else f"{value:.3f}"


def print_end(metrics: dict, report: Path, best: Path) -> None:
    """What a run has come to, and where to look."""
    print_measures(metrics)
    if metrics["data"]["chose_the_weights"]:
        print("  (on the images that chose the weights, so a little too good)")
    if rival := metrics.get("rival"):
        print(f"  from {rival['started_from']}: mAP50 {figure(rival['mAP50'])}   mAP75 {figure(rival['mAP75'])}")
    if "stopped_early" in metrics:
        print(f"  stopped early, {metrics['stopped_early']}")
    print(
        f"trained in {metrics['train_seconds']:.0f} s; "
        f"proposals reach {figure(metrics['proposal_recall50'])} of the true boxes"
    )
    print(f"Done. Open {report} in a browser; {best} is the detector.")
