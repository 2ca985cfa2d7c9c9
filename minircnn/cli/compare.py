"""`minircnn compare`: the road from R-CNN to Faster R-CNN in one table. `tasks/compare/` runs the systems."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minircnn.cli.console import Console, on_interrupt
from minircnn.cli.figures import check_figures, columns, figure, padded, write_figures

if TYPE_CHECKING:
    from minircnn.tasks.compare.run import Figures


def compare(
    systems: Annotated[str, typer.Option(help="Any of rcnn,spp,fast,faster.")] = "rcnn,spp,fast,faster",
    out: Annotated[
        Path, typer.Option(help="Folder for scenes, features and results; goes on where it stopped.")
    ] = Path("runs/compare"),
    quick: Annotated[bool, typer.Option("--quick", help="Fewer scenes: minutes, and weak figures.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(help="Images of your own; bundled scenes if absent. R-CNN takes seconds for each of them."),
    ] = None,
    split: Annotated[
        float | None, typer.Option(help="Share of --data to be held out and measured, if unsplit.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the scenes and of training.")] = 0,
    seeds: Annotated[int, typer.Option(help="Train each so many times, and show the spread.")] = 1,
    json: Annotated[Path | None, typer.Option(help="Write the figures here too.")] = None,
) -> None:
    """Train R-CNN, SPPnet, Fast and Faster R-CNN on the same images from the same weights, and set them side by side.

    After Ctrl-C the same command goes on with what is not finished. Example: minircnn compare --quick
    """
    from minircnn.tasks.compare.run import FULL, PAGE, QUICK
    from minircnn.tasks.compare.run import compare as run

    check_figures(json)
    wanted = list(dict.fromkeys(word.strip() for word in systems.split(",") if word.strip()))
    with Console() as console, on_interrupt(f"what is finished is in {out}"):
        found = run(out, wanted, QUICK if quick else FULL, seed, console, seeds=seeds, data=data, held_out=split)
    write_figures(json, "compare", {"systems": found})
    _print_table(found)
    print(f"page: {out / PAGE}")


def _print_table(found: "Figures") -> None:
    """A row for each system, means over its seeds; then its stages."""
    from minircnn.report.road import NAMES, PUBLISHED, mean_of, verdicts
    from minircnn.report.words import filled

    head = ("", "train s", "disk MB", "proposals", "network", "after", "mAP50", "mAP75", "AP", "recall", "peak GB",
            "paper: mAP", "h", "s/image")  # fmt: skip
    rows: list[tuple[str, ...]] = [head]
    for name, figures in found.items():
        row, paper = mean_of(figures), PUBLISHED[name]
        rows.append((
            NAMES[name], f"{sum(row['seconds'].values()):.0f}", f"{row['disk'] / 1e6:.0f}",
            *(f"{row['ms_per_image'][key]:.0f} ms" for key in ("proposals", "network", "post_processing")),
            *(figure(row[key]).strip() for key in ("mAP50", "mAP75", "AP", "recall50")),
            "-" if row["peak_memory"] is None else f"{row['peak_memory'] / 1e9:.2f}",
            *("-" if value is None else f"{value:g}" for value in (paper.mean_ap, paper.hours, paper.seconds)),
        ))  # fmt: skip
    widths = [max(columns(row[n]) for row in rows) for n in range(len(head))]
    for cells in rows:
        others = (f"  {cell:>{width}}" for cell, width in zip(cells[1:], widths[1:], strict=True))
        print(padded(cells[0], widths[0]) + "".join(others))
    for name, figures in found.items():
        row = mean_of(figures)
        stages = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in row["seconds"].items())
        each = "" if len(figures) == 1 else f"; mAP50 {', '.join(figure(one['mAP50']).strip() for one in figures)}"
        print(f"{NAMES[name]}: {stages}; {row['images_seen']:,.0f} images seen{each}")
    for kind, values in verdicts(found):
        print(filled(f"compare.verdict.{kind}", "en", **values))
