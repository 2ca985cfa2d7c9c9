"""The rows of Faster R-CNN: its region proposal network, suppression, RoIAlign, a step, and whole detections.

`detect … search` and `detect … rpn` are the same image from its pixels to boxes, by Fast R-CNN with Selective Search
and by Faster R-CNN: what the search costs is in the first and not in the second.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from minircnn.bench.measure import Case
from minircnn.bench.peers import Peers
from minircnn.bench.shapes import HEIGHT, WIDTH
from minircnn.boxes import nms
from minircnn.data.opencv import opencv
from minircnn.detection import detect
from minircnn.fashion.materials import bundled_garments, bundled_photographs
from minircnn.fashion.scenes import compose_scene
from minircnn.kernels.roi_align import roi_align_backward, roi_align_forward
from minircnn.models import MODELS, VGG, Batch, FastRCNN, vgg16, vgg_small
from minircnn.models.rpn import RPN
from minircnn.training.optim import SGD
from minircnn.training.steps import train_step

MAP = (38, 50, 512)  # VGG16's features of an image of 600×800
TORCHVISION = "the peer is torchvision's own code; it loads beside torch 2.14.1 as torchvision 0.29.1"
CLASSES = 13


def faster_cases(peers: Peers) -> dict[str, Callable[[], Case]]:
    """Name → how the case is made, in the order in which they are shown."""
    cases: dict[str, Callable[[], Case]] = {
        "rpn forward+backward": partial(rpn, peers),
        "nms 6000": partial(nms_, peers),
    }
    for regions in (300, 2000):
        cases[f"roi_align forward {regions}"] = partial(roi_align, regions, False, peers)
        cases[f"roi_align backward {regions}"] = partial(roi_align, regions, True, peers)
    cases["small faster step"] = partial(step, vgg_small(), 160, 160, peers, "small faster step")
    cases["vgg16 faster step"] = partial(step, vgg16(), HEIGHT, WIDTH, peers, "vgg16 faster step")
    for architecture, height, width in ((vgg_small(), 160, 160), (vgg16(), HEIGHT, WIDTH)):
        for kind, words in (("fast", "search"), ("faster", "rpn")):
            name = f"detect {height}×{width} {words}"
            cases[name] = partial(detection, architecture, height, width, kind, peers, name)
    return cases


def rpn(peers: Peers) -> Case:
    """VGG16's three convolutions over one map, and back to the features."""
    rng = np.random.default_rng(0)
    network = RPN(MAP[2], 16, vgg16().rpn, bias_lr_multiplier=2.0, dtype=np.float32)
    for layer in network.layers.values():
        layer.draw(rng)
        layer.training = True
    features = rng.standard_normal((1, *MAP), np.float32)
    outputs = network.forward(features)
    upstream = [rng.standard_normal(output.shape, np.float32) for output in outputs]

    def ours() -> None:
        network.forward(features)
        network.backward(*upstream)

    values = {
        f"{name}.{short}": p.value for name, layer in network.layers.items() for short, p in layer.parameters().items()
    }
    A = network.settings.anchors_per_cell
    multiplications = 3 * MAP[0] * MAP[1] * MAP[2] * (9 * MAP[2] + 5 * A)
    return Case("rpn forward+backward", ours, peers.torch_faster("rpn", values, features, upstream), multiplications)


def nms_(peers: Peers) -> Case:
    """6,000 boxes of a detector's usual sizes, at 0.7, all that are kept."""
    rng = np.random.default_rng(0)
    centre, size = rng.uniform(0, 700, (6000, 2)), rng.uniform(20, 250, (6000, 2))
    boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1).astype(np.float32)
    scores = rng.random(6000, np.float32)
    theirs = peers.torch_faster("suppress", boxes, scores)
    return Case("nms 6000", lambda: nms(boxes, scores, 0.7), theirs, note=TORCHVISION)


def roi_align(regions: int, backward: bool, peers: Peers) -> Case:
    """7×7 bins of 2×2 samples on a map of 38×50×512."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((1, *MAP), np.float32)
    corner, size = rng.uniform(0, 0.5, (regions, 2)), rng.uniform(0.25, 0.5, (regions, 2))
    rois = np.concatenate([np.zeros((regions, 1)), corner, corner + size], axis=1) * (1, WIDTH, HEIGHT, WIDTH, HEIGHT)
    rois = rois.astype(np.float32)
    rule = 1 / 16, 2, True  # spatial_scale, sampling_ratio, aligned
    pooled = roi_align_forward(features, rois, 7, *rule)
    dpooled = rng.standard_normal(pooled.shape, np.float32)
    name = f"roi_align {'backward' if backward else 'forward'} {regions}"
    theirs = peers.torch_faster("roi_align", features, rois, dpooled, backward)
    if backward:
        return Case(name, lambda: roi_align_backward(dpooled, rois, features.shape, *rule), theirs, note=TORCHVISION)
    return Case(name, lambda: roi_align_forward(features, rois, 7, *rule, out=pooled), theirs, note=TORCHVISION)


def step(architecture: VGG, height: int, width: int, peers: Peers, name: str) -> Case:
    """A whole training step of Faster R-CNN: 2 images of 3 objects each."""
    model = _model("faster", architecture)
    rng = np.random.default_rng(0)
    model.train()
    images = rng.standard_normal((2, height, width, 3), np.float32)
    corner, size = rng.uniform(0, 0.5, (2, 3, 2)), rng.uniform(0.2, 0.5, (2, 3, 2))
    boxes = (np.concatenate([corner, corner + size], axis=2) * (width, height, width, height)).astype(np.float32)
    labels = rng.integers(1, CLASSES + 1, (2, 3))
    none = np.zeros((0, 5), np.float32), np.zeros(0, np.int64), np.zeros((0, 4), np.float32)
    sizes = ((height, width), (height, width))
    batch = Batch(images, *none, ("", ""), tuple(boxes), tuple(labels), sizes, (1.0, 1.0))
    optimiser = SGD(model.named_parameters())
    theirs = peers.torch_faster("step", model, images, boxes, labels)
    return Case(name, lambda: train_step(model, optimiser, batch, 1e-6), theirs, note=TORCHVISION)


def detection(architecture: VGG, height: int, width: int, kind: str, peers: Peers, name: str) -> Case:
    """An image from its pixels to boxes, proposals included; of the peer the network with its own proposals."""
    model = _model(kind, architecture)
    image = _picture(height, width)
    theirs = {} if model.searches else peers.torch_faster("detection", model, image)
    return Case(name, lambda: detect(model, image), theirs, note=TORCHVISION if theirs else "")


def _model(kind: str, architecture: VGG) -> FastRCNN:
    """With random weights; its first scores say background, as a detector's do of most regions."""
    model = MODELS[kind](replace(architecture, dropout=0.0), CLASSES, np.random.default_rng(0))
    model.head.cls_score.bias.value[0] = 6
    return model


def _picture(height: int, width: int) -> np.ndarray:
    """Bundled garments on a bundled photograph, which the search takes as long over as over the demo's scenes."""
    rng = np.random.default_rng(0)
    scene, _ = compose_scene(bundled_photographs("test"), bundled_garments("test"), 160, rng)
    if (height, width) == scene.shape[:2]:
        return scene
    return opencv().resize(scene, (width, height), interpolation=opencv().INTER_CUBIC)
