"""What commands print while they work: bars on a terminal, plain lines elsewhere.

Whatever a console cannot show (an old Korean or Western code page, a file name that is no UTF-8) is written in plain
letters instead of stopping the program.
"""

import codecs
import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from minircnn.base.errors import InputError
from minircnn.base.ranks import ranks

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LINE_EVERY = 15.0  # seconds between plain lines of one stage
PLAIN = {
    "–": "-", "−": "-", "…": "...", "×": "x", "·": ".", "½": "1/2", "²": "2", "≥": ">=", "≤": "<=", "→": "->",
    "σ": "sigma", "≈": "~", "“": '"', "”": '"', "’": "'",
}  # fmt: skip


def prepare_streams() -> None:
    """Let stdout and stderr survive what their encoding has no letter for."""
    codecs.register_error("minircnn.plain", _plain)
    for name in ("stdout", "stderr"):  # a service, or pythonw, has none
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (as long as the program)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="minircnn.plain")


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(PLAIN.get(letter) or _escaped(letter) for letter in missing), error.end


def _escaped(letter: str) -> str:
    """\\xc7 for the byte of a name that is no UTF-8, \\ud55c for a letter."""
    code = ord(letter)
    return (
        f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else letter.encode("ascii", "backslashreplace").decode()
    )


class Stopped(Exception):
    """Ctrl-C or SIGTERM, with what is saved and the command that goes on, and the code that the program ends with."""

    def __init__(self, text: str, code: int = 130):
        super().__init__(text)
        self.code = code


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a scheduler or a container sends it before it kills."""


@contextmanager
def on_interrupt(saved: str | Callable[[], str], command: Callable[[], list[str]] | None = None) -> Iterator[None]:
    """Where Ctrl-C or SIGTERM ends the block, say what is saved and how to go on: with `command`, or the one typed."""
    from minircnn.base.files import shell_words

    def end(number: int, frame: object) -> None:
        raise Terminated

    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, end) if main else None
    try:
        yield
    except KeyboardInterrupt as interrupt:
        text = saved if isinstance(saved, str) else saved()
        words = f"stopped; {text}. Go on with: {shell_words(command() if command else this_command())}"
        raise Stopped(words, 143 if isinstance(interrupt, Terminated) else 130) from None
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


def this_command() -> list[str]:
    """The command that is running, as it was typed."""
    return by_ranks(["minircnn", *sys.argv[1:]])


def by_ranks(command: list[str]) -> list[str]:
    """A command, with what starts it on as many ranks as there are."""
    return ["mpiexec", "-n", str(ranks().size), *command] if ranks().started else command


def stopped(command: list[str]) -> Stopped:
    """A run that was stopped with a checkpoint, and how to go on."""
    from minircnn.base.files import shell_words

    return Stopped(f"stopped; everything is saved. Go on with: {shell_words(command)}")


def one_sentence(command: Callable) -> Callable:
    """A command whose faults of the user's making end in one sentence and exit code 2, and Ctrl-C in 130."""

    @functools.wraps(command)
    def guarded(*arguments: Any, **named: Any) -> Any:
        try:
            return command(*arguments, **named)
        except InputError as error:
            raise typer.Exit(complain(str(error))) from None
        except Stopped as stop:
            print(stop)
            raise typer.Exit(stop.code) from None
        except KeyboardInterrupt:
            print("stopped; nothing was written")
            raise typer.Exit(130) from None
        except BrokenPipeError:  # `minircnn … | head`: whoever read has gone
            discard_output()
            raise typer.Exit(141) from None
        except OSError as error:
            from minircnn.base.files import reason, remedy_for

            where = f"{error.filename}: " if error.filename else ""
            raise typer.Exit(complain(f"{where}{reason(error)}; {remedy_for(error, 'choose another path')}")) from None
        except MemoryError as error:
            words = f" ({error})" if str(error) else ""
            raise typer.Exit(complain(f"memory ran out{words}; ask for less at once, or for smaller images")) from None

    return guarded


def discard_output() -> None:
    """Send stdout to nowhere from now on: Python would complain at its end of what nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(sentence: str) -> int:
    """Print an error and give its exit code."""
    print(f"error: {' '.join(sentence.split())}", file=sys.stderr, flush=True)
    return 2


class Console:
    """Shows stages as they advance: call it with stage, done, total and a few words; a context manager."""

    def __init__(self) -> None:
        self.bars: Progress | None = None
        self.tasks: dict[str, TaskID] = {}
        self.began: dict[str, float] = {}
        self.printed: dict[str, float] = {}

    def __enter__(self) -> "Console":
        if sys.stdout.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self.bars = Progress(
                TextColumn("{task.description:22}", markup=False),
                BarColumn(bar_width=30),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[words]}", markup=False),
            )
            self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.bars:
            self.bars.stop()

    def __call__(self, stage: str, done: int, total: int, words: str = "") -> None:
        if self.bars:
            self._advance_bar(self.bars, stage, done, total, words)
        else:
            self._print_line(stage, done, total, words)

    def _advance_bar(self, bars: "Progress", stage: str, done: int, total: int, words: str) -> None:
        if stage not in self.tasks:
            self.tasks[stage] = bars.add_task(stage, total=total, words=words)
        task = bars.tasks[self.tasks[stage]]
        if task.finished and done < total:  # a stage that comes again, as validation does
            bars.reset(task.id, total=total, words=words)
        bars.update(task.id, completed=done, total=total, words=words)

    def _print_line(self, stage: str, done: int, total: int, words: str) -> None:
        now = time.monotonic()
        self.began.setdefault(stage, now)
        last = self.printed.setdefault(stage, now)
        finished = done >= total
        if finished or now - last >= LINE_EVERY:
            self.printed[stage] = now
            seconds = now - self.began[stage]
            left = "" if finished or not done else f", {seconds / done * (total - done):.0f} s left"
            try:
                print(f"{stage}: {done}/{total} in {seconds:.0f} s{left}{', ' + words if words else ''}", flush=True)
            except BrokenPipeError:  # whoever read has gone; the work goes on
                discard_output()
        if finished:
            self.began.pop(stage), self.printed.pop(stage)

    def say(self, text: str) -> None:
        """A line of its own."""
        if self.bars:
            self.bars.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, flush=True)
