"""The pictures of the derivations: numbers and letters alone, so that one serves both languages.

`python docs/derivation_pictures.py` writes them to docs/backward/pictures/; what is computed in them, the kernels
compute. A test asks that the files are these.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from minircnn.kernels.max_pool import max_pool_backward, max_pool_forward
from minircnn.kernels.roi_pool import roi_pool_backward, roi_pool_forward
from minircnn.layers import ReLU
from minircnn.losses import smooth_l1

HERE = Path(__file__).parent / "backward" / "pictures"
STYLE = """
svg { --paper:#fff; --ink:#1b1f24; --soft:#5c6570; --hair:#e2e5e9; --a:#2467b3; --b:#c4531a; --c:#2f8055;
font:13px system-ui,"Noto Sans KR",Helvetica,Arial,sans-serif }
@media (prefers-color-scheme:dark) { svg { --paper:#15181c; --ink:#e6e9ec; --soft:#9aa4ae; --hair:#2d333a; --a:#74aef0;
--b:#f0935a; --c:#72c397 } }
text { fill:var(--ink); text-anchor:middle } .soft { fill:var(--soft) } .left { text-anchor:start }
.paper { fill:var(--paper) } path, rect.cell, rect.box, circle { fill:none; stroke:var(--hair) }
.axis { stroke:var(--soft) } rect.box { stroke:var(--soft) }
path.a, rect.a { stroke:var(--a); fill:none; stroke-width:2.5 }
path.b, rect.b { stroke:var(--b); fill:none; stroke-width:3 }
path.c { stroke:var(--c); stroke-width:2.5 } text.a, tspan.a { fill:var(--a) }
text.b, tspan.b { fill:var(--b) } text.c { fill:var(--c) }
circle { stroke:var(--ink); stroke-width:1.5 } .dash { stroke-dasharray:6 4 } rect.got { stroke:none; fill:var(--a) }
"""


def svg(width: int, height: int, label: str, parts: list[str]) -> str:
    """The whole file."""
    heads = "".join(
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="5" markerHeight="5" orient="auto">'
        f'<path class="{name}" d="M0 0L8 4L0 8" style="stroke-width:1.6"/></marker>'
        for name in "ab"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'aria-label="{label}"><style>{STYLE}</style><defs>{heads}</defs>'
        f'<rect class="paper" width="{width}" height="{height}"/>'
        f"{''.join(parts)}</svg>\n"
    )


def text(x: float, y: float, words: str, style: str = "") -> str:
    """Words centred at x, their foot at y."""
    return f'<text class="{style}" x="{x:g}" y="{y:g}">{words}</text>'


# Smooth-L1 beside L2 and L1: the loss, and how hard it pulls.


def smooth(d: float) -> tuple[float, float]:
    """Loss and gradient of one offset, as the kernel has them."""
    loss, gradient = smooth_l1(np.array([[d, 0.0, 0, 0]]), np.zeros((1, 4)), np.array([1]))
    return loss, float(gradient[0, 0])


LOSSES: dict[str, tuple[str, Callable[[float], tuple[float, float]]]] = {
    "½d²": ("a", lambda d: (0.5 * d * d, d)),
    "|d|": ("c", lambda d: (abs(d), math.copysign(1.0, d))),
    "smooth-L1": ("b", smooth),
}


def losses_beside() -> str:
    """Two panels over d from -3 to 3."""
    parts = []
    for which, (left, title, top, bottom) in enumerate(((20, "L", 3.2, 0.0), (400, "∂L/∂d", 2.2, -2.2))):

        def place(d: float, value: float, left: int = left, top: float = top, bottom: float = bottom) -> str:
            return f"{left + 170 + 50 * d:.1f} {30 + 200 * (top - value) / (top - bottom):.1f}"

        parts.append(f'<path class="axis" d="M{place(-3.2, 0)}L{place(3.2, 0)}M{place(0, bottom)}L{place(0, top)}"/>')
        parts.append(text(left + 170, 20, title, "soft"))
        parts.append(text(left + 344, 30 + 200 * top / (top - bottom) + 16, "d", "soft"))
        ticks = [(d, float(place(d, 0).split()[0]), float(place(d, 0).split()[1])) for d in (-3, -2, -1, 1, 2, 3)]
        parts += [text(x, y + 16, f"{d}", "soft") for d, x, y in ticks]
        for colour, of in LOSSES.values():
            points = [(d, of(d)[which]) for d in np.linspace(-3, 3, 241) if bottom <= of(d)[which] <= top]
            dash = " dash" if colour != "b" else ""
            parts.append(f'<path class="{colour}{dash}" d="M{"L".join(place(*point) for point in points)}"/>')
    colours = {"½d²": "a", "|d|": "c", "smooth-L1": "b"}
    names = ((648, 40, "½d²"), (690, 76, "smooth-L1"), (546, 193, "|d|"), (86, 36, "½d²"), (338, 36, "|d|"),
             (352, 142, "smooth-L1"))  # fmt: skip
    parts += [text(x, y, words, colours[words]) for x, y, words in names]
    return svg(760, 250, "L2, L1 and smooth-L1, and their gradients", parts)


# RoI pooling: the map of the gradient page, two regions, their winners, and what comes back.

MAP = np.random.default_rng(5).permutation(np.arange(1, 50)).reshape(7, 7) / 10
MAP[2, 3] = 9.0
ROIS = np.array([[0, 1.0, 0, 5, 4], [0, 3, 2, 6, 5]])
GRADIENTS = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]).reshape(2, 2, 2, 1)
CELL = 46


def cells(left: int, values: np.ndarray, shown: Callable[[float], str]) -> list[str]:
    """A grid with its numbers."""
    parts = []
    for (h, w), value in np.ndenumerate(values):
        x, y = left + CELL * w, 40 + CELL * h
        parts.append(f'<rect class="cell" x="{x}" y="{y}" width="{CELL}" height="{CELL}"/>')
        parts.append(text(x + CELL / 2, y + CELL / 2 + 5, shown(value)))
    return parts


def winners_and_back() -> str:
    """Left the map with regions and winners, right what each cell gets."""
    _, argmax = roi_pool_forward(MAP[None, :, :, None], ROIS, (2, 2), 1.0)
    back = roi_pool_backward(GRADIENTS, argmax, ROIS, (1, 7, 7, 1))[0, :, :, 0]
    left, right = 20, 400
    parts = [text(left + 161, 22, "X"), text(right + 161, 22, "dX")]
    parts += [
        f'<rect class="got" x="{right + CELL * w}" y="{40 + CELL * h}" width="{CELL}" height="{CELL}" '
        f'opacity="{0.12 + 0.5 * back[h, w] / back.max():.2f}"/>'
        for h, w in zip(*np.nonzero(back), strict=True)
    ]
    parts += cells(left, MAP, lambda value: f"{value:.1f}")
    parts += cells(right, back, lambda value: f"{value:.1f}" if value else "")
    for name, colour, (_, x1, y1, x2, y2), inset in (("A", "a", ROIS[0], 2), ("B", "b", ROIS[1], 4)):
        x, y, w, h = left + CELL * x1, 40 + CELL * y1, CELL * (x2 - x1 + 1), CELL * (y2 - y1 + 1)
        parts.append(f'<rect class="{colour}" x="{x + inset:g}" y="{y + inset:g}" width="{w - 2 * inset:g}" '
                     f'height="{h - 2 * inset:g}"/>')  # fmt: skip
        parts.append(text(*((x + 4, y - 5) if name == "A" else (x + w + 4, y + h - 6)), name, f"{colour} left"))
    for cell in sorted({int(cell) for cell in argmax.ravel()}):
        h, w = divmod(cell, 7)
        parts.append(f'<circle cx="{left + CELL * (w + 0.5)}" cy="{40 + CELL * (h + 0.5)}" r="17"/>')
    sums = "0.1 + 0.2 + 0.3 + 0.4 + 0.5 = 1.5"
    parts.append(text(right + CELL * 3.5, 40 + CELL * 7 + 24, sums, "a"))
    return svg(760, 400, "a map, two regions, the winners of their bins; the gradient that each cell gets", parts)


# ReLU: five gates, the numbers that pass them, and the gradients that do.

SEEN, ARRIVING = np.array([[0.62, -3.28, 0.44, -5.47, 1.14]]), np.array([[0.3381, 0.0902, 0.2416, 0.3265, 0.1134]])


def gates() -> str:
    """Above forward, downwards; below backward, upwards, past the same gates."""
    relu = ReLU()
    relu.training = True
    rows = SEEN[0], relu.forward(SEEN)[0], relu.backward(ARRIVING)[0], ARRIVING[0]
    parts = [text(40, y, name, "soft") for y, name in ((40, "x"), (122, "y"), (180, "dx"), (262, "dy"))]
    for n, (x, y, dx, dy) in enumerate(zip(*rows, strict=True)):
        middle = 140 + 130 * n
        for top, colour, ends, values in ((62, "a", (50, 106), (x, y)), (202, "b", (246, 190), (dx, dy))):
            bar = top + 16
            gap = "" if x <= 0 else f"M{middle - 26} {bar}H{middle - 8}M{middle + 8} {bar}H{middle + 26}"
            parts.append(f'<path class="axis" d="{gap or f"M{middle - 26} {bar}H{middle + 26}"}"/>')
            stop = ends[1] if x > 0 else bar + (6 if ends[0] > bar else -6)
            head = 6 if stop < ends[0] else -6
            tip = f"M{middle - 5} {stop + head}L{middle} {stop}L{middle + 5} {stop + head}" if x > 0 else ""
            parts.append(f'<path class="{colour}" d="M{middle} {ends[0]}V{stop}{tip}"/>')
            digits = 2 if colour == "a" else 4
            parts.append(text(middle, top - 22, f"{values[0]:.{digits}f}"))
            parts.append(text(middle, top + 60, f"{values[1]:.{digits}f}"))
    return svg(760, 280, "five gates: what passes forward, and what passes back", parts)


# Max-pool: the winners of four windows, and what comes back to them.


def windows_and_back() -> str:
    """Left x with its winners in circles, in the middle y, right dx."""
    x = np.array([[1.0, 5, 2], [3, 4, 9], [7, 0, 6]])
    dy = np.array([[0.1, 0.2], [0.3, 0.4]])
    y, argmax = max_pool_forward(x[None, :, :, None], 2, 2, True)
    dx = max_pool_backward(dy[None, :, :, None], argmax, (1, 3, 3, 1), 2, 2)[0, :, :, 0]
    parts = [text(left, 22, name) for left, name in ((89, "x"), (316, "y"), (501, "dy"), (691, "dx"))]
    parts += cells(20, x, lambda value: f"{value:g}") + cells(270, y[0, :, :, 0], lambda value: f"{value:g}")
    parts += cells(455, dy, lambda value: f"{value:g}") + cells(622, dx, lambda value: f"{value:g}" if value else "")
    for cell in argmax.ravel():
        h, w = divmod(int(cell), 3)
        parts.append(f'<circle cx="{20 + CELL * (w + 0.5)}" cy="{40 + CELL * (h + 0.5)}" r="17"/>')
    parts.append(f'<path class="a" d="M{20 + 2 * CELL} 40V{40 + 3 * CELL}M20 {40 + 2 * CELL}H{20 + 3 * CELL}"/>')
    return svg(780, 200, "four windows, the last ones cut off by the border, their winners, what comes back", parts)


# Linear: two layers that read the same row, whose gradients meet in it.


def meeting() -> str:
    """fc7 at the left, the two outputs at the right; above the line forward, below it the way back."""
    parts = []
    for x, y, words in ((90, 125, "fc7"), (420, 65, "cls_score"), (420, 185, "bbox_pred"), (680, 65, "softmax"),
                        (680, 185, "smooth-L1")):  # fmt: skip
        parts.append(f'<rect class="box" x="{x - 60}" y="{y - 22}" width="120" height="44" rx="3"/>')
        parts.append(text(x, y + 5, words))
    for y, colour, turn, name in ((65, "a", -14, "cls"), (185, "b", 14, "box")):
        parts.append(f'<path class="axis" d="M152 {125 + turn / 2}L358 {y - turn / 2}M482 {y - 8}H618"/>')
        parts.append(f'<path class="{colour}" d="M618 {y + 8}H484M491 {y + 3}L484 {y + 8}L491 {y + 13}"/>')
        parts.append(f'<path class="{colour}" d="M358 {y + turn}L154 {125 + turn * 1.4}" marker-end="url(#{colour})"/>')
        small = f'<tspan font-size="10" dy="3">{name}</tspan><tspan dy="-3">&#8203;</tspan>'
        parts.append(text(552, y + 28, f"dy{small}", colour))
        parts.append(text(262, 62 if y < 125 else 200, f"dy{small} · W{small}ᵀ", colour))
    parts.append(text(90, 172, 'dx = <tspan class="a">dy·Wᵀ</tspan> + <tspan class="b">dy·Wᵀ</tspan>'))
    return svg(780, 240, "the gradients of two layers that read the same row are added in it", parts)


def pictures() -> dict[str, str]:
    """File name → content."""
    return {
        "smooth_l1.svg": losses_beside(),
        "roi_pool.svg": winners_and_back(),
        "relu.svg": gates(),
        "max_pool.svg": windows_and_back(),
        "linear.svg": meeting(),
    }


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for name, content in pictures().items():
        (HERE / name).write_text(content, encoding="utf-8")
