"""Both losses and SGD against their slow twins, and the rules people get wrong."""

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minircnn.layers import Parameter
from minircnn.losses import binary_cross_entropy, smooth_l1, softmax, softmax_cross_entropy
from minircnn.training.optim import SGD, StepSchedule

seeds = st.integers(0, 2**32 - 1)


@given(seed=seeds, R=st.integers(1, 20), K=st.integers(1, 13))
def test_cross_entropy_equals_its_twin(seed, R, K):
    rng = np.random.default_rng(seed)
    scores, labels = rng.standard_normal((R, K + 1)) * 20, rng.integers(0, K + 1, R)
    loss, dscores = softmax_cross_entropy(scores, labels)
    want_loss, want_dscores = naive.cross_entropy(scores, labels)
    assert loss == pytest.approx(want_loss, rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(dscores, want_dscores, rtol=0, atol=1e-14)
    np.testing.assert_allclose(softmax(scores).sum(axis=1), 1)


@given(seed=seeds, S=st.integers(1, 20))
def test_one_score_an_anchor_is_a_softmax_over_two_that_differ_by_it(seed, S):
    rng = np.random.default_rng(seed)
    pairs, labels = rng.standard_normal((S, 2)) * 20, rng.integers(0, 2, S)
    loss, dscores = binary_cross_entropy(pairs[:, 1] - pairs[:, 0], labels)
    want_loss, want_dpairs = naive.cross_entropy(pairs, labels)
    assert loss == pytest.approx(want_loss, rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(dscores, want_dpairs[:, 1], rtol=0, atol=1e-14)


def test_binary_cross_entropy_neither_overflows_nor_takes_other_labels():
    loss, dscores = binary_cross_entropy(np.array([1000.0, -1000, 0]), np.array([0, 1, 1]))
    assert loss == pytest.approx((2000 + np.log(2)) / 3)
    np.testing.assert_allclose(dscores, [1 / 3, -1 / 3, -1 / 6])
    assert binary_cross_entropy(np.zeros(0), np.zeros(0, np.int64))[0] == 0
    with pytest.raises(ValueError, match=r"0\.\.1"):
        binary_cross_entropy(np.zeros(2), np.array([0, -1]))


def test_four_columns_are_the_same_four_for_every_class(rng):
    """As a region proposal network has them, or a head that does not tell classes apart."""
    pred, targets, labels = rng.standard_normal((9, 4)), rng.standard_normal((9, 4)), rng.integers(0, 5, 9)
    loss, dpred = smooth_l1(pred, targets, labels, 3.0)
    two = np.concatenate([np.zeros((9, 4)), pred], axis=1)
    want, dtwo = naive.smooth_l1(two, targets, np.minimum(labels, 1), 3.0)
    assert loss == pytest.approx(want)
    np.testing.assert_allclose(dpred, dtwo[:, 4:], atol=1e-14)


@given(seed=seeds, R=st.integers(1, 20), K=st.integers(1, 13), sigma=st.sampled_from([1.0, 3.0]))
def test_smooth_l1_equals_its_twin(seed, R, K, sigma):
    rng = np.random.default_rng(seed)
    pred, targets = rng.standard_normal((R, 4 * (K + 1))) * 2, rng.standard_normal((R, 4))
    labels = rng.integers(0, K + 1, R)
    loss, dpred = smooth_l1(pred, targets, labels, sigma)
    want_loss, want_dpred = naive.smooth_l1(pred, targets, labels, sigma)
    assert loss == pytest.approx(want_loss, rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(dpred, want_dpred, rtol=0, atol=1e-14)


def test_box_loss_is_divided_by_all_rois_not_by_foreground():
    """Three more background RoIs make both the loss and its gradient four times smaller."""
    pred, targets = np.zeros((4, 8)), np.full((4, 4), 0.5)
    one_loss, one_gradient = smooth_l1(pred[:1], targets[:1], np.array([1]))
    four_loss, four_gradient = smooth_l1(pred, targets, np.array([1, 0, 0, 0]))
    assert one_loss == 4 * 0.125
    assert four_loss == one_loss / 4
    np.testing.assert_array_equal(four_gradient[0], one_gradient[0] / 4)
    assert not four_gradient[1:].any()


def test_only_the_true_class_learns_its_box():
    _, dpred = smooth_l1(np.ones((1, 16)), np.zeros((1, 4)), np.array([2]))
    assert np.flatnonzero(dpred[0]).tolist() == [8, 9, 10, 11]


def test_no_rois_cost_nothing():
    labels = np.zeros(0, np.int64)
    assert softmax_cross_entropy(np.zeros((0, 4)), labels)[0] == 0
    assert smooth_l1(np.zeros((0, 16)), np.zeros((0, 4)), labels)[0] == 0


def test_large_scores_do_not_overflow():
    loss, dscores = softmax_cross_entropy(np.array([[1000.0, -1000.0]], np.float32), np.array([1]))
    assert loss == 2000
    np.testing.assert_array_equal(dscores, [[1, -1]])


def test_labels_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"labels should lie in 0\.\.3"):
        softmax_cross_entropy(np.zeros((2, 4)), np.array([0, 4]))


@given(seed=seeds, momentum=st.sampled_from([0.0, 0.9]), multiplier=st.sampled_from([1.0, 2.0]))
def test_sgd_equals_its_twin(seed, momentum, multiplier):
    rng = np.random.default_rng(seed)
    value = rng.standard_normal((3, 5))
    parameter = Parameter(value.copy(), lr_multiplier=multiplier, decay_multiplier=multiplier - 1)
    optimiser = SGD([("w", parameter)], momentum, decay=0.1)
    velocity = np.zeros_like(value)
    for lr in (0.1, 0.1, 0.01):
        parameter.grad = rng.standard_normal(value.shape)
        value, velocity = naive.sgd(value, velocity, parameter.grad, lr * multiplier, momentum, 0.1 * (multiplier - 1))
        optimiser.step(lr)
        np.testing.assert_allclose(parameter.value, value, rtol=1e-13)


def test_frozen_parameters_stay():
    parameter = Parameter(np.ones(3), lr_multiplier=0.0)
    optimiser = SGD([("w", parameter)])
    optimiser.step(1.0)
    assert (parameter.value == 1).all()
    assert not optimiser.velocity


def test_schedule_warms_up_then_drops():
    schedule = StepSchedule(1.0, milestones=(100, 150), gamma=0.1, warmup_steps=10, warmup_factor=0.5)
    assert [schedule(step) for step in (0, 5, 10, 99)] == [0.5, 0.75, 1.0, 1.0]
    assert schedule(100) == pytest.approx(0.1)
    assert schedule(150) == pytest.approx(0.01)
