"""What is timed: each convolution of VGG16, the stack, pooling, heads, SGD, whole steps, whole detections.

A case is made when its turn comes, so that only one is in memory, and always from the same numbers. `peers.py`
knows who does the same work.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from minircnn.bench.faster_cases import faster_cases
from minircnn.bench.measure import Case, Work
from minircnn.bench.peers import Peers
from minircnn.bench.shapes import HEIGHT, WIDTH, convolution_shapes, multiplications
from minircnn.detection import detect
from minircnn.kernels.conv import conv2d_backward, conv2d_forward
from minircnn.kernels.conv_rows import conv_rows_backward_w
from minircnn.kernels.max_pool import max_pool_backward, max_pool_forward
from minircnn.kernels.roi_pool import roi_pool_backward, roi_pool_forward
from minircnn.kernels.sgd import sgd_update
from minircnn.kernels.winograd import conv3x3_backward_w, conv3x3_backward_x
from minircnn.layers import Conv, Parameter
from minircnn.models import VGG, Batch, FastRCNN, vgg16, vgg_small
from minircnn.proposals import ProposalSettings, propose
from minircnn.training.optim import SGD
from minircnn.training.steps import train_step

CROP = (37, 50)  # cells on which the error is measured: direct loops in float64 take minutes on a whole map
K = 13


def all_cases(peers: Peers) -> dict[str, Callable[[], Case]]:
    """Name → how the case is made, in the order in which they are shown."""
    cases: dict[str, Callable[[], Case]] = {}
    for name, shape in convolution_shapes().items():
        for direction in ("forward", "dx", "dw"):
            if name != "conv1_1" or direction != "dx":  # an image wants no gradient
                full = f"{name} {direction}"
                cases[full] = partial(convolution, full, shape, direction, peers)
    cases["stack forward"] = partial(stack, False, peers)
    cases["stack forward+backward"] = partial(stack, True, peers)
    cases["max-pool"] = partial(max_pool, peers)
    for regions in (128, 2000):
        cases[f"roi_pool forward {regions}"] = partial(roi_pool, regions, False, peers)
        cases[f"roi_pool backward {regions}"] = partial(roi_pool, regions, True, peers)
    for regions in (128, 2000):
        cases[f"heads {regions}"] = partial(heads, regions, peers)
    cases["sgd fc6"] = partial(sgd, peers)
    cases["small step"] = partial(step, vgg_small(), 160, 160, 10, peers, "small step")
    cases["vgg16 step"] = partial(step, vgg16(), HEIGHT, WIDTH, K, peers, "vgg16 step")
    for regions in (300, 2000):
        cases[f"detect {regions}"] = partial(detection, regions, False, peers)
        cases[f"detect {regions} SVD"] = partial(detection, regions, True, peers)
    cases["selective search"] = partial(search, HEIGHT, WIDTH)
    return cases | faster_cases(peers)


def convolution(name: str, shape: tuple[int, int, int, int], direction: str, peers: Peers) -> Case:
    """One 3×3 convolution in one direction, as the layer runs it."""
    C, OC, H, W = shape
    rng = np.random.default_rng(0)
    layer = _conv(C, OC, rng)
    x, dy = _random(rng, 1, H, W, C), _random(rng, 1, H, W, OC)
    w, b = layer.weight.value, layer.bias.value
    layer.training = False  # forward's filters are transformed once, as those that are frozen, or detect, are
    ours = {
        "forward": lambda: layer.forward(x),
        "dx": lambda: conv3x3_backward_x(dy, w),
        "dw": lambda: (
            conv3x3_backward_w(dy, x) if layer.algorithm == "winograd" else conv_rows_backward_w(dy, x, w.shape, 1)
        ),
    }[direction]
    theirs = peers.torch("convolution", x, dy, w, b, direction)
    return Case(name, ours, theirs, float(H * W * 9 * C * OC), _convolution_error(C, OC, direction))


def _convolution_error(C: int, OC: int, direction: str) -> float:
    """Largest error on a small map against the direct loops in float64, relative to the output's maximum."""
    rng = np.random.default_rng(1)
    layer = _conv(C, OC, rng)
    x, dy = _random(rng, 1, *CROP, C), _random(rng, 1, *CROP, OC)
    w, b = layer.weight.value.astype(float), layer.bias.value.astype(float)
    got = layer.forward(x)
    if direction == "forward":
        want = conv2d_forward(x.astype(float), w, b, 1, 1)
    else:
        dx, dw, _ = conv2d_backward(dy.astype(float), x.astype(float), w, 1, 1)
        given = {"dx": layer.backward(dy), "dw": layer.weight.grad}[direction]
        got, want = np.asarray(given), dx if direction == "dx" else dw
    return float(np.abs(got - want).max() / np.abs(want).max())


def _conv(C: int, OC: int, rng: np.random.Generator) -> Conv:
    weight = (rng.standard_normal((3, 3, C, OC)) * np.sqrt(2 / (9 * C))).astype(np.float32)
    layer = Conv(Parameter(weight), Parameter(_random(rng, OC)))
    layer.training = True
    return layer


def stack(backward: bool, peers: Peers) -> Case:
    """All of VGG16 up to conv5_3 on one image; the backward from there down to conv3_1."""
    rng = np.random.default_rng(0)
    architecture = vgg16()
    backbone = architecture.backbone()
    backbone.draw(rng)
    backbone.set_training(backward)
    image = _random(rng, 1, HEIGHT, WIDTH, 3) * 50
    features = backbone.forward(image)
    dy = _random(rng, *features.shape)

    def ours() -> None:
        backbone.forward(image)
        if backward:
            backbone.backward(dy)

    theirs = peers.stack(architecture, dict(backbone.named_parameters()), image, features, dy if backward else None)
    name = "stack forward+backward" if backward else "stack forward"
    return Case(name, ours, theirs, multiplications(backward))


