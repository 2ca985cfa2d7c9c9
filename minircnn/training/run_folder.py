"""The files of a run folder.

A run folder holds settings.json, log.csv, last.safetensors (to go on) and previous.safetensors (should that one be
damaged), best.safetensors (to detect with), metrics.json, report.html, batches.jpg (the first steps), train.txt and
validation.txt where --split made them, tensorboard/ where that is installed, and beside them what is cached for this
run: proposals/ and the data sets' index. While a process writes there, it holds the file `lock`.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from minircnn.base.errors import InputError
from minircnn.base.files import (
    check_creatable,
    locked,
    read_json,
    reason,
    shell_words,
    write_json,
    write_text,
)
from minircnn.training.settings import TrainSettings

LOCK = "lock"


class RunFolder:
    """Where a run keeps its files.

    Parameters
    ----------
    path : the folder

    Attributes
    ----------
    settings, log, metrics, report : its files of these names
    best, last, previous : model file with the best weights, and the last two checkpoints
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.settings = self.path / "settings.json"
        self.log = self.path / "log.csv"
        self.last = self.path / "last.safetensors"
        self.previous = self.path / "previous.safetensors"
        self.best = self.path / "best.safetensors"
        self.metrics = self.path / "metrics.json"
        self.report = self.path / "report.html"
        self.board = self.path / "tensorboard"

    @property
    def holds_a_run(self) -> bool:
        return self.last.is_file() or self.previous.is_file()

    def check_free(self, allowed: tuple[str, ...] = ()) -> None:
        """InputError unless a new run may begin here: nothing is written yet.

        The folder must be new, empty, or of a run that ended before its first checkpoint. `allowed` names entries
        that the caller answers for; hidden files are not looked at.
        """
        try:
            if self.holds_a_run:
                command = shell_words(["minircnn", "train", "--resume", str(self.path)])
                raise InputError(f"{self.path} already holds a run; go on with `{command}` or choose another --out")
            if not self.path.exists():
                check_creatable(self.path)
                return
            if not self.path.is_dir():
                raise InputError(f"{self.path} cannot be made (it is a file); choose another --out")
            entries = sorted(entry.name for entry in self.path.iterdir() if not entry.name.startswith("."))
        except OSError as error:
            raise InputError(f"{self.path} cannot be made ({reason(error)}); choose another --out") from None
        if not os.access(self.path, os.W_OK):
            raise InputError(f"{self.path} cannot be written (Permission denied); choose another --out")
        others = [name for name in entries if name not in (*allowed, LOCK)]
        if others and not self._is_own():
            shown = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
            raise InputError(f"{self.path} holds other files ({shown}); choose a new or an empty folder for --out")

    def _is_own(self) -> bool:
        """Whether a run was begun here, by the settings that it leaves first."""
        try:
            TrainSettings.from_dict(read_json(self.settings, ""))
        except InputError:
            return False
        return True

    def claimed(self) -> AbstractContextManager:
        """Hold the folder for this process within the block, making it if need be; InputError if another holds it."""
        return locked(self.path / LOCK, f"{self.path} is in use by another minircnn process")

    def write_settings(self, settings: TrainSettings) -> None:
        write_json(self.settings, settings.to_dict())

    def write_split(self, split: str, image_ids: Iterable[str]) -> None:
        """train.txt or validation.txt: which images a share that was held out left to which split, one a line."""
        write_text(self.path / f"{split}.txt", "".join(f"{image_id}\n" for image_id in image_ids))

    def read_settings(self) -> TrainSettings:
        """Settings of a run that was started before."""
        if self.path.is_file():
            raise InputError(f"{self.path} is a file; give --resume the run's folder, {self.path.parent}")
        if not self.holds_a_run:
            raise InputError(f"{self.path} holds no last.safetensors to resume from; start it with --out {self.path}")
        return TrainSettings.from_dict(read_json(self.settings, "start a new run"))

    def start_log(self, columns: Sequence[str], steps_kept: int = 0) -> None:
        """Begin the log, or cut it back to the whole rows up to `steps_kept`, where the checkpoint stands."""
        lines = [",".join(columns)]
        if steps_kept and self.log.is_file():
            lines += whole_rows(self.log.read_text(encoding="utf-8", errors="replace"), len(columns), steps_kept)
        write_text(self.log, "\n".join(lines) + "\n")

    def append_log(self, row: dict[str, float | int]) -> None:
        """One more row, in the order of the columns, flushed at once."""
        text = ",".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in row.values())
        try:
            with open(self.log, "a", encoding="utf-8") as file:
                file.write(text + "\n")
        except OSError as error:
            raise InputError(f"{self.log} cannot be written ({error.strerror}); make room, then --resume") from None


def whole_rows(text: str, columns: int, steps_kept: int) -> list[str]:
    """The log's rows up to a step, less those that are torn: cut off within a row, or no numbers at all."""
    rows = []
    for line in text.splitlines(keepends=True)[1:]:
        fields = line.strip().split(",")
        try:
            numbers = [float(field) for field in fields]
        except ValueError:
            continue
        if line.endswith("\n") and len(numbers) == columns and numbers[0] <= steps_kept:
            rows.append(line.strip())
    return rows
