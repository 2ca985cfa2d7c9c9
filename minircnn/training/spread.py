"""A step whose gradient is added part by part, by one process or by many: the same bits whoever computes what.

A minibatch is cut into parts: an image each, or a few crops. Each part's gradient is computed on its own, and all are
added in one fixed tree (`summing.py`). A rank has parts that lie side by side, so its own sum is a branch of the tree.
Every rank adds, and learns from, one slice of every weight: slices of gradients go to their owners while the layers
below are still computed, and slices of weights come back. Each rank sends and receives 2 (n - 1)/n times the weights,
as in a ring.

With `plain` a rank's parts are one minibatch, and MPI adds the ranks' gradients in whatever order it likes.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minircnn.base.errors import InputError, NotFinite
from minircnn.base.ranks import Ranks, ranks
from minircnn.training.loads import loads_of
from minircnn.training.summing import Node, own_parts, siblings
from minircnn.weights.elsewhere import hand_out_weights

if TYPE_CHECKING:
    from minircnn.training.steps import Steps

Part = Sequence[int]  # numbers that `Steps.part` understands: of images, or of crops
Figures = dict[str, float]
Gradients = dict[str, np.ndarray]


def by_parts(sum: str) -> bool:
    """Whether a step's gradient is added part by part, with `TrainSettings.sum`."""
    return sum == "tree" or ranks().size > 1


class Spread:
    """Takes the steps of `steps` on all ranks, each its parts. `Spread.begin` makes it, rank 0 calls `learn`.

    Parameters
    ----------
    steps : Steps, with the same weights on every rank
    ranks : Ranks
    plain : whether MPI adds, in an order of its own
    """

    def __init__(self, steps: "Steps", ranks: Ranks, plain: bool):
        self.steps, self.ranks, self.plain = steps, ranks, plain
        self.parameters = steps.optimiser.parameters
        self.spare: dict[str, list[np.ndarray]] = {name: [] for name in self.parameters}
        order = {name: place for place, name in enumerate(steps.model.layers)}
        self._place = {name: order[name.rpartition(".")[0]] for name in self.parameters}
        self.loads = loads_of(self.parameters, ranks, plain)

    @classmethod
    def begin(cls, steps: "Steps", plain: bool, build: Callable[..., "Steps"], *arguments: Any) -> "Spread":
        """Have every other rank `build(*arguments)` the same steps, and give it rank 0's weights and velocities."""
        ranks().kept["steps"] = steps
        ranks().together(_prepare, plain, build, arguments)
        made = ranks().kept["spread"]
        assert isinstance(made, cls)
        return made

    def learn(self, step: int, parts: Sequence[Part], lr: float) -> Figures:
        """One step at this rate, of rank 0's `parts` → its figures, each the mean over what the parts hold.

        Raises
        ------
        InputError : what a part is made of cannot be read
        NotFinite : a loss is not finite. Either way nothing was learned, on no rank
        """
        found = [pair for own in self.ranks.together(_learn, step, parts, lr) for pair in own]
        total = sum(len(part) for part in parts)
        return {name: sum(count * figures[name] for count, figures in found) / total for name in self.steps.figures}

    def collect(self) -> None:
        """Bring the velocities, which each rank has of its own slices, together on rank 0."""
        if not self.plain:
            self.ranks.together(_collect)

    def learn_own(self, step: int, parts: Sequence[Part], lr: float) -> list[tuple[int, Figures]]:
        """This rank's parts of a step → how much each held, and its figures."""
        model, names = self.steps.model, self.steps.figures
        first, end = own_parts(len(parts), self.ranks.rank, self.ranks.size)
        own = [list(part) for part in parts[first:end]]
        if self.plain and own:
            own = [[number for part in own for number in part]]
        batches, error = [], None
        try:
            batches = [self.steps.part(step, first + place, part) for place, part in enumerate(own)]
        except (InputError, OSError) as caught:
            error = caught
        able = [model.can_learn_from(batch) for batch, _ in batches]
        nothing = dict.fromkeys(names, 0.0)
        if not any(word for words in self.ranks.agree(error, able) for word in words):
            return [(len(part), nothing) for part in own]
        for load in self.loads:
            load.begin(len(parts), sum(map(len, parts)), lr)
        found, done, generator = list[tuple[int, Figures]](), list[tuple[Node, Gradients]](), model.rng
        try:
            for place, (part, (batch, rng)) in enumerate(zip(own, batches, strict=True)):
                error, figures, last = None, nothing, place == len(own) - 1
                if able[place]:
                    model.rng = rng
                    try:
                        figures = self._losses(batch)
                    except (InputError, OSError) as caught:  # NotFinite; or the disk refuses what is shown of it
                        error = caught
                if last or error is not None:
                    self.ranks.agree(error)  # from here on others receive what this rank computes
                found.append((len(part), figures))
                node = (first + place, first + place + 1) if not self.plain else (first, end)
                if last:
                    self._last(able[place], node, len(part), done, len(parts))
                else:
                    self._backward(able[place])
                    _merge(done, node, self._take(len(part)), len(parts), self.spare)
        finally:
            model.rng = generator
        if not own:
            self.ranks.agree(None)
            for load in self.loads:
                load.send([])
        self.ranks.wait_until(self._go_on, awake=True)
        return found

    def _losses(self, batch: Any) -> Figures:
        model = self.steps.model
        losses = model.losses(batch)
        if not math.isfinite(total := sum(losses.values())):
            raise NotFinite(f"the loss is {total} on images {', '.join(batch.image_ids)}")
        self.steps.show(batch)
        return losses | model.figures

    def _backward(self, able: bool) -> None:
        """Every parameter's `grad`; zeros where there was nothing to learn."""
        if able:
            return self.steps.model.backward()
        for parameter in self.parameters.values():
            parameter.grad = np.zeros_like(parameter.value)
        return None

    def _take(self, count: int) -> Gradients:
        """The gradients, times `count`: the next backward gets other arrays to write to."""
        taken = {}
        for name, parameter in self.parameters.items():
            taken[name] = _counted(parameter.grad, count)
            parameter.grad = self.spare[name].pop() if self.spare[name] else None
        return taken

    def _last(self, able: bool, node: Node, count: int, done: list[tuple[Node, Gradients]], parts: int) -> None:
        """The last part's way back: what is above a layer is sent while the layer and those below are computed."""
        onto = []
        while not self.plain and done and siblings(parts, done[-1][0], node):
            onto.append(done.pop())
            node = (onto[-1][0][0], node[1])
        waiting = deque(self.loads)

        def send_above(place: int) -> None:
            while waiting and all(self._place[name] > place for name in waiting[0].names):
                load = waiting.popleft()
                sums = {}
                for name in load.names:
                    sums[name] = _counted(self.parameters[name].grad, count)
                    for _, left in onto:
                        sums[name] = np.add(left[name], sums[name], out=left[name])
                load.send([*((other, [rest[name] for name in load.names]) for other, rest in done),
                           (node, list(sums.values()))])  # fmt: skip
            self._go_on()

        backbone, places = self.steps.model.backbone, list(self.steps.model.layers)
        backbone.between = lambda name: send_above(places.index(name))
        try:
            self._backward(able)
        finally:
            backbone.between = None
        send_above(-1)
        for _, rest in (*onto, *done):
            for name, array in rest.items():
                self.spare[name].append(array)

    def _go_on(self) -> bool:
        """Let what has arrived be added and learned from → whether all is done."""
        done = True
        for load in self.loads:  # each is asked, for what is on its way moves only then
            done = load.learn(self.steps.optimiser) and load.arrived() and done
        return done


