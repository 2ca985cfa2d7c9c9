"""The same work in PyTorch, in both memory layouts where that makes a difference; the faster counts.

PyTorch has no RoI pooling. torchvision has, where it is installed; else an adaptive max-pool over each RoI's cells
stands for it, which does the same work with slightly other bins. The arrays come in this project's layout and are put
into PyTorch's before the clock starts.
"""

from contextlib import suppress
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)

from minircnn.bench.measure import Work
from minircnn.detection import DetectionSettings, select_detections
from minircnn.models import Architecture, FastRCNN

LAYOUTS = {"torch": torch.contiguous_format, "torch channels-last": torch.channels_last}


def map_(x: np.ndarray, layout: torch.memory_format) -> torch.Tensor:
    """(N, H, W, C) array → (N, C, H, W) tensor."""
    return torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=layout)


def kernel(w: np.ndarray, layout: torch.memory_format) -> torch.Tensor:
    """(KH, KW, C, OC) → (OC, C, KH, KW)."""
    return torch.from_numpy(w).permute(3, 2, 0, 1).contiguous(memory_format=layout)


def convolution(x: np.ndarray, dy: np.ndarray, w: np.ndarray, b: np.ndarray, direction: str) -> dict[str, Work]:
    """One 3×3 convolution: "forward", "dx" or "dw"."""

    def work(layout: torch.memory_format) -> Work:
        tx, tdy, tw, tb = map_(x, layout), map_(dy, layout), kernel(w, layout), torch.from_numpy(b)
        if direction == "forward":
            return torch.no_grad()(lambda: F.conv2d(tx, tw, tb, padding=1))
        wanted = [direction == "dx", direction == "dw", False]
        ones, zeros = [1, 1], [0, 0]
        return lambda: torch.ops.aten.convolution_backward(tdy, tx, tw, None, ones, ones, ones, False, zeros, 1, wanted)

    return {name: work(layout) for name, layout in LAYOUTS.items()}


def tensors_of(values: dict[str, np.ndarray], layout: torch.memory_format, frozen: bool) -> dict[str, torch.Tensor]:
    tensors = {}
    for name, value in values.items():
        if value.ndim == 4:
            tensors[name] = kernel(value, layout)
        else:
            tensors[name] = torch.from_numpy(value.T.copy() if name.endswith("weight") else value.copy())
        below = frozen and name.startswith(("conv1", "conv2"))
        tensors[name].requires_grad_(not below)
    return tensors


