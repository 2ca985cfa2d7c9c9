"""The machine that a benchmark ran on: processor, threads, the BLAS kernel that runs, versions, and its SGEMM peak.

Printed above every table and kept in its JSON: a figure without its machine says nothing.
"""

import importlib.metadata
import os
import platform
import time
from pathlib import Path

import numba
import numpy as np
from threadpoolctl import threadpool_info

SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
PACKAGES = ("numpy", "numba", "torch", "onnxruntime", "openvino", "ncnn", "mnn", "tensorflow-cpu", "jax")


def describe_machine() -> dict:
    """JSON-ready: cpu, cores, threads, blas (one sentence for each library), versions, warnings."""
    libraries = [row for row in threadpool_info() if row["user_api"] == "blas"]
    blas = [
        f"{row['internal_api']} {row['version']}, kernel {row.get('architecture', 'unknown')}, "
        f"{row['num_threads']} threads"
        for row in libraries
    ]
    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "threads": numba.get_num_threads(),
        "blas": blas,
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
        "warnings": [
            f"{name} is set to {os.environ[name]}: NumPy's peak, to which rows are compared, is lower for it; "
            f"unset it (env -u {name} minircnn bench)"
            for name in SLOWING
            if name in os.environ
        ],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


SIZE = 2048  # of the product that tells the peak


def sgemm_peak() -> float:
    """GFLOP/s of one large float32 product through NumPy, with all its threads: what products could reach."""
    a, b = np.ones((SIZE, SIZE), np.float32), np.ones((SIZE, SIZE), np.float32)
    best = np.inf
    for _ in range(6):
        began = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - began)
    return 2 * SIZE**3 / best / 1e9
