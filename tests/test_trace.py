"""Tracing: what it says, that it changes no bit, and that it leaves nothing behind."""

from dataclasses import replace

import numpy as np
import pytest

from minircnn.layers import Layer
from minircnn.losses import smooth_l1, softmax_cross_entropy
from minircnn.models import FastRCNN, vgg_small
from minircnn.models.trace import norm_of, trace
from minircnn.training.optim import SGD

FROZEN = ("conv1_1", "conv2_1")


def make(frozen=FROZEN, dropout=0.5) -> FastRCNN:
    architecture = replace(vgg_small(), frozen=frozen, hidden=(32, 24), dropout=dropout)
    model = FastRCNN(architecture, 3, np.random.default_rng(1))
    model.train()
    return model


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(2)
    images = rng.standard_normal((2, 48, 56, 3)).astype(np.float32)
    rois = np.array([[0, 0, 0, 30, 30], [0, 5, 8, 50, 40], [1, 3, 3, 40, 44], [1, 20, 10, 55, 47]], np.float32)
    return images, rois, np.array([1, 0, 3, 0]), rng.standard_normal((4, 4)).astype(np.float32)


def step(model, batch, sent=("both",)):
    """Forward, then a backward for each entry of `sent`; the losses' gradients."""
    images, rois, labels, targets = batch
    cls_score, bbox_pred = model.forward(images, rois)
    _, dcls = softmax_cross_entropy(cls_score, labels)
    _, dbox = smooth_l1(bbox_pred, targets, labels)
    for which in sent:
        model.backward(dcls * np.float32(which != "box"), dbox * np.float32(which != "class"))
    return cls_score, bbox_pred, dcls, dbox


def test_training_is_bit_identical_with_and_without(batch):
    def train(watched: bool) -> dict[str, bytes]:
        model = make()
        optimiser = SGD(model.named_parameters(), 0.9, 0.0005)
        for _ in range(3):
            if watched:
                with trace(model, keep=("fc7", "roi_pool", "conv3_1")):
                    step(model, batch)
            else:
                step(model, batch)
            optimiser.step(0.01)
        return {name: parameter.value.tobytes() for name, parameter in model.named_parameters()}

    assert train(watched=True) == train(watched=False)


@pytest.mark.parametrize("fails", [False, True])
def test_every_method_is_put_back(batch, fails):
    model = make()
    owners = [model, *model.layers.values()]
    before = [set(vars(owner)) for owner in owners]
    if fails:
        with pytest.raises(ValueError, match="rois"), trace(model):
            model.forward(batch[0], batch[1] + 7)  # no such image
    else:
        with trace(model):
            step(model, batch)
    for owner, names in zip(owners, before, strict=True):
        assert set(vars(owner)) - names <= {"x", "y", "argmax", "mask"}
        assert "forward" not in vars(owner)
        assert "backward" not in vars(owner)


def test_one_trace_inside_another_leaves_the_outer_one_watching(batch):
    model = make()
    with trace(model) as outer:
        with trace(model) as inner:
            step(model, batch)
        norms = [row.norm for row in outer]
        assert norms == [row.norm for row in inner]
        step(model, batch)
        assert [len(row.gradients) for row in outer] == [len(row.gradients) for row in inner]
    assert len(inner) == len(outer)


def test_the_rows_are_the_journey_with_what_each_layer_took_along(batch):
    model = make()
    with trace(model) as rows:
        step(model, batch)
    names = [row.name for row in rows]
    assert names[0] == "conv1_1+relu1_1"
    assert "conv2_1+relu2_1+pool2" in names  # frozen: nobody asks which cell won
    tail = ["roi_pool", "fc6", "relu6", "drop6", "fc7", "relu7", "drop7", "cls_score", "bbox_pred"]
    assert names[-len(tail) :] == tail
    flat = [part for name in names for part in name.split("+")]
    assert flat == [*model.layers]


