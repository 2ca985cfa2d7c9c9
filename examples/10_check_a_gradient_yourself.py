"""10  Check a gradient yourself: ties, and three planted bugs that the checker catches.

A backward is right when nudging the input moves the loss as the gradient said: (f(x + e) - f(x - e)) / 2e against
dL/dx. That takes no knowledge of how the gradient was computed, so it cannot make the same mistake. Two things to
know: at a tie there is no slope to compare with, and a mistake made in forward *and* backward alike goes unseen.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minircnn.gradcheck.finite_differences import check_gradient, without_ties
from minircnn.kernels.max_pool import max_pool_backward, max_pool_forward
from minircnn.kernels.roi_pool import roi_pool_backward, roi_pool_forward
from minircnn.losses import smooth_l1

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, help="folder for the figure; a temporary one if absent")
out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="minircnn-"))

# 1. A tie: two cells of a window are equal. Nudged up, each becomes the maximum; nudged down, the other one stays.
x = np.array([[5.0, 5.0], [1.0, 2.0]])


def pooled(at: np.ndarray) -> float:
    return float(max_pool_forward(at[None, :, :, None], 2, 2, True)[0].item())


print("a window with two fives: the numeric slope, and the rule's (the first of equals wins)")
_, argmax = max_pool_forward(x[None, :, :, None], 2, 2, True)
rule = max_pool_backward(np.ones((1, 1, 1, 1)), argmax, (1, 2, 2, 1), 2, 2)[0, :, :, 0]
for column in range(2):
    e = np.zeros_like(x)
    e[0, column] = 1e-4
    numeric = (pooled(x + e) - pooled(x - e)) / 2e-4
    print(f"  cell (0, {column}): numeric {numeric:.2f}, rule {rule[0, column]:.0f}")
    assert np.isclose(numeric, 0.5)
    assert rule[0, column] == (1, 0)[column]
print("Neither is wrong: at a kink there is no slope. So checks use values without ties.\n")

# 2. Three planted bugs, each in the backward alone, each checked against the true forward.
rng = np.random.default_rng(10)
features = without_ties((1, 8, 8, 2), rng)
rois = np.array([[0, 8, 8, 72, 104], [0, 24, 40, 120, 120], [0, 40, 8, 56, 24]], float)  # corners at halves of 16
upstream = rng.standard_normal((3, 3, 3, 2))  # random: all ones would let swapped gradients pass


def roi_loss(at: np.ndarray) -> float:
    return float((roi_pool_forward(at, rois, (3, 3), 1 / 16)[0] * upstream).sum())


_, winners = roi_pool_forward(features, rois, (3, 3), 1 / 16)


def half_even(dpooled: np.ndarray) -> np.ndarray:
    """Bug 1: does not keep argmax but finds the bins again, with Python's round, which takes 0.5 to 0."""
    snapped = np.array([[roi[0], *(round(corner / 16) for corner in roi[1:])] for roi in rois.tolist()])
    _, other = roi_pool_forward(features, snapped, (3, 3), 1.0)
    return roi_pool_backward(dpooled, other, rois, features.shape)


def assigning(dpooled: np.ndarray) -> np.ndarray:
    """Bug 2: the last bin to write wins, where a cell should collect from all bins that it won."""
    dx = np.zeros_like(features)
    for (_r, _i, _j, c), cell in np.ndenumerate(winners):
        dx[0, cell // 8, cell % 8, c] = dpooled[_r, _i, _j, c]
    return dx


labels, targets = np.array([1, 0, 2, 0, 0]), rng.standard_normal((5, 4))
pred = rng.standard_normal((5, 12))


def by_foreground(at: np.ndarray) -> np.ndarray:
    """Bug 3: divides the box gradient by the 2 foreground RoIs, not by all 5."""
    return smooth_l1(at, targets, labels)[1] * 5 / 2


def box_loss(at: np.ndarray) -> float:
    return smooth_l1(at, targets, labels)[0]


checks = {
    "RoI pooling, as it is": (roi_loss, features, roi_pool_backward(upstream, winners, rois, features.shape), False),
    "bug 1: half-even rounding": (roi_loss, features, half_even(upstream), True),
    "bug 2: assigns, does not add": (roi_loss, features, assigning(upstream), True),
    "smooth-L1, as it is": (box_loss, pred, smooth_l1(pred, targets, labels)[1], False),
    "bug 3: divides by foreground": (box_loss, pred, by_foreground(pred), True),
}
errors = {}
for name, (loss, at, analytic, planted) in checks.items():
    errors[name] = check_gradient(name, loss, at, analytic, np.random.default_rng(1)).worst
    print(f"{name:30} worst relative error {errors[name]:.1e}   {'CAUGHT' if errors[name] > 1e-6 else 'passes'}")
    assert (errors[name] > 1e-2) if planted else (errors[name] < 1e-6)
print("\n`minircnn gradcheck` does this for every kernel, layer and loss, and for the whole network end to end.")

figure = Figure(figsize=(9, 3.2), layout="constrained")
axes = figure.subplots()
colours = ["tab:red" if planted else "tab:green" for *_, planted in checks.values()]
axes.barh(list(errors), np.maximum(list(errors.values()), 1e-13), color=colours, left=1e-14)
axes.axvline(1e-6, color="k", linewidth=1)
axes.text(1.2e-6, -0.6, "allowed", va="center")
axes.set(xscale="log", xlabel="worst relative error against finite differences", xlim=(1e-14, 10))
axes.invert_yaxis()
path = out / "10_check_a_gradient_yourself.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=110)
print(f"\nfigure: {path}")
