"""Several threads that detect at once, a fork after a detection, and a kernel cache that was damaged."""

import os
import subprocess
import sys

import numpy as np
import pytest

from minircnn import FastRCNN, save_model, vgg_small
from minircnn.kernels.cache import STAMP, throw_away_the_unusable

DETECT = """
import sys
import numpy as np
from concurrent.futures import ThreadPoolExecutor
from minircnn import detect, load_model
model = load_model(sys.argv[1])
rng = np.random.default_rng(0)
images = [rng.integers(0, 255, (64, 80, 3), np.uint8) for _ in range(2)]
boxes = np.array([[4, 4, 40, 50], [10, 20, 70, 60], [0, 0, 80, 64]], np.float32)
"""
THREADS = (
    DETECT
    + """
want = [detect(model, image, boxes) for image in images] if sys.argv[2] == "warm" else None
with ThreadPoolExecutor(8) as pool:
    found = list(pool.map(lambda n: detect(model, images[n % 2], boxes), range(80)))
want = want or [detect(model, image, boxes) for image in images]
for n, one in enumerate(found):
    assert np.array_equal(one.boxes, want[n % 2].boxes) and np.array_equal(one.scores, want[n % 2].scores), n
import numba; print(numba.threading_layer())
"""
)
FORK = (
    DETECT
    + """
import multiprocessing
if sys.argv[2] == "warm":
    detect(model, images[0], boxes)
def work(queue):
    try: queue.put(str(len(detect(model, images[0], boxes))))
    except RuntimeError as error: queue.put(str(error))
context = multiprocessing.get_context("fork")
queue = context.Queue(); child = context.Process(target=work, args=(queue,)); child.start()
print(queue.get(timeout=60)); child.join()
"""
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "a.safetensors"
    save_model(path, FastRCNN(vgg_small(), 3, np.random.default_rng(0)))
    return path


def run(program, *words, layer="omp"):
    environment = os.environ | {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2"}
    command = [sys.executable, "-W", "ignore", "-c", program, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


LOOP = """
import numba
@numba.njit(parallel=True)
def count(n):
    total = 0
    for i in numba.prange(n):
        total += i
    return total
count(9)
"""


def needs(layer):
    if run(LOOP, layer=layer).returncode:
        pytest.skip(f"Numba's {layer} threads are not installed")


@pytest.mark.parametrize(
    "layer", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("omp", "workqueue")), "tbb"]
)
def test_eight_threads_that_detect_at_once_find_what_one_finds(layer, model):
    if layer != "workqueue":
        needs(layer)
    for begin in ("warm", "cold"):
        done = run(THREADS, model, begin, layer=layer)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == layer


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_after_a_detection_is_told_and_before_it_serves(model):
    needs("omp")
    assert 'get_context("spawn")' in run(FORK, model, "warm").stdout
    assert run(FORK, model, "cold").stdout.strip().isdigit()


def cache(tmp_path):
    """A small cache as Numba writes it: an index and a loop of one function."""
    source = tmp_path / "kernel.py"
    source.write_text(
        "from numba import njit\n@njit(cache=True)\ndef double(x):\n    return 2 * x\nprint(double(21))\n"
    )
    folder = tmp_path / "cache"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder)}

    def call():
        done = subprocess.run([sys.executable, source], capture_output=True, text=True, env=environment)
        return done.stdout.strip() or done.stderr.splitlines()[-1]

    return folder, call


@pytest.mark.slow
def test_what_is_cut_short_in_the_kernel_cache_is_thrown_away_and_nothing_else(tmp_path):
    root, call = cache(tmp_path)
    assert call() == "42"
    folder = next(root.iterdir())
    throw_away_the_unusable(folder)  # an index from before the stamp goes
    call()
    throw_away_the_unusable(folder)
    kept = {path: path.read_bytes() for path in folder.iterdir() if path.name != STAMP}
    assert sorted(path.suffix for path in kept) == [".nbc", ".nbi"]
    for path, content in kept.items():
        for damage in (b"", content[: len(content) // 2], content[:-1], content[:64] + bytes(len(content) - 64)):
            path.write_bytes(damage)
            throw_away_the_unusable(folder)
            assert not path.exists(), (path.name, len(damage))
            path.write_bytes(content)
        path.unlink()
        assert call() == "42"
        path.write_bytes(content)
        path.write_bytes(b"")
        assert "EOFError" in call()  # what Numba alone makes of it
        path.write_bytes(content)


def test_loops_of_other_sources_are_thrown_away(tmp_path):
    root, call = cache(tmp_path)
    call()
    folder = next(root.iterdir())
    throw_away_the_unusable(folder)
    call()
    index = next(folder.glob("*.nbi"))
    throw_away_the_unusable(folder)
    assert index.exists()
    stamp = folder / STAMP
    stamp.write_text(stamp.read_text().replace('"sources": "', '"sources": "x'))
    throw_away_the_unusable(folder)
    assert not index.exists()
    stamp.write_text("no JSON")
    throw_away_the_unusable(folder)


PATIENT = """
import os
import numpy as np
from minircnn.kernels.roi_pool import roi_pool_forward
roi_pool_forward(np.zeros((1, 8, 8, 2), np.float32), np.array([[0, 0, 0, 3, 3]], np.float32), 2, 1.0)
print(sorted(name for name in os.environ if name in ("GOMP_SPINCOUNT", "KMP_BLOCKTIME")))
"""


@pytest.mark.parametrize(
    ("given", "spins", "left"),
    [
        ({}, "1000", "[]"),  # ours, and nothing stays in the environment for others
        ({"GOMP_SPINCOUNT": "77"}, "77", "['GOMP_SPINCOUNT']"),
        ({"OMP_WAIT_POLICY": "active"}, "30000000000", "[]"),
    ],
)
def test_threads_lie_down_soon_unless_the_user_says_otherwise(monkeypatch, given, spins, left):
    """GNU's OpenMP itself tells how long its threads wait busily."""
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"OMP_DISPLAY_ENV": "verbose"} | given).items():
        monkeypatch.setenv(name, value)
    done = run(PATIENT)
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("another OpenMP than GNU's")
    assert f"GOMP_SPINCOUNT = '{spins}'" in done.stderr
    assert done.stdout.strip() == left
