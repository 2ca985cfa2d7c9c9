"""14  The same step in PyTorch: gradients side by side, by name, and how long each takes.

PyTorch differentiates by itself; here every backward is written by hand. Given the same weights, images, RoIs, labels
and targets they must agree, parameter by parameter. PyTorch keeps channels first and has no RoI pooling of its own,
so it is put together below from torch's operators, which autograd goes back through. The comparison is in float64: in
float32 two values can be so near that rounding decides which of them wins a bin, and a gradient goes to the other.
"""

import argparse
import math
import sys
import tempfile
import timeit
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minircnn.losses import smooth_l1, softmax_cross_entropy
from minircnn.models import FastRCNN, vgg_small

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, help="folder for the figure; a temporary one if absent")
out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="minircnn-"))
try:
    import torch
    import torch.nn.functional as F
except ImportError:
    print("PyTorch is not installed, so there is nothing to compare with. To see this example: pip install torch")
    sys.exit(0)

# A minibatch: two images, 32 RoIs, a third of them foreground.
rng = np.random.default_rng(14)
images = rng.standard_normal((2, 160, 160, 3))
corner = rng.uniform(0, 100, (32, 2))
rois = np.column_stack([np.repeat([0, 1], 16), corner, corner + rng.uniform(16, 60, (32, 2))]).astype(np.float32)
labels = rng.integers(1, 11, 32) * (rng.random(32) < 0.33)
targets = rng.standard_normal((32, 4))

model = FastRCNN(vgg_small(), num_classes=10, rng=rng, dtype=np.float64)
model.train()


def our_step() -> tuple[float, float]:
    cls_score, bbox_pred = model.forward(images, rois)
    class_loss, dcls_score = softmax_cross_entropy(cls_score, labels)
    box_loss, dbbox_pred = smooth_l1(bbox_pred, targets, labels)
    model.backward(dcls_score, dbbox_pred)
    return class_loss, box_loss


# PyTorch: the same parameters, by the same names, in minircnn's layout; transposed where torch wants it otherwise.
theirs = {name: torch.tensor(p.value, requires_grad=True) for name, p in model.named_parameters()}
convolutions = [name.removesuffix(".weight") for name in theirs if name.startswith("conv") and name.endswith("weight")]


def pooled_by_torch(features: torch.Tensor) -> torch.Tensor:
    """features (N, C, H, W) → (R, 7*7*C), bin by bin."""
    flat = []
    for image, *corners in rois:
        x1, y1, x2, y2 = (math.floor(c / 8 + 0.5) for c in corners)  # half away from zero: all are positive
        high, wide = (np.float32(max(b - a + 1, 1)) / np.float32(7) for a, b in ((y1, y2), (x1, x2)))
        for i in range(7):
            h1, h2 = y1 + math.floor(np.float32(i) * high), y1 + math.ceil(np.float32(i + 1) * high)
            for j in range(7):
                w1, w2 = x1 + math.floor(np.float32(j) * wide), x1 + math.ceil(np.float32(j + 1) * wide)
                cells = features[int(image), :, h1:h2, w1:w2].flatten(1)  # cut to the map by the slice
                flat.append(cells.max(dim=1).values if cells.numel() else features.new_zeros(features.shape[1]))
    return torch.stack(flat).reshape(len(rois), -1)


def their_step() -> tuple[float, float]:
    for parameter in theirs.values():
        parameter.grad = None
    x = torch.tensor(images).permute(0, 3, 1, 2)
    for name, following in zip(convolutions, [*convolutions[1:], ""], strict=True):
        weight, bias = theirs[f"{name}.weight"], theirs[f"{name}.bias"]
        x = F.relu(F.conv2d(x, weight.permute(3, 2, 0, 1), bias, padding=1))
        if following and following[4] != name[4]:  # the next block
            x = F.max_pool2d(x, 2, 2, ceil_mode=True)
    x = pooled_by_torch(x)
    for name in ("fc6", "fc7"):
        x = F.relu(x @ theirs[f"{name}.weight"] + theirs[f"{name}.bias"])
    cls_score, bbox_pred = (x @ theirs[f"{n}.weight"] + theirs[f"{n}.bias"] for n in ("cls_score", "bbox_pred"))
    known = torch.tensor(labels)
    own = bbox_pred.reshape(32, 11, 4)[known > 0, known[known > 0]]  # foreground rows, the true class's four
    class_loss = F.cross_entropy(cls_score, known)
    box_loss = F.smooth_l1_loss(own, torch.tensor(targets)[known > 0], reduction="sum") / 32  # over all RoIs
    (class_loss + box_loss).backward()
    return float(class_loss.detach()), float(box_loss.detach())


ours, reference = our_step(), their_step()
print(f"class loss {ours[0]:.6f} and {reference[0]:.6f}, box loss {ours[1]:.6f} and {reference[1]:.6f}\n")
print("parameter            shape                 |grad| minircnn   |grad| PyTorch   largest difference")
differences = {}
for name, parameter in model.named_parameters():
    want = theirs[name].grad.numpy()
    differences[name] = float(np.abs(parameter.grad - want).max() / np.abs(want).max())
    norms = f"{np.linalg.norm(parameter.grad):16.6f} {np.linalg.norm(want):16.6f}"
    print(f"{name:20} {parameter.grad.shape!s:20} {norms} {differences[name]:16.1e}")
    assert differences[name] < 1e-9, name

# How long a step takes, in float32, as one trains.
images, targets = np.float32(images), np.float32(targets)
for name, parameter in model.named_parameters():
    parameter.value = parameter.value.astype(np.float32)
    theirs[name] = torch.tensor(parameter.value, requires_grad=True)
for title, step in (("minircnn", our_step), ("PyTorch", their_step)):
    runs = timeit.repeat(step, number=1, repeat=5)
    print(f"\n{title}: {np.median(runs) * 1000:.0f} ms a step")
print("(PyTorch's share is mostly the RoI pooling that is put together here; torchvision has a kernel for it.)")

axes = (figure := Figure(figsize=(8, 6), layout="constrained")).subplots()
axes.barh(list(differences), list(differences.values()))
axes.set(xscale="log", xlabel="largest relative difference, float64", title="gradients of minircnn and PyTorch")
out.mkdir(parents=True, exist_ok=True)
path = out / "14_the_same_step_in_pytorch.png"
figure.savefig(path, dpi=110)
print(f"\nfigure: {path}")
