"""The pictures of the other derivations: convolutions, RoIAlign, anchors, softmax, dropout and SGD.

`python docs/network_pictures.py` writes them beside those of `derivation_pictures.py`, whose colours they have: what is
computed in them, the kernels compute. A test asks that the files are these.
"""

import numpy as np
from derivation_pictures import CELL, HERE, cells, svg, text

from minircnn.anchors import RPNSettings, anchor_grid, match_anchors
from minircnn.kernels.conv import conv2d_backward, conv2d_forward
from minircnn.kernels.roi_align import roi_align_backward
from minircnn.kernels.sgd import sgd_update
from minircnn.kernels.winograd_tile import in_line, out_line
from minircnn.layers import Dropout
from minircnn.losses import softmax, softmax_cross_entropy


def plain(value: float) -> str:
    """A number without zeros that nobody needs; nothing for 0."""
    return f"{value:g}" if value else ""


def box(left: int, row: int, column: int, height: int, width: int, style: str) -> str:
    """Around some cells of a grid."""
    x, y = left + CELL * column + 2, 40 + CELL * row + 2
    return f'<rect class="{style}" x="{x}" y="{y}" width="{CELL * width - 4}" height="{CELL * height - 4}"/>'


def shade(left: int, row: int, column: int, opacity: float) -> str:
    """A cell's tint."""
    x, y = left + CELL * column, 40 + CELL * row
    return f'<rect class="got" x="{x}" y="{y}" width="{CELL}" height="{CELL}" opacity="{opacity:.2f}"/>'


# Convolution: a window and its output; and one gradient that lays the filter into dx.

IMAGE = np.array([[1.0, 0, 2, 1], [0, 3, 1, 0], [2, 1, 0, 4], [1, 0, 2, 1]])
FILTER = np.array([[1.0, 0, -1], [2, 1, 0], [0, 1, 1]])


def window_and_back() -> str:
    """x, w and y forward; below one number of dy, and dx: the filter times it, where the window stood."""
    x, w = IMAGE[None, :, :, None], FILTER[:, :, None, None]
    y = conv2d_forward(x, w, np.zeros(1), 1, 0)[0, :, :, 0]
    dy = np.zeros((1, 2, 2, 1))
    dy[0, 0, 1, 0] = 0.5
    dx, _, _ = conv2d_backward(dy, x, w, 1, 0)
    parts = [text(left, 22, name) for left, name in ((112, "x"), (345, "w"), (526, "y"), (660, "dy"), (842, "dx"))]
    parts += [*cells(20, IMAGE, lambda value: f"{value:g}"), box(20, 0, 1, 3, 3, "a")]
    parts += cells(276, FILTER, lambda value: f"{value:g}")
    parts += [*cells(480, y, lambda value: f"{value:g}"), box(480, 0, 1, 1, 1, "a")]
    parts += [*cells(614, dy[0, :, :, 0], plain), box(614, 0, 1, 1, 1, "b")]
    parts += [*cells(750, dx[0, :, :, 0], plain), box(750, 0, 1, 3, 3, "b")]
    parts += [text(240, 105, "·"), text(447, 105, "="), text(732, 84, "→")]
    return svg(960, 245, "a window of x, the filter, y; one gradient lays the filter into dx", parts)


# Winograd: the journey of a tile, and how many numbers there are on each stage of it.


def tile_journey() -> str:
    """6×6 cells to 36 values, times 36 of the filter, to 4×4 outputs; and which matrix leads from one to the next."""
    points, outputs = len(in_line(*np.eye(6)[0])), len(out_line(*np.eye(6)[0]))
    stages = ((90, 6, "d", "x"), (330, points, "V = BᵀdB", ""), (450, 3, "g", "w"), (570, points, "M = U ⊙ V", ""),
              (800, outputs, "Y = AᵀMA", "y"))  # fmt: skip
    side, parts = 15, []
    for number, (x, count, name, role) in enumerate(stages):
        middle = 225 if number == 2 else 80
        for n in range(count + 1):
            low, high, at = -side * count / 2, side * count / 2, side * (n - count / 2)
            parts.append(f'<path class="axis" d="M{x + low:g} {middle + at:g}H{x + high:g}M{x + at:g} {middle + low:g}'
                         f'V{middle + high:g}"/>')  # fmt: skip
        parts.append(
            text(x, middle + side * count / 2 + 20, f"{name}: {count}×{count}" + (f" · {role}" if role else ""))
        )
    for begin, end, name in ((140, 280, "Bᵀ · B"), (380, 520, "⊙ U"), (620, 765, "Aᵀ · A")):
        parts.append(f'<path class="a" d="M{begin} 72H{end}" marker-end="url(#a)"/>')
        parts.append(text((begin + end) / 2, 62, name, "a"))
        parts.append(f'<path class="b" d="M{end} 96H{begin}" marker-end="url(#b)"/>')
    parts += [text(450, 116, "Uᵀ", "b"), text(692, 116, "A · Aᵀ", "b"), text(210, 116, "B · Bᵀ", "b")]
    parts.append('<path class="a" d="M442 195V130" marker-end="url(#a)"/>')
    parts.append('<path class="b" d="M460 130V195" marker-end="url(#b)"/>')
    parts += [text(388, 178, "U = G g Gᵀ", "a"), text(520, 178, "dg = Gᵀ dU G", "b")]
    parts.append(text(800, 178, f"{points**2} × ⟵ {9 * outputs**2} ×", "soft"))
    return svg(900, 280, "the way of a tile: evaluated, multiplied, interpolated; and back by the transposes", parts)


