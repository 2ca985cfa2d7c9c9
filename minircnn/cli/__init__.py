"""The command line, `minircnn …`: one file per group of commands, each thin over the module that does the work.

Heavy modules are imported inside the commands, so that `minircnn --help` answers at once.
"""

import sys

import typer

from minircnn.cli import data, detection, training
from minircnn.errors import InputError

app = typer.Typer(
    name="minircnn",
    help="Fast R-CNN written out by hand in NumPy and Numba: train it, detect with it, check its gradients.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(data.app, name="data")
app.command()(training.demo)
app.command()(training.train)
app.command("eval")(detection.evaluate)
app.command()(detection.detect)
app.command()(data.proposals)
app.command()(detection.gradcheck)


def main() -> None:
    """Run the command line; what the user caused ends in one sentence and exit code 2."""
    try:
        app()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        sys.exit(130)
