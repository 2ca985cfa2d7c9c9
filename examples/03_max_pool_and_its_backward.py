"""03  Max-pool and its backward: the winner takes the gradient.

A window keeps its largest value, and remembers where that stood (argmax). Backward gives each window's gradient to
that cell, to no other, and *adds* it: where windows overlap, one cell can win several. RoI pooling is the same, with
windows that every region chooses for itself.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from minircnn.kernels.max_pool import max_pool_backward, max_pool_forward, pool_output_size

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, help="folder for the figure; a temporary one if absent")
out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="minircnn-"))

rng = np.random.default_rng(3)
x = rng.permutation(30).reshape(5, 6).astype(float)  # every value once: no ties
W = x.shape[1]

# 2×2 windows at a stride of 2, as VGG uses them. With 5 rows the last window is cut off by the border: ceil mode, as
# in Caffe, keeps it.
y, argmax = max_pool_forward(x[None, :, :, None], size=2, stride=2, ceil_mode=True)
y, argmax = y[0, :, :, 0], argmax[0, :, :, 0]
print("x, 5×6:", *x, sep="\n  ")
print("y, 3×3:", *y, sep="\n  ")
for window, cell in np.ndenumerate(argmax):
    row, column = divmod(int(cell), W)
    assert x[row, column] == y[window] == x[2 * window[0] : 2 * window[0] + 2, 2 * window[1] : 2 * window[1] + 2].max()
print(f"window (0, 0) was won by cell {argmax[0, 0]} = row {argmax[0, 0] // W}, column {argmax[0, 0] % W}")

# Backward: nine gradients find nine cells; the other 21 cells get nothing, however close they came.
dy = np.arange(1, 10).reshape(3, 3) / 10
dx = max_pool_backward(dy[None, :, :, None], argmax[None, :, :, None], (1, *x.shape, 1), 2, 2)[0, :, :, 0]
assert np.count_nonzero(dx) == 9
assert np.isclose(dx.sum(), dy.sum())
print(f"\nof {dx.size} cells {np.count_nonzero(dx)} get a gradient; Σ dx = {dx.sum():.1f} = Σ dy")

# 3×3 windows at a stride of 2 overlap: now a cell can win several, and its gradients add up.
x3 = x.copy()
x3[2, 2] = 99  # lies in four windows
y3, argmax3 = max_pool_forward(x3[None, :, :, None], size=3, stride=2, ceil_mode=False)
dy3 = np.array([[0.1, 0.2], [0.3, 0.4]])
dx3 = max_pool_backward(dy3[None, :, :, None], argmax3, (1, *x.shape, 1), 3, 2)[0, :, :, 0]
print(f"3×3 windows: cell (2, 2) wins all four and collects 0.1 + 0.2 + 0.3 + 0.4 = {dx3[2, 2]:.1f}")
assert np.isclose(dx3[2, 2], 1.0)

ceil, floor = (pool_output_size(75, 2, 2, ceil_mode) for ceil_mode in (True, False))
print(f"\n75 cells: {ceil} windows in ceil mode, {floor} without. Weights trained with the one misplace RoIs")
print("at the far border with the other.")

figure = Figure(figsize=(11, 3.4), layout="constrained")
panels = {"x, 2×2 windows": (x, 2), "dx of the 2×2 windows": (dx, 2), "dx of overlapping 3×3 windows": (dx3, 3)}
for axes, (title, (values, size)) in zip(figure.subplots(1, 3), panels.items(), strict=True):
    axes.imshow(values, cmap="Blues")
    axes.set_title(title)
    axes.set_axis_off()
    for (row, column), value in np.ndenumerate(values):
        colour = "w" if value > 0.6 * values.max() else "k"
        axes.text(column, row, f"{value:g}", ha="center", va="center", fontsize=8, color=colour)
    for top in range(0, 5 if size == 2 else 3, 2):
        for left in range(0, 6 if size == 2 else 3, 2):
            window = (left - 0.42, top - 0.42), size - 0.16, min(size, 5 - top) - 0.16
            axes.add_patch(Rectangle(*window, fill=False, edgecolor="tab:orange", linewidth=1.5))
path = out / "03_max_pool_and_its_backward.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=110)
print(f"\nfigure: {path}")
