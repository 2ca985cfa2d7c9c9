"""07  The two output layers: siblings on fc7, and which four of 56 outputs a loss reads.

For K = 13 classes of clothing: `cls_score` gives K+1 = 14 numbers for each RoI, background being class 0, and
`bbox_pred` gives 4(K+1) = 56, four offsets for *each* class. Both read the same row of fc7, both are linear. Neither
has a ReLU after it: an offset of -0.2 means "move left", and a ReLU would make it 0.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minircnn.losses import smooth_l1, softmax_cross_entropy
from minircnn.models.heads import output_layers

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, help="folder for the figure; a temporary one if absent")
out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="minircnn-"))

# VGG16's fc7 has 4096 units. First weights: Gaussian, 0.01 for scores and 0.001 for boxes, biases 0 (section 2.3).
rng = np.random.default_rng(7)
K, R = 13, 3
cls_score, bbox_pred = output_layers(4096, K, (0.01, 0.001), bias_lr_multiplier=2.0, dtype=np.float64)
for layer in (cls_score, bbox_pred):
    layer.draw(rng)  # until then its weights are zeros
cls_score.training = bbox_pred.training = True  # keep what backward needs
fc7 = np.maximum(rng.standard_normal((R, 4096)), 0)  # three RoIs, after fc7's ReLU

scores, offsets = cls_score.forward(fc7), bbox_pred.forward(fc7)
print(f"cls_score: fc7 {fc7.shape} @ weight {cls_score.weight.value.shape} + bias {cls_score.bias.value.shape} "
      f"-> {scores.shape}")  # fmt: skip
print(f"bbox_pred: fc7 {fc7.shape} @ weight {bbox_pred.weight.value.shape} + bias {bbox_pred.bias.value.shape} "
      f"-> {offsets.shape}")  # fmt: skip
assert scores.shape == (R, 14)
assert offsets.shape == (R, 56)

# RoI 0 is of class 5 (vest), RoI 1 of class 13, RoI 2 is background.
labels = np.array([5, 13, 0])
targets = np.array([[-0.2, 0.1, 0.3, -0.4], [0.5, 0.5, 0.5, 0.5], [0, 0, 0, 0]])
_, dscores = softmax_cross_entropy(scores, labels)
_, doffsets = smooth_l1(offsets, targets, labels)
for r, label in enumerate(labels):
    columns = np.flatnonzero(doffsets[r]).tolist()
    print(f"RoI {r}, class {label:2}: the class loss sends a gradient to {np.count_nonzero(dscores[r])} of 14 scores, "
          f"the box loss to columns {columns or 'none'}")  # fmt: skip
assert np.flatnonzero(doffsets[0]).tolist() == [20, 21, 22, 23]  # class 5 owns 4*5 … 4*5 + 3
assert np.flatnonzero(doffsets[1]).tolist() == [52, 53, 54, 55]
assert not doffsets[2].any()

# Where the two branches meet. fc7 fed both, so its gradient is the sum of what both send back.
from_scores, from_boxes = cls_score.backward(dscores), bbox_pred.backward(doffsets)
dfc7 = from_scores + from_boxes
print(f"\ndfc7 {dfc7.shape} = dcls_score {dscores.shape} @ weightᵀ  +  dbbox_pred {doffsets.shape} @ weightᵀ")
print("norms by RoI, class branch:", np.round(np.linalg.norm(from_scores, axis=1), 5).tolist())
print(
    "norms by RoI, box branch:  ", np.round(np.linalg.norm(from_boxes, axis=1), 5).tolist(), "(background sends none)"
)
assert np.allclose(dfc7, dscores @ cls_score.weight.value.T + doffsets @ bbox_pred.weight.value.T)

# Why no ReLU: a target below zero could not be reached, nor a gradient come back once the unit was closed.
wanted, said = -0.2, -0.05
print(f"\nwanted {wanted}, said {said}: linear, d = {said - wanted:.2f} and the slope is {said - wanted:.2f}/N")
print(f"behind a ReLU it says {max(said, 0.0):.0f}, d = {max(said, 0.0) - wanted:.1f}, and the slope that gets past "
      "the closed gate is 0: it would stay wrong for ever")  # fmt: skip

figure = Figure(figsize=(11, 3.6), layout="constrained")
axes = figure.subplots()
most = abs(doffsets).max()
axes.imshow(doffsets, cmap="RdBu", vmin=-most, vmax=most, aspect="auto", extent=(0, 56, R, 0))
for k in range(K + 2):
    axes.axvline(4 * k, color="gray", linewidth=0.6)
axes.set_xticks(
    [4 * k + 2 for k in range(K + 1)], ["back-\nground", *(f"class {k}" for k in range(1, K + 1))], fontsize=7
)
axes.set_yticks([r + 0.5 for r in range(R)], [f"RoI {r}\nclass {label}" for r, label in enumerate(labels)])
axes.set_title("dbbox_pred: four of 56 columns for each foreground RoI, none for background")
path = out / "07_two_output_layers.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=110)
print(f"\nfigure: {path}")
