"""The one exception for everything a user can cause.

Whatever reads files, settings or arguments raises it with a single sentence that says what is wrong, where, and
what to do; the command line prints that sentence and exits with 2. A fault of the program itself is never one.
"""

import re

LINE_BREAK = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")


class InputError(ValueError):
    """Input that cannot be used: one sentence naming the thing, the place and the remedy; in one line, whatever it
    quotes."""

    def __init__(self, sentence: str = ""):
        super().__init__(LINE_BREAK.sub(" ", sentence))


class NotFinite(InputError):
    """A loss or a weight has become NaN or infinite: training diverged.

    `fact` is the sentence without its remedy, for whoever knows a better one.
    """

    def __init__(self, fact: str):
        super().__init__(f"{fact}; did training diverge? Lower the learning rate")
        self.fact = fact

    def __reduce__(self) -> tuple:
        return NotFinite, (self.fact,)  # from one process to another