def _counted(gradient: np.ndarray | None, count: int) -> np.ndarray:
    assert gradient is not None
    gradient = np.ascontiguousarray(gradient)
    return gradient if count == 1 else np.multiply(gradient, gradient.dtype.type(count), out=gradient)


def _merge(
    done: list[tuple[Node, Gradients]], node: Node, gradients: Gradients, parts: int, spare: dict[str, list[np.ndarray]]
) -> None:
    """Put a sum beside the others, adding what are branches of one node."""
    while done and siblings(parts, done[-1][0], node):
        left, sums = done.pop()
        for name, array in sums.items():
            np.add(array, gradients[name], out=array)
            spare[name].append(gradients[name])
        node, gradients = (left[0], node[1]), sums
    done.append((node, gradients))


def _prepare(ranks: Ranks, plain: bool, build: Callable[..., "Steps"], arguments: tuple) -> None:
    """On each rank: the steps, with rank 0's weights, and its velocities of this rank's slices."""
    error = None
    try:
        if ranks.rank:
            ranks.kept["steps"] = build(*arguments)
    except (InputError, OSError) as caught:
        error = caught
    ranks.agree(error)
    steps = ranks.kept["steps"]
    spread = ranks.kept["spread"] = Spread(steps, ranks, plain)
    if ranks.size == 1:
        return
    hand_out_weights(ranks, steps.model)
    for load in spread.loads:
        load.hand_out(steps.optimiser.velocity)


def _learn(ranks: Ranks, step: int, parts: Sequence[Part], lr: float) -> list[tuple[int, Figures]]:
    steps, spread = ranks.kept["steps"], ranks.kept["spread"]
    steps.model.train()
    return spread.learn_own(step, parts, lr)


def _collect(ranks: Ranks) -> None:
    steps, spread = ranks.kept["steps"], ranks.kept["spread"]
    if ranks.size > 1:
        for load in spread.loads:
            load.collect(steps.optimiser.velocity)
