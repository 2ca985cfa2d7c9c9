"""The worked example of the gradient page: a Fast R-CNN head small enough for paper, followed by our own kernels.

A feature map of 7×7 cells with one channel, three RoIs on it, 2×2 pooling, six numbers in fc6, five in fc7, and the
two output layers for DeepFashion2's 13 classes. Everything is float64 and nothing is dropped, so every number on the
page can be followed with a pocket calculator. Offsets are normalised as in training: divided by their usual spread.
"""

from dataclasses import dataclass

import numpy as np

from minircnn.boxes import encode_boxes
from minircnn.layers import Linear, Parameter, ReLU, RoIAlign, RoIAverage, RoIPool
from minircnn.losses import smooth_l1, softmax, softmax_cross_entropy

SEED = 82381  # of many, one where gates close, offsets lie on both sides of the bend, and no gradient is tiny
LAYERS = ("fc6", "fc7", "cls_score", "bbox_pred")
SENT = ("class", "box", "both")  # which loss is sent back
POOLINGS: dict[str, type[RoIPool | RoIAverage | RoIAlign]] = {  # what makes a RoI's cells into PH×PW numbers
    "pool": RoIPool,
    "average": RoIAverage,
    "align": RoIAlign,
}


@dataclass(frozen=True)
class Scenario:
    """What the page begins with; H, W cells, R RoIs, K foreground classes.

    Attributes
    ----------
    features : (H, W) float64, one channel
    rois : (R, 4) float64, x1, y1, x2, y2 in image pixels
    truth : (R, 4) float64, the box that each RoI should have become; not read where the label is 0
    labels : (R,) int64, 0 background
    std : (4,) float64, what tx, ty, tw, th are divided by; their means count as 0
    spatial_scale : feature cells per image pixel
    output_size : (PH, PW)
    weights, biases : of fc6, fc7, cls_score and bbox_pred, (IN, OUT) and (OUT,)
    pooling : of POOLINGS
    """

    features: np.ndarray
    rois: np.ndarray
    truth: np.ndarray
    labels: np.ndarray
    std: np.ndarray
    spatial_scale: float
    output_size: tuple[int, int]
    weights: dict[str, np.ndarray]
    biases: dict[str, np.ndarray]
    pooling: str = "pool"

    def as_data(self) -> dict:
        """The same in lists, for JSON."""
        return {
            "features": self.features.tolist(),
            "rois": self.rois.tolist(),
            "truth": self.truth.tolist(),
            "labels": self.labels.tolist(),
            "std": self.std.tolist(),
            "scale": self.spatial_scale,
            "outputSize": list(self.output_size),
            "weights": {name: weight.tolist() for name, weight in self.weights.items()},
            "biases": {name: bias.tolist() for name, bias in self.biases.items()},
            "pooling": self.pooling,
        }


def worked_example() -> Scenario:
    """The page's built-in scenario: cell (2, 3), worth 9, wins four bins of RoI A and one of RoI B."""
    features = np.random.default_rng(5).permutation(np.arange(1, 50)).reshape(7, 7) / 10  # 0.1 … 4.9, no ties
    features[2, 3] = 9.0
    weights, biases = _short_weights(np.random.default_rng(SEED))
    return Scenario(
        features=features,
        rois=np.array([[1, 0, 5, 4], [3, 2, 6, 5], [0, 4, 2, 6]], float),
        truth=np.array([[1.5, 0.25, 5.75, 4], [3.25, 2, 6.5, 4.75], [0, 4, 2, 6]], float),
        labels=np.array([5, 8, 0]),  # a vest, trousers, background
        std=np.array([0.1, 0.1, 0.2, 0.2]),
        spatial_scale=1.0,
        output_size=(2, 2),
        weights=weights,
        biases=biases,
    )


