"""15  A region proposal network on one image: anchors, what each should say, and what it proposes as it learns.

Selective Search is gone. At every cell of the feature map stand nine boxes, the anchors; three small convolutions say
of each whether something is there and how to move it. Shown here: which anchors learn what on one image, and what the
network proposes before it has learned anything, after 50 steps and after 200.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from minircnn import SGD, FasterRCNN, vgg_small
from minircnn.anchors import anchor_grid, cell_anchors, inside, match_anchors, sample_anchors
from minircnn.boxes import iou_matrix
from minircnn.fashion.materials import CLASS_NAMES, bundled_garments, bundled_photographs
from minircnn.fashion.scenes import compose_scene

STEPS = 200

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, help="folder for the figure; a temporary one if absent")
out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="minircnn-"))

rng = np.random.default_rng(14)
image, items = compose_scene(bundled_photographs("train"), bundled_garments("train"), 160, rng)
truth = np.array([item.box for item in items], np.float32)
names = [CLASS_NAMES[item.label] for item in items]

# 1. The anchors: the same nine at each of 20×20 cells, 8 pixels apart.
model = FasterRCNN(vgg_small(), len(CLASS_NAMES), rng, CLASS_NAMES)
settings = model.architecture.rpn
shapes = cell_anchors(settings)
anchors = anchor_grid(20, 20, model.architecture.stride, settings)
print(f"scales {settings.scales} of 16 pixels, ratios {settings.ratios} of height to width: nine anchors a cell,")
print("  " + ", ".join(f"{x2 - x1:.0f}×{y2 - y1:.0f}" for x1, y1, x2, y2 in shapes))
print(f"{len(anchors)} on the map, {inside(anchors, 160, 160, 0.0).sum()} of them within the image\n")

# 2. What each should say. Three rules: from 0.7 on an anchor holds the garment that it overlaps, below 0.3 none; and
#    the best anchor of a garment holds it, however little they overlap.
labels, match = match_anchors(anchors, truth, settings)
overlap = iou_matrix(anchors, truth)
for g, name in enumerate(names):
    own = (labels == 1) & (match == g)
    print(f"{name:12} {truth[g].astype(int)}: {own.sum():3} anchors hold it, the best overlaps it by "
          f"{overlap[:, g].max():.2f}, {(overlap[:, g] >= settings.positive_iou).sum()} by 0.7 or more")  # fmt: skip
print(f"{(labels == 1).sum()} hold something, {(labels == 0).sum()} nothing, {(labels == -1).sum()} are not asked")
drawn = sample_anchors(anchors, truth, (160, 160), settings, np.random.default_rng(0))
print(f"drawn for a step: {len(drawn.labels)}, of which {(drawn.labels == 1).sum()} hold something\n")
assert all(((labels == 1) & (match == g)).any() or overlap[:, g].max() == 0 for g in range(len(truth)))


# 3. What it proposes: every anchor is moved, cut to the image, and the best are thinned by suppression.
def proposals() -> np.ndarray:
    """(P, 4), the surest first, as the network is now."""
    model.eval()
    return model.propose(image)[:100]


def fit(boxes: np.ndarray) -> np.ndarray:
    """Best overlap of each garment with the boxes."""
    return iou_matrix(truth, boxes).max(axis=1)


pixels, _ = model.architecture.preprocessing.apply(image)
learning = [(name, one) for name, one in model.named_parameters() if name.startswith(("conv", "rpn_"))]  # not the head
optimiser = SGD(learning, momentum=0.9, decay=5e-4)
shown = {0: proposals()}
losses = []
for step in range(1, STEPS + 1):
    model.train()
    features = model.forward_features(pixels[None])  # (1, 20, 20, 128)
    scores, offsets = model.rpn.forward(features)  # (1, 3600), (1, 3600, 4)
    class_loss, box_loss, dscores, doffsets = model.rpn.losses(scores, offsets, (truth,), ((160, 160),), rng)
    model.backbone.backward(model.rpn.backward(dscores, doffsets))
    optimiser.step(lr=0.01 * min(1.0, step / 30))
    losses.append((class_loss, box_loss))
    if step in (50, STEPS):
        shown[step] = proposals()
for step, boxes in shown.items():
    values = (
        "before" if step == 0 else "class loss {:.3f}, box loss {:.4f}".format(*np.mean(losses[step - 5 : step], 0))
    )
    print(f"after {step:3} steps: {values:36} the garments' best of 100 proposals: "
          + ", ".join(f"{value:.2f}" for value in fit(boxes)))  # fmt: skip
assert fit(shown[STEPS]).min() > 0.7
assert fit(shown[STEPS]).mean() > fit(shown[0]).mean()

figure = Figure(figsize=(14, 4), layout="constrained")
axes = figure.subplots(1, 4)
axes[0].set_title("anchors that hold a garment")
for step, one in zip(shown, axes[1:], strict=True):
    one.set_title(f"the 6 surest after {step} steps")
for one, boxes in zip(axes, (anchors[labels == 1], *(found[:6] for found in shown.values())), strict=True):
    one.imshow(image)
    one.set_axis_off()
    for which, colour, width in ((truth, "w", 4), (boxes, "tab:orange", 1.5)):
        for x1, y1, x2, y2 in which:
            one.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour, linewidth=width))
path = out / "15_an_rpn_on_one_image.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=110)
print(f"\nfigure: {path}")
