"""RoIAlign against its slow twin, against values that others have published, and against a nudge of a region's side."""

import naive
import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minircnn.kernels.roi_align import roi_align_backward, roi_align_backward_to_rois, roi_align_forward
from minircnn.layers import RoIAlign

corner = st.one_of(st.integers(-8, 24).map(lambda v: 4.0 * v), st.integers(-100, 360).map(lambda v: v / 3.7))
SIXTEEN = np.array([[1, 2, 5, 6], [3, 4, 7, 8], [9, 10, 13, 14], [11, 12, 15, 16]], float).reshape(1, 4, 4, 1)


@st.composite
def cases(draw):
    N, H, W, C = (draw(st.integers(1, top)) for top in (2, 9, 8, 3))
    features = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).standard_normal((N, H, W, C))
    rois = draw(st.lists(st.tuples(st.integers(0, N - 1), corner, corner, corner, corner), max_size=5))
    rule = draw(st.sampled_from([1 / 8, 1.0])), draw(st.integers(0, 3)), draw(st.booleans())
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    return features, np.array(rois, float).reshape(-1, 5), size, rule


@given(cases())
def test_roi_align_equals_its_twin(case):
    """Any region: off the map, turned inside out, on the edge, none at all; any number of samples."""
    features, rois, size, rule = case
    pooled = roi_align_forward(features, rois, size, *rule)
    np.testing.assert_allclose(pooled, naive.roi_align(features, rois, size, *rule), rtol=0, atol=1e-12)
    dpooled = np.random.default_rng(0).standard_normal(pooled.shape)
    expected = naive.roi_align_backward(dpooled, rois, features.shape, *rule)
    np.testing.assert_allclose(roi_align_backward(dpooled, rois, features.shape, *rule), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("aligned", "first"), [(False, 7.5), (True, 4.5)])
def test_rising_map_of_detectron2(aligned, first):
    """detectron2's tests/layers/test_roi_align.py: 0 … 24 on 5×5, the region (1, 1, 3, 3), 4×4."""
    features = np.arange(25, dtype=np.float32).reshape(1, 5, 5, 1)
    rois = np.array([[0, 1, 1, 3, 3]], np.float32)
    pooled = roi_align_forward(features, rois, (4, 4), 1.0, 0, aligned)[0, :, :, 0]
    np.testing.assert_allclose(pooled, first + 0.5 * np.arange(4) + 2.5 * np.arange(4)[:, None], atol=1e-5)


def test_a_region_turned_inside_out_is_empty_in_detectron2():
    features, rois = np.random.default_rng(0).standard_normal((1, 5, 5, 1)), np.array([[0, 3.0, 4, 5, 4]])
    pooled = roi_align_forward(features, rois, (7, 7), 1.0, 0, True)
    assert not pooled.any()
    assert not roi_align_backward(np.ones_like(pooled), rois, features.shape, 1.0, 0, True).any()


def test_no_region_at_all():
    features, none = np.zeros((1, 5, 5, 3)), np.zeros((0, 5))
    assert roi_align_forward(features, none, (7, 7)).shape == (0, 7, 7, 3)
    assert not roi_align_backward(np.zeros((0, 7, 7, 3)), none, (1, 5, 5, 3)).any()
    assert roi_align_backward_to_rois(np.zeros((0, 7, 7, 3)), features, none).shape == (0, 4)


MMCV = [
    ([[1, 2], [3, 4]], [0, 0, 0, 1, 1], [[1, 1.25], [1.5, 1.75]], [[3.0625, 0.4375], [0.4375, 0.0625]]),
    ([[4, 3], [2, 1]], [0, 0, 0, 1, 1], [[4, 3.75], [3.5, 3.25]], [[3.0625, 0.4375], [0.4375, 0.0625]]),
    (
        SIXTEEN[0, :, :, 0],
        [0, 0, 0, 3, 3],
        [[1.9375, 4.75], [7.5625, 10.375]],
        [
            [0.47265625, 0.4296875, 0.4296875, 0.04296875],
            [0.4296875, 0.390625, 0.390625, 0.0390625],
            [0.4296875, 0.390625, 0.390625, 0.0390625],
            [0.04296875, 0.0390625, 0.0390625, 0.00390625],
        ],
    ),
]


@pytest.mark.parametrize(("values", "roi", "forward", "backward"), MMCV)
def test_values_and_gradients_of_mmcv(values, roi, forward, backward):
    """mmcv's tests/test_ops/test_roi_align.py: 2×2, aligned, two samples a side, upstream ones."""
    features = np.array(values, float)[None, :, :, None]
    rois = np.array([roi], float)
    pooled = roi_align_forward(features, rois, 2, 1.0, 2, True)
    np.testing.assert_allclose(pooled[0, :, :, 0], forward, atol=1e-12)
    gradient = roi_align_backward(np.ones_like(pooled), rois, features.shape, 1.0, 2, True)
    np.testing.assert_allclose(gradient[0, :, :, 0], backward, atol=1e-12)


