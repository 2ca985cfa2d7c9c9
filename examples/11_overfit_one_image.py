"""11  Overfit one image: the first thing to try with any detector.

A network that cannot learn one image by heart will learn nothing. 150 steps on a single scene: the losses fall, and
the detections land on the garments. If that fails, something in forward, targets, losses or backward is wrong.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minircnn import SGD, FastRCNN, detect, smooth_l1, softmax_cross_entropy, vgg_small
from minircnn.boxes import iou_matrix
from minircnn.fashion.materials import CLASS_NAMES, bundled_garments, bundled_photographs
from minircnn.fashion.scenes import compose_scene
from minircnn.proposals import ProposalSettings, propose
from minircnn.report.drawing import draw_detections
from minircnn.targets import OffsetStatistics, SamplingSettings, normalise_offsets, sample_rois

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, help="folder for the figure; a temporary one if absent")
out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="minircnn-"))

rng = np.random.default_rng(14)
image, items = compose_scene(bundled_photographs("train"), bundled_garments("train"), 160, rng)
truth = np.array([item.box for item in items], np.float32)
truth_labels = np.array([item.label + 1 for item in items])  # 0 is background
proposals = propose(image, ProposalSettings())

model = FastRCNN(vgg_small(), len(CLASS_NAMES), rng, CLASS_NAMES)
model.statistics = OffsetStatistics(np.zeros((11, 4)), np.tile([0.1, 0.1, 0.2, 0.2], (11, 1)))
optimiser = SGD(model.named_parameters(), momentum=0.9, decay=5e-4)
model.train()
pixels, scale = model.architecture.preprocessing.apply(image)

losses = []
for step in range(150):
    rois, labels, offsets = sample_rois(proposals, truth, truth_labels, SamplingSettings(), rng)
    targets = normalise_offsets(offsets, labels, model.statistics)
    cls_score, bbox_pred = model.forward(pixels[None], np.insert(rois * np.float32(scale), 0, 0, axis=1))
    class_loss, dcls_score = softmax_cross_entropy(cls_score, labels)
    box_loss, dbbox_pred = smooth_l1(bbox_pred, targets, labels)
    model.backward(dcls_score, dbbox_pred)
    optimiser.step(lr=0.01 * min(1.0, (step + 1) / 30))  # a short warm-up
    losses.append((class_loss, box_loss))
    if step % 30 == 0 or step == 149:
        print(f"step {step:3}: class loss {class_loss:.3f}, box loss {box_loss:.3f}")

found = detect(model, image, proposals).above(0.5)
overlap = iou_matrix(truth, found.boxes)
for box, label, row in zip(truth.astype(int).tolist(), truth_labels, overlap, strict=True):
    right = row * (found.labels == label)
    print(
        f"{CLASS_NAMES[label - 1]} at {box}: found with IoU {right.max():.2f}, score {found.scores[right.argmax()]:.2f}"
    )
    assert right.max() > 0.6
first, last = np.mean(losses[:5], axis=0).sum(), np.mean(losses[-5:], axis=0).sum()
print(f"loss {first:.2f} -> {last:.2f}")
assert last < 0.3 * first

figure = Figure(figsize=(11, 4.4), layout="constrained")
left, right = figure.subplots(1, 2)
left.plot(losses, label=["class loss", "box loss"])
left.set(xlabel="step", ylabel="loss", title="one image, over and over")
left.grid(alpha=0.3)
left.legend()
right.imshow(draw_detections(image, found.boxes, found.labels, CLASS_NAMES, found.scores, truth))
right.set_title("detections; the truth dashed")
right.set_axis_off()
path = out / "11_overfit_one_image.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=110)
print(f"\nfigure: {path}")