# RoIAlign: one sample between four cells.


def four_shares() -> str:
    """Left what the sample reads, right what each cell gets of a gradient of 1."""
    one = np.array([[0, 0.8, 2.1, 1.8, 3.1]])  # one cell wide and high, its middle at (1.3, 2.6)
    share = roi_align_backward(np.ones((1, 1, 1, 1)), one, (1, 4, 4, 1), 1.0, 1, aligned=False)[0, :, :, 0]
    values = np.array([[3.0, 0.7, 4.0, 4.6], [2.7, 2.4, 1.0, 3.4], [0.3, 1.9, 3.7, 9.0], [0.8, 2.9, 4.4, 4.5]])
    parts = [text(132, 22, "X"), text(522, 22, "dX")]
    for left in (40, 430):
        parts += [shade(left, h, w, 0.15 + 0.9 * share[h, w]) for h, w in zip(*np.nonzero(share), strict=True)]
    parts += cells(40, values, lambda value: f"{value:.1f}") + cells(
        430, share, lambda value: f"{value:.2f}" if value else ""
    )
    for left, colour in ((40, "a"), (430, "b")):
        x, y = left + CELL * (1.3 + 0.5), 40 + CELL * (2.6 + 0.5)
        parts.append(f'<circle class="{colour}" cx="{x:g}" cy="{y:g}" r="5" style="fill:var(--{colour})"/>')
    read = " + ".join(f"{share[h, w]:.2f} · {values[h, w]:.1f}" for h, w in zip(*np.nonzero(share), strict=True))
    parts.append(text(132, 252, "(x, y) = (1.3, 2.6)", "a"))
    parts.append(text(330, 280, f"{read} = {(share * values).sum():.3f}", "a"))
    parts.append(text(522, 252, "1 → 0.28, 0.12, 0.42, 0.18", "b"))
    return svg(680, 295, "a sample between four cells: what it reads of each, and what each gets back", parts)


# The region proposal network: the nine anchors of one cell, and what they are asked.


def nine_anchors() -> str:
    """One cell's anchors about one object: an object, none, or not asked."""
    settings = RPNSettings()
    anchors = anchor_grid(38, 63, 16, settings).reshape(38, 63, 9, 4)[18, 30]
    truth = np.array([[390.0, 180, 600, 400]])
    labels, _ = match_anchors(anchors, truth, settings)
    names = {1: ("a", "1"), 0: ("axis", "0"), -1: ("axis dash", "–")}
    parts = ['<rect class="cell" x="20" y="20" width="500" height="300"/>']

    def rect(coordinates: np.ndarray, style: str) -> str:
        x1, y1, x2, y2 = coordinates / 2
        return f'<path class="{style}" d="M{20 + x1:g} {20 + y1:g}H{20 + x2:g}V{20 + y2:g}H{20 + x1:g}Z"/>'

    parts += [rect(anchor, names[label][0]) for anchor, label in zip(anchors, labels, strict=True)]
    parts.append(rect(truth[0], "b"))
    middle = (anchors[0, :2] + anchors[0, 2:]) / 4 + 20
    parts.append(f'<circle cx="{middle[0]:g}" cy="{middle[1]:g}" r="3"/>')
    for n, (anchor, label) in enumerate(zip(anchors, labels, strict=True)):
        width, height = anchor[2:] - anchor[:2]
        y = 45 + 27 * n
        parts.append(f'<path class="{names[label][0]}" d="M560 {y - 5}H590"/>')
        parts.append(text(600, y, f"{width:g}×{height:g}: {names[label][1]}", "left"))
    parts.append('<path class="b" d="M560 290H590"/>' + text(600, 295, "G", "left b"))
    return svg(720, 335, "the nine anchors of a cell, and which of them hold the object", parts)


