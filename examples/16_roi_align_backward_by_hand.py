"""16  RoIAlign backward, by hand: four shares of one sample, and the slope of a box's side.

RoI pooling rounds a region to cells and keeps the largest of a bin. RoIAlign rounds nothing: it reads the map between
the cells. So one number's gradient goes to four cells and not to one, and a box that moves a little changes the result
a little: its four coordinates have a gradient too. Training drops that one; at the end is how large it would have been.

To stop in the loop that adds: NUMBA_DISABLE_JIT=1 python -m pdb examples/16_roi_align_backward_by_hand.py
"""

import argparse
import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minircnn import FasterRCNN, vgg_small
from minircnn.fashion.materials import CLASS_NAMES, bundled_garments, bundled_photographs
from minircnn.fashion.scenes import compose_scene
from minircnn.kernels.roi_align import roi_align_backward, roi_align_backward_to_rois, roi_align_forward
from minircnn.kernels.roi_pool import roi_pool_forward
from minircnn.models import Batch
from minircnn.models.trace import norm_of

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, help="folder for the figure; a temporary one if absent")
out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="minircnn-"))

# 1. One sample, at row 2.6 and column 1.3. Each of the four cells around it has a share: how near it is, in rows times
#    in columns.
y, x = 2.6, 1.3
shares = {(2, 1): 0.4 * 0.7, (2, 2): 0.4 * 0.3, (3, 1): 0.6 * 0.7, (3, 2): 0.6 * 0.3}
print(f"a sample at row {y}, column {x}: " + ", ".join(f"{share:.2f} of {cell}" for cell, share in shares.items()))
one_cell = np.array([[0, x - 0.5, y - 0.5, x + 0.5, y + 0.5]])  # one bin with one sample, in its middle
dX = roi_align_backward(np.ones((1, 1, 1, 1)), one_cell, (1, 5, 4, 1), 1.0, 1, aligned=False)[0, :, :, 0]
assert all(np.isclose(dX[cell], share) for cell, share in shares.items())
print("and so has the kernel's dX, of a gradient of 1")

# 2. A region of 2×2 bins with 2×2 samples each: a quarter of a bin's gradient for each of its samples, and of that
#    its four shares. Everything is added.
features = np.random.default_rng(5).permutation(np.arange(1, 50)).reshape(7, 7) / 10
features[2, 3] = 9.0
region = np.array([1.25, 0.5, 5.0, 4.25])  # x1, y1, x2, y2 in cells
upstream = np.array([[0.1, 0.2], [0.3, 0.4]])
by_hand = np.zeros((7, 7))
for ph, pw, i, j in np.ndindex(2, 2, 2, 2):  # bin and sample
    y = region[1] + (ph + (i + 0.5) / 2) * (region[3] - region[1]) / 2
    x = region[0] + (pw + (j + 0.5) / 2) * (region[2] - region[0]) / 2
    h, w = int(y), int(x)
    rows, columns = ((h, h + 1 - y), (h + 1, y - h)), ((w, w + 1 - x), (w + 1, x - w))  # cell, and how near it is
    for (row, near_row), (column, near_column) in product(rows, columns):
        by_hand[row, column] += near_row * near_column * upstream[ph, pw] / 4
rois = np.array([[0, *region]])
two = {"spatial_scale": 1.0, "sampling_ratio": 2, "aligned": False}
dX = roi_align_backward(upstream[None, :, :, None], rois, (1, 7, 7, 1), **two)[0, :, :, 0]
assert np.allclose(dX, by_hand)
print(f"\na region of 2×2 bins, 16 samples: {np.count_nonzero(dX)} cells get a gradient, {dX.sum():.2f} in all, "
      f"which is all of {upstream.sum():.2f}")  # fmt: skip

# 3. The slope of a side. Move x2 by a little: all samples move, those at the right the most.
drois = roi_align_backward_to_rois(upstream[None, :, :, None], features[None, :, :, None], rois, **two)[0]


def loss(box: np.ndarray) -> float:
    """Σ gradient · pooled, as a function of the region alone."""
    pooled = roi_align_forward(features[None, :, :, None], np.array([[0, *box]]), 2, **two)
    return float((pooled[0, :, :, 0] * upstream).sum())


print("\nside    gradient   nudged by ±0.0001")
for side, name in enumerate(("x1", "y1", "x2", "y2")):
    nudge = 1e-4 * (np.arange(4) == side)
    slope = (loss(region + nudge) - loss(region - nudge)) / 2e-4
    print(f"{name:6} {drois[side]:+9.4f}   {slope:+9.4f}")
    assert np.isclose(slope, drois[side], atol=1e-6)

# 4. What joint training drops: one step of a Faster R-CNN on a scene, its weights still random.
rng = np.random.default_rng(14)
image, items = compose_scene(bundled_photographs("train"), bundled_garments("train"), 160, rng)
model = FasterRCNN(replace(vgg_small(), pooling="align"), len(CLASS_NAMES), rng, CLASS_NAMES)
model.train()
pixels, _ = model.architecture.preprocessing.apply(image)
boxes, labels = np.array([item.box for item in items], np.float32), np.array([item.label + 1 for item in items])
none = np.zeros((0, 5), np.float32), np.zeros(0, np.int64), np.zeros((0, 4), np.float32)
model.losses(Batch(pixels[None], *none, ("",), (boxes,), (labels,)))
_, _, _, own = gradients = model.kept_gradients()
model.backward(*gradients)
dropped = model.dropped_gradient()
mine, theirs = norm_of(own), norm_of(dropped)
print(
    f"\nthe anchors' offsets hear {mine:.4f} from their own loss; through the coordinates of the proposals the head's"
)
print(f"losses would add {theirs:.4f}, {theirs / mine:.1f} times that. Joint training drops it.")

figure = Figure(figsize=(9, 4), layout="constrained")
left, right = figure.subplots(1, 2)
left.imshow(dX, cmap="Blues", vmax=0.3)
left.set_title("dX of one region of 2×2 bins")
left.plot(region[[0, 2, 2, 0, 0]], region[[1, 1, 3, 3, 1]], color="tab:orange", linewidth=3)
for (row, column), value in np.ndenumerate(dX):
    left.text(column, row, f"{value:.2f}" if value >= 0.005 else "", ha="center", va="center")


def pooled_loss(box: np.ndarray) -> float:
    """The same as `loss`, by RoI pooling."""
    pooled, _ = roi_pool_forward(features[None, :, :, None], np.array([[0, *box]]), (2, 2), 1.0)
    return float((pooled[0, :, :, 0] * upstream).sum())


sides = np.linspace(3.0, 6.0, 301)
for name, curve in (("RoIAlign", loss), ("RoI pooling", pooled_loss)):
    right.plot(sides, [curve(np.array([*region[:2], x2, region[3]])) for x2 in sides], label=name)
right.set(title="Σ gradient · pooled, as x2 moves", xlabel="x2")
right.legend()
path = out / "16_roi_align_backward_by_hand.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=110)
print(f"\nfigure: {path}")
