"""`minircnn gradcheck`: every backward against finite differences, a row each; the rows are in `gradcheck/cases.py`."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from minircnn.cli.figures import check_figures, write_figures

LARGEST_ERROR = 1e-6


def gradcheck(
    seed: Annotated[int, typer.Option(min=0, help="Of all inputs and directions.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the rows here too.")] = None,
) -> None:
    """Hold every hand-written gradient to finite differences in float64, end to end included.

    Example: minircnn gradcheck --json gradients.json
    """
    from minircnn.gradcheck.finite_differences import CheckRow
    from minircnn.gradcheck.run import run_all

    check_figures(json)
    checked: Iterable[CheckRow] = run_all(seed)
    if json is not None:  # the file first: whatever becomes of the output, the figures are there
        checked = list(checked)
        rows = [{"name": row.name, "directions": row.along_directions, "entries": row.at_entries} for row in checked]
        worst = max(row.worst for row in checked)
        write_figures(json, "gradcheck", {"worst": worst, "allowed": LARGEST_ERROR, "rows": rows})
    print(f"{'worst relative error':34}  along directions   at single entries")
    errors = []
    for row in checked:
        errors.append(row.worst)
        verdict = "" if row.worst <= LARGEST_ERROR else "   TOO LARGE"
        print(f"{row.name:34}  {row.along_directions:16.1e}   {row.at_entries:17.1e}{verdict}", flush=True)
    print(f"{len(errors)} gradients, the worst {max(errors):.1e} off; {LARGEST_ERROR:.0e} is allowed")
    if not all(error <= LARGEST_ERROR for error in errors):
        raise typer.Exit(1)
