"""A detector's weights under the names, in the order and in the units that torchvision's FasterRCNN has them.

torchvision.models.detection.FasterRCNN over a Sequential of convolutions loads the file as it is; what is no weight
(anchors, mean, sides, class names) stands in the metadata. docs/export.md shows the twenty lines.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from minircnn.anchors import cell_anchors
from minircnn.base.errors import InputError
from minircnn.base.files import written_whole
from minircnn.layers import Conv
from minircnn.models import FasterRCNN, FastRCNN
from minircnn.models.rcnn import refuse_staged

BOX_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # torchvision's offsets are so many times larger


def export_torchvision(path: str | Path, model: FastRCNN) -> None:
    """Write a detector's weights as safetensors for torchvision; of Fast R-CNN those of `rpn.` are absent.

    Raises
    ------
    InputError : the model pools by a pyramid or by averages, which torchvision has not; the disk or folder refuses
    """
    refuse_staged(model, f"{path} cannot be written")
    if model.architecture.pooling == "pyramid":
        raise InputError(f"{path}: torchvision has no spatial pyramid pooling; export it as .onnx")
    if model.architecture.pooling == "average":
        raise InputError(f"{path}: torchvision has no average of RoI pooling's bins; train it with --pooling pool")
    tensors = {name: np.ascontiguousarray(value, np.float32) for name, value in torchvision_tensors(model).items()}
    with written_whole(Path(path)) as temporary:
        save_file(tensors, temporary, metadata=_metadata(model))


def torchvision_tensors(model: FastRCNN) -> dict[str, np.ndarray]:
    """Name → array, as torchvision's `state_dict` has them.

    The backbone's layers are counted as in `torchvision.models.vgg16().features`. Filters (3, 3, C, OC) become
    (OC, C, 3, 3), and the first take RGB; fc6's inputs run over channels, then cells. Two thin layers become one again.
    """
    own, found = model.parameters_by_class(), dict[str, np.ndarray]()
    for position, (name, layer) in enumerate(model.backbone.layers.items()):
        if not isinstance(layer, Conv):
            continue
        weight = own[f"{name}.weight"]
        if position == 0 and model.architecture.preprocessing.channel_order == "BGR":
            weight = weight[:, :, ::-1]
        found[f"backbone.{position}.weight"] = weight.transpose(3, 2, 0, 1)
        found[f"backbone.{position}.bias"] = own[f"{name}.bias"]
    if isinstance(model, FasterRCNN):
        for name, theirs in (
            ("rpn_conv", "conv.0.0"), ("rpn_cls_score", "cls_logits"), ("rpn_bbox_pred", "bbox_pred")
        ):  # fmt: skip
            found[f"rpn.head.{theirs}.weight"] = own[f"{name}.weight"].transpose(3, 2, 0, 1)
            found[f"rpn.head.{theirs}.bias"] = own[f"{name}.bias"]
    for name in ("fc6", "fc7"):
        thin = model.architecture.ranks is not None
        weight = own[f"{name}.first"] @ own[f"{name}.second"] if thin else own[f"{name}.weight"]
        if name == "fc6":
            weight = weight.reshape(*model.head.shape, -1).transpose(2, 0, 1, 3).reshape(weight.shape)
        found[f"roi_heads.box_head.{name}.weight"] = weight.T
        found[f"roi_heads.box_head.{name}.bias"] = own[f"{name}.bias"]
    for name in ("cls_score", "bbox_pred"):
        times = np.tile(BOX_WEIGHTS, model.num_classes + 1) if name == "bbox_pred" else np.ones(1)
        found[f"roi_heads.box_predictor.{name}.weight"] = (own[f"{name}.weight"] * times).T
        found[f"roi_heads.box_predictor.{name}.bias"] = own[f"{name}.bias"] * times
    return found


def _metadata(model: FastRCNN) -> dict[str, str]:
    """What torchvision's FasterRCNN is told when it is made."""
    pixels = model.architecture.preprocessing
    turn = -1 if pixels.channel_order == "BGR" else 1
    found: dict[str, object] = {
        "class_names": ["background", *model.class_names],
        "image_mean": [value / 255 for value in pixels.mean[::turn]],  # torchvision's images run from 0 to 1
        "image_std": [value / 255 for value in pixels.scale[::turn]],
        "min_size": pixels.short_side,
        "max_size": pixels.long_side,
        "pooling": model.architecture.pooling,
        "output_size": list(model.roi_layer.output_size),
        "spatial_scale": model.roi_layer.spatial_scale,
    }
    if isinstance(model, FasterRCNN):
        settings = model.architecture.rpn
        found["cell_anchors"] = cell_anchors(settings).tolist()
        found |= {"rpn_pre_nms_top_n_test": settings.test_before, "rpn_post_nms_top_n_test": settings.test_after}
        found |= {"rpn_nms_thresh": settings.nms_threshold, "min_side": settings.min_side}
    return {name: json.dumps(value, ensure_ascii=False) for name, value in found.items()}
