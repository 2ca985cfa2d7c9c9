"""Fast and Faster R-CNN in plain PyTorch, for autograd to differentiate: the peer of the hand-written backward.

It takes the project's named parameters as they are, transposes them to PyTorch's layout, and shares no code with it.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)


def to_torch(parameters: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """Leaves that require gradients, in the project's own layout."""
    return {name: torch.tensor(value, requires_grad=True) for name, value in parameters.items()}


def half_away(value: float) -> int:
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def roi_pool(features: torch.Tensor, rois: np.ndarray, size: tuple[int, int], scale: float) -> torch.Tensor:
    """features (N, C, H, W) → (R, C, PH, PW), bin by bin with torch's own maximum."""
    H, W = features.shape[2:]
    regions = []
    for image, *corners in rois.astype(np.float32):
        x1, y1, x2, y2 = (half_away(float(np.float32(c) * np.float32(scale))) for c in corners)
        step_h = np.float32(max(y2 - y1 + 1, 1)) / np.float32(size[0])
        step_w = np.float32(max(x2 - x1 + 1, 1)) / np.float32(size[1])
        rows = []
        for i in range(size[0]):
            top = min(max(math.floor(np.float32(i) * step_h) + y1, 0), H)
            bottom = min(max(math.ceil(np.float32(i + 1) * step_h) + y1, 0), H)
            row = []
            for j in range(size[1]):
                left = min(max(math.floor(np.float32(j) * step_w) + x1, 0), W)
                right = min(max(math.ceil(np.float32(j + 1) * step_w) + x1, 0), W)
                cells = features[int(image), :, top:bottom, left:right].flatten(1)
                row.append(cells.max(dim=1).values if cells.shape[1] else features.new_zeros(features.shape[1]))
            rows.append(torch.stack(row, dim=1))
        regions.append(torch.stack(rows, dim=1))
    return torch.stack(regions)


def roi_align(features: torch.Tensor, rois: torch.Tensor, size: tuple[int, int], scale: float, n: int) -> torch.Tensor:
    """features (N, C, H, W) → (R, C, PH, PW), aligned, n×n samples a bin; differentiable in both arguments."""
    H, W = features.shape[2:]

    def places(low, high, bins, limit):
        """Lower and upper cell, and the share of the upper, of bins·n places; and whether each is on the map."""
        low, high = low * scale - 0.5, high * scale - 0.5
        steps = (torch.arange(bins * n, dtype=low.dtype) + 0.5) / (bins * n)
        at = low + steps * (high - low)
        on_the_map = (at >= -1) & (at <= limit)
        at = at.clamp(min=0, max=limit - 1)
        lower = at.detach().floor().long()
        return lower, (lower + 1).clamp(max=limit - 1), at - lower, on_the_map.to(low.dtype)

    regions = []
    for image, x1, y1, x2, y2 in rois:
        top, bottom, fy, on_y = places(y1, y2, size[0], H)
        left, right, fx, on_x = places(x1, x2, size[1], W)
        one = features[int(image)]
        upper = one[:, top][:, :, left] * (1 - fx) + one[:, top][:, :, right] * fx
        under = one[:, bottom][:, :, left] * (1 - fx) + one[:, bottom][:, :, right] * fx
        values = (upper * (1 - fy)[:, None] + under * fy[:, None]) * on_y[:, None] * on_x
        regions.append(F.avg_pool2d(values[None], n)[0])
    return torch.stack(regions)


def convolutions(parameters, images):
    """The feature map (N, C, H, W). A pool follows each block but the last, in ceil mode."""
    x = torch.tensor(images).permute(0, 3, 1, 2)
    names = [name.split(".")[0] for name in parameters if name.startswith("conv") and name.endswith("weight")]
    for index, name in enumerate(names):
        weight = parameters[f"{name}.weight"].permute(3, 2, 0, 1)
        x = F.relu(F.conv2d(x, weight, parameters[f"{name}.bias"], padding=1))
        if index + 1 < len(names) and names[index + 1][4] != name[4]:
            x = F.max_pool2d(x, 2, 2, ceil_mode=True)
    return x


def head(parameters, pooled):
    """pooled (R, C, PH, PW) → cls_score, bbox_pred."""
    x = pooled.permute(0, 2, 3, 1).flatten(1)
    for name in ("fc6", "fc7"):
        x = F.relu(x @ parameters[f"{name}.weight"] + parameters[f"{name}.bias"])
    return tuple(x @ parameters[f"{n}.weight"] + parameters[f"{n}.bias"] for n in ("cls_score", "bbox_pred"))


def forward(parameters, images, rois, size, stride):
    """cls_score, bbox_pred of Fast R-CNN."""
    return head(parameters, roi_pool(convolutions(parameters, images), rois, size, 1 / stride))


def rpn(parameters, features):
    """Scores (N, H·W·A) and offsets (N, H·W·A, 4), a cell's anchors beside each other."""

    def convolve(x, name, padding):
        weight = parameters[f"{name}.weight"].permute(3, 2, 0, 1)
        return F.conv2d(x, weight, parameters[f"{name}.bias"], padding=padding)

    hidden = F.relu(convolve(features, "rpn_conv", 1))
    scores, offsets = convolve(hidden, "rpn_cls_score", 0), convolve(hidden, "rpn_bbox_pred", 0)
    return scores.permute(0, 2, 3, 1).flatten(1), offsets.permute(0, 2, 3, 1).reshape(len(features), -1, 4)


def rpn_losses(scores, offsets, index, labels, onto):
    """Of drawn anchors: binary cross-entropy, averaged; smooth-L1 with its bend at 1/9, summed, over their number."""
    labels = torch.tensor(labels)
    drawn = scores.flatten()[index]
    moved = offsets.reshape(-1, 4)[index][labels == 1]
    box = F.smooth_l1_loss(moved, torch.tensor(onto)[labels == 1], reduction="sum", beta=1 / 9) / len(labels)
    return F.binary_cross_entropy_with_logits(drawn, labels.to(drawn.dtype)), box


def decode(anchors, offsets):
    """Anchors (R, 4) moved by offsets (R, 4)."""
    size = anchors[:, 2:] - anchors[:, :2]
    centre = anchors[:, :2] + size / 2 + offsets[:, :2] * size
    half = size * torch.exp(offsets[:, 2:]) / 2
    return torch.cat([centre - half, centre + half], dim=1)


def losses(cls_score, bbox_pred, labels, targets):
    """Cross-entropy averaged over RoIs; smooth-L1 of the true class's offsets, summed, over the same number."""
    labels = torch.tensor(labels)
    foreground = torch.nonzero(labels).flatten()
    own = bbox_pred.reshape(len(labels), -1, 4)[foreground, labels[foreground]]
    box = F.smooth_l1_loss(own, torch.tensor(targets)[foreground], reduction="sum", beta=1.0) / len(labels)
    return F.cross_entropy(cls_score, labels), box


class CaffeSGD:
    """v = μ v + lr (g + λ w);  w -= v; biases at twice the rate and without decay."""

    def __init__(self, parameters, momentum=0.9, decay=5e-4):
        self.parameters, self.momentum, self.decay = parameters, momentum, decay
        self.velocity = {name: torch.zeros_like(p) for name, p in parameters.items()}

    def step(self, lr):
        with torch.no_grad():
            for name, p in self.parameters.items():
                bias = name.endswith("bias")
                gradient = p.grad + (0 if bias else self.decay) * p
                self.velocity[name] = self.momentum * self.velocity[name] + lr * (2 if bias else 1) * gradient
                p -= self.velocity[name]
                p.grad = None
