"""`minircnn doctor`: is everything here that training and detection need, and if not, what to do about it.

Each check is a function that gives findings; nothing is changed, and nothing is written but files that vanish again.
"""

import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from minircnn.base.cores import usable_cores
from minircnn.base.errors import InputError
from minircnn.base.files import nearest, reason
from minircnn.base.memory import memory_available, memory_limit
from minircnn.base.progress import Progress, silent
from minircnn.data.opencv import REMOVE_ALL
from minircnn.proposals.selective_search import contributed_opencv
from minircnn.report.drawing import can_write
from minircnn.training.run_folder import RunFolder
from minircnn.weights.model_file import load_model

OK, WARNING, ERROR = "ok", "warning", "error"
SEVERITIES = (OK, WARNING, ERROR)  # the exit code is the worst one's place
NEEDED = {"vgg_small": 0.5e9, "vgg16": 3e9}  # bytes of memory to train, docs/performance.md
ROOM = {"vgg_small": 0.1e9, "vgg16": 2.7e9}  # bytes on the disk, of a run's model files
OPENCVS = [word for word in REMOVE_ALL.split() if word.startswith("opencv-")]
SLOWING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
OPTIONAL = {  # what is not needed, and what it would bring
    "onnx": "minircnn export MODEL --out model.onnx",
    "h5py": "Keras' weights",
    "torch": "PyTorch beside minircnn in minircnn bench",
    "tensorboard": "a run's log in TensorBoard",
    "mpi4py": "mpiexec -n 4 minircnn train, by several processes",
}


@dataclass(frozen=True)
class Finding:
    """What was looked at, how bad it is, what was found, and what to do; nothing to do where it is well."""

    name: str
    severity: str
    found: str
    remedy: str = ""


def examine(run: Path | None = None, progress: Progress = silent) -> list[Finding]:
    """Look at everything, kernels being compiled if need be; with a run or model file, at what that needs as well.

    Raises
    ------
    InputError : `run` is neither
    """
    backbone, names = ("vgg_small", ("가", "é")) if run is None else _needs_of(run)
    place = Path.cwd() if run is None else run
    checks: list[Callable[[], Iterator[Finding]]] = [
        _python, _numpy, lambda: _numba(progress), _opencv, lambda: _fonts(names), _cores,
        lambda: _memory(backbone, run is not None), lambda: _disk(place, backbone), _temporary, _optional,
    ]  # fmt: skip
    found = []
    for check in checks:
        try:
            found += list(check())
        except Exception as error:  # a broken package may raise anything
            name = getattr(check, "__name__", "").strip("_") or "check"
            found.append(Finding(name, ERROR, f"could not be looked at: {error!r}", "install minircnn anew"))
    return found


def exit_code(findings: list[Finding]) -> int:
    """0, 1 where there are warnings, 2 where something does not work."""
    return max((SEVERITIES.index(finding.severity) for finding in findings), default=0)


def as_dict(findings: list[Finding]) -> dict:
    """JSON-ready."""
    return {"findings": [asdict(finding) for finding in findings], "exit_code": exit_code(findings)}


def _needs_of(run: Path) -> tuple[str, tuple[str, ...]]:
    """Backbone and class names of a run or model."""
    folder = RunFolder(run)
    if run.is_dir() and not (folder.best.is_file() or folder.last.is_file()):
        raise InputError(f"{run} holds no model; give a run folder or a model file, or nothing")
    model = load_model(run)
    return model.architecture.name, model.class_names


def _python() -> Iterator[Finding]:
    import minircnn

    bits = 64 if sys.maxsize > 2**32 else 32
    version = f"{platform.python_version()}, {bits} bits, {platform.system()} {platform.machine()}"
    if sys.version_info < (3, 11) or bits < 64:
        yield Finding("Python", ERROR, version, "install Python 3.11 or newer for 64 bits")
    else:
        yield Finding("Python", OK, version)
    yield Finding("minircnn", OK, f"{minircnn.__version__}, in {Path(minircnn.__file__).parent}")


def _numpy() -> Iterator[Finding]:
    from threadpoolctl import threadpool_info

    np.ones((2, 2)) @ np.ones((2, 2))
    libraries = [row for row in threadpool_info() if row["user_api"] == "blas"]
    words = "; ".join(
        f"{row['internal_api']} {row['version']}, kernel {row.get('architecture', 'unknown')}, "
        f"{row['num_threads']} threads" for row in libraries
    )  # fmt: skip
    yield Finding("NumPy", OK, np.__version__)
    if given := [name for name in SLOWING if name in os.environ]:
        remedy = "unset it, unless somebody had a reason: the library knows the processor better"
        yield Finding("BLAS", WARNING, f"{words or 'unknown'}; {', '.join(given)} is set", remedy)
    elif usable_cores() > 1 and libraries and max(row["num_threads"] for row in libraries) == 1:
        remedy = "unset OPENBLAS_NUM_THREADS, OMP_NUM_THREADS or MKL_NUM_THREADS, whichever is set"
        yield Finding("BLAS", WARNING, f"{words}: one thread on {usable_cores()} cores", remedy)
    else:
        yield Finding("BLAS", OK, words or "of a kind that does not say")


