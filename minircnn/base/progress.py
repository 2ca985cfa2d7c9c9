"""How a long task says how far it is: one kind of callable, from the data to the command line.

`cli/console.py` shows it as bars or lines; a test may collect it; `silent` drops it.
"""

from collections.abc import Callable

Progress = Callable[[str, int, int, str], None]  # stage, done, total, a few words


def silent(stage: str, done: int, total: int, words: str = "") -> None:
    """Tell nobody."""
