"""RUN/tensorboard/: the log once more, as TensorBoard reads it, where that is installed.

The records are written by TensorBoard's own writer, one file for each process that works on the run. A file of a run
that goes on says from which step on it counts, so that what came after the checkpoint is not shown twice.
"""

import importlib.util
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minircnn.base.errors import InputError
from minircnn.base.files import reason


class Board:
    """What there is to write to; nothing, where TensorBoard is not installed.

    Parameters
    ----------
    folder : made at the first figure
    first_step : what an earlier process wrote of later steps does not count any more
    """

    def __init__(self, folder: Path, first_step: int):
        self._folder, self._first_step = folder, first_step
        self._writer: Any = None
        self._installed = importlib.util.find_spec("tensorboard") is not None

    def add(self, step: int, figures: Mapping[str, float | None]) -> None:
        """Figures of a step, at once on the disk; those that are None were not measured."""
        if not self._installed:
            return
        try:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.compat.proto.summary_pb2 import Summary
        except Exception:  # an installation that does not load may raise anything, and is no reason to stop training
            self._installed = False
            return
        values = [Summary.Value(tag=name, simple_value=value) for name, value in figures.items() if value is not None]
        self._write(Event(step=step, wall_time=time.time(), summary=Summary(value=values)))

    def _write(self, event: Any) -> None:
        try:
            self._writer = self._writer or self._opened()
            self._writer.write(event.SerializeToString())
            self._writer.flush()
        except OSError as error:
            raise InputError(f"{self._folder} cannot be written ({reason(error)}); make room, then --resume") from None

    def _opened(self) -> Any:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"events.out.tfevents.{time.time():.0f}.{socket.gethostname()}.{os.getpid()}.{self._first_step}"
        writer = RecordWriter(open(self._folder / name, "ab"))  # noqa: SIM115 (as long as the run)
        writer.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        start = SessionLog(status=SessionLog.START)
        writer.write(Event(step=self._first_step, wall_time=time.time(), session_log=start).SerializeToString())
        return writer

    def close(self) -> None:
        """Close the file, if one was opened."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
