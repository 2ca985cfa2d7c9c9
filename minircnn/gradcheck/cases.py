"""What `minircnn gradcheck` checks: every kernel, layer and loss, and the whole model end to end.

Each case is a function that takes a generator and yields `CheckRow`s. End to end means: nudge a convolution weight
below RoI pooling, run images to loss, and see whether the loss moves as the gradient that came all the way back said.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from minircnn.gradcheck.finite_differences import CheckRow, check_gradient, without_ties
from minircnn.gradcheck.layers import check_layer, check_parameter
from minircnn.layers import (
    Conv,
    Dropout,
    FactoredLinear,
    Linear,
    MaxPool,
    Parameter,
    ReLU,
    RoIAlign,
    RoIAverage,
    RoIPool,
    SpatialPyramid,
)
from minircnn.losses import smooth_l1, softmax_cross_entropy
from minircnn.models import FastRCNN, Preprocessing
from minircnn.models.vgg import VGG

ROIS = np.array(
    [
        [0, 8, 8, 55, 47],  # overlaps the next: cells shared between regions
        [0, 24, 16, 63, 63],
        [1, 40, 40, 40, 40],  # one cell: all its bins share it
        [1, -20, 30, 30, 90],  # off the edge: clipped, some bins empty
        [0, 50, 50, 20, 30],  # malformed: becomes 1×1
        [1, 200, 200, 240, 240],  # off the map: every bin empty
        [1, 0, 0, 63, 63],
    ],
    np.float64,
)


TINY = VGG(
    name="tiny",
    blocks=((4,), (5, 6), (6,), (7,)),
    hidden=(10, 9),
    frozen=(),
    dropout=0.0,
    output_spreads=(0.1, 0.1),
    preprocessing=Preprocessing("RGB", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 64, 64),
)


def conv_layer(shape: tuple[int, int, int, int], rng: np.random.Generator, stride: int, padding: int) -> Conv:
    """A float64 convolution with random weight of the given (KH, KW, C, OC) and bias."""
    return Conv(Parameter(rng.standard_normal(shape)), Parameter(rng.standard_normal(shape[3])), stride, padding)


def layer_cases(rng: np.random.Generator) -> Iterator[CheckRow]:
    """Every layer on its own, and with it every kernel."""
    x = rng.standard_normal((2, 7, 9, 3))
    yield from check_layer("conv 3×3 by rows", conv_layer((3, 3, 3, 5), rng, 1, 1), x, rng)
    many = rng.standard_normal((2, 7, 9, 20))
    yield from check_layer("conv 3×3 by Winograd", conv_layer((3, 3, 20, 18), rng, 1, 1), many, rng)
    yield from check_layer("conv direct 3×2, stride 2", conv_layer((3, 2, 3, 4), rng, 2, 1), x, rng)
    yield from check_layer("conv 1×1", conv_layer((1, 1, 3, 4), rng, 1, 0), x, rng)
    linear = Linear(Parameter(rng.standard_normal((6, 4))), Parameter(rng.standard_normal(4)))
    yield from check_layer("linear", linear, rng.standard_normal((5, 6)), rng)
    thin = [Parameter(rng.standard_normal(shape)) for shape in ((6, 3), (3, 4), (4,))]
    yield from check_layer("linear in two", FactoredLinear(*thin), rng.standard_normal((5, 6)), rng)
    yield from check_layer("relu", ReLU(), without_ties((4, 30), rng), rng)
    yield from check_layer("dropout", FixedDropout(0.5, rng), rng.standard_normal((4, 30)), rng)
    yield from check_layer("max_pool 2×2, ceil", MaxPool(2, 2, True), without_ties((2, 7, 9, 3), rng), rng)
    yield from check_layer("max_pool 3×3, overlapping", MaxPool(3, 2, False), without_ties((2, 7, 9, 3), rng), rng)
    features = without_ties((2, 8, 8, 3), rng)
    yield from check_layer("roi_pool", RoIPool((3, 3), 1 / 8), features, rng, ROIS)
    yield from check_layer("roi_pool 7×7", RoIPool((7, 7), 1 / 8), features, rng, ROIS)
    yield from check_layer("roi_average", RoIAverage((3, 3), 1 / 8), features, rng, ROIS)
    yield from check_layer("spatial_pyramid", SpatialPyramid(0, 1 / 8), features, rng, ROIS)
    for title, sampling_ratio, aligned in (("", 2, True), (", adaptive", 0, True), (", not aligned", 2, False)):
        align = RoIAlign((3, 3), 1 / 8, sampling_ratio, aligned)
        yield from check_layer(f"roi_align{title}", align, features, rng, ROIS)
        yield check_rois(f"roi_align{title} drois", align, features, rng)


def check_rois(name: str, layer: RoIAlign, features: np.ndarray, rng: np.random.Generator) -> CheckRow:
    """The gradient with respect to the regions' coordinates; where a sample passes a cell's own place is a kink."""
    rois = ROIS + np.insert(rng.uniform(0.1, 0.9, (len(ROIS), 4)), 0, 0, axis=1)
    upstream = rng.standard_normal((len(rois), *layer.output_size, features.shape[3]))
    layer.forward(features, rois)
    drois = layer.backward_to_rois(upstream)

    def loss_at(corners: np.ndarray) -> float:
        return float(np.vdot(upstream, layer.forward(features, np.concatenate([rois[:, :1], corners], axis=1))))

    return check_gradient(name, loss_at, rois[:, 1:], drois, rng)


class FixedDropout(Dropout):
    """Dropout that keeps its first mask, so that the loss is one function while entries are nudged."""

    def forward(self, x: np.ndarray) -> np.ndarray:
        return super().forward(x) if self.mask is None else x * self.mask


def loss_cases(rng: np.random.Generator) -> Iterator[CheckRow]:
    """Both losses; the offsets are kept off |d| = 1/σ², where smooth-L1's second derivative jumps."""
    labels = rng.integers(0, 4, 9)
    scores = rng.standard_normal((9, 4)) * 3
    _, dscores = softmax_cross_entropy(scores, labels)
    yield check_gradient(
        "softmax_cross_entropy dscores", lambda at: softmax_cross_entropy(at, labels)[0], scores, dscores, rng
    )
    labels[:3] = [1, 2, 3]
    for sigma in (1.0, 3.0):
        pred = rng.standard_normal((9, 16))
        gap = rng.choice([0.2, 0.7, 1.4, 2.5], (9, 4)) / sigma**2 * rng.choice([-1, 1], (9, 4))
        targets = np.take_along_axis(pred.reshape(9, 4, 4), labels[:, None, None], axis=1)[:, 0] - gap
        _, dpred = smooth_l1(pred, targets, labels, sigma)
        yield check_gradient(
            f"smooth_l1 dpred, σ = {sigma:g}",
            partial(_box_loss, targets, labels, sigma),
            pred,
            dpred,
            rng,
        )


