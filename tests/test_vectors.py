"""Vectors and the tile of a product: compiled code against what the same functions do in NumPy."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numba import njit

from minircnn.kernels import product_tile as product
from minircnn.kernels import vectors
from minircnn.kernels.vectors import fill, larger, load, load_some, passed, store, store_some


@njit
def everything(x, y, count):
    v, w = load(x, 3), load_some(x, 1, count)
    store(y, 0, larger(passed(w, v) - 2.5 * w + w, fill(x, 0.0)))
    store_some(y, 40, v, count)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [0, 1, 3, 200])
def test_compiled_vectors_equal_numpy_ones(dtype, count, rng):
    x = rng.standard_normal(300).astype(dtype)
    compiled, plain = np.zeros(100, dtype), np.zeros(100, dtype)
    everything(x, compiled, count)
    everything.py_func(x, plain, count)
    np.testing.assert_allclose(compiled, plain, rtol=0, atol=1e-6)
    assert not compiled[40 + min(count, vectors.lanes(dtype)) :].any()


def test_larger_keeps_nan_from_either_side():
    x = np.full(64, np.nan)
    y = np.zeros(64)

    @njit
    def both(x, y):
        store(y, 0, larger(load(x, 0), fill(x, 1.0)))
        store(y, 32, larger(fill(x, 1.0), load(x, 0)))

    both(x, y)
    count = vectors.lanes(x.dtype)
    assert np.isnan(y[:count]).all()
    assert np.isnan(y[32 : 32 + count]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("K", [0, 1, 50])
def test_a_compiled_tile_equals_the_sums(dtype, transposed, add, K, rng):
    compiled = njit(lambda *arguments: product.product_tile(*arguments))
    a, b = rng.standard_normal(product.ROWS * 50 + 7).astype(dtype), rng.standard_normal(60 * 50 + 40).astype(dtype)
    c = rng.standard_normal(product.ROWS * 70 + 100).astype(dtype)
    steps = (1, product.ROWS) if transposed else (50, 1)
    got, want = c.copy(), c.copy()
    compiled(a, 7, *steps, b, 3, 60, K, got, 5, 70, add)
    product.product_tile(a, 7, *steps, b, 3, 60, K, want, 5, 70, add)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 if dtype is np.float32 else 1e-13)


WITHOUT_COMPILER = """
import numpy as np
from minircnn.kernels.conv import conv2d_backward, conv2d_forward
from minircnn.kernels.conv_rows import conv_rows_backward, conv_rows_forward
from minircnn.kernels.winograd import conv3x3_backward, conv3x3_forward
rng = np.random.default_rng(0)
x, w, b = rng.standard_normal((1, 5, 6, 3)), rng.standard_normal((3, 3, 3, 4)), rng.standard_normal(4)
y = conv2d_forward(x, w, b, 1, 1)
np.testing.assert_allclose(conv3x3_forward(x, w, b), y, atol=1e-11)
np.testing.assert_allclose(conv_rows_forward(x, w, b, 1), y, atol=1e-11)
want = conv2d_backward(y, x, w, 1, 1)
for ours in (conv3x3_backward(y, x, w), conv_rows_backward(y, x, w, 1)):
    for got, expected in zip(ours, want, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-10)
"""


def test_the_fast_convolutions_run_in_a_debugger():
    """With Numba switched off every step is plain Python, and gives the same."""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    subprocess.run([sys.executable, "-c", WITHOUT_COMPILER], env=environment, check=True)


WITH_OTHER_REGISTERS = """
import numpy as np
from minircnn.kernels import product_tile, vectors
from minircnn.kernels.conv import conv2d_backward, conv2d_forward
from minircnn.kernels.winograd import conv3x3_backward, conv3x3_forward
assert (vectors.VECTOR_BYTES, product_tile.ROWS) == SIZES
rng = np.random.default_rng(0)
x, w, b = rng.standard_normal((2, 9, 13, 19)), rng.standard_normal((3, 3, 19, 21)), rng.standard_normal(21)
y = conv2d_forward(x, w, b, 1, 1)
np.testing.assert_allclose(conv3x3_forward(x, w, b), y, atol=1e-11)
for got, want in zip(conv3x3_backward(y, x, w), conv2d_backward(y, x, w, 1, 1), strict=True):
    np.testing.assert_allclose(got, want, atol=1e-9)
"""


@pytest.mark.slow
def test_processors_with_narrower_registers(tmp_path):
    """Compiled as for a processor without AVX-512, and without AVX; both at once, for compiling takes one core each."""
    running = {}
    for features, sizes in (("+avx,+avx2,+fma", (32, 6)), ("+sse2", (16, 6))):
        environment = {
            **os.environ,
            "NUMBA_CPU_NAME": "generic",
            "NUMBA_CPU_FEATURES": features,
            "NUMBA_CACHE_DIR": str(tmp_path / features),
        }
        script = WITH_OTHER_REGISTERS.replace("SIZES", str(sizes))
        command = [sys.executable, "-c", script]
        running[features] = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    said = {features: process.communicate()[1] for features, process in running.items()}
    assert {features: said[features] for features, process in running.items() if process.returncode} == {}
