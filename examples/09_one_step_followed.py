"""09  One training step, followed from the box loss to conv3_1.

A narrow VGG16 with the paper's freezing (conv1_1 … conv2_2 do not learn) takes one step on one scene. The two losses
are sent back apart and together, and the size of the gradient is noted after every layer on the way. They meet in fc7
and travel as one from there; and since a backward is linear, the parts add up to the whole at every layer.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minircnn.fashion.materials import bundled_garments, bundled_photographs
from minircnn.fashion.scenes import compose_scene
from minircnn.losses import smooth_l1, softmax_cross_entropy
from minircnn.models import FastRCNN, vgg16
from minircnn.proposals import ProposalSettings, propose
from minircnn.targets import SamplingSettings, sample_rois

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, help="folder for the figure; a temporary one if absent")
out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="minircnn-"))

# A VGG16 of an eighth of the channels, in float64, without dropout: the same layers, names and freezing.
rng = np.random.default_rng(9)
narrow = replace(
    vgg16(), blocks=((8, 8), (16, 16), (32, 32, 32), (64, 64, 64), (64, 64, 64)), hidden=(128, 128), dropout=0.0,
    output_spreads=(0.05, 0.05), preprocessing=replace(vgg16().preprocessing, short_side=320, long_side=320),
)  # fmt: skip
model = FastRCNN(narrow, num_classes=10, rng=rng, dtype=np.float64)
model.train()

# The minibatch: one scene, its proposals, 64 RoIs drawn from them with labels and targets.
image, items = compose_scene(bundled_photographs("test"), bundled_garments("test"), 160, rng)
truth, truth_labels = np.array([item.box for item in items], float), np.array([item.label + 1 for item in items])
proposals = propose(image, ProposalSettings())
rois, labels, targets = sample_rois(proposals, truth, truth_labels, SamplingSettings(), rng)
pixels, scale = narrow.preprocessing.apply(image)
rois = np.insert(rois * scale, 0, 0, axis=1)  # (R, 5): image index, then pixels of the resized image
print(f"{len(rois)} RoIs, {(labels > 0).sum()} of them foreground, on an image of {pixels.shape}")

# Forward, then both losses.
cls_score, bbox_pred = model.forward(pixels[None].astype(float), rois)
class_loss, dcls_score = softmax_cross_entropy(cls_score, labels)
box_loss, dbbox_pred = smooth_l1(bbox_pred, targets.astype(float), labels)
print(f"class loss {class_loss:.3f}, box loss {box_loss:.3f}\n")


def way_back(dcls_score: np.ndarray, dbbox_pred: np.ndarray) -> dict[str, np.ndarray]:
    """FastRCNN.backward, written out, with what arrives at the input of each layer."""
    arrived = {}
    d = model.head.cls_score.backward(dcls_score) + model.head.bbox_pred.backward(dbbox_pred)  # the branches meet
    for name in ("drop7", "relu7", "fc7", "drop6", "relu6", "fc6"):
        d = arrived[name] = model.layers[name].backward(d)
    d = d.reshape(len(rois), 7, 7, narrow.channels)
    d = arrived["roi_pool"] = model.roi_layer.backward(d)  # added to the cells that won
    for name, layer in reversed(model.backbone.layers.items()):
        d = layer.backward(d)
        if d is None:  # conv3_1 is the lowest that learns: nobody below wants its dx, and it is not computed
            arrived[name] = model.backbone.layers[name].weight.grad
            return arrived
        arrived[name] = d
    return arrived


no_class, no_box = np.zeros_like(dcls_score), np.zeros_like(dbbox_pred)
from_class = way_back(dcls_score, no_box)
from_box = way_back(no_class, dbbox_pred)
together = way_back(dcls_score, dbbox_pred)
shown = [name for name in together if not name.startswith("drop")]
print("norm of the gradient at the input of …       class loss    box loss        both")
for name in shown:
    norms = [float(np.linalg.norm(way[name])) for way in (from_class, from_box, together)]
    label = f"{name} (dweight)" if name == "conv3_1" else name
    print(f"  {label:16} {together[name].shape!s:22}  " + "  ".join(f"{norm:10.5f}" for norm in norms))
    assert np.allclose(from_class[name] + from_box[name], together[name])
    assert norms[1] > 0, "the box loss gets everywhere"
open6 = (model.head.relu6.y > 0).mean()
print(f"\nof fc6's gates {open6:.0%} were open: that share of the numbers got past, and so about √{open6:.2f} = "
      f"{open6**0.5:.2f} of the norm.")  # fmt: skip
print("conv2_2 and below: nothing arrives, and their inputs were not even kept. That is what freezing saves.")
assert model.backbone.layers["conv2_2"].weight.grad is None
assert model.backbone.layers["conv2_2"].x is None
lr = 0.001
conv3_1 = model.backbone.layers["conv3_1"].weight
print(f"SGD moves conv3_1 by lr * grad: at most {lr * np.abs(conv3_1.grad).max():.1e} where its weights are about "
      f"{np.abs(conv3_1.value).mean():.2f}")  # fmt: skip

figure = Figure(figsize=(11, 4.4), layout="constrained")
axes = figure.subplots()
shown.remove("conv3_1")  # its is a dweight, another quantity
for title, way in (("class loss", from_class), ("box loss", from_box), ("both", together)):
    axes.plot(range(len(shown)), [np.linalg.norm(way[name]) for name in shown], "o-", label=title, markersize=4)
axes.set_yscale("log")
axes.set_xticks(range(len(shown)), shown, rotation=60, ha="right")
axes.set_ylabel("norm of the gradient")
axes.set_title("what arrives at the input of each layer, from fc7 back to conv3_1")
axes.grid(alpha=0.3)
axes.legend()
path = out / "09_one_step_followed.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=110)
print(f"\nfigure: {path}")