def _box_loss(targets: np.ndarray, labels: np.ndarray, sigma: float, pred: np.ndarray) -> float:
    return smooth_l1(pred, targets, labels, sigma)[0]


def end_to_end_cases(rng: np.random.Generator) -> Iterator[CheckRow]:
    """The class loss alone, the box loss alone and both, with respect to what lies above and below RoI pooling."""
    model = FastRCNN(TINY, num_classes=3, rng=rng, dtype=np.float64, output_size=(3, 3))
    for name, parameter in model.named_parameters():  # as after some training: biases off zero
        if name.endswith("bias"):
            parameter.value[...] += 0.1 * rng.standard_normal(parameter.value.shape)
    images = rng.standard_normal((2, 64, 64, 3))
    labels = np.array([1, 3, 2, 0, 0, 0, 3])
    targets = rng.standard_normal((len(ROIS), 4))
    model.train()
    for title, class_weight, box_weight in (("box", 0, 1), ("class", 1, 0), ("both", 1, 1)):

        def losses(
            outputs: tuple[np.ndarray, np.ndarray], c: int = class_weight, b: int = box_weight
        ) -> tuple[float, np.ndarray, np.ndarray]:
            class_loss, dcls_score = softmax_cross_entropy(outputs[0], labels)
            box_loss, dbbox_pred = smooth_l1(outputs[1], targets, labels)
            return c * class_loss + b * box_loss, c * dcls_score, b * dbbox_pred

        _, dcls_score, dbbox_pred = losses(model.forward(images, ROIS))
        model.backward(dcls_score, dbbox_pred)
        for name, parameter in model.named_parameters():
            if (title, name.split(".")[0]) in {("box", "cls_score"), ("class", "bbox_pred")}:
                continue  # the other branch: no gradient, nothing to compare
            run = partial(_total, model, images, losses)
            yield check_parameter(f"{title} loss → {name}", parameter, smooth_loss(model, run), rng, step=1e-6)
        yield check_pooled(model, f"{title} loss → pooled", images, losses, rng)


def _total(model: FastRCNN, images: np.ndarray, losses: Callable) -> float:
    return float(losses(model.forward(images, ROIS))[0])


def smooth_loss(model: FastRCNN, run: Callable[[], float]) -> Callable[[], float]:
    """`run`, the model's loss as a function of its parameters, but NaN once any gate or winner differs from now."""
    layers = list(model.layers.values())

    def decisions() -> list[np.ndarray]:
        """Which gates are open and which cells won, layer by layer."""
        gates = [layer.saved("y") > 0 for layer in layers if isinstance(layer, ReLU)]
        return gates + [layer.saved("argmax") for layer in layers if isinstance(layer, MaxPool | RoIPool)]

    run()
    before = decisions()

    def loss() -> float:
        value = run()
        unchanged = all(np.array_equal(then, now) for then, now in zip(before, decisions(), strict=True))
        return value if unchanged else float("nan")

    return loss


def check_pooled(
    model: FastRCNN,
    name: str,
    images: np.ndarray,
    losses: Callable[[tuple[np.ndarray, np.ndarray]], tuple[float, np.ndarray, np.ndarray]],
    rng: np.random.Generator,
) -> CheckRow:
    """The gradient that arrives at the pooled features, against nudging them."""
    pooled = model.roi_layer.forward(model.forward_features(images), ROIS)
    _, dcls_score, dbbox_pred = losses(model.head.forward(pooled))
    before = _open_gates(model)
    dpooled = model.head.backward(dcls_score, dbbox_pred)

    def loss_at(at: np.ndarray) -> float:
        value = float(losses(model.head.forward(at))[0])
        return value if np.array_equal(before, _open_gates(model)) else float("nan")

    return check_gradient(name, loss_at, pooled, dpooled, rng, step=1e-6)


def _open_gates(model: FastRCNN) -> np.ndarray:
    return np.concatenate([relu.saved("y") > 0 for relu in (model.head.relu6, model.head.relu7)], axis=1)
