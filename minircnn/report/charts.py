"""The report's charts, drawn by matplotlib as SVG in the style of `style.mplstyle`.

The style's colours become the names that the page's style sheet gives a value by day and one by night (`as_page`), and
text stays text in the page's own font. `page.py` puts the charts into the page.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogFormatterSciNotation, LogLocator, MaxNLocator

STYLE = Path(__file__).with_name("style.mplstyle")
COLOURS = {  # the page's names, and their values by day in the page's style sheet
    "ink": "#1b1f24", "soft": "#5c6570", "hair": "#e2e5e9",
    "a": "#2467b3", "b": "#c4531a", "c": "#2f8055", "d": "#8a4fa8",
}  # fmt: skip
MAX_POINTS = 500  # a line of a long run is thinned to this; more than the pixels it crosses
MAX_BINS = 30  # of a histogram
SMALL = (1.5, 1.5)  # inches of a class's precision against recall


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes
    ----------
    x, y : equally long; what an axis cannot show (not finite, or not positive on a logarithmic one) is left out
    colour : a, b, c, d or ink
    faint, dashed : how it is drawn
    dots : mark every point
    """

    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    colour: str
    faint: bool = False
    dashed: bool = False
    dots: bool = False


def chart(lines: Sequence[Line], x_name: str, top: float | None = None, log: bool = False) -> str:
    """Lines over common axes.

    Parameters
    ----------
    lines : drawn in order, the last on top
    x_name : written below the axis
    top : end of the vertical axis; what is above is cut off. A little over the highest value if None
    log : logarithmic vertical axis of whole decades; else it begins at 0

    Returns
    -------
    An `svg` element
    """
    points = [known(line, log) for line in lines]
    if not any(len(x) for x, _ in points):
        return '<p class="soft">Nothing was recorded.</p>'
    with matplotlib.rc_context(fname=STYLE):
        figure = Figure()
        axes = figure.add_subplot(xlabel=x_name)
        for line, (x, y) in zip(lines, points, strict=True):
            kept = np.unique(np.linspace(0, len(x) - 1, min(len(x), MAX_POINTS)).astype(int))
            drawn: dict[str, Any] = {"alpha": 0.3, "linewidth": 0.9} if line.faint else {}
            drawn |= {"linestyle": "--"} if line.dashed else {}
            drawn |= {"marker": "o"} if line.dots or len(kept) == 1 else {}
            axes.plot(x[kept], y[kept], color=COLOURS[line.colour], clip_on=not line.dots, in_layout=False, **drawn)
        axes.set_xlim(0, max(float(x.max()) for x, _ in points if len(x)) or 1.0)
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
        if log:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator())
            axes.yaxis.set_major_formatter(LogFormatterSciNotation())
            values = np.concatenate([y for _, y in points])
            low, high = np.floor(np.log10(values.min())), np.ceil(np.log10(values.max()))
            axes.set_ylim(10.0**low, 10.0 ** max(high, low + 1) * 1.05)
            axes.minorticks_off()
        else:
            highest = max(float(y.max()) for _, y in points if len(y))
            axes.set_ylim(0, top or 1.05 * highest or 1.0)
            axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        return as_page(figure, f"chart against {x_name}", "chart")


def histogram(groups: Sequence[tuple[np.ndarray, str]], x_name: str, log: bool = False, whole: bool = False) -> str:
    """Shares of several groups of numbers beside each other over common bins.

    Parameters
    ----------
    groups : values and colour of each; what is not finite is left out
    x_name : written below the axis
    log : bins of equal ratio
    whole : a bin for each whole number, as far as they are few

    Returns
    -------
    An `svg` element
    """
    shown = [(np.asarray(values, float)[np.isfinite(values)], colour) for values, colour in groups]
    together = np.concatenate([np.zeros(0), *(values for values, _ in shown)])
    if not len(together):
        return '<p class="soft">Nothing was recorded.</p>'
    low, high = float(together.min()), float(together.max())
    if whole and high - low <= MAX_BINS:
        edges = np.arange(low - 0.5, high + 1)
    elif log and low > 0:
        edges = np.geomspace(low / 1.02, high * 1.02, MAX_BINS + 1)
    else:
        edges = np.linspace(low - 0.5, high + 0.5, MAX_BINS + 1)
    with matplotlib.rc_context(fname=STYLE):
        figure = Figure()
        axes = figure.add_subplot(xlabel=x_name)
        for number, (values, colour) in enumerate(shown):
            shares = 100 * np.histogram(values, edges)[0] / max(1, len(values))
            if number == 0:
                axes.stairs(shares, edges, fill=True, color=COLOURS[colour], alpha=0.3)
            axes.stairs(shares, edges, color=COLOURS[colour], linewidth=1.6)
        if log and low > 0:
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.minorticks_off()
        elif whole:
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        axes.set_xlim(edges[0], edges[-1])
        axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
        return as_page(figure, f"histogram of {x_name}", "chart")