def features_of(architecture: Architecture, parameters: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    for name, _, _, pool_after in architecture.convolutions:
        x = F.relu(F.conv2d(x, parameters[f"{name}.weight"], parameters[f"{name}.bias"], padding=1))
        if pool_after:
            x = F.max_pool2d(x, 2, 2, ceil_mode=True)
    return x


def heads_of(parameters: dict[str, torch.Tensor], flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    for name in ("fc6", "fc7"):
        flat = F.relu(F.linear(flat, parameters[f"{name}.weight"], parameters[f"{name}.bias"]))
    cls_score, bbox_pred = (
        F.linear(flat, parameters[f"{name}.weight"], parameters[f"{name}.bias"]) for name in ("cls_score", "bbox_pred")
    )
    return cls_score, bbox_pred


def pool_of(features: torch.Tensor, rois: np.ndarray, stride: int) -> torch.Tensor:
    """(N, C, H, W) → (R, C, 7, 7)."""
    H, W = features.shape[2:]
    pooled = []
    for image, *corners in rois.tolist():
        x1, y1, x2, y2 = (int(corner / stride + 0.5) for corner in corners)
        x1, y1 = min(x1, W - 1), min(y1, H - 1)
        pooled.append(F.adaptive_max_pool2d(features[int(image), :, y1 : y2 + 1, x1 : x2 + 1], 7))
    return torch.stack(pooled)


def stack(architecture: Architecture, parameters: dict, image: np.ndarray, dy: np.ndarray | None) -> dict[str, Work]:
    """The convolutions of one image, and with `dy` back to conv3_1."""

    def work(layout: torch.memory_format) -> Work:
        x, upstream = map_(image, layout), None if dy is None else map_(dy, layout)
        values = {name: parameter.value for name, parameter in parameters.items()}
        tensors = tensors_of(values, layout, frozen=True)
        if upstream is None:
            return torch.no_grad()(lambda: features_of(architecture, tensors, x))

        def both() -> None:
            for tensor in tensors.values():
                tensor.grad = None
            features_of(architecture, tensors, x).backward(upstream)

        return both

    return {name: work(layout) for name, layout in LAYOUTS.items()}


def max_pool(x: np.ndarray, dy: np.ndarray) -> dict[str, Work]:
    """2×2 in ceil mode, forward and backward."""

    def work(layout: torch.memory_format) -> Work:
        tx, tdy = map_(x, layout).requires_grad_(), map_(dy, layout)

        def both() -> None:
            tx.grad = None
            F.max_pool2d(tx, 2, 2, ceil_mode=True).backward(tdy)

        return both

    return {name: work(layout) for name, layout in LAYOUTS.items()}


def roi_pool(features: np.ndarray, rois: np.ndarray, dpooled: np.ndarray, backward: bool) -> dict[str, Work]:
    """torchvision's, or where it is not installed adaptive max-pooling of each RoI, which stands for it."""
    name, x = "torch adaptive_max_pool2d", map_(features, torch.contiguous_format)
    pool = partial(pool_of, x, rois, 16)
    with suppress(ImportError):
        from torchvision.ops import roi_pool

        name, pool = "torchvision", partial(roi_pool, x, torch.from_numpy(rois.astype(np.float32)), (7, 7), 1 / 16)
    if not backward:
        return {name: torch.no_grad()(pool)}
    x.requires_grad_()
    pooled, upstream = pool(), map_(dpooled, torch.contiguous_format)
    return {name: lambda: torch.autograd.grad(pooled, x, upstream, retain_graph=True)}


def heads(parameters: dict, pooled: np.ndarray) -> dict[str, Work]:
    """fc6, fc7 and the two outputs, forward."""
    values = {name: parameter.value for name, parameter in parameters.items() if not name.startswith("conv")}
    tensors = tensors_of(values, torch.contiguous_format, frozen=False)
    flat = torch.from_numpy(pooled.reshape(len(pooled), -1))
    return {"torch": torch.no_grad()(lambda: heads_of(tensors, flat))}


def sgd(value: np.ndarray, grad: np.ndarray) -> dict[str, Work]:
    """torch.optim.SGD with momentum and decay."""
    parameter = torch.nn.Parameter(torch.from_numpy(value.copy()))
    parameter.grad = torch.from_numpy(grad.copy())
    return {"torch": torch.optim.SGD([parameter], 1e-3, 0.9, weight_decay=5e-4).step}


def step(
    model: FastRCNN, images: np.ndarray, rois: np.ndarray, labels: np.ndarray, targets: np.ndarray
) -> dict[str, Work]:
    """A whole training step with autograd and torch.optim.SGD."""
    values = {name: parameter.value for name, parameter in model.named_parameters()}
    frozen = bool(model.architecture.frozen)
    known, wanted = torch.from_numpy(labels), torch.from_numpy(targets)

    def work(layout: torch.memory_format) -> Work:
        tensors = tensors_of(values, layout, frozen)
        learning = [tensor for tensor in tensors.values() if tensor.requires_grad]
        optimiser = torch.optim.SGD(learning, 1e-6, 0.9, weight_decay=5e-4)
        x = map_(images, layout)

        def once() -> None:
            optimiser.zero_grad()
            pooled = pool_of(features_of(model.architecture, tensors, x), rois, model.architecture.stride)
            cls_score, bbox_pred = heads_of(tensors, pooled.flatten(1))
            own = bbox_pred.reshape(len(known), -1, 4)[known > 0, known[known > 0]]
            box = F.smooth_l1_loss(own, wanted[known > 0], reduction="sum") / len(known)
            (F.cross_entropy(cls_score, known) + box).backward()
            optimiser.step()

        return once

    return {name: work(layout) for name, layout in LAYOUTS.items()}


def detection(model: FastRCNN, image: np.ndarray, proposals: np.ndarray) -> dict[str, Work]:
    """The same preprocessing and selection as ours around PyTorch's network."""
    values = {name: parameter.value for name, parameter in model.named_parameters()}

    def work(layout: torch.memory_format) -> Work:
        tensors = tensors_of(values, layout, frozen=True)

        def once() -> None:
            pixels, scale = model.architecture.preprocessing.apply(image)
            rois = np.insert(proposals * np.float32(scale), 0, 0, axis=1)
            features = features_of(model.architecture, tensors, map_(pixels[None], layout))
            outputs = heads_of(tensors, pool_of(features, rois, 16).flatten(1))
            cls_score, bbox_pred = (output.numpy() for output in outputs)
            select_detections(proposals, cls_score, bbox_pred, image.shape[:2], DetectionSettings())

        return torch.no_grad()(once)

    return {name: work(layout) for name, layout in LAYOUTS.items()}
