"""Faster R-CNN's rows in PyTorch: torchvision's operators and its own detector, where torchvision loads.

The detector is torchvision's `FasterRCNN` around a VGG of the same layers, with the same anchors a cell, the same
numbers of proposals and a head of the same widths: everything after the convolutions is its code.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import nn

from minircnn.anchors import BASE
from minircnn.bench.measure import Work
from minircnn.bench.torch_peer import LAYOUTS, features_of, heads_of, kernel, map_, pool_of, tensors_of
from minircnn.detection import DetectionSettings, select_detections
from minircnn.models import FasterRCNN, FastRCNN


def torchvision() -> Any:
    """The module, or None where it is not installed or does not load beside this PyTorch."""
    try:
        import torchvision
        import torchvision.models.detection
        import torchvision.ops
    except (ImportError, RuntimeError, AttributeError):
        return None
    return torchvision


def rpn(values: dict[str, np.ndarray], features: np.ndarray, upstream: list[np.ndarray]) -> dict[str, Work]:
    """Three convolutions, and autograd's way back."""

    def work(layout: torch.memory_format) -> Work:
        x = map_(features, layout).requires_grad_()
        weights = {
            name: (
                kernel(value, layout) if name.endswith("weight") else torch.from_numpy(value.copy())
            ).requires_grad_()
            for name, value in values.items()
        }
        H, W = features.shape[1:3]
        dscores, doffsets = (map_(d.reshape(1, H, W, -1), layout) for d in upstream)

        def both() -> None:
            for tensor in (x, *weights.values()):
                tensor.grad = None
            torch.autograd.backward(_rpn(weights, x), (dscores, doffsets))

        return both

    return {name: work(layout) for name, layout in LAYOUTS.items()}


def _rpn(weights: dict[str, torch.Tensor], x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    hidden = F.relu(F.conv2d(x, weights["rpn_conv.weight"], weights["rpn_conv.bias"], padding=1))
    scores = F.conv2d(hidden, weights["rpn_cls_score.weight"], weights["rpn_cls_score.bias"])
    return scores, F.conv2d(hidden, weights["rpn_bbox_pred.weight"], weights["rpn_bbox_pred.bias"])


def suppress(boxes: np.ndarray, scores: np.ndarray) -> dict[str, Work]:
    """torchvision's nms."""
    if (vision := torchvision()) is None:
        return {}
    given = torch.from_numpy(boxes), torch.from_numpy(scores)
    return {"torchvision": lambda: vision.ops.nms(*given, 0.7)}


def roi_align(features: np.ndarray, rois: np.ndarray, dpooled: np.ndarray, backward: bool) -> dict[str, Work]:
    """torchvision's."""
    if (vision := torchvision()) is None:
        return {}
    x, given = map_(features, torch.contiguous_format), torch.from_numpy(rois)
    if not backward:
        return {"torchvision": torch.no_grad()(lambda: vision.ops.roi_align(x, given, 7, 1 / 16, 2, True))}
    x.requires_grad_()
    pooled, upstream = vision.ops.roi_align(x, given, 7, 1 / 16, 2, True), map_(dpooled, torch.contiguous_format)
    return {"torchvision": lambda: torch.autograd.grad(pooled, x, upstream, retain_graph=True)}


def detector(model: FastRCNN) -> Any:
    """torchvision's Faster R-CNN with the sizes of `model`, and random weights; None where it does not load."""
    if (vision := torchvision()) is None:
        return None
    parts, own = vision.models.detection, model.architecture
    layers: list[nn.Module] = []
    for name, C, OC, pool_after in own.convolutions:
        layers += [nn.Conv2d(C, OC, 3, padding=1), nn.ReLU(inplace=True)]
        layers[-2].requires_grad_(name not in own.frozen)
        layers += [nn.MaxPool2d(2, 2, ceil_mode=True)] if pool_after else []
    backbone: Any = nn.Sequential(*layers)
    backbone.out_channels = own.channels
    settings, side = own.rpn, model.roi_layer.output_size[0]
    sides = tuple(int(BASE * scale) for scale in settings.scales)
    head = parts.faster_rcnn.TwoMLPHead(own.channels * side * side, own.hidden[0])
    return parts.FasterRCNN(
        backbone,
        rpn_anchor_generator=parts.rpn.AnchorGenerator((sides,), (settings.ratios,)),
        box_roi_pool=vision.ops.MultiScaleRoIAlign(["0"], side, 2),
        box_head=head,
        box_predictor=parts.faster_rcnn.FastRCNNPredictor(own.hidden[1], model.num_classes + 1),
        min_size=own.preprocessing.short_side,
        max_size=own.preprocessing.long_side,
        rpn_pre_nms_top_n_train=settings.train_before,
        rpn_post_nms_top_n_train=settings.train_after,
        rpn_pre_nms_top_n_test=settings.test_before,
        rpn_post_nms_top_n_test=settings.test_after,
        box_batch_size_per_image=64,
    )


def step(model: FastRCNN, images: np.ndarray, boxes: np.ndarray, labels: np.ndarray) -> dict[str, Work]:
    """torchvision's losses of the same images and boxes, autograd, torch.optim.SGD."""
    if (theirs := detector(model)) is None:
        return {}
    theirs.train()
    learning = [parameter for parameter in theirs.parameters() if parameter.requires_grad]
    optimiser = torch.optim.SGD(learning, 1e-6, 0.9, weight_decay=5e-4)
    given = [torch.from_numpy(image).permute(2, 0, 1).contiguous() for image in images]
    truth = [
        {"boxes": torch.from_numpy(own), "labels": torch.from_numpy(which)}
        for own, which in zip(boxes, labels, strict=True)
    ]

    def once() -> None:
        optimiser.zero_grad()
        sum(theirs(given, truth).values()).backward()
        optimiser.step()

    return {"torchvision": once}


def detection(model: FastRCNN, image: np.ndarray) -> dict[str, Work]:
    """torchvision's whole detector; without it PyTorch's layers around our own choice of proposals and detections."""
    if (theirs := detector(model)) is not None:
        theirs.eval()
        pixels = torch.from_numpy(image).permute(2, 0, 1).contiguous().float() / 255
        return {"torchvision": torch.no_grad()(lambda: theirs([pixels]))}
    assert isinstance(model, FasterRCNN)
    values = {name: parameter.value for name, parameter in model.named_parameters()}
    own = model.architecture
    settings, size = own.rpn, own.preprocessing.input_size(*image.shape[:2])

    def work(layout: torch.memory_format) -> Work:
        tensors = tensors_of(values, layout, frozen=True)

        def once() -> None:
            pixels, scale = own.preprocessing.apply(image)
            features = features_of(own, tensors, map_(pixels[None], layout))
            model.rpn.map = features.shape[2], features.shape[3]
            scores, offsets = (output.permute(0, 2, 3, 1).contiguous().numpy() for output in _rpn(tensors, features))
            limits = scale, settings.test_before, settings.test_after
            found = model.rpn.propose(scores.reshape(-1), offsets.reshape(-1, 4), size, *limits)
            rois = np.insert(found.boxes, 0, 0, axis=1)
            outputs = heads_of(tensors, pool_of(features, rois, own.stride).flatten(1))
            cls_score, bbox_pred = (output.numpy() for output in outputs)
            proposals = found.boxes / np.float32(scale)
            select_detections(proposals, cls_score, bbox_pred, image.shape[:2], DetectionSettings())

        return torch.no_grad()(once)

    return {name: work(layout) for name, layout in LAYOUTS.items()}
