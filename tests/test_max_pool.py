"""Max-pooling against its slow twin, both rounding modes, overlapping windows, ties."""

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minircnn.kernels.max_pool import max_pool_backward, max_pool_forward, pool_output_size


@given(
    seed=st.integers(0, 2**32 - 1),
    N=st.integers(1, 2),
    H=st.integers(1, 12),
    W=st.integers(1, 12),
    C=st.integers(1, 5),
    size=st.integers(1, 3),
    stride=st.integers(1, 3),
    ceil_mode=st.booleans(),
)
def test_max_pool_equals_its_twin(seed, N, H, W, C, size, stride, ceil_mode):
    rng = np.random.default_rng(seed)
    x = rng.permutation(N * H * W * C).reshape(N, H, W, C).astype(np.float64)
    y, argmax = max_pool_forward(x, size, stride, ceil_mode)
    want_y, want_argmax = naive.max_pool(x, size, stride, ceil_mode)
    np.testing.assert_array_equal(y, want_y)
    np.testing.assert_array_equal(argmax, want_argmax)
    dy = rng.standard_normal(y.shape)
    expected = naive.scatter(dy, want_argmax, list(range(N)), x.shape)
    np.testing.assert_allclose(max_pool_backward(dy, argmax, x.shape, size, stride), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("cells", "ceil_mode", "windows"), [(75, True, 38), (75, False, 37), (1, True, 1), (4, True, 2)]
)
def test_pool_output_size_follows_caffe(cells, ceil_mode, windows):
    assert pool_output_size(cells, 2, 2, ceil_mode) == windows


def test_first_of_equal_values_wins():
    y, argmax = max_pool_forward(np.zeros((1, 4, 4, 1)), 2, 2, False)
    assert argmax.ravel().tolist() == [0, 2, 8, 10]
    assert not y.any()


def test_overlapping_windows_add_their_gradients():
    x = np.zeros((1, 3, 3, 1))
    x[0, 1, 1, 0] = 5  # wins all four 2×2 windows
    _, argmax = max_pool_forward(x, 2, 1, False)
    dx = max_pool_backward(np.array([1.0, 2, 4, 8]).reshape(1, 2, 2, 1), argmax, x.shape, 2, 1)
    assert dx[0, 1, 1, 0] == 15
    assert dx.sum() == 15
