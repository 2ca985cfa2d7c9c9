"""02  A convolution by hand, and its backward.

    y[i, j] = b + Σ x[i + kh - 1, j + kw - 1] * w[kh, kw]      over the 3×3 taps, x being 0 outside the map

Each product x*w of the forward gives two of the backward: dy*w to dx and dy*x to dw. That is all there is to it.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minircnn.kernels.conv import conv2d_backward, conv2d_forward

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, help="folder for the figure; a temporary one if absent")
out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="minircnn-"))

# One image, one channel in, one out. Arrays are channels-last: x (N, H, W, C), w (KH, KW, C, OC).
rng = np.random.default_rng(2)
x = rng.integers(0, 5, (4, 5)).astype(float)
w = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]], float)  # looks for a step from left to right
b = 1.0
y = conv2d_forward(x[None, :, :, None], w[:, :, None, None], np.array([b]), stride=1, padding=1)[0, :, :, 0]

# Forward, one cell by hand: (i, j) = (1, 2).
i, j = 1, 2
products = [(kh, kw, x[i + kh - 1, j + kw - 1], w[kh, kw]) for kh in range(3) for kw in range(3)]
print(f"y[{i}, {j}] = {b:g} (bias)", *(f"+ {cell:g}*{tap:g}" for _, _, cell, tap in products))
by_hand = b + sum(cell * tap for _, _, cell, tap in products)
print(f"        = {by_hand:g}, and the kernel says {y[i, j]:g}")
assert by_hand == y[i, j]

# Backward. dy is what the loss sends back to each cell of y; random, so that no mistake can hide in equal numbers.
dy = rng.integers(-3, 4, y.shape).astype(float)
dx, dw, db = conv2d_backward(dy[None, :, :, None], x[None, :, :, None], w[:, :, None, None], stride=1, padding=1)
dx, dw = dx[0, :, :, 0], dw[:, :, 0, 0]

# dw: a tap was used at every cell of y, each time with another cell of x under it.
kh, kw = 0, 2
used = [(dy[r, c], x[r + kh - 1, c + kw - 1]) for r in range(4) for c in range(5)
        if 0 <= r + kh - 1 < 4 and 0 <= c + kw - 1 < 5]  # fmt: skip
print(f"\ndw[{kh}, {kw}] = Σ dy*x over {len(used)} cells =", " ".join(f"{g:+g}*{cell:g}" for g, cell in used))
print(f"         = {sum(g * cell for g, cell in used):g}, and the kernel says {dw[kh, kw]:g}")
assert sum(g * cell for g, cell in used) == dw[kh, kw]

# dx: a cell was read by up to nine cells of y, each time under another tap.
r, c = 0, 3
readers = [(dy[r - kh + 1, c - kw + 1], w[kh, kw]) for kh in range(3) for kw in range(3)
           if 0 <= r - kh + 1 < 4 and 0 <= c - kw + 1 < 5]  # fmt: skip
print(f"\ndx[{r}, {c}] = Σ dy*w over {len(readers)} readers =", " ".join(f"{g:+g}*{tap:g}" for g, tap in readers))
print(f"         = {sum(g * tap for g, tap in readers):g}, and the kernel says {dx[r, c]:g}")
print("         (nine readers inside the map, six at its border)")
assert sum(g * tap for g, tap in readers) == dx[r, c]
assert db[0] == dy.sum()
print(f"\ndb = Σ dy = {db[0]:g}: the bias was added everywhere")

# The same, seen as a slope: nudge one tap and see how Σ dy*y moves.
step = np.zeros_like(w)
step[kh, kw] = 1e-6
moved = conv2d_forward(x[None, :, :, None], (w + step)[:, :, None, None], np.array([b]), 1, 1)[0, :, :, 0]
print(f"nudging w[{kh}, {kw}] by 1e-6 moves Σ dy*y by {((moved - y) * dy).sum() / 1e-6:.3f} per unit: dw again")

figure = Figure(figsize=(11, 5), layout="constrained")
for axes, (title, values) in zip(
    figure.subplots(2, 3).flat,
    {"x": x, "w": w, "y": y, "dx": dx, "dw": dw, "dy": dy}.items(),
    strict=True,
):
    most = abs(values).max()
    axes.imshow(values, cmap="RdBu", vmin=-most, vmax=most)
    axes.set_title(title)
    axes.set_axis_off()
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, f"{value:g}", ha="center", va="center", color="w" if abs(value) > 0.6 * most else "k")
path = out / "02_convolution_by_hand.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=110)
print(f"\nfigure: {path}")
