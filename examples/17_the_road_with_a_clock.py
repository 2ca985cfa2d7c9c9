"""17  The road with a clock: the same image through R-CNN, SPPnet, Fast R-CNN and Faster R-CNN.

R-CNN sends every region through all convolutions alone. SPPnet sends the image once and cuts the regions out of its
feature map; Fast R-CNN does the same, and learns all the way back through the cut; Faster R-CNN drops the search. Here
is what each computes for one image, how long that takes, and how far the gradients of one step reach. The weights are
random: neither the clock nor the reach minds. What they find after training says `minircnn compare`.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minircnn import FasterRCNN, FastRCNN, vgg_small
from minircnn.fashion.materials import CLASS_NAMES, bundled_garments, bundled_photographs
from minircnn.fashion.scenes import compose_scene
from minircnn.models import Batch
from minircnn.models.rcnn import RCNN
from minircnn.models.sppnet import SPPNet
from minircnn.targets import sample_rois
from minircnn.training.freeze import freeze

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, help="folder for the figure; a temporary one if absent")
out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="minircnn-"))

rng = np.random.default_rng(14)
image, items = compose_scene(bundled_photographs("train"), bundled_garments("train"), 160, rng)
truth, labels = np.array([item.box for item in items], np.float32), np.array([item.label + 1 for item in items])
small = replace(vgg_small(), frozen=vgg_small().first_blocks(2))  # conv1 and conv2 stay, as in the paper
models = {
    "R-CNN": RCNN(small, len(CLASS_NAMES), rng, CLASS_NAMES),
    "SPPnet": SPPNet(replace(small, pooling="pyramid"), len(CLASS_NAMES), rng, CLASS_NAMES),
    "Fast R-CNN": FastRCNN(small, len(CLASS_NAMES), rng, CLASS_NAMES),
    "Faster R-CNN": FasterRCNN(replace(small, pooling="align"), len(CLASS_NAMES), rng, CLASS_NAMES),
}
freeze(models["SPPnet"], ("backbone",))

# 1. Counted: pixels that go through the convolutions.
searched = models["Fast R-CNN"].propose(image)
P, side = len(searched), models["R-CNN"].side
alone, once = P * side**2, image.shape[0] * image.shape[1]
print(f"{P} proposals of {side}×{side} pixels are {alone:,}; the image is {once:,}: {alone / once:.1f} times as many")
print(f"the paper's 2000 of 224×224 on an image of 600×1000: {2000 * 224**2 / (600 * 1000):.0f} times as many\n")
assert alone > 10 * once

# 2. The clock, from the pixels on: who proposes, what is computed once, what is computed for each region.
PARTS = ("proposals", "once", "each region")


def clock(model: FastRCNN) -> np.ndarray:
    """Milliseconds of the three parts: of R-CNN once, of the others medians over three times."""
    model.eval()
    model.score_regions(image, model.image_features(image), searched[:8])  # pays for what later calls find ready
    rows = []
    for _ in range(1 if model.kind == "rcnn" else 3):
        marks = [time.perf_counter()]
        features = model.image_features(image)
        marks.append(time.perf_counter())
        proposals = model.propose(image, features)
        marks.append(time.perf_counter())
        model.score_regions(image, features, proposals)
        marks.append(time.perf_counter())
        seen, proposing, regions = np.diff(marks)
        rows.append([proposing, seen, regions])
    return 1000 * np.median(rows, axis=0)


times = {name: clock(model) for name, model in models.items()}
print(f"{'milliseconds':14}" + "".join(f"{part:>14}" for part in PARTS) + f"{'together':>12}")
for name, row in times.items():
    print(f"{name:14}" + "".join(f"{value:14.1f}" for value in row) + f"{row.sum():12.1f}")
network = {name: row[1:].sum() for name, row in times.items()}
print(f"the network alone: R-CNN takes {network['R-CNN'] / network['Fast R-CNN']:.0f} times Fast R-CNN's time\n")

# 3. One step of each on the same 64 regions: whose losses, and the lowest layer that hears them.
pixels = models["Fast R-CNN"].architecture.preprocessing.apply(image)[0][None]


def batch_of(model: FastRCNN) -> Batch:
    """The regions as the model takes them: warped images, or boxes on one image; Faster R-CNN draws its own."""
    chosen, own, offsets = sample_rois(searched, truth, labels, model.sampling, np.random.default_rng(0))
    targets = offsets.astype(np.float32)
    if model.kind == "rcnn":
        crops = models["R-CNN"].warp(model.image_features(image), chosen)
        return Batch(crops, models["R-CNN"].whole(len(crops)), own, targets, ("",))
    rois = np.insert(chosen, 0, 0, axis=1).astype(np.float32)
    return Batch(pixels, rois, own, targets, ("",), (truth,), (labels,))


for name, model in models.items():
    model.train()
    batch = batch_of(model)
    losses = model.losses(batch)
    model.backward()
    heard = [layer for layer, parameter in model.named_parameters() if parameter.learns and parameter.grad.any()]
    print(f"{name:14}{', '.join(losses):52} reach {heard[0].split('.')[0]:8} ({len(batch.images)} convolution passes)")
assert len(batch_of(models["R-CNN"]).images) > 30
print("R-CNN and SPPnet: SVMs and box regression learn afterwards, and their errors reach nothing but themselves")

figure = Figure(figsize=(8, 3), layout="constrained")
axes = figure.subplots()
left = np.zeros(len(times))
for n, part in enumerate(PARTS):
    widths = np.array([row[n] for row in times.values()])
    axes.barh(list(times), widths, left=left, label=part)
    left += widths
for place, row in enumerate(times.values()):
    axes.annotate(f" {row.sum():,.0f} ms", (row.sum(), place), va="center")
axes.set(title="one image", xlabel="milliseconds", xlim=(0, 1.15 * left.max()))
axes.invert_yaxis()
axes.legend()
path = out / "17_the_road_with_a_clock.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=110)
print(f"\nfigure: {path}")
