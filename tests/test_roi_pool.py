"""RoI pooling against its slow twin and against numbers worked by hand: rounding, bins, ties, sums."""

import naive
import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minircnn.kernels.roi_pool import roi_pool_backward, roi_pool_forward

# Corners at which C rounds half away from zero and Python half to even, ordinary ones, and some off the map.
corner = st.one_of(
    st.sampled_from([-24.0, -8.0, 8.0, 24.0, 40.0, 56.0, 72.0, 104.0]), st.integers(-60, 260).map(lambda v: v / 1.7)
)


@st.composite
def cases(draw):
    seed = draw(st.integers(0, 2**32 - 1))
    N, H, W, C = (draw(st.integers(1, top)) for top in (3, 13, 11, 5))
    output_size = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    rois = draw(st.lists(st.tuples(st.integers(0, N - 1), corner, corner, corner, corner), max_size=6))
    return seed, (N, H, W, C), output_size, np.array(rois, np.float32).reshape(-1, 5)


@given(cases())
def test_roi_pool_equals_its_twin(case):
    """Any RoIs: overlapping, off the edge, off the map, malformed, one cell, none at all."""
    seed, shape, output_size, rois = case
    rng = np.random.default_rng(seed)
    features = rng.permutation(np.arange(np.prod(shape)) - 20.0).reshape(shape)
    pooled, argmax = roi_pool_forward(features, rois, output_size, 1 / 16)
    want_pooled, want_argmax = naive.roi_pool(features, rois, output_size, 1 / 16)
    np.testing.assert_array_equal(argmax, want_argmax)
    np.testing.assert_array_equal(pooled, want_pooled)
    dpooled = rng.standard_normal(pooled.shape)
    expected = naive.scatter(dpooled, want_argmax, rois[:, 0].astype(int), shape)
    np.testing.assert_allclose(roi_pool_backward(dpooled, argmax, rois, shape), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("width", "bins", "end"), [(29, 7, 29), (57, 7, 58), (58, 7, 58)])
def test_bins_are_float32(width, bins, end):
    """One row of rising values: the maximum of a bin is its last cell, which shows where the bin ends.

    In float64 the last bin of 29 cells would end at 30, of 57 at 57, of 58 at 59. The map is wider than the RoI, so
    that its border does not hide the difference.
    """
    features = np.arange(80, dtype=np.float64).reshape(1, 1, 80, 1)
    pooled, _ = roi_pool_forward(features, np.array([[0, 0, 0, width - 1, 0]], np.float32), (1, bins), 1.0)
    assert pooled[0, 0, -1, 0] == end - 1


@pytest.mark.parametrize(("x", "cell"), [(8, 1), (24, 2), (40, 3), (72, 5), (-8, -1), (7.9, 0), (23.9, 1)])
def test_corners_round_half_away_from_zero(x, cell):
    """At 1/16, x = 8 and 40 are the halves that Python's round would send the other way."""
    features = np.arange(12.0).reshape(1, 1, 12, 1)
    pooled, argmax = roi_pool_forward(features, np.array([[0, x, 0, x, 0]], np.float32), (1, 1), 1 / 16)
    if cell < 0:
        assert argmax[0, 0, 0, 0] == -1
    else:
        assert pooled[0, 0, 0, 0] == cell


def test_empty_bin_gives_zero_and_passes_no_gradient():
    features = np.full((1, 4, 4, 2), -3.0)
    rois = np.array([[0, 500, 500, 600, 600]], np.float32)
    pooled, argmax = roi_pool_forward(features, rois, (2, 2), 1 / 16)
    assert not pooled.any()
    assert (argmax == -1).all()
    assert not roi_pool_backward(np.ones_like(pooled), argmax, rois, features.shape).any()


def test_malformed_roi_becomes_one_cell():
    features = np.arange(36.0).reshape(1, 6, 6, 1)
    pooled, _ = roi_pool_forward(features, np.array([[0, 64, 48, 16, 16]], np.float32), (2, 2), 1 / 16)
    assert (pooled == features[0, 3, 4, 0]).all()


def test_one_cell_collects_from_all_its_bins_and_from_two_rois():
    """A 1×1 RoI sends all its bins to one cell; a second RoI that shares the cell adds to it."""
    features = np.zeros((1, 3, 3, 1))
    features[0, 1, 1, 0] = 9
    rois = np.array([[0, 16, 16, 16, 16], [0, 0, 0, 32, 32]], np.float32)
    _, argmax = roi_pool_forward(features, rois, (2, 2), 1 / 16)
    dpooled = np.array([[1.0, 2, 4, 8], [16, 32, 64, 128]]).reshape(2, 2, 2, 1)
    dfeatures = roi_pool_backward(dpooled, argmax, rois, features.shape)
    # 3 cells into 2 bins: each bin is two cells wide, they overlap in the middle, and the middle wins all four
    assert dfeatures[0, 1, 1, 0] == 255
    assert dfeatures.sum() == 255


def test_first_of_equal_values_wins():
    _, argmax = roi_pool_forward(np.zeros((1, 4, 4, 1)), np.array([[0, 0, 0, 48, 48]], np.float32), (2, 2), 1 / 16)
    assert argmax.ravel().tolist() == [0, 2, 8, 10]


def test_rois_of_several_images_stay_with_their_image(rng):
    features = rng.standard_normal((3, 5, 5, 2))
    rois = np.array([[2, 0, 0, 64, 64], [0, 0, 0, 64, 64]], np.float32)
    pooled, argmax = roi_pool_forward(features, rois, (1, 1), 1 / 16)
    np.testing.assert_array_equal(pooled[:, 0, 0], features[[2, 0]].max(axis=(1, 2)))
    assert not roi_pool_backward(np.ones_like(pooled), argmax, rois, features.shape)[1].any()


def test_roi_pool_gives_the_same_bits_with_one_thread_and_with_two(rng):
    features = rng.standard_normal((2, 38, 50, 67)).astype(np.float32)
    xy = rng.uniform(0, 700, (300, 2))
    rois = np.concatenate([rng.integers(0, 2, (300, 1)), xy, xy + rng.uniform(0, 300, (300, 2))], axis=1)
    before, results = numba.get_num_threads(), []
    dpooled = rng.standard_normal((300, 7, 7, 67)).astype(np.float32)
    for threads in (1, min(2, before)):
        numba.set_num_threads(threads)
        pooled, argmax = roi_pool_forward(features, rois)
        results.append((pooled, argmax, roi_pool_backward(dpooled, argmax, rois, features.shape)))
    numba.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        assert np.array_equal(one, two)
