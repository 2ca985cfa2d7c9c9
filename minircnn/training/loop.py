"""Steps one after another, with a checkpoint every so often, until the end or until somebody asks to stop."""

import signal
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from minircnn.training.steps import Steps


class Interrupted(Exception):
    """The user asked to stop; a checkpoint was written."""


def take_steps(
    steps: Steps,
    after: Callable[[dict[str, float]], None],
    save: Callable[[], None],
    every_seconds: float,
    enough: Callable[[], bool] = lambda: False,
) -> None:
    """Take the steps that remain and save; on Ctrl-C or SIGTERM before the end, save and raise `Interrupted`.

    after : called after each step with its figures
    save : writes a checkpoint
    enough : whether to end before the last step
    """
    with StopRequest() as stop:
        saved_at = time.monotonic()
        while steps.step < steps.count and not enough():
            after(steps.take())
            if stop.asked or time.monotonic() - saved_at > every_seconds:
                save()
                saved_at = time.monotonic()
            if stop.asked:
                raise Interrupted
        save()


class StopRequest(AbstractContextManager):
    """Ctrl-C and SIGTERM ask; the training loop finishes its step, writes a checkpoint and ends.

    A second Ctrl-C ends at once, with the checkpoint that is there. Outside the main thread nothing is caught.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
