"""`minircnn compare`: the road from R-CNN to Faster R-CNN in one table. `tasks/compare.py` runs the systems."""

from pathlib import Path
from typing import Annotated

import typer

from minircnn.cli.console import Console, on_interrupt
from minircnn.cli.figures import check_figures, columns, figure, padded, write_figures


def compare(
    systems: Annotated[str, typer.Option(help="Any of rcnn,spp,fast,faster.")] = "rcnn,spp,fast,faster",
    out: Annotated[
        Path, typer.Option(help="Folder for scenes, features and results; goes on where it stopped.")
    ] = Path("runs/compare"),
    quick: Annotated[bool, typer.Option("--quick", help="Fewer scenes: minutes, and weak figures.")] = False,
    seed: Annotated[int, typer.Option(help="Of the scenes and of training.")] = 0,
    json: Annotated[Path | None, typer.Option(help="Write the figures here too.")] = None,
) -> None:
    """Train R-CNN, SPPnet, Fast and Faster R-CNN on the same images from the same weights, and set them side by side.

    After Ctrl-C the same command goes on with what is not finished. Example: minircnn compare --quick
    """
    from minircnn.tasks.compare import FULL, NAMES, PUBLISHED, QUICK
    from minircnn.tasks.compare import compare as run

    check_figures(json)
    wanted = list(dict.fromkeys(word.strip() for word in systems.split(",") if word.strip()))
    with Console() as console, on_interrupt(f"what is finished is in {out}"):
        found = run(out, wanted, QUICK if quick else FULL, seed, console)
    write_figures(json, "compare", {"systems": found})
    head = ("", "train s", "disk MB", "proposals", "network", "after", "mAP50", "mAP75", "AP", "recall", "peak GB",
            "paper: mAP", "h", "s/image")  # fmt: skip
    rows: list[tuple[str, ...]] = [head]
    for name, row in found.items():
        parts, paper = row["ms_per_image"], PUBLISHED[name]
        memory = row["peak_memory"]
        rows.append((
            NAMES[name], f"{sum(row['seconds'].values()):.0f}", f"{row['disk'] / 1e6:.0f}",
            *(f"{parts[key]:.0f} ms" for key in ("proposals", "network", "post_processing")),
            *(figure(row[key]).strip() for key in ("mAP50", "mAP75", "AP", "recall50")),
            "-" if memory is None else f"{memory / 1e9:.2f}",
            *("-" if value is None else f"{value:g}" for value in paper),
        ))  # fmt: skip
    widths = [max(columns(row[n]) for row in rows) for n in range(len(head))]
    for cells in rows:
        others = (f"  {cell:>{width}}" for cell, width in zip(cells[1:], widths[1:], strict=True))
        print(padded(cells[0], widths[0]) + "".join(others))
    for name, row in found.items():
        stages = ", ".join(f"{stage} {seconds:.0f} s" for stage, seconds in row["seconds"].items())
        print(f"{NAMES[name]}: {stages}; {row['images_seen']:,} images seen")
