"""The gradient checks themselves: all rows pass, other shapes pass, and planted bugs are caught."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minircnn.gradcheck.cases as cases
import minircnn.gradcheck.layers as layers
from minircnn.gradcheck.finite_differences import check_gradient, without_ties
from minircnn.gradcheck.run import run_all
from minircnn.layers import Linear, MaxPool, Parameter, RoIPool

ALLOWED = 1e-6


def test_every_row_passes():
    rows = list(run_all(seed=1))
    assert len(rows) > 60
    assert {row.name for row in rows if row.worst > ALLOWED} == set()
    names = " ".join(row.name for row in rows)
    assert all(part in names for part in ("roi_pool dx", "box loss → conv1_1.weight", "both loss → pooled"))
    assert all(part in names for part in ("roi_align drois", "joint loss → conv1_1.weight", "(dropped)"))


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(st.integers(1, 2), st.integers(3, 7), st.integers(3, 7), st.integers(1, 3)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 2),
)
def test_convolution_of_any_shape_passes(seed, shape, kernel, stride):
    rng = np.random.default_rng(seed)
    layer = cases.conv_layer((*kernel, shape[3], 2), rng, stride, 1)
    for row in layers.check_layer("conv", layer, rng.standard_normal(shape), rng):
        assert row.worst <= ALLOWED, row


roi = st.tuples(*[st.sampled_from([-30.0, 0.0, 8.0, 21.0, 40.0, 63.0, 90.0])] * 4)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), boxes=st.lists(st.tuples(st.integers(0, 1), roi), min_size=1, max_size=5))
def test_roi_pooling_of_any_rois_passes(seed, boxes):
    """Overlapping, off the edge, one cell, malformed, off the map."""
    rng = np.random.default_rng(seed)
    rois = np.array([(image, *box) for image, box in boxes], np.float64)
    layer = RoIPool((2, 3), 1 / 8)
    for row in layers.check_layer("roi_pool", layer, without_ties((2, 7, 9, 2), rng), rng, rois):
        assert row.worst <= ALLOWED, row


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 3), stride=st.integers(1, 3), ceil_mode=st.booleans())
def test_max_pooling_passes(seed, size, stride, ceil_mode):
    rng = np.random.default_rng(seed)
    layer = MaxPool(size, stride, ceil_mode)
    for row in layers.check_layer("max_pool", layer, without_ties((1, 6, 7, 2), rng), rng):
        assert row.worst <= ALLOWED, row


@settings(max_examples=5)
@given(seed=st.integers(0, 2**32 - 1))
def test_losses_pass_for_any_seed(seed):
    for row in cases.loss_cases(np.random.default_rng(seed)):
        assert row.worst <= ALLOWED, row


@pytest.mark.parametrize("bug", ["transposed", "one entry", "scaled"])
def test_a_wrong_gradient_is_caught(bug, rng):
    layer = Linear(Parameter(rng.standard_normal((4, 4))), Parameter(rng.standard_normal(4)))
    layer.training = True
    x, upstream = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    layer.forward(x)
    dx = layer.backward(upstream)
    if bug == "transposed":
        dx = upstream @ layer.weight.value
    elif bug == "one entry":
        dx[1, 2] += 1e-3
    else:
        dx *= 1 + 1e-5
    row = check_gradient("linear", lambda at: float(np.vdot(upstream, layer.forward(at))), x, dx, rng)
    assert row.worst > ALLOWED


def test_a_gradient_assigned_instead_of_added_is_caught(rng, monkeypatch):
    """RoI pooling's classic bug: the last region to win a cell overwrites what the others sent."""
    import minircnn.layers.roi_pool as layer_file

    def assigning(dpooled, argmax, rois, shape):
        dfeatures = np.zeros((shape[0], shape[1] * shape[2], shape[3]))
        for index in np.ndindex(*dpooled.shape):
            if argmax[index] >= 0:
                dfeatures[int(rois[index[0], 0]), argmax[index], index[-1]] = dpooled[index]
        return dfeatures.reshape(shape)

    monkeypatch.setattr(layer_file, "roi_pool_backward", assigning)
    (row,) = layers.check_layer("roi_pool", RoIPool((3, 3), 1 / 8), without_ties((2, 8, 8, 3), rng), rng, cases.ROIS)
    assert row.worst > 0.01
