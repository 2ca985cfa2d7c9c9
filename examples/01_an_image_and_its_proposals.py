"""01  An image and its proposals: where something might be.

Fast R-CNN does not search. Selective Search does, before the network runs: it merges similar neighbouring patches of
the image and proposes the box around each. The network then says of every box what is in it, and how to move it.
Shown here: how many boxes there are, how well the best of them fit, and how training would sort them.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from minircnn.boxes import iou_matrix
from minircnn.fashion.materials import CLASS_NAMES, bundled_garments, bundled_photographs
from minircnn.fashion.scenes import compose_scene
from minircnn.proposals import ProposalSettings, propose

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, help="folder for the figure; a temporary one if absent")
out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="minircnn-"))

# A scene: garments laid on a photograph, (160, 160, 3) uint8 RGB, and the box that each of them fills.
rng = np.random.default_rng(4)
image, items = compose_scene(bundled_photographs("test"), bundled_garments("test"), 160, rng)
truth = np.array([item.box for item in items], np.float32)  # (G, 4) x1, y1, x2, y2 in pixels
names = [CLASS_NAMES[item.label] for item in items]

# The search. It knows nothing of garments: it looks at colour, texture, size and fit alone.
proposals = propose(image, ProposalSettings())  # (P, 4)
print(f"image {image.shape}, {len(truth)} garments, {len(proposals)} proposals")

# Overlap of every garment with every proposal: area of the intersection over area of the union.
overlap = iou_matrix(truth, proposals)  # (G, P)
best = overlap.argmax(axis=1)
for name, box, p, row in zip(names, truth, best, overlap, strict=True):
    print(f"  {name:12} at {box.astype(int)}: the best proposal overlaps it by {row[p]:.2f}, "
          f"{(row >= 0.5).sum()} by 0.5 or more")  # fmt: skip

# How training sorts the proposals, by the garment that each overlaps most (paper, section 2.3):
most = overlap.max(axis=0)
print(f"\nforeground, overlap 0.5 and more    {(most >= 0.5).sum():4}   they learn a class and a box")
print(f"background, 0.1 to 0.5              {((most >= 0.1) & (most < 0.5)).sum():4}   they learn to be background")
print(f"not used, below 0.1                 {(most < 0.1).sum():4}   too easy")
print("A minibatch draws 64 of them, at most 16 foreground: most boxes of an image never meet the loss in a step.")

figure = Figure(figsize=(10, 5), layout="constrained")
left, right = figure.subplots(1, 2)
left.imshow(image)
left.set_title(f"all {len(proposals)} proposals")
for x1, y1, x2, y2 in proposals:
    left.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor="white", linewidth=0.4, alpha=0.5))
right.imshow(image)
right.set_title("garments (white, dashed) and their best proposals")
for name, (x1, y1, x2, y2), p, row in zip(names, truth, best, overlap, strict=True):
    right.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor="white", linestyle="--", linewidth=1.5))
    x1, y1, x2, y2 = proposals[p]
    right.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor="tab:orange", linewidth=1.5))
    right.text(
        x1 + 2, y1 + 2, f"{name} {row[p]:.2f}", va="top", color="black", backgroundcolor="tab:orange", fontsize=8
    )
for axes in (left, right):
    axes.set_axis_off()
path = out / "01_an_image_and_its_proposals.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=110)
print(f"\nfigure: {path}")
