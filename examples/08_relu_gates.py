"""08  The ReLU gates: how the box loss gets past them, or does not.

fc6 and fc7 are followed by ReLUs, the two output layers are not. A ReLU is a gate for each unit and each RoI: what
was above zero passes, and on the way back its gradient passes unchanged; what was below zero was closed, and its
gradient stops. The box loss needs no way around the gates: it goes through those that were open.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minircnn.layers import Linear, Parameter, ReLU

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, help="folder for the figure; a temporary one if absent")
out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="minircnn-"))

# A tiny fc7: 3 inputs, 4 units, two RoIs. Behind it one output, tx, which the box loss pulls at.
fc7 = Linear(Parameter(np.array([[1.0, -1.0, 0.5, 2.0], [0.5, 1.0, -1.0, 0.0], [-1.0, 0.5, 1.0, -2.0]])),
             Parameter(np.array([0.1, -0.2, 0.0, 0.3])))  # fmt: skip
relu = ReLU()
tx = Linear(Parameter(np.array([[0.3], [-0.6], [0.8], [-0.5]])), Parameter(np.zeros(1)))
fc7.training = relu.training = tx.training = True
fc6 = np.array([[1.0, 2.0, 0.5], [0.2, 0.4, 1.5]])  # (R, 3)

before = fc7.forward(fc6)  # (R, 4)
after = relu.forward(before)
said = tx.forward(after)  # (R, 1)

# The box loss sends back 0.4/128 for the first RoI, and -1/128 for the second (see example 06).
dtx = np.array([[0.4], [-1.0]]) / 128
dafter = tx.backward(dtx)
dbefore = relu.backward(dafter)
dfc6 = fc7.backward(dbefore)

for r in range(2):
    print(f"RoI {r}: tx = {said[r, 0]:+.3f}, dtx = {dtx[r, 0]:+.7f}")
    print("  unit   before ReLU   gate     gradient above   gradient below")
    for u in range(4):
        gate = "open  " if before[r, u] > 0 else "closed"
        print(f"  {u}      {before[r, u]:+11.2f}   {gate}   {dafter[r, u]:+14.7f}   {dbefore[r, u] + 0:+14.7f}")
        assert dbefore[r, u] == (dafter[r, u] if before[r, u] > 0 else 0)
    print(f"  dfc6 = dbefore @ weightᵀ = {np.round(dfc6[r], 6).tolist()}")

# What a closed gate means for learning: this RoI does not move the unit's weights. Another RoI may.
print("\nfc7's weights move by the sum over RoIs of fc6ᵀ @ dbefore; column by column:")
for u in range(4):
    by = [r for r in range(2) if dbefore[r, u]]
    print(f"  unit {u}: moved by RoI {' and '.join(map(str, by)) or '(none): it learns nothing in this step'}")
assert np.allclose(fc7.weight.grad, fc6.T @ dbefore)

# And exactly at zero? y > 0 is false there: closed. A convention; the two slopes, 0 and 1, are both right.
edge = ReLU()
edge.training = True
edge.forward(np.array([[-1e-9, 0.0, 1e-9]]))
print("at -1e-9, 0 and +1e-9 a gradient of 1 becomes", edge.backward(np.ones((1, 3))).astype(int)[0].tolist())

figure = Figure(figsize=(11, 3), layout="constrained")
panels = {
    "fc7 before its ReLU": before,
    "gradient above the gates": dafter * 128,
    "gradient below the gates": dbefore * 128,
}
for axes, (title, values) in zip(figure.subplots(1, 3), panels.items(), strict=True):
    most = abs(values).max()
    axes.imshow(values, cmap="RdBu", vmin=-most, vmax=most)
    axes.set_title(title + ("" if values is before else ", times 128"))
    axes.set_xticks(range(4), [f"unit {u}" for u in range(4)])
    axes.set_yticks(range(2), ["RoI 0", "RoI 1"])
    for (r, u), value in np.ndenumerate(values):
        word = "closed" if values is not before and before[r, u] <= 0 and "below" in title else f"{value:+.2f}"
        axes.text(u, r, word, ha="center", va="center", color="w" if abs(value) > 0.6 * most else "k")
path = out / "08_relu_gates.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=110)
print(f"\nfigure: {path}")
