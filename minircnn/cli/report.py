"""`minircnn report`: a run's page while the run goes on, or again afterwards. `tasks/report_run.py` measures."""

from pathlib import Path
from typing import Annotated

import typer

from minircnn.cli.console import Console, on_interrupt
from minircnn.cli.figures import check_figures, print_measures, write_figures


def report(
    run: Annotated[Path, typer.Argument(help="Run folder, of a run that goes on or has ended.")],
    json: Annotated[Path | None, typer.Option(help="Write the figures here too.")] = None,
) -> None:
    """Write a run's report.html, at any time: its curves so far, and its best weights measured and shown in pictures.

    The run itself is not disturbed. Example: minircnn report runs/first
    """
    from minircnn.tasks.report_run import report_run
    from minircnn.training.run_folder import RunFolder

    check_figures(json)
    folder = RunFolder(run)
    with Console() as console, on_interrupt("the report is the one from before, if there was one"):
        metrics = report_run(folder, console)
    write_figures(json, "report", metrics)
    print_measures(metrics)
    print(f"Open {folder.report} in a browser: {metrics['weights']}.")
