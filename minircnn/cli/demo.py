"""`minircnn demo`: the whole way on the bundled garments; the work is `tasks/demo.py`."""

from pathlib import Path
from typing import Annotated

import typer

from minircnn.cli.console import Console, on_interrupt, stopped, this_command
from minircnn.cli.figures import print_end


def demo(
    out: Annotated[Path, typer.Option(help="Run folder; a finished demo there is measured again.")] = Path("runs/demo"),
    quick: Annotated[bool, typer.Option("--quick", help="Fewer scenes, under 90 seconds; weaker figures.")] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Train once more, from random weights, and report both.")
    ] = False,
    weights: Annotated[
        str | None,
        typer.Option(help="Start from this backbone file, or none; from the one that comes with minircnn if absent."),
    ] = None,
    model: Annotated[str, typer.Option(help="fast, or faster, which needs no search.")] = "fast",
    seed: Annotated[int, typer.Option(help="Of the scenes and of training.")] = 0,
) -> None:
    """Train, measure and show a detector on the bundled garments: scenes, proposals, training, test, report.

    Example: minircnn demo --out runs/demo
    """
    from minircnn.tasks.demo import run_demo
    from minircnn.training.loop import Interrupted

    try:
        with Console() as console, on_interrupt(f"scenes, proposals and the last checkpoint are in {out}"):
            metrics = run_demo(out, quick, seed, console, weights, compare, model)
    except Interrupted:
        raise stopped(this_command()) from None
    print_end(metrics, out / "report.html", out / "best.safetensors")
