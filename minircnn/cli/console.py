"""What commands print while they work: bars on a terminal, plain lines elsewhere; and their figures as JSON."""

import sys
import time
from pathlib import Path

LINE_EVERY = 15.0  # seconds between plain lines of one stage


class Console:
    """Shows stages as they advance: call it with stage, done, total and a few words; a context manager."""

    def __init__(self):
        self.bars = None
        self.tasks: dict[str, int] = {}
        self.began: dict[str, float] = {}
        self.printed: dict[str, float] = {}

    def __enter__(self) -> "Console":
        if sys.stdout.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self.bars = Progress(
                TextColumn("{task.description:22}"),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[words]}"),
            )
            self.bars.start()
        return self

    def __exit__(self, *_) -> None:
        if self.bars:
            self.bars.stop()

    def __call__(self, stage: str, done: int, total: int, words: str = "") -> None:
        if self.bars:
            self._advance_bar(stage, done, total, words)
        else:
            self._print_line(stage, done, total, words)

    def _advance_bar(self, stage: str, done: int, total: int, words: str) -> None:
        if stage not in self.tasks:
            self.tasks[stage] = self.bars.add_task(stage, total=total, words=words)
        task = self.bars.tasks[self.tasks[stage]]
        if task.finished and done < total:  # a stage that comes again, as validation does
            self.bars.reset(task.id, total=total, words=words)
        self.bars.update(task.id, completed=done, total=total, words=words)

    def _print_line(self, stage: str, done: int, total: int, words: str) -> None:
        now = time.monotonic()
        self.began.setdefault(stage, now)
        last = self.printed.setdefault(stage, now)
        finished = done >= total
        if finished or now - last >= LINE_EVERY:
            self.printed[stage] = now
            seconds = now - self.began[stage]
            left = "" if finished or not done else f", {seconds / done * (total - done):.0f} s left"
            print(f"{stage}: {done}/{total} in {seconds:.0f} s{left}{', ' + words if words else ''}", flush=True)
        if finished:
            self.began.pop(stage), self.printed.pop(stage)

    def say(self, text: str) -> None:
        """A line of its own."""
        if self.bars:
            self.bars.console.print(text, highlight=False)
        else:
            print(text, flush=True)


def write_figures(path: Path | None, content: dict | list) -> None:
    """`--json FILE`: the printed figures for other programs."""
    if path is not None:
        from minircnn.files import write_json

        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, content)


def print_measures(metrics: dict) -> None:
    """The headline figures and a line per class."""
    print(f"mAP50 {_figure(metrics['mAP50'])}   mAP75 {_figure(metrics['mAP75'])}   AP {_figure(metrics['AP'])}   "
          f"VOC07 {_figure(metrics['voc07_mAP'])}   ({metrics['images']} images)")  # fmt: skip
    for name, row in metrics["per_class"].items():
        print(f"  {name:22} AP50 {_figure(row['AP50'])}   AP75 {_figure(row['AP75'])}   of {row['truths']}")


def _figure(value: float | None) -> str:
    return "  –  " if value is None else f"{value:.3f}"
