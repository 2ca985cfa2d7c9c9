"""`minircnn study`: what the papers tried, tried again here. The studies are in `tasks/studies/`."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from minircnn.base.errors import InputError
from minircnn.cli.console import Console, on_interrupt
from minircnn.cli.figures import check_figures, columns, padded, write_figures


def study(
    name: Annotated[
        str, typer.Argument(help="multitask, layers, softmax-svm, svd, proposals, pooling, loss, approximate, or all.")
    ],
    seeds: Annotated[int, typer.Option(help="Trainings of each variant, whose spread is shown.")] = 3,
    epochs: Annotated[
        float | None, typer.Option(help="Times the 120 training scenes are seen, 5 if absent; the more, the longer.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few steps: to see that it runs; says nothing.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for scenes, models and plots, shared by all studies; runs/study if absent."),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures here too.")] = None,
) -> None:
    """Repeat a study of the papers on the bundled scenes: a table with its spread, a plot, and whether the order holds.

    After Ctrl-C the same command goes on with what is not trained yet. Example: minircnn study multitask
    """
    from minircnn.tasks.studies import find_studies
    from minircnn.tasks.studies.lab import FULL, QUICK, open_lab
    from minircnn.tasks.studies.study import draw, table, verdict

    chosen = find_studies(name)
    if seeds < 1:
        raise InputError(f"--seeds is {seeds}; give at least 1")
    check_figures(json)
    if epochs is not None and not 0 < epochs <= 1000:
        raise InputError(f"--epochs is {epochs:g}; give a number above 0, and at most 1000")
    size = QUICK if quick else FULL
    size = size if epochs is None else replace(size, epochs=epochs)
    folder = out or Path("runs/study-quick" if quick else "runs/study")
    figures, said = {}, []
    with (
        Console() as console,
        on_interrupt(f"what is trained is in {folder}"),
        open_lab(folder, size, range(seeds), console) as lab,
    ):
        for each, one in chosen.items():
            rows = one.measure(lab)
            draw(one, rows, folder / f"{each}.svg")
            figures[each] = {"rows": rows, "verdict": verdict(one, rows), "published": one.published}
            said.append((one, rows, folder / f"{each}.svg"))
    write_figures(json, "study", {"seeds": seeds, "studies": figures})
    for one, rows, path in said:
        lines = table(rows)
        widths = [max(columns(line[n]) for line in lines) for n in range(len(lines[0]))]
        print(f"\n{one.question}")
        for line in lines:
            cells = (f"  {cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True))
            print(padded(line[0], widths[0]) + "".join(cells))
        print(f"published: {one.published}\nhere: {verdict(one, rows)}\nplot: {path}")
