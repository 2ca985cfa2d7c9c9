"""`minircnn doctor`: findings with their remedies, and an exit code by the worst of them."""

from pathlib import Path
from typing import Annotated

import typer

from minircnn.cli.console import Console
from minircnn.cli.figures import check_figures, padded, write_figures


def doctor(
    run: Annotated[
        Path | None, typer.Argument(help="A run folder or model file: what that one needs is looked at as well.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the findings here too.")] = None,
) -> None:
    """Say whether this machine has what minircnn needs, and what to do where it has not.

    Exit code 0: all is well; 1: something is slow or ugly; 2: something does not work. Example: minircnn doctor
    """
    from minircnn.tasks.doctor import OK, as_dict, examine, exit_code

    check_figures(json)
    with Console() as console:
        findings = examine(run, console)
    write_figures(json, "doctor", as_dict(findings))
    for finding in findings:
        print(f"{padded(finding.severity, 8)} {padded(finding.name, 16)} {finding.found}")
        if finding.remedy:
            print(f"{'':26}{finding.remedy}")
    wrong = sum(finding.severity != OK for finding in findings)
    print("All is well." if not wrong else f"{wrong} of {len(findings)} findings ask for something.")
    if code := exit_code(findings):
        raise typer.Exit(code)