def test_the_figures_are_those_of_the_arrays(batch):
    model = make(frozen=())
    everything = tuple(model.layers)
    with trace(model, keep=everything) as rows:
        cls_score, _, _, dbox = step(model, batch)
    for row in rows:
        assert row.y.shape == row.shape
        assert row.norm == pytest.approx(np.linalg.norm(row.y.astype(float)), rel=1e-12)
        assert row.mean == pytest.approx(row.y.astype(float).mean(), rel=1e-9, abs=1e-12)
        (gradient,) = row.gradients
        assert gradient.dy.shape == row.shape
        assert gradient.norm == pytest.approx(np.linalg.norm(gradient.dy.astype(float)), rel=1e-12)
        assert (gradient.weight_norm is not None) == row.learns
    assert (rows["cls_score"].y == cls_score).all()
    assert (rows["bbox_pred"].gradients[0].dy == dbox).all()
    assert rows["bbox_pred"].gradients[0].weight_norm == pytest.approx(
        np.linalg.norm(model.head.bbox_pred.weight.grad.astype(float))
    )
    together = rows["cls_score"].gradients[0].dx + rows["bbox_pred"].gradients[0].dx
    assert (rows["drop7"].gradients[0].dy == together).all()  # the two branches meet
    assert rows["conv1_1"].gradients[0].dx is None  # nobody below wants it
    features = rows[next(name for name in reversed(list(model.backbone.layers)) if name in rows)]
    assert features.y.shape == rows["roi_pool"].gradients[0].dx.shape


def test_frozen_layers_that_see_one_image_at_a_time_have_one_row(batch):
    frozen, free = make(), make(frozen=())
    with trace(frozen, keep=("conv2_1",)) as rows:
        step(frozen, batch)
    with trace(free) as whole:
        step(free, batch)
    row = rows["conv2_1"]
    assert row.shape == row.y.shape == (2, 12, 14, whole["conv2_1"].shape[3])  # pooled on the way
    assert row.norm == pytest.approx(np.linalg.norm(row.y.astype(float)), rel=1e-12)
    assert row.mean == pytest.approx(row.y.astype(float).mean(), rel=1e-9)
    assert row.gradients == []
    assert not row.learns
    assert whole["conv2_1"].gradients[0].weight_norm > 0


def test_class_and_box_gradients_add_up_to_both(batch):
    model = make()
    with trace(model, keep=("fc6", "roi_pool")) as rows:
        step(model, batch, ("class", "box", "both"))
    for name in ("fc6", "roi_pool"):
        from_class, from_box, both = (gradient.dx for gradient in rows[name].gradients)
        assert np.allclose(from_class + from_box, both, atol=1e-7)
        assert abs(from_box).max() > 0
    assert rows["bbox_pred"].gradients[0].norm == 0  # the class loss sends nothing there


def test_one_array_alone_is_kept(batch):
    model = make()
    with trace(model, keep=("roi_pool.dx", "fc7.y")) as rows:
        step(model, batch)
    (gradient,) = rows["roi_pool"].gradients
    assert rows["roi_pool"].y is None
    assert gradient.dy is None
    assert gradient.dx.shape == (2, 6, 7, model.architecture.channels)
    assert rows["fc7"].y.shape == (4, 24)
    assert rows["fc7"].gradients[0].dx is None


def test_another_forward_begins_anew(batch):
    model = make()
    with trace(model) as rows:
        step(model, batch)
        step(model, (batch[0][:1], *(array[:2] for array in batch[1:])))
        assert rows["conv3_1"].shape[0] == 1
        assert rows["fc6"].shape[0] == 2
        assert all(len(row.gradients) <= 1 for row in rows)


def test_in_detection_mode_there_are_no_gradients(batch):
    model = make()
    model.eval()
    with trace(model) as rows:
        model.forward(batch[0], batch[1])
    assert rows["fc6"].shape == (4, 32)
    assert all(row.gradients == [] for row in rows)


def test_an_unknown_layer_is_named(batch):
    model = make()
    with pytest.raises(ValueError, match=r"fc8 is no layer of this model; it has conv1_1"), trace(model, keep=("fc8",)):
        pass
    with pytest.raises(ValueError, match=r"fc7\.z is no layer"), trace(model, keep=("fc7.z",)):
        pass
    assert isinstance(model.head.fc6, Layer)


def test_norm_of_many_values():
    values = np.random.default_rng(3).standard_normal((3, 1 << 20)).astype(np.float32)
    assert norm_of(values) == pytest.approx(np.linalg.norm(values.astype(float)), rel=1e-12)
