"""04  RoI pooling forward: its rounding, and its bins, which overlap.

A RoI in image pixels is snapped to the feature map, cut into PH×PW bins, and each bin keeps its largest cell. Two
things are drawn wrongly in most tutorials: corners are rounded to nearest with halves away from zero, not down, and
the bins of one RoI overlap wherever its width is no multiple of PW.
"""

import argparse
import math
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from minircnn.kernels.roi_pool import roi_pool_forward

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, help="folder for the figure; a temporary one if absent")
out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="minircnn-"))

# 1. Rounding. VGG16's map has one cell for 16 pixels, so x = 8 lies exactly between cell 0 and cell 1.
print("x in pixels            " + "".join(f"{x:6}" for x in (-8, 8, 24, 40, 72)))
print("x / 16                 " + "".join(f"{x / 16:6}" for x in (-8, 8, 24, 40, 72)))
print("rounded half away      " + "".join(f"{math.floor(x / 16 + 0.5) if x > 0 else math.ceil(x / 16 - 0.5):6}"
                                          for x in (-8, 8, 24, 40, 72)) + "   what RoI pooling does")  # fmt: skip
print(
    "Python's round()       " + "".join(f"{round(x / 16):6}" for x in (-8, 8, 24, 40, 72)) + "   half to even: not that"
)
print("rounded down           " + "".join(f"{x // 16:6}" for x in (-8, 8, 24, 40, 72)) + "   popular: not that either")

# 2. Bins. A RoI 5 cells wide, pooled to 2: each bin is 5/2 = 2.5 wide, and covers [floor(2.5 p), ceil(2.5 (p + 1))).
features = np.random.default_rng(4).permutation(49).reshape(1, 7, 7, 1).astype(float)
x1, y1, x2, y2 = 1, 0, 5, 4  # both end cells belong to the RoI: columns 1…5, rows 0…4
width = x2 - x1 + 1
bins = [(x1 + math.floor(width / 2 * p), x1 + math.ceil(width / 2 * (p + 1))) for p in range(2)]
print(f"\ncolumns {x1}…{x2} in two bins: " + " and ".join(f"{a}…{b - 1}" for a, b in bins) + ": column 3 is in both")
pooled, argmax = roi_pool_forward(features, np.array([[0, x1, y1, x2, y2]], float), (2, 2), spatial_scale=1.0)
for ph in range(2):
    for pw in range(2):
        (h1, h2), (w1, w2) = (bins[ph][0] - x1 + y1, bins[ph][1] - x1 + y1), bins[pw]  # as high as it is wide
        window = features[0, h1:h2, w1:w2, 0]
        cell = int(argmax[0, ph, pw, 0])
        print(f"  bin ({ph}, {pw}): rows {h1}…{h2 - 1}, columns {w1}…{w2 - 1}: largest {window.max():g}, "
              f"at row {cell // 7}, column {cell % 7}")  # fmt: skip
        assert pooled[0, ph, pw, 0] == window.max() == features[0, cell // 7, cell % 7, 0]

# 3. The edges: what is off the map is cut off, bins left empty give 0 and no winner, and nothing is ever too small.
odd = {"one cell": (3, 3, 3, 3), "inside out": (5, 5, 2, 2), "half off": (-3, 4, 2, 9), "wholly off": (20, 20, 30, 30)}
rois = np.array([[0, *corners] for corners in odd.values()], float)
pooled, argmax = roi_pool_forward(features, rois, (2, 2), spatial_scale=1.0)
print()
for name, values, winners in zip(odd, pooled[..., 0], argmax[..., 0], strict=True):
    print(f"  {name:10} pooled {values.tolist()}  argmax {winners.tolist()}")
assert (argmax[0] == 3 * 7 + 3).all()  # all four bins share the one cell
assert (argmax[3] == -1).all()
assert (pooled[3] == 0).all()

figure = Figure(figsize=(11, 5.4), layout="constrained")
real, popular = figure.subplots(1, 2)
halves = {
    "what the code does: bins overlap": (real, ((0, 3), (2, 5))),
    "popular drawing: disjoint": (popular, ((0, 2), (2, 5))),
}
for title, (axes, edges) in halves.items():
    axes.imshow(features[0, :, :, 0], cmap="Greys", alpha=0.35)
    axes.set_title(title)
    axes.set_axis_off()
    for (row, column), value in np.ndenumerate(features[0, :, :, 0]):
        axes.text(column, row, f"{value:g}", ha="center", va="center")
    for (top, bottom), line in zip(edges, ("-", "--"), strict=True):
        for (left, right), colour in zip(edges, ("tab:blue", "tab:red"), strict=True):
            corner = x1 + left - 0.46, y1 + top - 0.46
            axes.add_patch(Rectangle(corner, right - left - 0.08, bottom - top - 0.08, facecolor=colour, alpha=0.12))
            axes.add_patch(Rectangle(corner, right - left - 0.08, bottom - top - 0.08, fill=False, edgecolor=colour,
                                     linewidth=2, linestyle=line))  # fmt: skip
path = out / "04_roi_pooling_forward.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=110)
print(f"\nfigure: {path}")