def test_one_sample_gives_its_four_cells_their_shares():
    """A sample at row 2.6 and column 1.3."""
    rois = np.array([[0, 0.8, 2.1, 1.8, 3.1]])  # one cell wide and high, its middle there
    shares = roi_align_backward(np.ones((1, 1, 1, 1)), rois, (1, 5, 4, 1), 1.0, 1, False)[0, :, :, 0]
    expected = np.zeros((5, 4))
    expected[2:4, 1:3] = [[0.28, 0.12], [0.42, 0.18]]
    np.testing.assert_allclose(shares, expected, atol=1e-12)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
def test_a_nudged_side_changes_the_sum_as_its_gradient_says(rng, aligned, ratio):
    features = rng.standard_normal((2, 9, 8, 4))
    low = rng.uniform(-12, 40, (20, 2))
    rois = np.concatenate([rng.integers(0, 2, (20, 1)), low, low + rng.uniform(2, 40, (20, 2))], axis=1)
    upstream = rng.standard_normal((20, 3, 3, 4))
    drois = roi_align_backward_to_rois(upstream, features, rois, 1 / 8, ratio, aligned)
    close = 0
    for r, side in np.ndindex(20, 4):
        moved = []
        for nudge in (-1e-5, 1e-5):
            at = rois.copy()
            at[r, 1 + side] += nudge
            moved.append(float(np.vdot(upstream, naive.roi_align(features, at, (3, 3), 1 / 8, ratio, aligned))))
        close += abs((moved[1] - moved[0]) / 2e-5 - drois[r, side]) < 1e-6
    assert close >= 78  # a sample that stands on a cell's own place within the nudge has a kink there


def test_a_region_narrower_than_a_cell_that_is_held_at_one_only_moves_along():
    features = np.arange(40.0).reshape(1, 5, 8, 1)  # a step along x is worth 1
    drois = roi_align_backward_to_rois(np.ones((1, 1, 1, 1)), features, np.array([[0, 2.2, 1, 2.5, 3]]), 1.0, 2, False)
    np.testing.assert_allclose(drois[0, [0, 2]], [1, 0], atol=1e-12)


def test_beyond_the_edge_the_map_has_no_slope():
    features = np.arange(40.0).reshape(1, 5, 8, 1)
    rois = np.array([[0, 20.0, 20, 30, 30], [0, 7.8, 1.2, 8.1, 1.9]])  # off the map; past the last column
    drois = roi_align_backward_to_rois(np.ones((2, 2, 2, 1)), features, rois, 1.0, 2, True)
    assert not drois[0].any()
    assert not drois[1, [0, 2]].any()
    assert drois[1, [1, 3]].all()


def test_roi_align_gives_the_same_bits_with_one_thread_and_with_two(rng):
    features = rng.standard_normal((2, 38, 50, 67)).astype(np.float32)
    xy = rng.uniform(0, 700, (300, 2))
    rois = np.concatenate([rng.integers(0, 2, (300, 1)), xy, xy + rng.uniform(0, 300, (300, 2))], axis=1)
    dpooled = rng.standard_normal((300, 7, 7, 67)).astype(np.float32)
    before, results = numba.get_num_threads(), []
    for threads in (1, min(2, before)):
        numba.set_num_threads(threads)
        back = roi_align_backward(dpooled, rois, features.shape), roi_align_backward_to_rois(dpooled, features, rois)
        results.append((roi_align_forward(features, rois), *back))
    numba.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        assert np.array_equal(one, two)


def test_an_image_of_the_batch_is_not_anothers(rng):
    features = rng.standard_normal((3, 5, 5, 2))
    rois = np.array([[2, 0, 0, 64, 64], [0, 0, 0, 64, 64]], float)
    pooled = roi_align_forward(features, rois, 2)
    np.testing.assert_array_equal(pooled[0], roi_align_forward(features[2:], np.array([[0, 0, 0, 64, 64.0]]), 2)[0])
    assert not roi_align_backward(np.ones_like(pooled), rois, features.shape)[1].any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rois": np.zeros((2, 4))}, "image index"),
        ({"rois": np.array([[1, 0, 0, 8, 8.0]])}, "image's index in the batch"),
        ({"rois": np.array([[0, 0, np.nan, 8, 8.0]])}, "not finite"),
        ({"features": np.zeros((1, 0, 4, 2))}, "no cell"),
        ({"features": np.zeros((1, 4, 4, 2), np.int64)}, "float32"),
        ({"sampling_ratio": -1}, "sampling_ratio"),
        ({"output_size": 0}, "output_size"),
    ],
)
def test_what_cannot_be_told_is_said(change, words):
    given_ = {"features": np.zeros((1, 4, 4, 2)), "rois": np.array([[0, 0, 0, 8, 8.0]])} | change
    with pytest.raises(ValueError, match=words):
        roi_align_forward(**given_)


def test_the_layer_needs_a_forward_in_training(rng):
    layer = RoIAlign(2, 1 / 8)
    layer.forward(rng.standard_normal((1, 4, 4, 2)), np.array([[0, 0, 0, 16, 16.0]]))
    with pytest.raises(RuntimeError, match="training mode"):
        layer.backward(np.zeros((1, 2, 2, 2)))