# Softmax: scores, probabilities, and the gradient.


def probability_minus_one() -> str:
    """Three panels of bars: s, p, and p minus onehot."""
    scores, label = np.array([[1.2, 2.0, -0.5, 0.3]]), 2
    p = softmax(scores)[0]
    _, dscores = softmax_cross_entropy(scores, np.array([label]))
    parts = []
    for left, title, values, top in (
        (30, "s", scores[0], 2.2),
        (290, "p", p, 1.0),
        (550, "p − onehot", dscores[0], 1.0),
    ):
        zero = 170
        parts.append(text(left + 100, 20, title))
        parts.append(f'<path class="axis" d="M{left} {zero}H{left + 200}"/>')
        for k, value in enumerate(values):
            height = 110 * value / top
            x, y = left + 14 + 48 * k, zero - max(height, 0)
            style = "b" if title[-1] == "t" and value < 0 else "a"
            parts.append(f'<rect class="{style}" x="{x}" y="{y:.1f}" width="30" height="{abs(height):.1f}"/>')
            parts.append(text(x + 15, y - 6 if value > 0 else zero - height + 16, f"{value:.2f}", style))
            parts.append(text(x + 15, 306, f"{k}", "b" if k == label else "soft"))
    return svg(780, 315, "scores, probabilities, and the gradient: the true class up, all others down", parts)


# Dropout: one mask for both ways.


def one_mask() -> str:
    """x, y; dy and dx through the same mask."""
    dropout = Dropout(0.5, np.random.default_rng(0))
    dropout.training = True
    x, dy = np.array([[1.0, 2, 3, 4, 5, 6]]), np.full((1, 6), 0.1)
    y = dropout.forward(x)
    dx = dropout.backward(dy)
    parts = [text(30, 40 + CELL * row + 28, name, "soft") for row, name in enumerate(("x", "y", "dx", "dy"))]
    rows = np.concatenate([x, y, dx, dy])
    parts += [shade(60, row, column, 0.18) for row in (1, 2) for column in range(6) if y[0, column]]
    parts += cells(60, rows, lambda value: f"{value:g}")
    for column in range(6):
        x_at, kept = 60 + CELL * (column + 0.5), bool(y[0, column])
        parts.append(text(x_at, 30, "· 2" if kept else "· 0", "" if kept else "soft"))
    parts.append(
        '<path class="a" d="M352 65V115" marker-end="url(#a)"/><path class="b" d="M352 205V155" marker-end="url(#b)"/>'
    )
    return svg(400, 240, "six numbers, half of them dropped, the rest doubled; the gradients by the same mask", parts)


# SGD: down a narrow valley, without momentum and with it.


def down_the_valley() -> str:
    """Twenty steps of each on ½(x² + 12 y²)."""
    parts = []
    for level in (2, 8, 18, 32, 50):
        parts.append(f'<ellipse class="axis" cx="560" cy="140" rx="{60 * np.sqrt(2 * level):.0f}" '
                     f'ry="{60 * np.sqrt(2 * level / 12):.0f}" fill="none" opacity="0.45"/>')  # fmt: skip
    for momentum, colour, name in ((0.0, "a", "μ = 0"), (0.7, "b", "μ = 0.7")):
        value, velocity = np.array([-8.5, 1.7]), np.zeros(2)
        points = [value.copy()]
        for _ in range(20):
            sgd_update(value, value * [1.0, 12.0], velocity, 0.04, momentum, 0.0)
            points.append(value.copy())
        path = "L".join(f"{560 + 60 * x:.1f} {140 + 60 * y:.1f}" for x, y in points)
        parts.append(f'<path class="{colour}" d="M{path}"/>')
        parts += [
            f'<circle cx="{560 + 60 * x:.1f}" cy="{140 + 60 * y:.1f}" r="2.5" class="{colour}"/>' for x, y in points
        ]
        end = 560 + 60 * points[-1][0]
        parts.append(text(end + 4, 178 if colour == "a" else 120, name, colour))
    parts.append('<circle cx="560" cy="140" r="4" style="fill:var(--ink)"/>')
    return svg(760, 280, "twenty steps down a narrow valley, without momentum and with it", parts)


def pictures() -> dict[str, str]:
    """File name → content."""
    return {
        "conv.svg": window_and_back(),
        "winograd.svg": tile_journey(),
        "roi_align.svg": four_shares(),
        "rpn.svg": nine_anchors(),
        "softmax.svg": probability_minus_one(),
        "dropout.svg": one_mask(),
        "sgd.svg": down_the_valley(),
    }


if __name__ == "__main__":
    for name, content in pictures().items():
        (HERE / name).write_text(content, encoding="utf-8")
