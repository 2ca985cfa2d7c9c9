"""Several processes at one task, on one machine or on many: MPI's ranks.

`mpiexec -n 4 minircnn train …` starts four processes. Rank 0 does what the command says, as it would alone: it reads
the flags, writes the files, prints. The others wait (`serve`) until it asks all of them for something (`together`),
and end when it ends. So a command is written for one process, and only what is shared out knows of the others.

mpi4py is imported where several processes were started, and nowhere else.
"""

import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from minircnn.base.errors import InputError

Item = TypeVar("Item")
# What mpiexec, srun and their kin tell each process that they start: MPICH and Intel, Open MPI, PMIx, Cray.
STARTED_BY_MPI = ("PMI_RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PALS_RANKID")
HOW_MANY = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")  # and how many they are
TURNS = 200  # of looking, before a waiting process lies down
NAP = 100e-6, 2e-3  # seconds, the first and the longest; each is a little longer than the one before
LONGER = 1.1
TOLD = (InputError, OSError)  # what the user caused: rank 0 tells it, whoever met it


class Ranks:
    """The processes of this task; one alone where no others were started.

    Parameters
    ----------
    comm : mpi4py's communicator, or None

    Attributes
    ----------
    rank, size : this process's number, and how many there are
    started : whether mpiexec or its kin started this process, be it alone
    kept : what functions leave for one another on this rank
    """

    def __init__(self, comm: Any = None):
        self.comm, self.started = comm, comm is not None
        self.rank: int = comm.rank if comm is not None else 0
        self.size: int = comm.size if comm is not None else 1
        self.kept: dict[str, Any] = {}
        self._asking = False
        self._calls = 0

    def together(self, function: Callable, *arguments: Any) -> list:
        """Call `function(ranks, *arguments)` on every rank → what each returned, by rank. Rank 0 asks.

        The function is found by its name; arguments and results travel as pickles. What the user caused, on whichever
        rank, is raised here. A function in which ranks wait for one another raises that through `agree` alone.
        """
        if self.size == 1:
            return [function(self, *arguments)]
        self._asking = True
        self._order(pickle.dumps((function, arguments), protocol=5))
        results = self._call(function, arguments)
        self._asking = False
        for result in results:
            if isinstance(result, TOLD):
                raise result
        return results

    def serve(self) -> None:
        """What a rank other than 0 does: whatever it is asked for, until rank 0 ends."""
        for number in (signal.SIGINT, signal.SIGTERM):  # rank 0 decides when to stop
            signal.signal(number, signal.SIG_IGN)
        while order := self._order(None):
            try:
                asked = pickle.loads(order)  # which may open files, that this machine must have as well
            except TOLD as error:
                self._give_up(f"on rank {self.rank}: {error}")
            self._call(*asked)

    def _give_up(self, sentence: str) -> NoReturn:
        """End all ranks, where the others may be waiting for this one."""
        sys.stderr.write(f"error: {sentence}\n")
        sys.stderr.flush()
        self.comm.Abort(2)
        raise SystemExit(2)

    def _order(self, order: bytes | None) -> bytes:
        """Rank 0 gives it, the others get it; empty is the end."""
        from mpi4py import MPI

        length = bytearray(len(order or b"").to_bytes(8, "little"))
        self.wait([self.comm.Ibcast([length, MPI.BYTE], root=0)])
        content = bytearray(order or b"") or bytearray(int.from_bytes(length, "little"))
        if content:
            self.comm.Bcast([content, MPI.BYTE], root=0)
        return bytes(content)

    def _call(self, function: Callable, arguments: tuple) -> list:
        result: Any
        self._calls += 1
        try:
            result = function(self, *arguments)
        except TOLD as error:
            result = error
        except BaseException as error:
            if self.rank == 0:
                raise  # which ends in `end`
            if isinstance(error, MemoryError):
                self._give_up(f"memory ran out on rank {self.rank}; give fewer ranks to a machine, or smaller images")
            traceback.print_exc()
            self.comm.Abort(1)
        self.meet()
        return self.comm.gather(result, root=0) or []

    def agree(self, error: Exception | None, value: Any = None) -> list:
        """Each rank's `value`, on every rank; where one of them has an error, that is raised on all."""
        if self.size == 1:
            if error is not None:
                raise error
            return [value]
        self.meet()
        everybody = self.comm.allgather((error, value))
        for other, _ in everybody:
            if other is not None:
                raise other
        return [value for _, value in everybody]

    def alarm(self) -> None:
        """Tell the others that what all were called for has failed here: they need not go on."""
        for other in range(self.size):
            if other != self.rank:
                self.comm.isend(None, other, self._calls % 10_000)

    def alarmed(self) -> bool:
        """Whether another rank has said so."""
        return self.size > 1 and bool(self.comm.iprobe(tag=self._calls % 10_000))

    def meet(self) -> None:
        """Wait until all ranks are here."""
        if self.size > 1:
            self.wait([self.comm.Ibarrier()])

    def wait(self, requests: list) -> None:
        """Until these are done."""
        self.wait_until(lambda: all(request.Test() for request in requests))

    def wait_until(self, done: Callable[[], bool], awake: bool = False) -> None:
        """Ask until it is so; a process that waits for long leaves the core to others.

        awake : lie down for short times only, since what is on its way moves only while somebody asks
        """
        turns, nap = 0, NAP[0]
        while not done():
            turns += 1
            time.sleep(0 if turns < TURNS else nap)  # whoever shares the core comes first
            if turns > TURNS and not awake:
                nap = min(LONGER * nap, NAP[1])

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """This rank's part of them: item i is of rank i mod size."""
        return items[self.rank :: self.size]

    def end(self, code: int) -> None:
        """Rank 0 has done what the command says: the others end as well, and at once where they wait in vain."""
        if self.size == 1:
            return
        if self._asking:  # it was stopped amid something in which the others wait for it
            if sys.exc_info()[0] is not None:
                traceback.print_exc()  # nobody else will have the time
            sys.stdout.flush()
            sys.stderr.flush()
            self.comm.Abort(code or 1)
        self._order(b"")


_ranks = Ranks()


def ranks() -> Ranks:
    """The processes of this task."""
    return _ranks


def join_ranks() -> Ranks:
    """Find the other processes, where mpiexec or its kin started this one; before NumPy and Numba count the cores.

    Ranks that share a machine share out its cores, unless they were given theirs.

    Raises
    ------
    InputError : mpi4py, or the MPI that it needs, is not there
    """
    global _ranks
    if not any(name in os.environ for name in STARTED_BY_MPI):
        return _ranks
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        if any(os.environ.get(name) == "1" for name in HOW_MANY):  # as srun starts many a program
            return _ranks
        raise InputError(
            f"mpiexec started this process, and MPI cannot be used ({error}); install it with: pip install mpi4py mpich"
        ) from None
    _ranks = Ranks(MPI.COMM_WORLD)
    if hasattr(os, "sched_setaffinity"):
        near = MPI.COMM_WORLD.Split_type(MPI.COMM_TYPE_SHARED)
        mine = sorted(os.sched_getaffinity(0))
        alike = [rank for rank, theirs in near.allgather((near.rank, mine)) if theirs == mine]
        os.sched_setaffinity(0, own_cores(mine, alike.index(near.rank), len(alike)))
        near.Free()
    return _ranks


def own_cores(cores: Sequence[int], place: int, of: int) -> set[int]:
    """The share of the machine's cores that process number `place`, of so many on them, works on; never none."""
    count = len(cores)
    if of > count:
        return {cores[place % count]}
    return set(cores[place * count // of : (place + 1) * count // of])
