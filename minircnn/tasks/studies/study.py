"""What a study says: a table with the spread over seeds, one line on whether the papers' order holds, and a plot."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from minircnn.base.files import write_bytes
from minircnn.report.plots import Curve, Dots, plot_curves, plot_rows

if TYPE_CHECKING:
    from minircnn.tasks.studies.lab import Lab

Rows = dict[str, dict[str, list[float]]]  # row → column → a value for each seed


@dataclass(frozen=True)
class Expected:
    """That one row has more than another in the first column, or in `of`."""

    more: str
    less: str
    of: str | None = None


@dataclass(frozen=True)
class Study:
    """One question.

    Attributes
    ----------
    question : a title
    published : what the papers found, with their figures
    measure : runs it
    expected : the papers' order
    along : the column that the plot has along its axis, where the rows are a series; else they are drawn side by side
    shown : columns of the plot
    """

    question: str
    published: str
    measure: Callable[["Lab"], Rows]
    expected: tuple[Expected, ...]
    shown: tuple[str, ...] = ("mAP50",)
    along: str | None = None


def collect(seeds: Iterable[int], measure: Callable[[int], dict[str, dict[str, float]]]) -> Rows:
    """What `measure` gives for each seed, row → column → value, gathered."""
    rows: Rows = {}
    for seed in seeds:
        for row, columns in measure(seed).items():
            for column, value in columns.items():
                rows.setdefault(row, {}).setdefault(column, []).append(value)
    return rows


def table(rows: Rows) -> list[tuple[str, ...]]:
    """Head and rows, as text: the mean over seeds, and from where to where they lie."""
    names = list(next(iter(rows.values())))
    return [("", *names), *((row, *(_cell(columns[name]) for name in names)) for row, columns in rows.items())]


def _cell(values: list[float]) -> str:
    mean = _mean(values)
    digits = 3 if abs(mean) <= 1 else 1
    if max(values) == min(values):
        return f"{mean:g}" if mean == round(mean) > 1 else f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def verdict(study: Study, rows: Rows) -> str:
    """One sentence for each expected order: whether it is so here with every seed, with none, or now so, now so."""
    said = []
    for pair in study.expected:
        column = pair.of or study.shown[0]
        of_each = zip(rows[pair.more][column], rows[pair.less][column], strict=True)
        differences = [more - less for more, less in of_each]
        mean = _mean(differences)
        if all(difference > 0 for difference in differences):
            word = "holds"
        elif all(difference < 0 for difference in differences):
            word = "is the other way round here"
        else:
            word = "cannot be told here: the seeds do not agree"
        seeds = f"{len(differences)} seed{'s' * (len(differences) > 1)}"
        digits = 3 if abs(mean) <= 1 else 1
        name = "" if column == "mAP50" else f" in {column}"
        said.append(f"{pair.more} above {pair.less}{name}: {word} ({mean:+.{digits}f}, {seeds})")
    return "; ".join(said)


def draw(study: Study, rows: Rows, path: Path) -> None:
    """Write the plot, an SVG that stands alone."""
    if study.along is None:
        dots = [Dots(row, [columns[name] for name in study.shown]) for row, columns in rows.items()]
        write_bytes(path, plot_rows(study.question, dots, study.shown))
        return
    x = [_mean(columns[study.along]) for columns in rows.values()]
    curves = [Curve(name, x, [columns[name] for columns in rows.values()]) for name in study.shown]
    write_bytes(path, plot_curves(study.question, curves, study.along))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
