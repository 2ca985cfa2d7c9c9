"""Convolution in its three ways against the slow twin; the same bits for any number of threads."""

import naive
import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minircnn.kernels.conv import conv2d_backward, conv2d_forward
from minircnn.kernels.conv_rows import conv_rows_backward, conv_rows_forward
from minircnn.kernels.matmul import matmul
from minircnn.kernels.max_pool import max_pool_forward
from minircnn.kernels.winograd import conv3x3_backward, conv3x3_forward
from minircnn.kernels.winograd_filters import conv3x3_filters


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


@given(**sizes, K=st.integers(1, 5), data=st.data())
def test_convolution_by_rows_equals_the_twin(seed, N, H, W, C, OC, K, data):
    padding = data.draw(st.integers(max(0, (K - min(H, W) + 1) // 2), K - 1))
    x, w, b, dy = draw(seed, N, H, W, C, OC, K, K, 1, padding)
    np.testing.assert_allclose(
        conv_rows_forward(x, w, b, padding), naive.conv2d(x, w, b, 1, padding), rtol=0, atol=1e-11
    )
    expected = naive.conv2d_gradients(dy, x, w, 1, padding)
    for got, want in zip(conv_rows_backward(dy, x, w, padding), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-10)


@given(**{**sizes, "H": st.integers(1, 13), "W": st.integers(1, 11), "C": st.integers(1, 35), "OC": st.integers(1, 35)})
def test_winograd_equals_the_twin(seed, N, H, W, C, OC):
    x, w, b, dy = draw(seed, N, H, W, C, OC, 3, 3, 1, 1)
    forward = naive.conv2d(x, w, b, 1, 1)
    np.testing.assert_allclose(conv3x3_forward(x, w, b), forward, rtol=0, atol=1e-11)
    np.testing.assert_allclose(conv3x3_forward(x, w, b, filters=conv3x3_filters(w)), forward, rtol=0, atol=1e-11)
    expected = naive.conv2d_gradients(dy, x, w, 1, 1)
    for got, want in zip(conv3x3_backward(dy, x, w), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("N", "H", "W", "C", "OC"),
    [
        (1, 37, 50, 64, 64),
        (2, 53, 47, 40, 24),
        (3, 8, 8, 3, 5),
        (1, 1, 50, 1, 1),
        (1, 37, 1, 513, 20),
        (1, 38, 50, 512, 48),
    ],
)
def test_fast_convolutions_are_exact_enough_in_float32(N, H, W, C, OC):
    """Within 2e-5 of the direct loops in float64, relative to the largest value: forward, dx, dw, db."""
    rng = np.random.default_rng(1)
    x, w, b, dy = (
        rng.standard_normal(shape).astype(np.float32) for shape in [(N, H, W, C), (3, 3, C, OC), (OC,), (N, H, W, OC)]
    )
    exact = [array.astype(np.float64) for array in (x, w, b, dy)]
    wanted = [conv2d_forward(*exact[:3], 1, 1), *conv2d_backward(exact[3], *exact[:2], 1, 1)]
    for ours in (
        [conv3x3_forward(x, w, b), *conv3x3_backward(dy, x, w)],
        [conv_rows_forward(x, w, b, 1), *conv_rows_backward(dy, x, w, 1)],
    ):
        for got, want in zip(ours, wanted, strict=True):
            assert got.dtype == np.float32
            np.testing.assert_allclose(got, want, rtol=0, atol=2e-5 * np.abs(want).max())


@pytest.mark.parametrize(("H", "W"), [(1, 1), (2, 2), (4, 8), (5, 7), (6, 9), (7, 5), (37, 50)])
@pytest.mark.parametrize("OC", [3, 16, 40])
def test_relu_and_pool_on_the_way_out_are_those_of_the_layers(H, W, OC):
    x, w, b, _ = draw(5, 2, H, W, 20, OC, 3, 3, 1, 1, np.float32)
    y = conv3x3_forward(x, w, b)
    rectified = conv3x3_forward(x, w, b, relu=True)
    np.testing.assert_array_equal(rectified, np.maximum(y, 0))
    pooled = conv3x3_forward(x, w, b, relu=True, pool=True)
    np.testing.assert_array_equal(pooled, max_pool_forward(rectified, 2, 2, True)[0])
    by_rows = conv_rows_forward(x, w, b, 1)
    np.testing.assert_array_equal(conv_rows_forward(x, w, b, 1, relu=True), np.maximum(by_rows, 0))


@pytest.mark.parametrize("C", [3, 16, 40])
def test_a_gate_on_the_way_back_is_that_of_the_layer(C):
    x, w, _, dy = draw(5, 2, 9, 7, C, 20, 3, 3, 1, 1, np.float32)
    dx, _, _ = conv3x3_backward(dy, x, w)
    np.testing.assert_array_equal(conv3x3_backward(dy, x, w, gate=x)[0], np.where(x > 0, dx, 0))


@pytest.mark.parametrize("convolve", [conv3x3_forward, lambda *arrays, relu: conv_rows_forward(*arrays, 1, relu=relu)])
def test_a_nan_is_not_rectified_away(convolve):
    x, w, b, _ = draw(6, 1, 12, 12, 16, 16, 3, 3, 1, 1)
    x[0, 6, 6, 3] = np.nan
    assert np.isnan(convolve(x, w, b, relu=True)[0, 5:8, 5:8]).all()


@pytest.mark.parametrize(("M", "K", "N"), [(130, 1100, 257), (257, 70, 40), (3, 2050, 500)])
def test_products_give_the_same_bits_with_one_thread_and_with_two(M, K, N):
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((M, K)).astype(np.float32), rng.standard_normal((K, N)).astype(np.float32)
    before, results = numba.get_num_threads(), []
    for threads in (1, min(2, before)):
        numba.set_num_threads(threads)
        results.append(matmul(a, b))
    numba.set_num_threads(before)
    np.testing.assert_array_equal(*results)


def test_fast_convolutions_skip_dx_where_nobody_wants_it():
    x, w, _, dy = draw(2, 1, 5, 5, 2, 3, 3, 3, 1, 1)
    assert conv_rows_backward(dy, x, w, 1, need_dx=False)[0] is None
    assert conv3x3_backward(dy, x, w, need_dx=False)[0] is None


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
                conv3x3_forward(x, w, b),
                *conv3x3_backward(dy, x, w),
                conv_rows_forward(x, w, b, 1),
                *conv_rows_backward(dy, x, w, 1),
                conv2d_forward(x, w, b, 1, 1),
                *conv2d_backward(dy, x, w, 1, 1),
            ]
        )
    numba.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        assert np.array_equal(one, two)
