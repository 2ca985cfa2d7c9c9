"""Charts of a few named things beside each other: stacked bars, and dots of several trainings.

Drawn as `charts.py` draws lines; they go into a page the same way.
"""

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from minircnn.report.charts import COLOURS, STYLE, as_page

ROW = 0.42  # inches of one thing


def bars(names: Sequence[str], parts: dict[str, Sequence[float]], unit: str) -> str:
    """A lying bar for each name, stacked of its parts, the sum written at its end → an `svg` element.

    Parameters
    ----------
    parts : colour → a value for each name
    """
    with matplotlib.rc_context(fname=STYLE):
        figure = Figure(figsize=(4.6, 0.5 + ROW * len(names)))
        axes = figure.add_subplot()
        ends = np.zeros(len(names))
        for colour, values in parts.items():
            axes.barh(range(len(names)), values, left=ends, height=0.6, color=COLOURS[colour])
            ends += values
        for place, end in enumerate(ends):
            axes.annotate(f"{end:,.0f} {unit}", (end, place), (5, 0), textcoords="offset points", va="center",
                          fontsize=10, color=COLOURS["ink"])  # fmt: skip
        axes.set_xlim(0, 1.22 * max(ends.max(), 1e-9))
        _rows(figure, names)
        return as_page(figure, f"{unit} by part", "chart")


def beside(names: Sequence[str], values: Sequence[Sequence[float]], colour: str) -> str:
    """A row for each name on an axis from 0 to 1: a dot for each of its values, a mark at their mean → `svg`."""
    with matplotlib.rc_context(fname=STYLE):
        figure = Figure(figsize=(4.6, 0.5 + ROW * len(names)))
        axes = figure.add_subplot()
        for place, own in enumerate(values):
            axes.plot(own, [place] * len(own), "o", color=COLOURS[colour], alpha=0.6, clip_on=False)
            mean = float(np.mean(own))
            axes.plot([mean] * 2, [place - 0.25, place + 0.25], color=COLOURS["ink"])
            axes.annotate(f"{mean:.3f}", (max(own), place), (8, 0), textcoords="offset points", va="center",
                          fontsize=10, color=COLOURS["ink"])  # fmt: skip
        axes.set_xlim(0, 1)
        _rows(figure, names)
        return as_page(figure, "mean AP of each", "chart")


def _rows(figure: Figure, names: Sequence[str]) -> None:
    """The names at the left, from the top; lines along x alone."""
    axes = figure.axes[0]
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), list(names))
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
