"""13  Why 2 images of 64 RoIs each: what makes training through RoI pooling affordable.

A minibatch has 128 RoIs. Drawn from 128 images, one each, as R-CNN and SPPnet did, every RoI needs a convolution pass
of its own, forward and backward, and its receptive field is often the whole image. Drawn from 2 images, 64 each, they
share two passes. The gradient could always have gone back through the pooling: it was the price that stopped it.
Freezing conv1_1 … conv2_2 takes off more: those layers are the largest maps, and need neither dx nor dw.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minircnn.models import FastRCNN, vgg16, vgg_small

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--out", type=Path, help="folder for the figure; a temporary one if absent")
out = parser.parse_args().out or Path(tempfile.mkdtemp(prefix="minircnn-"))


# 1. Counted: multiplications of VGG16's convolutions on one image of 600×800.
def multiplications(frozen: tuple[str, ...]) -> tuple[float, float]:
    """(forward, backward) in units of 10⁹; a learning layer costs dw, and dx where something below it learns."""
    H, W, C, forward, backward, below_learns = 600, 800, 3, 0.0, 0.0, False
    for block, widths in enumerate(vgg16().blocks, start=1):
        for number, OC in enumerate(widths, start=1):
            cost = H * W * 9 * C * OC / 1e9
            forward += cost
            if f"conv{block}_{number}" not in frozen:
                backward += cost * (2 if below_learns else 1)
                below_learns = True
            C = OC
        H, W = (H + 1) // 2, (W + 1) // 2  # the pool; ceil mode
    return forward, backward


everything, papers = multiplications(()), multiplications(vgg16().frozen)
heads = 128 * (25088 * 4096 + 4096 * 4096 + 4096 * 70) / 1e9
print("VGG16, 10⁹ multiplications        forward   backward")
print(f"  convolutions of one 600×800 image {everything[0]:7.0f}   {everything[1]:7.0f}   all layers learning")
print(f"                                    {papers[0]:7.0f}   {papers[1]:7.0f}   from conv3_1 up")
print(f"  heads of 128 RoIs                 {heads:7.0f}   {2 * heads:7.0f}\n")
steps = {
    "128 images × 1 RoI, all learn": 128 * sum(everything) + 3 * heads,
    "128 images × 1 RoI, from conv3_1": 128 * sum(papers) + 3 * heads,
    "2 images × 64 RoIs, all learn": 2 * sum(everything) + 3 * heads,
    "2 images × 64 RoIs, from conv3_1": 2 * sum(papers) + 3 * heads,
}
least = min(steps.values())
for name, cost in steps.items():
    print(f"  {name:34} {cost:9,.0f}   {cost / least:5.1f} times")
assert steps["128 images × 1 RoI, all learn"] > 50 * least

# 2. Timed: the small network on images of 160×160, both ways, with 128 RoIs.
rng = np.random.default_rng(13)
model = FastRCNN(vgg_small(), num_classes=10, rng=rng)
model.train()


def seconds(images: int) -> float:
    pixels = rng.standard_normal((images, 160, 160, 3)).astype(np.float32)
    corner = rng.uniform(0, 90, (128, 2))
    index = np.repeat(np.arange(images), 128 // images)[:, None]
    rois = np.concatenate([index, corner, corner + rng.uniform(30, 60, (128, 2))], axis=1).astype(np.float32)
    dcls_score, dbbox_pred = np.full((128, 11), 0.01, np.float32), np.full((128, 44), 0.01, np.float32)
    began = time.perf_counter()
    model.forward(pixels, rois)
    model.backward(dcls_score, dbbox_pred)
    return time.perf_counter() - began


seconds(2)  # compiles, or finds what was compiled
timed = {
    images: float(np.median([seconds(images) for _ in range(runs)])) for images, runs in ((2, 5), (8, 3), (128, 1))
}
print("\nvgg_small, one step of 128 RoIs, forward and backward:")
for images, took in timed.items():
    print(f"  from {images:3} images: {took:6.2f} s   {took / timed[2]:5.1f} times")
print("The price of sharing: RoIs of one image resemble each other. The paper found that it does not slow learning.")

figure = Figure(figsize=(11, 3.6), layout="constrained")
left, right = figure.subplots(1, 2, width_ratios=(3, 2))
left.barh(list(steps), list(steps.values()), color=["tab:gray", "tab:gray", "tab:blue", "tab:blue"])
left.set(xscale="log", xlim=(10, 1e5), title="VGG16: 10⁹ multiplications a step")
left.invert_yaxis()
right.bar([f"{images} images" for images in timed], list(timed.values()), color=["tab:blue", "tab:gray", "tab:gray"])
right.set(ylabel="seconds", title="vgg_small: a step of 128 RoIs, timed")
path = out / "13_why_two_images.png"
path.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(path, dpi=110)
print(f"\nfigure: {path}")
