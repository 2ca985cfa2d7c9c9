"""What every number on the gradient page should be, by name, from the project's kernels: the page's script is not read.

A shown number carries its name in `data-of`: "both.dz7 0 3", "bin 1 2 winner", "nudge.numeric class 2 3 0.001" …
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from minircnn.boxes import decode_boxes, iou_matrix
from minircnn.explain.scenario import POOLINGS, Scenario, follow, own_offsets
from minircnn.kernels.roi_align import roi_align_backward, roi_align_backward_to_rois
from minircnn.kernels.roi_pool import _bin_edges, _round_half_away, roi_pool_backward, roi_pool_forward
from minircnn.kernels.sgd import sgd_update
from minircnn.losses import _smooth_l1_rows

K1 = 14


class PageNumbers:
    """Name → value, for one scenario and the few choices of the reader that a name does not hold."""

    def __init__(self, scenario: Scenario, tried: float = 0.4, average: int = 3, left: float = 0.0, steps: int = 0,
                 sample: tuple[float, float] = (1.3, 2.6)):  # fmt: skip
        self.s = scenario
        self.f = follow(scenario)
        self.R, (self.H, self.W) = len(scenario.rois), scenario.features.shape
        self.PH, self.PW = scenario.output_size
        self.tried, self.average, self.left, self.steps, self.sample = tried, average, left, steps, sample
        self.image_rois = np.insert(scenario.rois, 0, 0, axis=1)
        self.roi_layer = POOLINGS[scenario.pooling](scenario.output_size, scenario.spatial_scale)
        self.roi_layer.training = True
        self.roi_layer.forward(scenario.features[None, :, :, None], self.image_rois)
        self.found: dict[str, float] = {}
        self.followed: dict[tuple, object] = {}  # what takes long, and is asked for again

    def __getitem__(self, name: str) -> float:
        if name not in self.found:
            kind, *indices = name.split(" ")
            if name.endswith(" − 1"):
                self.found[name] = self[name.removesuffix(" − 1")] - 1
            else:
                self.found[name] = float(self._value(kind, [_number(part) for part in indices]))
        return self.found[name]

    def _value(self, kind: str, i: list) -> float:
        method = getattr(self, "_" + kind.replace(".", "_").replace("-", "_"), None)
        if method is not None:
            return method(*i)
        array = self.f[kind]
        if kind.endswith("dpooled"):  # (R, PH, PW), named by the bin's place in its RoI
            array = array.reshape(self.R, -1)
        return array[tuple(i)]

    # The scenario, and RoI pooling.
    def _features(self, row, column):
        return self.s.features[row, column]

    def _roi(self, r, i):
        return self.s.rois[r, i]

    def _scaled(self, r, i):
        return np.float32(self.s.rois[r, i]) * np.float32(self.s.spatial_scale)

    def _snapped(self, r, name):
        x1, y1, x2, y2 = (_round_half_away(self._scaled(r, i)) for i in range(4))
        sizes = {"width": max(x2 - x1 + 1, 1), "height": max(y2 - y1 + 1, 1)}
        return ({"x1": x1, "y1": y1, "x2": x2, "y2": y2} | sizes)[name]

    def _step(self, r, name):
        return np.float32(self._snapped(r, name)) / np.float32(self.PW if name == "width" else self.PH)

    def _bin(self, r, b, part):
        if part == "value":
            return self.f["flat"][r, b]
        if part == "count":
            return (self.shares(r, b) > 0).sum()
        if part == "winner":
            return self.f["argmax"].reshape(self.R, -1)[r, b]
        ph, pw = divmod(b, self.PW)
        if self.s.pooling == "align":
            p, bins, low, high = (ph, self.PH, 1, 3) if part[0] == "h" else (pw, self.PW, 0, 2)
            start, end = self._placed(r, low), self._placed(r, high)
            return start + (end - start) * (p + (part[1] == "2")) / bins
        if part in ("h1", "h2"):
            return _bin_edges(self._snapped(r, "y1"), self._snapped(r, "height"), self.PH, ph, self.H)[part == "h2"]
        return _bin_edges(self._snapped(r, "x1"), self._snapped(r, "width"), self.PW, pw, self.W)[part == "w2"]

    def shares(self, r: int, b: int) -> np.ndarray:
        """(H, W): what a gradient of 1 at one bin alone gives to every cell."""
        return self._once(("shares", r, b), lambda: self._backward_of(r * self.PH * self.PW + b))

    def _backward_of(self, *indices: int) -> np.ndarray:
        dpooled = np.zeros(self.R * self.PH * self.PW)
        dpooled[list(indices)] = 1
        return self.roi_layer.backward(dpooled.reshape(self.R, self.PH, self.PW, 1))[0, :, :, 0]

    def _share(self, r, b, row, column):
        return self.shares(r, b)[row, column]

    def _read(self, r, b, row, column):
        return self._share(r, b, row, column) * self.s.features[row, column]

    def _exact(self, r, i):
        return self.s.rois[r, i] * self.s.spatial_scale

    def _placed(self, r, i):
        return self._exact(r, i) - 0.5

    def _sample_shares(self) -> np.ndarray:
        """(H, W) by the kernel: a region of one bin with one sample, at its middle."""
        x, y = self.sample
        rois = np.array([[0, x, y, x + 1, y + 1.0]])
        return roi_align_backward(np.ones((1, 1, 1, 1)), rois, (1, self.H, self.W, 1), 1.0, 1)[0, :, :, 0]

    def _sample_share(self, i):
        row, column = (int(np.floor(place)) for place in self.sample[::-1])
        rows, columns = min(row + i // 2, self.H - 1), min(column + i % 2, self.W - 1)
        return self._sample_shares()[rows, columns]

    def _sample_read(self, i):
        row, column = (int(np.floor(place)) for place in self.sample[::-1])
        return self._sample_share(i) * self.s.features[row + i // 2, column + i % 2]

    def _sample_value(self):
        return (self._sample_shares() * self.s.features).sum()

    def _sample_x(self):
        return self.sample[0]

    def _sample_y(self):
        return self.sample[1]

    def _disjoint(self, r, b, part):
        """Bins cut without overlap, as tutorials have it, in whole numbers."""
        ph, pw = divmod(b, self.PW)
        edges = {}
        for side, p, bins, start, size, limit in (
            ("h", ph, self.PH, self._snapped(r, "y1"), self._snapped(r, "height"), self.H),
            ("w", pw, self.PW, self._snapped(r, "x1"), self._snapped(r, "width"), self.W),
        ):
            for end in (0, 1):
                edges[f"{side}{end + 1}"] = min(max((p + end) * int(size) // bins + start, 0), limit)
        if part in edges:
            return edges[part]
        window = self.s.features[edges["h1"] : edges["h2"], edges["w1"] : edges["w2"]]
        if window.size == 0:
            return -1 if part == "winner" else 0
        row, column = np.unravel_index(window.argmax(), window.shape)
        return window[row, column] if part == "value" else (edges["h1"] + row) * self.W + edges["w1"] + column

    def _winners(self, r, which=None):
        which = which or self._bin
        return [int(which(r, b, "winner")) for b in range(self.PH * self.PW)]

    def _changed(self, r):
        return sum(a != b for a, b in zip(self._winners(r), self._winners(r, self._disjoint), strict=True))

    def _most(self, r):
        winners = self._winners(r)
        return max(winners, key=winners.count)  # the first of those that win most

    def _wins(self, r):
        return self._winners(r).count(self._most(r))

    def _wins_disjoint(self, r):
        return self._winners(r, self._disjoint).count(self._most(r))

    # The heads.
    def _weight(self, layer, i, column):
        return self.s.weights[layer][i, column]

    def _bias(self, layer, column):
        return self.s.biases[layer][column]

    def _product(self, layer, r, i, column):
        return self.f["h7"][r, i] * self.s.weights[layer][i, column]

    def _relu_bbox_pred(self, r, column):
        return max(self.f["bbox_pred"][r, column], 0)

    def _relu_gradient(self, r, i):
        column = 4 * self.s.labels[r] + i
        return np.clip(self._relu_bbox_pred(r, column) - self.f["targets"][r, i], -1, 1) / self.R

    def _relu_passed(self, r, i):
        return self._relu_gradient(r, i) * (self.f["bbox_pred"][r, 4 * self.s.labels[r] + i] > 0)

    # Targets and losses.
    def _std(self, i):
        return self.s.std[i]

    def _offsets(self, r, i):
        return (self.f["targets"] * self.s.std)[r, i]

    def _own(self, r, i):
        return own_offsets(self.f["bbox_pred"], self.s.labels)[r, i]

    def _smooth_l1(self, r, i):
        return _smooth_l1_of(self.f["d"][r, i])[0]

    def _clip(self, r, i):
        return _smooth_l1_of(self.f["d"][r, i])[1]

    def _gradient(self, r, i):
        return self.f["dbbox_pred"][r, 4 * self.s.labels[r] + i]

    def _iou(self, r):
        return iou_matrix(self.s.rois[r : r + 1], self.s.truth[r : r + 1])[0, 0]

    def _tried(self):
        return self.tried

    def _tried_loss(self):
        return _smooth_l1_of(self.tried)[0]

    def _tried_slope(self):
        return _smooth_l1_of(self.tried)[1]

    def _tried_gradient(self):
        return _smooth_l1_of(self.tried)[1] / self.average

    def _p_onehot(self, r, k):
        return self.f["dcls_score"][r, k] * self.R

    def _back_product(self, layer, sent, r, i, column):
        above = {
            "cls_score": self.f["dcls_score"],
            "bbox_pred": self.f["dbbox_pred"],
            "fc7": self.f[f"{sent}.dz7"],
            "fc6": self.f[f"{sent}.dz6"],
        }[layer]
        return above[r, column] * self.s.weights[layer][i, column]

    # RoI pooling's backward, addition by addition: the kernel, given only the first `tick` gradients.
    def _total(self, sent, tick, row, column):
        dpooled = self.f[f"{sent}.dpooled"].copy().reshape(-1)
        dpooled[tick:] = 0
        return self.roi_layer.backward(dpooled.reshape(self.R, self.PH, self.PW, 1))[0, row, column, 0]

    def _tick_value(self, sent, tick):
        return self.f[f"{sent}.dpooled"].reshape(-1)[tick - 1]

    def _given(self, sent, index, row, column):
        return self._tick_value(sent, index + 1) * self.shares(*divmod(index, self.PH * self.PW))[row, column]

    def _class_sum(self):
        return self.f["class.dfeatures"].sum()

    def _box_sum(self):
        return self.f["box.dfeatures"].sum()

    def _both_sum(self):
        return self.f["both.dfeatures"].sum()

    # One number along its strongest path.
    def path(self, r: int) -> tuple[float, ...]:
        return self._once(("path", r), lambda: self._strongest(r))

    def _strongest(self, r: int) -> tuple[float, ...]:
        """What is sent, and what of it arrives at fc7, fc6, the bin and the cell, where the product is largest."""
        column = 4 * self.s.labels[r]
        weights, open6, open7 = self.s.weights, self.f["z6"][r] > 0, self.f["z7"][r] > 0
        into7 = weights["bbox_pred"][:, column] * open7  # (fc7,)
        into6 = weights["fc7"] * into7 * open6[:, None]  # (fc6, fc7)
        into_bins = weights["fc6"][:, :, None] * into6  # (bins, fc6, fc7)
        share = np.array([self.shares(r, b).max() for b in range(self.PH * self.PW)])
        carried = into_bins * share[:, None, None]
        b, v, u = np.unravel_index(abs(carried).argmax(), carried.shape)
        sent = self.f["dbbox_pred"][r, column]
        return sent, sent * into7[u], sent * into6[v, u], sent * into_bins[b, v, u], sent * carried[b, v, u]

    def _path_sent(self, r):
        return self.path(r)[0]

    def _path_fc7(self, r):
        return self.path(r)[1]

    def _path_fc6(self, r):
        return self.path(r)[2]

    def _path_bin(self, r):
        return self.path(r)[3]

    def _path_cell(self, r):
        return self.path(r)[4]

    def _path_nothing(self):
        return 0

    def _path_tx(self, r, row, column):
        """All that tx brings to a cell: its column alone, through the transposed weights and the gates."""
        own = 4 * self.s.labels[r]
        weights = self.s.weights
        dz7 = self.f["dbbox_pred"][r, own] * weights["bbox_pred"][:, own] * (self.f["z7"][r] > 0)
        dbins = weights["fc6"] @ (weights["fc7"] @ dz7 * (self.f["z6"][r] > 0))
        return sum(d * self.shares(r, b)[row, column] for b, d in enumerate(dbins))

    # What moves, and what does not.
    def _left(self):
        return self.left

    def _once(self, key: tuple, work: Callable[[], object]):
        if key not in self.followed:
            self.followed[key] = work()
        return self.followed[key]

    def _stairs(self, r, by):
        return self._once(("stairs", r, by), lambda: self._loss_with_the_left_edge_at(r, by))

    def _loss_with_the_left_edge_at(self, r, by):
        rois = self.s.rois.copy()
        rois[r, 0] = (self.left + by) / self.s.spatial_scale
        return follow(replace(self.s, rois=rois), self.f["targets"])["losses"].sum()  # targets are data: held

    def _drois(self, r, i):
        """Of the RoI with its left edge where the reader has put it."""
        rois = self.s.rois.copy()
        rois[r, 0] = self.left / self.s.spatial_scale
        f = follow(replace(self.s, rois=rois), self.f["targets"])
        features = self.s.features[None, :, :, None]
        return roi_align_backward_to_rois(
            f["both.dpooled"][..., None], features, np.insert(rois, 0, 0, axis=1), self.s.spatial_scale, 2
        )[r, i]

    def _stairs_slope(self, r):
        by = 1e-5
        return (self._stairs(r, by * self.s.spatial_scale) - self._stairs(r, 0)) / by

    def _stairs_low(self, r):
        return self._stairs(r, -0.01)

    def _stairs_high(self, r):
        return self._stairs(r, 0.01)

    def _stairs_difference(self, r):
        return self._stairs(r, 0.01) - self._stairs(r, -0.01)

    def _steps(self):
        return self.steps

    def trained(self, steps: int) -> tuple[dict, np.ndarray]:
        return self._once(("trained", steps), lambda: self._train(steps))

    def _train(self, steps: int) -> tuple[dict, np.ndarray]:
        """What follows after some SGD steps on the two output layers, by the project's own update."""
        now = self.s
        for _ in range(steps):
            f = follow(now)
            weights, biases = dict(now.weights), dict(now.biases)
            for name, dy in (("cls_score", f["dcls_score"]), ("bbox_pred", f["dbbox_pred"])):
                for own, grad in ((weights, f["h7"].T @ dy), (biases, dy.sum(axis=0))):
                    own[name] = own[name].copy()
                    flat, gradient = own[name].reshape(-1), np.ascontiguousarray(grad).reshape(-1)
                    sgd_update(flat, gradient, np.zeros_like(flat), 0.1, 0.0, 0.0)
            now = replace(now, weights=weights, biases=biases)
        f = follow(now)
        return f, own_offsets(f["bbox_pred"], self.s.labels)

    def _sgd_own(self, steps, r, i):
        return self.trained(steps)[1][r, i]

    def _sgd_iou(self, steps, r):
        offsets = self.trained(steps)[1][r : r + 1] * self.s.std
        return iou_matrix(decode_boxes(self.s.rois[r : r + 1], offsets), self.s.truth[r : r + 1])[0, 0]

    def _sgd_class(self, steps):
        return self.trained(steps)[0]["losses"][0]

    def _sgd_box(self, steps):
        return self.trained(steps)[0]["losses"][1]

    def _nudged(self, sent, row, column, by):
        features = self.s.features.copy()
        features[row, column] += by
        moved = replace(self.s, features=features)
        class_loss, box_loss = self._once(("nudged", row, column, by), lambda: follow(moved)["losses"])
        return class_loss * (sent != "box") + box_loss * (sent != "class")

    def _nudge_up(self, sent, row, column, e):
        return self._nudged(sent, row, column, e)

    def _nudge_down(self, sent, row, column, e):
        return self._nudged(sent, row, column, -e)

    def _nudge_numeric(self, sent, row, column, e):
        return (self._nudged(sent, row, column, e) - self._nudged(sent, row, column, -e)) / (2 * e)

    def _nudge_difference(self, sent, row, column, e):
        return self._nudge_numeric(sent, row, column, e) - self.f[f"{sent}.dfeatures"][row, column]

    def _tie(self, tied, column, by):
        features = np.array([[9.0, 9.0 if tied else 8.0], [1.0, 2.0]])
        features[0, column] += by
        rois = np.array([[0.0, 0, 0, 1, 1]])
        return roi_pool_forward(features[None, :, :, None], rois, (1, 1), 1.0)

    def _tie_value(self, tied, column):
        return 9 if column == 0 or tied else 8

    def _tie_up(self, tied, column):
        return self._tie(tied, column, 0.001)[0].item()

    def _tie_down(self, tied, column):
        return self._tie(tied, column, -0.001)[0].item()

    def _tie_numeric(self, tied, column):
        return (self._tie_up(tied, column) - self._tie_down(tied, column)) / 0.002

    def _tie_rule(self, tied, column):
        _, argmax = self._tie(tied, column, 0.0)
        rois = np.array([[0.0, 0, 0, 1, 1]])
        return roi_pool_backward(np.ones((1, 1, 1, 1)), argmax, rois, (1, 2, 2, 1))[0, 0, column, 0]


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _smooth_l1_of(d: float) -> tuple[float, float]:
    """Loss and slope of one difference, by the kernel: one RoI of one class whose other three offsets are right."""
    pred, dpred = np.zeros((1, 8)), np.zeros((1, 8))
    pred[0, 4] = d
    loss = _smooth_l1_rows(pred, np.zeros((1, 4)), np.array([1]), 1.0, dpred)
    return loss, dpred[0, 4]
