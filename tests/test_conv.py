"""Convolution, direct and by patches, against the slow twin; the same bits for any number of threads."""

import naive
import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minircnn.kernels.conv import conv2d_backward, conv2d_forward
from minircnn.kernels.patches import conv_patches_backward, conv_patches_forward


def draw(seed, N, H, W, C, OC, KH, KW, stride, padding, dtype=np.float64):
    rng = np.random.default_rng(seed)
    x, w, b = rng.standard_normal((N, H, W, C)), rng.standard_normal((KH, KW, C, OC)), rng.standard_normal(OC)
    dy = rng.standard_normal(naive.conv2d(x, w, b, stride, padding).shape)
    return (array.astype(dtype) for array in (x, w, b, dy))


sizes = {
    "seed": st.integers(0, 2**32 - 1),
    "N": st.integers(1, 3),
    "H": st.integers(3, 13),
    "W": st.integers(3, 11),
    "C": st.integers(1, 6),
    "OC": st.integers(1, 7),
}


@given(**sizes, KH=st.integers(1, 3), KW=st.integers(1, 3), stride=st.integers(1, 3), padding=st.integers(0, 2))
def test_direct_convolution_equals_its_twin(seed, N, H, W, C, OC, KH, KW, stride, padding):
    x, w, b, dy = draw(seed, N, H, W, C, OC, KH, KW, stride, padding)
    np.testing.assert_allclose(
        conv2d_forward(x, w, b, stride, padding), naive.conv2d(x, w, b, stride, padding), rtol=0, atol=1e-11
    )
    expected = naive.conv2d_gradients(dy, x, w, stride, padding)
    for got, want in zip(conv2d_backward(dy, x, w, stride, padding), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-10)


@given(**sizes, K=st.integers(1, 3), data=st.data())
def test_patches_equal_the_twin(seed, N, H, W, C, OC, K, data):
    padding = data.draw(st.integers(0, K - 1))
    x, w, b, dy = draw(seed, N, H, W, C, OC, K, K, 1, padding)
    np.testing.assert_allclose(
        conv_patches_forward(x, w, b, padding), naive.conv2d(x, w, b, 1, padding), rtol=0, atol=1e-11
    )
    expected = naive.conv2d_gradients(dy, x, w, 1, padding)
    for got, want in zip(conv_patches_backward(dy, x, w, padding), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-10)


def test_patches_over_many_blocks_equal_the_direct_loops_in_float32():
    """A map that needs several blocks, with a last block that is not full."""
    x, w, b, dy = draw(1, 2, 53, 47, 40, 24, 3, 3, 1, 1, np.float32)
    forward = conv2d_forward(x, w, b, 1, 1)
    np.testing.assert_allclose(conv_patches_forward(x, w, b, 1), forward, rtol=0, atol=1e-4)
    expected = conv2d_backward(dy, x, w, 1, 1)
    for got, want in zip(conv_patches_backward(dy, x, w, 1), expected, strict=True):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * np.abs(want).max())


def test_patches_skip_dx_where_nobody_wants_it():
    x, w, _, dy = draw(2, 1, 5, 5, 2, 3, 3, 3, 1, 1)
    assert conv_patches_backward(dy, x, w, 1, need_dx=False)[0] is None


@pytest.mark.parametrize("shape", [(2, 37, 50, 24, 32), (1, 1, 1, 3, 5), (3, 20, 20, 128, 64)])
def test_convolution_gives_the_same_bits_with_one_thread_and_with_two(shape):
    N, H, W, C, OC = shape
    rng = np.random.default_rng(3)
    x = rng.standard_normal((N, H, W, C)).astype(np.float32)
    w = rng.standard_normal((3, 3, C, OC)).astype(np.float32)
    dy = rng.standard_normal((N, H, W, OC)).astype(np.float32)
    b = np.zeros(OC, np.float32)
    results = []
    before = numba.get_num_threads()
    for threads in (1, min(2, before)):
        numba.set_num_threads(threads)
        results.append(
            [
                conv_patches_forward(x, w, b, 1),
                *conv_patches_backward(dy, x, w, 1),
                conv2d_forward(x, w, b, 1, 1),
                *conv2d_backward(dy, x, w, 1, 1),
            ]
        )
    numba.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        assert np.array_equal(one, two)
