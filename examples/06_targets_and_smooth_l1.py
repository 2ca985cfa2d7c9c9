"""06  Box targets and smooth-L1: what bbox_pred should have said, and how hard it is pulled there.

A proposal is to be moved onto its garment. The move is written as four numbers that do not depend on the size in
pixels:  tx = (gx - px)/pw,  ty = (gy - py)/ph,  tw = log(gw/pw),  th = log(gh/ph)  (x, y the centres). The loss is
quadratic near the target and linear beyond, so a wild proposal pulls no harder than 1:

    0.5 d²  where |d| < 1,   |d| - 0.5  beyond;   its slope is d, clipped to -1 … 1,   all divided by N

N counts *all* sampled RoIs, background too. Background has no box: it adds nothing above the line, but counts below.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minircnn.boxes import decode_boxes, encode_boxes
from minircnn.losses import smooth_l1
from minircnn.targets import OffsetStatistics, normalise_offsets

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, help="folder for the figure; a temporary one if absent")
out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="minircnn-"))

# 1. The target of one proposal, by hand.
proposal = np.array([[20.0, 30, 60, 110]])  # 40 wide, 80 high, centre (40, 70)
garment = np.array([[28.0, 22, 68, 122]])  # 40 wide, 100 high, centre (48, 72)
t = encode_boxes(proposal, garment)[0]
print(f"tx = (48 - 40)/40 = {t[0]:.3f}    ty = (72 - 70)/80 = {t[1]:.3f}    "
      f"tw = log(40/40) = {t[2]:.3f}    th = log(100/80) = {t[3]:.3f}")  # fmt: skip
assert np.allclose(t, [0.2, 0.025, 0.0, np.log(1.25)])
assert np.allclose(decode_boxes(proposal, t[None]), garment)  # detection goes the same way back

# 2. Targets are normalised, per class, to mean 0 and spread 1: real offsets are small, and a loss of small numbers
# would count for little beside the class loss. Here with the spread of Selective Search's proposals, about 0.1 and 0.2.
statistics = OffsetStatistics(mean=np.zeros((2, 4)), std=np.array([[1.0] * 4, [0.1, 0.1, 0.2, 0.2]]))
normal = normalise_offsets(t[None], np.array([1]), statistics)[0]
print("normalised:", ", ".join(f"{value:.3f}" for value in normal))

# 3. The gradient in a minibatch of N = 128 RoIs. Two are foreground of class 1; the network is 0.4 off in the first
# one's tx, and -3 in the second one's. The other 126 are background.
N, K = 128, 1
labels = np.zeros(N, int)
labels[:2] = 1
targets = np.zeros((N, 4))
bbox_pred = np.full((N, 4 * (K + 1)), 7.0)  # what stands in columns that are not read does not matter
bbox_pred[:2, 4:8] = 0.0
bbox_pred[0, 4], bbox_pred[1, 4] = 0.4, -3.0  # d = prediction - target
loss, dbbox_pred = smooth_l1(bbox_pred, targets, labels)
print(f"\nloss = (0.5 * 0.4² + 3 - 0.5)/128 = {loss:.6f}")
assert np.isclose(loss, (0.08 + 2.5) / N)
print(f"dL/dt at d =  0.4:   0.4/128 = {dbbox_pred[0, 4]:+.7f}")
print(f"dL/dt at d = -3.0:    -1/128 = {dbbox_pred[1, 4]:+.7f}   (clipped: 7.5 times as far, 2.5 times the pull)")
assert np.isclose(dbbox_pred[0, 4], 0.003125)
assert np.isclose(dbbox_pred[1, 4], -0.0078125)
print(f"of {dbbox_pred.size} gradients {np.count_nonzero(dbbox_pred)} are not zero: "
      "126 background rows and the other class's columns get none")  # fmt: skip
assert np.count_nonzero(dbbox_pred) == 2
print("divided by the 2 foreground RoIs instead, as some code does, the first would be 0.4/2 = 0.2: 64 times the pull")

figure = Figure(figsize=(9, 4), layout="constrained")
axes = figure.subplots()
d = np.linspace(-3.5, 3.5, 141)
rows = np.ones(len(d), int)
predictions = np.zeros((len(d), 8))
predictions[:, 4] = d
each = [smooth_l1(predictions[i : i + 1], np.zeros((1, 4)), rows[:1]) for i in range(len(d))]  # N = 1
axes.plot(d, [value for value, _ in each], label="smooth-L1")
axes.plot(d, [gradient[0, 4] for _, gradient in each], label="its slope, clip(d, -1, 1)")
axes.plot(d, 0.5 * d**2, "--", color="gray", linewidth=1, label="0.5 d²")
axes.plot([0.4, -3], [0.4, -1], "o", color="tab:orange")
for x, y, words in ((0.4, 0.4, "d = 0.4: 0.4/N"), (-3, -1, "d = -3: -1/N")):
    axes.annotate(words, (x, y), (x + 0.25, y - 0.35))
axes.set(xlabel="d = prediction - target", ylim=(-1.6, 3.2))
axes.grid(alpha=0.3)
axes.legend()
path = out / "06_targets_and_smooth_l1.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=110)
print(f"\nfigure: {path}")
