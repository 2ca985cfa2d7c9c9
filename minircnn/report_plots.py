"""The report's plots, as SVG to be put into the page: the page's font and ink, nothing behind them."""

import io
import re
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

INK = "#123456"  # stands for the page's own text colour, which is put in its place afterwards
CLASS_COLOUR, BOX_COLOUR = "#2a6fc9", "#cf5435"
STYLE = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "minircnn",
}


def _svg(figure: Figure) -> str:
    content = io.StringIO()
    figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    text = content.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    return re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"', r"\1", text, count=1)


def loss_plot(log: Sequence[dict[str, float]]) -> str:
    """Class and box loss against steps, with a dashed line where the learning rate drops."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5, 3.2), layout="constrained")
        axes = figure.add_subplot(xlabel="step", ylabel="loss")
        steps = np.array([row["step"] for row in log])
        for column, name, colour in (("loss_cls", "class", CLASS_COLOUR), ("loss_bbox", "box", BOX_COLOUR)):
            values = np.array([row[column] for row in log])
            axes.plot(steps, values, ".", color=colour, alpha=0.25, markersize=3)
            axes.plot(steps, smooth(values), color=colour, label=name)
        rates = np.array([row["lr"] for row in log])
        for drop in np.flatnonzero(rates[1:] < 0.5 * rates[:-1]):
            axes.axvline(steps[drop + 1], color=INK, linestyle="--", linewidth=0.8, alpha=0.5)
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
        return _svg(figure)


def smooth(values: np.ndarray, window: int = 9) -> np.ndarray:
    """Mean over a window that shrinks at both ends; same length."""
    return np.array([values[max(0, i - window // 2) : i + window // 2 + 1].mean() for i in range(len(values))])


def history_plot(history: Sequence[dict]) -> str:
    """mAP50, mAP75 and AP on the validation images against epochs."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5, 3.2), layout="constrained")
        axes = figure.add_subplot(xlabel="epoch", ylabel="on validation images", ylim=(0, 1))
        epochs = [row["epoch"] for row in history]
        for key, colour in (("mAP50", CLASS_COLOUR), ("mAP75", BOX_COLOUR), ("AP", "#4f9a5c")):
            axes.plot(
                epochs, [np.nan if row[key] is None else row[key] for row in history], "o-", color=colour, label=key
            )
        axes.legend(frameon=False, loc="upper left")
        return _svg(figure)


def precision_recall_plot(recall: np.ndarray, precision: np.ndarray) -> str:
    """One class's curve; both (D,)."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(2.2, 1.7), layout="constrained")
        axes = figure.add_subplot(xlim=(0, 1.02), ylim=(0, 1.02), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
        axes.plot(recall, precision, color=CLASS_COLOUR)
        axes.fill_between(recall, 0, precision, color=CLASS_COLOUR, alpha=0.12, linewidth=0)
        return _svg(figure)
