"""The command line, `minircnn …`: one file per group of commands, each thin over the module that does the work.

Heavy modules are imported inside the commands, so that `minircnn --help` answers at once.
"""

import sys
from typing import Annotated, Any

import typer

from minircnn.base.errors import InputError
from minircnn.base.ranks import join_ranks, ranks
from minircnn.cli import (
    bench,
    compare,
    data,
    demo,
    detect,
    doctor,
    evaluate,
    explain,
    export,
    gradcheck,
    pretrain,
    report,
    study,
    trace,
    training,
    weights,
)
from minircnn.cli.console import complain, one_sentence, prepare_streams

app = typer.Typer(
    name="minircnn",
    help="Fast R-CNN written out by hand in NumPy and Numba: train it, detect with it, check its gradients.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.add_typer(data.app, name="data")
app.add_typer(weights.app, name="weights")
app.command()(one_sentence(demo.demo))
app.command()(one_sentence(training.train))
app.command()(one_sentence(pretrain.pretrain))
app.command("eval")(one_sentence(evaluate.evaluate))
app.command()(one_sentence(report.report))
app.command()(one_sentence(detect.detect))
app.command()(one_sentence(data.proposals))
app.command()(one_sentence(export.export))
app.command()(one_sentence(explain.explain))
app.command()(one_sentence(trace.trace))
app.command()(one_sentence(gradcheck.gradcheck))
app.command()(one_sentence(bench.bench))
app.command()(one_sentence(compare.compare))
app.command()(one_sentence(study.study))
app.command()(one_sentence(doctor.doctor))


TOGETHER = ("train", "proposals", "eval", "pretrain")  # commands that several processes share out


def _print_version(wanted: bool) -> None:
    if wanted:
        from minircnn import __version__

        print(f"minircnn {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    if ranks().size > 1 and ctx.invoked_subcommand not in TOGETHER:
        raise typer.Exit(
            complain(
                f"minircnn {ctx.invoked_subcommand} is one process's work: leave out mpiexec, which is for "
                f"{', '.join(TOGETHER)}"
            )
        )


def main() -> None:
    """Run the command line; what the user caused ends in one sentence and exit code 2."""
    prepare_streams()
    try:
        everybody = join_ranks()
    except InputError as error:  # there is no MPI
        sys.exit(complain(str(error)))
    if everybody.rank:
        return everybody.serve()
    code = 1
    try:
        code = _run()
    finally:
        everybody.end(code)
    sys.exit(code)


def _run() -> int:
    """The command, to its end → exit code."""
    usage_error: Any = typer.BadParameter.__base__  # click's own class, wherever this version of typer keeps click
    try:
        code = app(standalone_mode=False)
    except usage_error as error:
        if not (words := error.format_message()):  # no arguments: the help was printed
            return 2
        command = error.ctx.command_path if error.ctx else "minircnn"
        code = complain(f"{words.rstrip('.')}; see `{command} --help`")
    except (KeyboardInterrupt, typer.Abort):
        print("\nstopped", file=sys.stderr)
        code = 130
    return code or 0
