"""05  RoI pooling backward, by hand: every contribution in a ledger.

The forward kept, for each bin, the cell that won it. The backward adds each bin's gradient to that cell. One cell can
win several bins of one RoI, because bins overlap, and bins of several RoIs, because RoIs do: it collects all of them.
A background RoI has no box loss, but its class loss comes back through its bins like any other's. The RoIs themselves
get no gradient.

To stop inside the loop that adds:

    NUMBA_DISABLE_JIT=1 python -m pdb examples/05_roi_pooling_backward_by_hand.py
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from minircnn.kernels.roi_pool import roi_pool_backward, roi_pool_forward

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, help="folder for the figure; a temporary one if absent")
out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="minircnn-"))

# A map of 7×7 cells with one channel, and three RoIs on it, in cells (scale 1), pooled to 2×2.
H = W = 7
features = np.random.default_rng(5).permutation(np.arange(1, 50)).reshape(H, W) / 10  # 0.1 … 4.9, no ties
features[2, 3] = 9.0  # the cell to watch
names = ["A", "B", "C"]
rois = np.array([
    [0, 1, 0, 5, 4],  # A, foreground: columns 1…5, rows 0…4, so its bins are 2.5 wide and overlap
    [0, 3, 2, 6, 5],  # B, foreground: columns 3…6, rows 2…5, bins of 2
    [0, 0, 4, 2, 6],  # C, background: columns 0…2, rows 4…6, bins of 1.5
], float)  # fmt: skip
pooled, argmax = roi_pool_forward(features[None, :, :, None], rois, (2, 2), spatial_scale=1.0)

# What comes back from fc6: one gradient for each pooled value. All different, so that a swapped one would show.
dpooled = np.array(
    [
        [[0.10, 0.20], [0.30, 0.40]],  # A
        [[0.50, 0.60], [0.70, 0.80]],  # B
        [[-0.01, -0.02], [-0.03, -0.04]],  # C: what its class loss sends
    ]
)[..., None]  # (R, PH, PW, C)

# The ledger: read the winner of each bin, add its gradient there.
by_hand = np.zeros((H, W))
watched = []
for r, name in enumerate(names):
    for ph in range(2):
        for pw in range(2):
            cell = int(argmax[r, ph, pw, 0])
            row, column = divmod(cell, W)
            gradient = dpooled[r, ph, pw, 0]
            by_hand[row, column] += gradient  # adds, does not assign
            mark = ""
            if (row, column) == (2, 3):
                watched.append(gradient)
                mark = "  <- the cell to watch"
            print(f"RoI {name}, bin ({ph}, {pw}): won by row {row}, column {column} with {pooled[r, ph, pw, 0]:.1f}; "
                  f"dX[{row}, {column}] += {gradient:+.2f}{mark}")  # fmt: skip

print(
    f"\ndX[2, 3] = {' + '.join(f'{g:.2f}' for g in watched)} = {sum(watched):.2f}, from {len(watched)} bins of two RoIs"
)
assert len(watched) == 5  # four bins of A, one of B
assert np.isclose(sum(watched), 1.50)

# The kernel does the same.
dX = roi_pool_backward(dpooled, argmax, rois, (1, H, W, 1))[0, :, :, 0]
assert np.allclose(dX, by_hand)
print(f"the kernel's dX[2, 3] = {dX[2, 3]:.2f}; Σ dX = {dX.sum():.2f} = Σ dpooled: nothing is lost on the way\n")
print("dX, all of it:")
for row in dX:
    print("  " + " ".join(f"{value:+.2f}" if value else "  .  " for value in row))
print(f"\n{np.count_nonzero(dX)} of {dX.size} cells get a gradient. Had the code assigned instead of added, "
      f"dX[2, 3] would be {watched[-1]:.2f}, the last to write.")  # fmt: skip

figure = Figure(figsize=(11, 5.2), layout="constrained")
left, right = figure.subplots(1, 2)
for axes, title, values in ((left, "features and the three RoIs", features), (right, "dX", dX)):
    most = abs(values).max()
    axes.imshow(values, cmap="RdBu", vmin=-most, vmax=most)
    axes.set_title(title)
    axes.set_axis_off()
    for (row, column), value in np.ndenumerate(values):
        if axes is left or value:
            text = f"{value:.1f}" if axes is left else f"{value:+.2f}"
            axes.text(column, row, text, ha="center", va="center", color="w" if abs(value) > 0.6 * most else "k")
    for name, (_, x1, y1, x2, y2), colour in zip(names, rois, ("tab:orange", "tab:green", "tab:gray"), strict=True):
        axes.add_patch(
            Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1 + 1, y2 - y1 + 1, fill=False, edgecolor=colour, linewidth=3)
        )
        axes.text(x1 - 0.35, y1 - 0.2, name, color=colour, weight="bold")
path = out / "05_roi_pooling_backward_by_hand.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=110)
print(f"\nfigure: {path}")