def _short_weights(rng: np.random.Generator) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Weights and biases of one decimal, so that a reader can multiply them on paper."""
    sizes = {"fc6": (4, 6, 0.25), "fc7": (6, 5, 0.4), "cls_score": (5, 14, 0.4), "bbox_pred": (5, 56, 0.4)}
    weights = {name: np.round(rng.standard_normal(size) * spread, 1) for name, (*size, spread) in sizes.items()}
    biases = {name: np.round(rng.standard_normal(size[1]) * 0.2, 1) for name, size in sizes.items()}
    return weights, biases


def follow(scenario: Scenario, targets: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Forward and, for the class loss, the box loss and both, backward, by the project's kernels and layers.

    targets : (R, 4), to be held to; those of the scenario's own boxes if absent

    Returns
    -------
    name → array: "pooled" (R, PH, PW) and, where cells win, "argmax" of the same shape; "flat" (R, PH*PW); "z6", "h6",
    "z7", "h7" before and after each ReLU; "cls_score", "probability" (R, K+1); "bbox_pred" (R, 4(K+1)); "targets", "d"
    (R, 4); "losses" (2,); "dcls_score", "dbbox_pred"; and, for each of "class", "box" and "both": "class.dh7",
    "class.dz7", "class.dh6", "class.dz6", "class.dpooled" (R, PH, PW), "class.dfeatures" (H, W), and of RoIAlign
    "class.drois" (R, 4)
    """
    roi_layer = POOLINGS[scenario.pooling](scenario.output_size, scenario.spatial_scale)
    dense = {name: Linear(Parameter(scenario.weights[name]), Parameter(scenario.biases[name])) for name in LAYERS}
    gates = {"relu6": ReLU(), "relu7": ReLU()}
    for layer in (roi_layer, *dense.values(), *gates.values()):
        layer.training = True
    rois = np.insert(scenario.rois, 0, 0, axis=1)  # (R, 5): all of image 0
    features = scenario.features[None, :, :, None]
    pooled = roi_layer.forward(features, rois)
    z6 = dense["fc6"].forward(flat := pooled.reshape(len(rois), -1))
    h6 = gates["relu6"].forward(z6)
    z7 = dense["fc7"].forward(h6)
    h7 = gates["relu7"].forward(z7)
    cls_score, bbox_pred = dense["cls_score"].forward(h7), dense["bbox_pred"].forward(h7)
    targets = targets_of(scenario) if targets is None else targets
    own = own_offsets(bbox_pred, scenario.labels)
    loss_cls, dcls_score = softmax_cross_entropy(cls_score, scenario.labels)
    loss_bbox, dbbox_pred = smooth_l1(bbox_pred, targets, scenario.labels)
    found = {
        "pooled": pooled[..., 0], "flat": flat, "z6": z6, "h6": h6, "z7": z7, "h7": h7,
        "cls_score": cls_score, "probability": softmax(cls_score), "bbox_pred": bbox_pred, "targets": targets,
        "d": own - targets, "losses": np.array([loss_cls, loss_bbox]),
        "dcls_score": dcls_score, "dbbox_pred": dbbox_pred,
    }  # fmt: skip
    if isinstance(roi_layer, RoIPool) and roi_layer.argmax is not None:
        found["argmax"] = roi_layer.argmax[..., 0]
    for sent in SENT:
        from_class = dense["cls_score"].backward(dcls_score * (sent != "box"))
        from_box = dense["bbox_pred"].backward(dbbox_pred * (sent != "class"))
        dz7 = gates["relu7"].backward(dh7 := from_class + from_box)  # the two branches meet
        dz6 = gates["relu6"].backward(dh6 := dense["fc7"].backward(dz7))
        dpooled = dense["fc6"].backward(dz6).reshape(pooled.shape)
        dfeatures = roi_layer.backward(dpooled)[0, :, :, 0]
        way = {"dh7": dh7, "dz7": dz7, "dh6": dh6, "dz6": dz6, "dpooled": dpooled[..., 0], "dfeatures": dfeatures}
        if isinstance(roi_layer, RoIAlign):
            way["drois"] = roi_layer.backward_to_rois(dpooled)
        found |= {f"{sent}.{name}": array for name, array in way.items()}
    return found


def targets_of(scenario: Scenario) -> np.ndarray:
    """(R, 4) normalised offsets that would move each foreground RoI onto its true box; 0 for background."""
    targets = np.zeros((len(scenario.rois), 4))
    foreground = scenario.labels > 0
    targets[foreground] = encode_boxes(scenario.rois[foreground], scenario.truth[foreground]) / scenario.std
    return targets


def own_offsets(bbox_pred: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(R, 4): of each row's 4(K+1) offsets the four of its class; 0 for background."""
    R = len(labels)
    four = bbox_pred.reshape(R, -1, 4)[np.arange(R), labels]
    return np.where(labels[:, None] > 0, four, 0.0)
