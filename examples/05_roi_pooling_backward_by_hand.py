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
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from minircnn.kernels.roi_pool import roi_pool_backward, roi_pool_forward

COLOURS = ("tab:orange", "tab:green", "tab:gray", "tab:purple", "tab:olive")

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, help="folder for the figure; a temporary one if absent")
out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="minircnn-"))

# A map of 7×7 cells with one channel, and three RoIs on it, in cells (scale 1), pooled to 2×2. Change them as you like:
# another map, other RoIs, one more; what is checked below holds for all of them.
H = W = 7
features = np.random.default_rng(5).permutation(np.arange(1, H * W + 1)).reshape(H, W) / 10  # 0.1 … 4.9, no ties
features[H // 3, W // 2] = H * W / 10 + 4.1  # a peak at (2, 3), which wins wherever it is looked at
regions = {  # name: x1, y1, x2, y2, and what comes back from fc6: one gradient for each pooled value
    "A": ([1, 0, 5, 4], [[0.10, 0.20], [0.30, 0.40]]),  # foreground: columns 1…5, rows 0…4, so bins of 2.5 overlap
    "B": ([3, 2, 6, 5], [[0.50, 0.60], [0.70, 0.80]]),  # foreground: columns 3…6, rows 2…5, bins of 2
    "C": ([0, 4, 2, 6], [[-0.01, -0.02], [-0.03, -0.04]]),  # background: what its class loss sends; bins of 1.5
}
rois = np.array([[0, *box] for box, _ in regions.values()], float)
dpooled = np.array([gradients for _, gradients in regions.values()])[..., None]  # (R, PH, PW, C)
pooled, argmax = roi_pool_forward(features[None, :, :, None], rois, (2, 2), spatial_scale=1.0)

# The cell to watch: the one that wins most bins.
winners, bins = np.unique(argmax[argmax >= 0], return_counts=True)
watch = divmod(int(winners[bins.argmax()]), W) if len(winners) else (0, 0)

# The ledger: read the winner of each bin, add its gradient there.
by_hand = np.zeros((H, W))
watched = []
for r, name in enumerate(regions):
    for ph in range(2):
        for pw in range(2):
            cell = int(argmax[r, ph, pw, 0])
            gradient = dpooled[r, ph, pw, 0]
            if cell < 0:  # the RoI reaches beyond the map, and nothing of it is in this bin
                print(f"RoI {name}, bin ({ph}, {pw}): empty, argmax -1; {gradient:+.2f} goes nowhere")
                continue
            row, column = divmod(cell, W)
            by_hand[row, column] += gradient  # adds, does not assign
            mark = ""
            if (row, column) == watch:
                watched.append((name, gradient))
                mark = "  <- the cell to watch"
            print(f"RoI {name}, bin ({ph}, {pw}): won by row {row}, column {column} with {pooled[r, ph, pw, 0]:.1f}; "
                  f"dX[{row}, {column}] += {gradient:+.2f}{mark}")  # fmt: skip

total = sum(gradient for _, gradient in watched)
print(
    f"\ndX[{watch[0]}, {watch[1]}] = {' + '.join(f'{g:.2f}' for _, g in watched)} = {total:.2f}, from {len(watched)} "
    f"bins of RoI {' and '.join(dict.fromkeys(name for name, _ in watched))}"
)
assert np.isclose(by_hand[watch], total)

# The kernel does the same.
dX = roi_pool_backward(dpooled, argmax, rois, (1, H, W, 1))[0, :, :, 0]
assert np.allclose(dX, by_hand)
assert np.isclose(dX.sum(), dpooled[argmax >= 0].sum())
print(f"the kernel's dX[{watch[0]}, {watch[1]}] = {dX[watch]:.2f}; Σ dX = {dX.sum():.2f} = Σ dpooled of the bins that "
      "are not empty: nothing is lost on the way\n")  # fmt: skip
print("dX, all of it:")
for row in dX:
    print("  " + " ".join(f"{value:+.2f}" if value else "  .  " for value in row))
if watched:
    print(f"\n{np.count_nonzero(dX)} of {dX.size} cells get a gradient. Had the code assigned instead of added, "
          f"dX[{watch[0]}, {watch[1]}] would be {watched[-1][1]:.2f}, the last to write.")  # fmt: skip

figure = Figure(figsize=(11, 5.2), layout="constrained")
left, right = figure.subplots(1, 2)
for axes, title, values in ((left, "features and the RoIs", features), (right, "dX", dX)):
    most = abs(values).max() or 1
    axes.imshow(values, cmap="RdBu", vmin=-most, vmax=most)
    axes.set_title(title)
    axes.set_axis_off()
    for (row, column), value in np.ndenumerate(values):
        if axes is left or value:
            text = f"{value:.1f}" if axes is left else f"{value:+.2f}"
            axes.text(column, row, text, ha="center", va="center", color="w" if abs(value) > 0.6 * most else "k")
    for (name, ((x1, y1, x2, y2), _)), colour in zip(regions.items(), cycle(COLOURS)):
        axes.add_patch(
            Rectangle((x1 - 0.5, y1 - 0.5), x2 - x1 + 1, y2 - y1 + 1, fill=False, edgecolor=colour, linewidth=3)
        )
        axes.text(x1 - 0.35, y1 - 0.2, name, color=colour, weight="bold", clip_on=True)
path = out / "05_roi_pooling_backward_by_hand.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=110)
print(f"\nfigure: {path}")