def known(line: Line, log: bool) -> tuple[np.ndarray, np.ndarray]:
    """The line's points that an axis can show."""
    x, y = np.asarray(line.x, float), np.asarray(line.y, float)
    shown = np.isfinite(y) & ((y > 0) | (not log))
    return x[shown], y[shown]


def precision_recall_chart(recall: np.ndarray, precision: np.ndarray, at: int, best: tuple | None = None) -> str:
    """One class's curve, small.

    at : how many detections are shown, whose point is marked
    best : (recall, precision) of the best F1, marked by a ring
    """
    with matplotlib.rc_context(fname=STYLE):
        figure = Figure(figsize=SMALL, layout="none")  # type: ignore[arg-type]  # Matplotlib's hints forget it
        axes = figure.add_axes((0.1, 0.12, 0.86, 0.84), xlim=(0, 1), ylim=(0, 1.02))
        axes.set_xticks([0, 0.5, 1], ["0", "", "1"])
        axes.set_yticks([0, 0.5, 1], ["", "", "1"])
        axes.grid(axis="both")
        if len(recall):
            corners = np.flatnonzero(np.diff(recall, prepend=-1))  # where an object is found, and the first
            few = corners[np.linspace(0, len(corners) - 1, min(len(corners), MAX_POINTS // 4)).astype(int)]
            kept = np.union1d(few, [max(at - 1, 0), len(recall) - 1])
            x, y = np.insert(recall[kept], 0, 0), np.insert(precision[kept], 0, precision[0])
            axes.fill_between(x, y, color=COLOURS["a"], alpha=0.12, linewidth=0)
            axes.plot(x, y, color=COLOURS["a"], clip_on=False)
            if at:
                axes.plot(recall[at - 1], precision[at - 1], "o", color=COLOURS["ink"], clip_on=False)
            if best:
                axes.plot(*best, "o", markersize=8, markerfacecolor="none", color=COLOURS["b"], clip_on=False)
        return as_page(figure, "precision against recall", "small")


def as_page(figure: Figure, label: str, name: str) -> str:
    """A figure as an `svg` element of the page: its colours by name, its font the page's, no link to anywhere."""
    content = io.StringIO()
    FigureCanvasSVG(figure).print_svg(content, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = content.getvalue()
    text = text[text.index("<svg") :]
    box = re.findall(r'viewBox="[^"]*"', text)[0]
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r"^<svg[^>]*>", f'<svg class="{name}" {box} role="img" aria-label="{label}">', text)
    text = re.sub(r"font-family: [^;\"]*(; )?", "", text).replace("xlink:href", "href")
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # every chart has its figure_1
    for word, colour in COLOURS.items():
        text = text.replace(colour, f"var(--{word})")
    return re.sub(r">\s+<", "><", text).strip()


def smooth(values: np.ndarray) -> np.ndarray:
    """Centred mean over a twentieth of the run; the window shrinks towards both ends. Same length."""
    half = len(values) // 40
    sums = np.insert(np.cumsum(values, dtype=float), 0, 0)
    place = np.arange(len(values))
    reach = np.minimum(half, np.minimum(place, place[::-1]))
    return (sums[place + reach + 1] - sums[place - reach]) / (2 * reach + 1)
