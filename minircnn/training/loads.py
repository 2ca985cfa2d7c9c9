"""What travels between ranks in a step: gradients to whoever adds them, weights back. One load after the other.

A load is one large weight, or several small ones end to end. It is cut into as many slices as there are ranks, and
slice r belongs to rank r: every rank sends it there, rank r adds them in the fixed tree and takes SGD's step on its
slice, and the new weights go to all.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from minircnn.base.ranks import Ranks
from minircnn.layers import Parameter
from minircnn.training.optim import SGD
from minircnn.training.summing import Node, add_in_tree, branches, own_parts

TOGETHER = 2**18  # numbers: weights of fewer travel together
GRADIENTS, WEIGHTS = 0, 1  # what a message holds


class Load:
    """One load, on one rank.

    Parameters
    ----------
    parameters : name → Parameter, the ones above first
    ranks : Ranks
    comm : the loads' own communicator
    number : of the load among them, which its messages carry
    plain : whether MPI adds
    """

    def __init__(self, parameters: Mapping[str, Parameter], ranks: Ranks, comm: Any, number: int, plain: bool):
        self.names, self.parameters, self.ranks = list(parameters), parameters, ranks
        self.comm, self.number, self.plain = comm, number, plain
        self.size = sum(parameter.value.size for parameter in parameters.values())
        self.cuts = [self.size * rank // ranks.size for rank in range(ranks.size + 1)]
        self.counts = np.diff(self.cuts).tolist()
        self.own = self._slice(ranks.rank)

    def begin(self, parts: int, total: int, lr: float) -> None:
        """A new step: of how many parts, which hold so much in all, at which rate."""
        self.parts, self.total, self.lr = parts, total, lr
        self.sent: list | None = None  # requests of gradients on their way
        self.returned: list | None = None  # and of weights
        self.done = False

    def send(self, pieces: Sequence[tuple[Node, Sequence[np.ndarray]]]) -> None:
        """Send this rank's sums, each of some branch of the tree: slice r of all to rank r."""
        rank, size, dtype = self.ranks.rank, self.ranks.size, next(iter(self.parameters.values())).value.dtype
        flat = [(node, _end_to_end(arrays)) for node, arrays in pieces]
        if size == 1:
            self.pieces, self.sent = dict(flat), []
            return
        if self.plain:
            self.sums = flat[0][1] if flat else np.zeros(self.size, dtype)
            self.sent = [self.comm.Iallreduce(_in_place(), self.sums)]
            return
        theirs = [branches(self.parts, own_parts(self.parts, other, size)) for other in range(size)]
        self.pieces, self.sent, self.kept = {node: array[self.own] for node, array in flat}, [], [flat]
        for other in self._others():
            for node in theirs[other]:
                self.pieces[node] = np.empty(self.counts[rank], dtype)
                self.sent.append(self.comm.Irecv(self.pieces[node], other, self._tag(GRADIENTS)))
            self.sent += [self.comm.Isend(array[self._slice(other)], other, self._tag(GRADIENTS)) for _, array in flat]

    def _others(self) -> list[int]:
        """All other ranks, the next one first: nobody is sent to by all at once."""
        return [(self.ranks.rank + away) % self.ranks.size for away in range(1, self.ranks.size)]

    def _slice(self, rank: int) -> slice:
        return slice(self.cuts[rank], self.cuts[rank + 1])

    def _tag(self, kind: int) -> int:
        return 2 * self.number + kind

    def learn(self, optimiser: SGD) -> bool:
        """Once all have sent theirs: add, take the step on the own slice, send its weights back → whether it is."""
        if self.returned is not None:
            return True
        if self.sent is None or not all(request.Test() for request in self.sent):
            return False
        everything = self.plain or self.ranks.size == 1
        own = slice(0, self.size) if everything else self.own
        sums = self.sums if self.plain else add_in_tree(self.pieces, (0, self.parts))
        sums *= sums.dtype.type(1 / self.total)
        for name, part, within in self._segments(own):
            optimiser.move(name, sums[part.start - own.start : part.stop - own.start], self.lr, within)
        self.returned, self.pieces, self.kept = [], {}, []
        if not everything:
            self.values = _end_to_end([parameter.value for parameter in self.parameters.values()])
            for other in self._others():
                self.returned.append(self.comm.Irecv(self.values[self._slice(other)], other, self._tag(WEIGHTS)))
                self.returned.append(self.comm.Isend(self.values[self.own], other, self._tag(WEIGHTS)))
        return True

    def arrived(self) -> bool:
        """Whether the weights are back, on this rank."""
        if self.done or self.returned is None or not all(request.Test() for request in self.returned):
            return self.done
        if self.returned and len(self.names) > 1:
            for name, part, _ in self._segments(slice(0, self.size)):
                self.parameters[name].value.reshape(-1)[:] = self.values[part]
        self.done = True
        return True

    def _segments(self, own: slice) -> list[tuple[str, slice, slice]]:
        """(name, its part of the load, the same within the parameter) of all that lies in `own`."""
        found, start = [], 0
        for name, parameter in self.parameters.items():
            end = start + parameter.value.size
            part = slice(max(start, own.start), min(end, own.stop))
            if part.start < part.stop:
                found.append((name, part, slice(part.start - start, part.stop - start)))
            start = end
        return found

    def hand_out(self, velocities: Mapping[str, np.ndarray]) -> None:
        """Give each rank its slice of rank 0's velocities; where MPI adds, all of them."""
        if self.plain:
            for name in self.names:
                self.comm.Bcast(velocities[name], root=0)
            return
        own = np.empty(self.counts[self.ranks.rank], next(iter(velocities.values())).dtype)
        everything = None
        if self.ranks.rank == 0:
            everything = [_end_to_end([velocities[name] for name in self.names]), (self.counts, self.cuts[:-1])]
        self.comm.Scatterv(everything, own, root=0)
        if self.ranks.rank:
            for name, part, within in self._segments(self.own):
                velocities[name].reshape(-1)[within] = own[part.start - self.own.start : part.stop - self.own.start]

    def collect(self, velocities: Mapping[str, np.ndarray]) -> None:
        """Bring the slices of the velocities together on rank 0."""
        segments = self._segments(self.own)
        own = _end_to_end([velocities[name].reshape(-1)[within] for name, _, within in segments])
        if self.ranks.rank:
            self.comm.Gatherv(own, None, root=0)
            return
        everything = np.empty(self.size, next(iter(velocities.values())).dtype)
        self.comm.Gatherv(own, [everything, (self.counts, self.cuts[:-1])], root=0)
        for name, part, _ in self._segments(slice(0, self.size)):
            velocities[name].reshape(-1)[:] = everything[part]


def loads_of(parameters: Mapping[str, Parameter], ranks: Ranks, plain: bool) -> list[Load]:
    """All that learn, from the last layer to the first, as the way back comes past them."""
    groups: list[dict[str, Parameter]] = [{}]
    small = 0
    for name, parameter in reversed(list(parameters.items())):
        if parameter.value.size >= TOGETHER:
            groups.insert(len(groups) - 1, {name: parameter})
            continue
        groups[-1][name] = parameter
        small += parameter.value.size
        if small >= TOGETHER:
            groups.append({})
            small = 0
    comm = ranks.comm.Dup() if ranks.size > 1 else None
    return [Load(group, ranks, comm, number, plain) for number, group in enumerate(filter(None, groups))]


def _end_to_end(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """One flat array; the array itself where there is but one."""
    if not arrays:
        return np.empty(0, np.float32)
    return arrays[0].reshape(-1) if len(arrays) == 1 else np.concatenate([array.reshape(-1) for array in arrays])


def _in_place():  # type: ignore[no-untyped-def]
    from mpi4py import MPI

    return MPI.IN_PLACE
