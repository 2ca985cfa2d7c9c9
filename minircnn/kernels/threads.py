"""Parallel loops, called from several threads of a program, or after a fork.

Numba shares its threads out by one of three libraries. OpenMP and TBB serve several callers at once; its own
"workqueue", which is all there is on macOS without OpenMP, ends the whole process when two call together. There
callers wait for each other. After a fork OpenMP's threads are gone, and the first loop would end the child without a
word that a program could read: here it is an error that says what to do.
"""

import functools
import os
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

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
        with _turn:
            result = kernel(*arguments, **named)
            _learn_layer()
            return result

    return called


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
