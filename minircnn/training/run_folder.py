"""The files of a run folder, and the signal that ends a run in good order.

A run folder holds settings.json, log.csv, last.safetensors (to go on), best.safetensors (to detect with),
metrics.json, report.html, and beside them what is cached for this run: proposals/ and the data sets' index.
"""

import csv
import signal
import threading
from contextlib import AbstractContextManager
from pathlib import Path

from minircnn.errors import InputError
from minircnn.files import read_json, write_json, write_text
from minircnn.training.settings import TrainSettings

LOG_COLUMNS = ("step", "epoch", "lr", "loss", "loss_cls", "loss_bbox", "foreground", "seconds")


class RunFolder:
    """Where a run keeps its files; `path` is the folder."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.settings = self.path / "settings.json"
        self.log = self.path / "log.csv"
        self.last = self.path / "last.safetensors"
        self.best = self.path / "best.safetensors"
        self.metrics = self.path / "metrics.json"
        self.report = self.path / "report.html"

    def create(self, settings: TrainSettings) -> None:
        """Make the folder for a new run; a run that is already there is never overwritten."""
        if self.last.exists():
            raise InputError(
                f"{self.path} already holds a run; go on with `minircnn train --resume {self.path}` or choose "
                "another --out"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.path} cannot be made ({error.strerror}); choose another --out") from None
        self.write_settings(settings)

    def write_settings(self, settings: TrainSettings) -> None:
        write_json(self.settings, settings.to_dict())

    def read_settings(self) -> TrainSettings:
        """Settings of a run that was started before."""
        if not self.last.is_file():
            raise InputError(f"{self.path} holds no last.safetensors to resume from; start it with --out {self.path}")
        return TrainSettings.from_dict(read_json(self.settings, "start a new run"))

    def start_log(self, steps_kept: int = 0) -> None:
        """Begin the log, or cut it back to the rows up to `steps_kept`, where the checkpoint stands."""
        rows = []
        if steps_kept and self.log.is_file():
            with open(self.log, newline="", encoding="utf-8") as file:
                rows = [row for row in csv.DictReader(file) if int(row["step"]) <= steps_kept]
        lines = [",".join(LOG_COLUMNS)] + [",".join(row[column] for column in LOG_COLUMNS) for row in rows]
        write_text(self.log, "\n".join(lines) + "\n")

    def append_log(self, row: dict[str, float | int]) -> None:
        """One more row, flushed at once."""
        values = (row[column] for column in LOG_COLUMNS)
        text = ",".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in values)
        try:
            with open(self.log, "a", encoding="utf-8") as file:
                file.write(text + "\n")
        except OSError as error:
            raise InputError(f"{self.log} cannot be written ({error.strerror}); make room, then --resume") from None


class StopRequest(AbstractContextManager):
    """Ctrl-C and SIGTERM ask; the training loop finishes its step, writes a checkpoint and ends.

    A second Ctrl-C ends at once, with the checkpoint that is there. Outside the main thread nothing is caught.
    """

    def __init__(self):
        self.asked = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
