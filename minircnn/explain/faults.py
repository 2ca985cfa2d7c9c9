"""Faults that a reader can plant on the page, each a line of this project and what it would wrongly be; and what the
project's own kernels say to the questions by which a fault is found out.

The page breaks its own rules accordingly (`parts/script/faults.js`). The tests plant the same lines in a copy of the
package, and its own tests have to fail.
"""

from dataclasses import dataclass, replace

import numpy as np

from minircnn.boxes import decode_boxes, encode_boxes, iou_matrix
from minircnn.explain.scenario import Scenario, follow
from minircnn.explain.source import function_lines, line_of
from minircnn.kernels.roi_pool import _round_half_away, roi_pool_backward, roi_pool_forward
from minircnn.kernels.sgd import sgd_update
from minircnn.targets import OffsetStatistics, normalise_offsets

STEPS, RATE = 40, 0.1  # SGD on the two output layers
OFF_THE_MAP = (-3.0, -3.0, 1.0, 1.0)  # a RoI of which only the last bin lies on the map
HALF = 8.0  # pixels; a sixteenth of them is half a cell
MEANS = (0.05, -0.1, 0.2, 0.1)  # of the offsets of some data set


@dataclass(frozen=True)
class Fault:
    """A line, and what it would wrongly be.

    Attributes
    ----------
    name : by which the page's script breaks its own rules
    file, function : where the line stands
    right, wrong : what it says, found once in the function; and with the fault
    """

    name: str
    file: str
    function: str
    right: str
    wrong: str

    @property
    def number(self) -> int:
        """Of the line in its file, from 1."""
        lines, first = function_lines(self.file, self.function)
        return first + line_of(self.right, lines, self.function)

    def as_data(self) -> dict:
        """For JSON."""
        lines = {"right": self.right, "wrong": self.wrong}
        return {"name": self.name, "file": f"minircnn/{self.file}", "number": self.number} | lines


FAULTS = (
    Fault(
        "assign",
        "kernels/roi_pool.py",
        "_backward",
        "cells[n, cell, c] += dpooled[r, ph, pw, c]",
        "cells[n, cell, c] = dpooled[r, ph, pw, c]",
    ),
    Fault("foreground", "losses.py", "_smooth_l1_rows", "R = pred.shape[0]", "R = (labels > 0).sum()"),
    Fault(
        "halfeven",
        "kernels/roi_pool.py",
        "_round_half_away",
        "return math.floor(value + 0.5) if value >= 0 else math.ceil(value - 0.5)",
        "return round(value)",
    ),
    Fault("argmax0", "kernels/roi_pool.py", "_forward", "where[:] = -1", "where[:] = 0"),
    Fault(
        "relu",
        "models/heads.py",
        "Head.forward",
        "return self.cls_score.forward(hidden7), self.bbox_pred.forward(hidden7)",
        "return self.cls_score.forward(hidden7), np.maximum(self.bbox_pred.forward(hidden7), 0)",
    ),
    Fault(
        "mean",
        "targets.py",
        "normalise_offsets",
        "normal = (offsets - statistics.mean[labels]) / statistics.std[labels]",
        "normal = offsets / statistics.std[labels]",
    ),
)


def known_answers(scenario: Scenario) -> dict:
    """What the project's kernels say of the worked example, for the page's proof: JSON-ready."""
    return {
        "loss": float(follow(scenario)["losses"][1]),
        "rounding": {"pixel": HALF, "scale": 1 / 16, "cell": int(_round_half_away(HALF / 16))},
        "empty": {"roi": OFF_THE_MAP, "sum": arrived(scenario)},
        "learned": {"steps": STEPS, "rate": RATE, "loss": box_loss_after(scenario, STEPS)},
        "moved": {"mean": MEANS, "iou": there_and_back(scenario)},
    }


def arrived(scenario: Scenario) -> float:
    """What comes to the map when every bin of a RoI that lies mostly off it sends back 1."""
    features = scenario.features[None, :, :, None]
    rois = np.array([[0.0, *OFF_THE_MAP]])
    _, argmax = roi_pool_forward(features, rois, scenario.output_size, 1.0)
    return float(roi_pool_backward(np.ones(argmax.shape), argmax, rois, features.shape).sum())


def box_loss_after(scenario: Scenario, steps: int) -> float:
    """The box loss after some steps of plain SGD on the two output layers, the rest held."""
    now = scenario
    for _ in range(steps):
        found = follow(now)
        weights, biases = dict(now.weights), dict(now.biases)
        for name in ("cls_score", "bbox_pred"):
            dy = found[f"d{name}"]
            for own, grad in ((weights, found["h7"].T @ dy), (biases, dy.sum(axis=0))):
                own[name] = own[name].copy()
                velocity = np.zeros(own[name].size)
                sgd_update(own[name].reshape(-1), np.ascontiguousarray(grad).reshape(-1), velocity, RATE, 0.0, 0.0)
        now = replace(now, weights=weights, biases=biases)
    return float(follow(now)["losses"][1])


def there_and_back(scenario: Scenario) -> float:
    """IoU of a true box with what detection makes of its target, where the offsets' mean is not 0."""
    label = scenario.labels[:1]
    statistics = OffsetStatistics.identity(int(label.max()))
    statistics.mean[label[0]], statistics.std[label[0]] = MEANS, scenario.std
    offsets = encode_boxes(scenario.rois[:1], scenario.truth[:1])
    target = normalise_offsets(offsets, label, statistics).astype(float)
    back = decode_boxes(scenario.rois[:1], target * statistics.std[label] + statistics.mean[label])
    return float(iou_matrix(back, scenario.truth[:1])[0, 0])
