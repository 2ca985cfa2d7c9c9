"""Plots that stand alone, as SVG files: what a study writes, for a page or a paper of one's own.

The style is the report's (`charts.py`), on white, with letters as letters.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from minircnn.report.charts import COLOURS, STYLE

WIDTH = 7.0  # inches
ORDER = "abcd"
DRAWN_FOR = "'DejaVu Sans'"  # the letters that Matplotlib brings and measures; readers have others
FONT = "system-ui, Helvetica, Arial, " + DRAWN_FOR


@dataclass(frozen=True)
class Dots:
    """One row of a plot: a name, and for each column a value for each seed."""

    name: str
    columns: Sequence[Sequence[float]]


@dataclass(frozen=True)
class Curve:
    """One line: a name, places along the axis, and at each a value for each seed."""

    name: str
    x: Sequence[float]
    values: Sequence[Sequence[float]]


def plot_rows(title: str, rows: Sequence[Dots], columns: Sequence[str]) -> bytes:
    """A panel for each column, a line for each row, a dot for each seed, and a bar at their mean → SVG."""
    with matplotlib.rc_context(fname=STYLE):
        figure = Figure(figsize=(WIDTH, 0.9 + 0.42 * len(rows)), facecolor="white")
        figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=COLOURS["ink"])
        panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
        for n, (axes, column) in enumerate(zip(panels, columns, strict=True)):
            colour = COLOURS[ORDER[n % len(ORDER)]]
            for place, row in enumerate(rows):
                values = row.columns[n]
                axes.plot(values, [place] * len(values), "o", color=colour, alpha=0.55, clip_on=False)
                axes.plot([np.mean(values)] * 2, [place - 0.28, place + 0.28], color=COLOURS["ink"], clip_on=False)
            everything = [value for row in rows for value in row.columns[n]]
            middle, half = (max(everything) + min(everything)) / 2, (max(everything) - min(everything)) / 2
            room = max(1.16 * half, 0.04 * abs(middle), 0.02)  # what hardly differs looks so
            axes.set_xlim(middle - room, middle + room)
            axes.set_ylim(len(rows) - 0.5, -0.5)
            axes.set_xlabel(column)
            axes.set_yticks(range(len(rows)), [row.name for row in rows])
            axes.grid(axis="x")
            axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        return _svg(figure)


def plot_curves(title: str, curves: Sequence[Curve], x_name: str) -> bytes:
    """A line through the means of each, and a band from the least seed to the largest → SVG."""
    with matplotlib.rc_context(fname=STYLE):
        figure = Figure(figsize=(WIDTH, 3.0), facecolor="white")
        axes = figure.add_subplot(xlabel=x_name)
        axes.set_title(title, loc="left", fontsize=11, color=COLOURS["ink"])
        for n, curve in enumerate(curves):
            colour, order = COLOURS[ORDER[n % len(ORDER)]], np.argsort(curve.x)
            x = np.asarray(curve.x, float)[order]
            low, mean, high = (
                np.array([of(values) for values in curve.values])[order] for of in (np.min, np.mean, np.max)
            )
            axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
            axes.plot(x, mean, color=colour, marker="o", label=curve.name, clip_on=False)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.minorticks_off()
        axes.set_ylim(0, None)
        axes.legend(frameon=False, labelcolor=COLOURS["soft"])
        return _svg(figure)


def _svg(figure: Figure) -> bytes:
    content = io.BytesIO()
    FigureCanvasSVG(figure).print_svg(content, metadata={"Date": None, "Creator": None})
    return content.getvalue().replace(DRAWN_FOR.encode(), FONT.encode())