def max_pool(peers: Peers) -> Case:
    """2×2, forward and backward, on conv2_2's map."""
    rng = np.random.default_rng(0)
    x = _random(rng, 1, HEIGHT // 2, WIDTH // 2, 128)
    dy = _random(rng, 1, HEIGHT // 4, WIDTH // 4, 128)

    def ours() -> None:
        _, argmax = max_pool_forward(x, 2, 2, True)
        max_pool_backward(dy, argmax, x.shape, 2, 2)

    return Case("max-pool", ours, peers.torch("max_pool", x, dy), note="forward and backward, 300×400×128")


def roi_pool(regions: int, backward: bool, peers: Peers) -> Case:
    """7×7 bins on a conv5_3 map of 38×50×512."""
    rng = np.random.default_rng(0)
    features, rois = _random(rng, 1, 38, 50, 512), _rois(rng, regions, 1, HEIGHT, WIDTH)
    pooled, argmax = roi_pool_forward(features, rois)
    dpooled = _random(rng, *pooled.shape)
    name = f"roi_pool {'backward' if backward else 'forward'} {regions}"
    theirs, note = peers.roi_pool(features, rois, dpooled, backward)
    if backward:
        return Case(name, lambda: roi_pool_backward(dpooled, argmax, rois, features.shape), theirs, note=note)
    kept = pooled, argmax  # as detection keeps them: 400 MB asked of the system anew take longer than the pooling
    return Case(name, lambda: roi_pool_forward(features, rois, out=kept), theirs, note=note)


def heads(regions: int, peers: Peers) -> Case:
    """fc6, fc7 and the two output layers of VGG16, forward."""
    model, rng = _model(vgg16(), K)
    pooled = _random(rng, regions, 7, 7, 512)
    theirs = peers.torch("heads", dict(model.named_parameters()), pooled)
    multiplications = regions * (25088 * 4096 + 4096 * 4096 + 4096 * 5 * (K + 1))
    return Case(f"heads {regions}", lambda: model.head.forward(pooled), theirs, float(multiplications))


def sgd(peers: Peers) -> Case:
    """One update of fc6's 103 million weights."""
    rng = np.random.default_rng(0)
    value, grad, velocity = (_random(rng, 25088 * 4096) for _ in range(3))
    scalars = np.float32(1e-3), np.float32(0.9), np.float32(5e-4)
    return Case("sgd fc6", lambda: sgd_update(value, grad, velocity, *scalars), peers.torch("sgd", value, grad))


def step(architecture: VGG, height: int, width: int, classes: int, peers: Peers, name: str) -> Case:
    """A whole training step: 2 images, 128 RoIs, forward, losses, backward, SGD."""
    ours, given = step_parts(architecture, height, width, classes)
    return Case(name, ours, peers.torch("step", *given), note="dropout off" if name == "vgg16 step" else "")


def step_parts(architecture: VGG, height: int, width: int, classes: int) -> tuple[Work, tuple]:
    """Our step, and what a peer needs to do the same: model, images, rois, labels, targets."""
    model, rng = _model(architecture, classes)
    model.train()
    optimiser = SGD(model.named_parameters())
    images, rois = _random(rng, 2, height, width, 3), _rois(rng, 128, 2, height, width)
    labels = rng.integers(0, classes + 1, 128) * (rng.random(128) < 0.25)
    targets = _random(rng, 128, 4)

    batch = Batch(images, rois, labels, targets, ("", ""))

    def ours() -> None:
        train_step(model, optimiser, batch, 1e-6)

    return ours, (model, images, rois, labels, targets)


def detection(regions: int, svd: bool, peers: Peers) -> Case:
    """From an image's pixels and its proposals to boxes, VGG16; `svd`: ours compressed, the peers' not."""
    model, rng = _model(vgg16(), K)
    image = rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    proposals = _rois(rng, regions, 1, HEIGHT, WIDTH)[:, 1:]
    theirs = peers.torch("detection", model, image, proposals)
    if svd:
        model, _ = _model(replace(vgg16(), ranks=(1024, 256)), K)
    name = f"detect {regions} SVD" if svd else f"detect {regions}"
    return Case(name, lambda: detect(model, image, proposals), theirs, note=SVD if svd else SEARCH)


def search(height: int, width: int) -> Case:
    """Selective Search by OpenCV, which runs on one core; every framework has to wait for it."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (height // 50, width // 50, 3), dtype=np.uint8)
    image = np.kron(coarse, np.ones((50, 50, 1), np.uint8)) + rng.integers(0, 20, (height, width, 3), dtype=np.uint8)
    return Case("selective search", lambda: propose(image, ProposalSettings()), note=SEARCH)


SEARCH = "detect starts from given proposals: the search for them comes on top, here and in any framework"
SVD = "SVD: fc6 and fc7 cut to 1024 and 256 singular values here, whole in the peer"


def _model(architecture: VGG, classes: int) -> tuple[FastRCNN, np.random.Generator]:
    rng = np.random.default_rng(0)
    return FastRCNN(replace(architecture, dropout=0.0), classes, rng), rng


def _random(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape, np.float32)


def _rois(rng: np.random.Generator, count: int, images: int, height: int, width: int) -> np.ndarray:
    """(count, 5) float32, of a quarter to half the image's sides, images evenly."""
    corner = rng.uniform(0, 0.5, (count, 2)) * (width, height)
    size = rng.uniform(0.25, 0.5, (count, 2)) * (width, height)
    index = np.sort(np.arange(count) % images)
    return np.column_stack([index, corner, corner + size]).astype(np.float32)