def _numba(progress: Progress) -> Iterator[Finding]:
    import numba

    from minircnn import kernels as loops
    from minircnn.kernels import KEPT
    from minircnn.kernels.cache import cache_folder

    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        yield Finding("Numba", WARNING, f"{numba.__version__}, compiles nothing: NUMBA_DISABLE_JIT is set",
                      "unset it but to step through the loops: they are hundreds of times slower")  # fmt: skip
        return
    threads, cores = numba.get_num_threads(), usable_cores()
    words = f"{numba.__version__}, {threads} threads by {_layer(progress)}"
    if threads < cores:
        yield Finding("Numba", WARNING, f"{words} on {cores} cores", "unset NUMBA_NUM_THREADS to use them all")
    else:
        yield Finding("Numba", OK, words)
    if KEPT:
        yield Finding("compiled loops", OK, f"kept in {cache_folder(Path(loops.__file__))}")
    else:
        yield Finding("compiled loops", WARNING, "compiled at every start, for no folder can be written",
                      "set NUMBA_CACHE_DIR to a folder that can")  # fmt: skip


def _layer(progress: Progress) -> str:
    """The library that shares out Numba's threads."""
    import numba

    from minircnn.training.warm_up import warm_up

    warm_up(progress)  # a layer is chosen when a loop first runs, and this shows that training runs at all
    return str(numba.threading_layer())  # type: ignore[attr-defined]


def _opencv() -> Iterator[Finding]:
    there = [name for name in OPENCVS if _version(name)]
    try:
        cv2 = contributed_opencv()
    except InputError as error:
        found, _, remedy = str(error).partition("; ")
        yield Finding("OpenCV", ERROR, found, remedy)
        return
    words = f"{cv2.__version__} ({', '.join(f'{name} {_version(name)}' for name in there) or 'not by pip'})"
    if len(there) > 1:
        remedy = f"`{REMOVE_ALL}`, then `pip install opencv-contrib-python`"
        yield Finding("OpenCV", WARNING, f"{words}: these write over each other's files", remedy)
    else:
        yield Finding("OpenCV", OK, f"{words}, with Selective Search")


def _fonts(names: tuple[str, ...]) -> Iterator[Finding]:
    if unwritten := [name for name in names if not can_write(name)]:
        yield Finding("fonts", WARNING, f"none has the letters of {', '.join(unwritten[:5])}: pictures show numbers",
                      "install one that has, for Korean fonts-nanum or fonts-noto-cjk")  # fmt: skip
    else:
        yield Finding("fonts", OK, f"there are letters for {', '.join(names[:5])}")


def _cores() -> Iterator[Finding]:
    usable, there = usable_cores(), os.cpu_count() or 1
    if usable < there:
        yield Finding("cores", OK, f"{usable} of the machine's {there}, as the container or taskset allows")
    else:
        yield Finding("cores", OK, str(there))


def _memory(backbone: str, told: bool) -> Iterator[Finding]:
    free, limit = memory_available(), memory_limit()
    if free is None:
        yield Finding("memory", OK, "the system does not say")
        return
    words = f"{free / 1e9:.1f} GB free" + (f" of {limit / 1e9:.1f}" if limit else "")
    if free < NEEDED[backbone]:
        yield Finding("memory", ERROR if told else WARNING, f"{words}, {backbone} needs {NEEDED[backbone] / 1e9:g}",
                      "close what else runs, allow the container more, or take smaller images")  # fmt: skip
    else:
        enough = [name for name, needed in NEEDED.items() if free >= needed]
        yield Finding("memory", OK, f"{words}: enough to train {' and '.join(enough)}")


def _disk(place: Path, backbone: str) -> Iterator[Finding]:
    folder = nearest(place)
    free = shutil.disk_usage(folder).free
    words = f"{free / 1e9:.1f} GB free in {folder}"
    if not os.access(folder, os.W_OK):
        yield Finding("disk", WARNING, f"{folder} cannot be written", "work in a folder of your own")
    elif free < ROOM[backbone]:
        yield Finding("disk", ERROR, f"{words}, a run of {backbone} takes {ROOM[backbone] / 1e9:g}", "make room")
    else:
        yield Finding("disk", OK, words)


def _temporary() -> Iterator[Finding]:
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"minircnn")
    except OSError as error:
        yield Finding("temporary files", ERROR, f"cannot be made ({reason(error)})", "set TMPDIR to a folder with room")


def _optional() -> Iterator[Finding]:
    for package, brings in OPTIONAL.items():
        if version := _version(package):
            yield Finding(package, OK, version)
        else:
            yield Finding(package, OK, f"not installed, and not needed; it brings {brings}")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
