"""Parallel loops, called from several threads of a program, or after a fork.

Numba shares its threads out by one of three libraries. OpenMP and TBB serve several callers at once; its own
"workqueue", which is all there is on macOS without OpenMP, ends the whole process when two call together. There
callers wait for each other. OpenMP's threads, between two loops, wait busily for some milliseconds, which a small step
hardly notices on an idle machine, but beside one other busy process it takes three times as long: here they are told to
lie down sooner. After a fork OpenMP's threads are gone, and the first loop would end the child without a
word that a program could read: here it is an error that says what to do.
"""

import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import numba

# How long OpenMP's threads wait busily: GNU's in turns of a loop (2 to 3 µs for 1000), LLVM's and Intel's in ms.
PATIENCE = {"GOMP_SPINCOUNT": "1000", "KMP_BLOCKTIME": "1"}
P = ParamSpec("P")
R = TypeVar("R")
_turn = threading.RLock()  # a wrapper may call another
_layer = ""  # Numba's, once its threads run
_forked = False  # whether this process is the child of one whose OpenMP threads ran


def in_turn(kernel: Callable[P, R]) -> Callable[P, R]:
    """`kernel`, which runs parallel loops: one call at a time where Numba's threads serve one caller alone."""

    @functools.wraps(kernel)
    def called(*arguments: P.args, **named: P.kwargs) -> R:
        if _forked:
            raise RuntimeError(
                "this process was forked from one in which minircnn had computed already, and OpenMP's threads do not "
                'outlive a fork: start it with multiprocessing.get_context("spawn"), or load and detect after the fork'
            )
        if _layer in ("omp", "tbb"):
            return kernel(*arguments, **named)
        with _turn, _patience():
            result = kernel(*arguments, **named)
            _learn_layer()
            return result

    return called


@contextmanager
def _patience() -> Iterator[None]:
    """PATIENCE in the environment while Numba's threads begin, which is when OpenMP reads it, and not afterwards.

    Other libraries have their own OpenMP, and child processes their own wishes. What the user has set stays.
    """
    given = () if "OMP_WAIT_POLICY" in os.environ else PATIENCE.keys() - os.environ.keys()
    for name in given:
        os.environ[name] = PATIENCE[name]
    try:
        yield
    finally:
        for name in given:
            os.environ.pop(name, None)


def _learn_layer() -> None:
    global _layer
    try:
        _layer = numba.threading_layer()  # type: ignore[attr-defined]
    except ValueError:  # no parallel loop ran yet, as with an empty array
        _layer = ""


def _after_fork() -> None:
    global _turn, _forked
    _turn = threading.RLock()  # the other threads, of which one may have held it, are gone
    _learn_layer()
    _forked = _layer == "omp"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
