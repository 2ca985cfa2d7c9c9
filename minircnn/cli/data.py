"""`minircnn data info`, `convert`, `scenes`, and `minircnn proposals`: the data, before training.

Scenes are composed in `minircnn/fashion/`, proposals searched and kept in `minircnn/proposals/`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minircnn.cli.console import Console, complain, on_interrupt, one_sentence
from minircnn.cli.figures import check_figures, columns, figure, padded, write_figures
from minircnn.cli.flags import SearchMinSide, SearchMode, SearchSide, search_settings

if TYPE_CHECKING:
    import numpy as np

FAULTS_SHOWN = 20

app = typer.Typer(
    help="Look at data sets, convert them, make them.", no_args_is_help=True, pretty_exceptions_enable=False
)


@app.callback()
def _group() -> None:
    """Look at data sets, convert them, make them."""


@app.command()
@one_sentence
def scenes(
    out: Annotated[Path, typer.Option(help="Folder to make: train/, validation/, classes.json.")],
    images: Annotated[int, typer.Option(help="Training scenes.")] = 1000,
    validation: Annotated[int | None, typer.Option(help="Validation scenes; a tenth of --images if absent.")] = None,
    size: Annotated[int, typer.Option(help="Side of a scene, pixels.")] = 160,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    fashion_mnist: Annotated[
        Path | None, typer.Option(help="Folder with the full Fashion-MNIST idx files; the bundled garments if absent.")
    ] = None,
) -> None:
    """Write fashion scenes in DeepFashion2's layout: garments pasted on photographs, with boxes and polygons.

    Example: minircnn data scenes --out scenes --images 3000
    """
    from minircnn.fashion import write_scenes

    if validation is None:
        validation = max(1, images // 10)
    with Console() as console, on_interrupt(f"the scenes so far are in {out}"):
        write_scenes(
            out,
            images,
            validation,
            size=size,
            seed=seed,
            fashion_mnist=fashion_mnist,
            progress=console,
        )
    print(f"{images} training and {validation} validation scenes are in {out}")


@app.command()
@one_sentence
def info(
    path: Annotated[Path, typer.Argument(help="Folder of images and annotations, or its one annotation file.")],
    format: Annotated[str, typer.Option(help="Format of PATH; told from its content if absent.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Write a page: boxes on images, and the figures as charts.")] = None,
    sample: Annotated[
        int, typer.Option(min=0, help="Images that the page shows, and that proposals are searched on; 0: none.")
    ] = 24,
    json: Annotated[Path | None, typer.Option(help="Write the figures here too.")] = None,
) -> None:
    """Look at a data set before training: format, images, boxes by class, sizes, and what is wrong with which file.

    Ends with exit code 2 where a file is at fault. Example: minircnn data info labels --out labels.html
    """
    from minircnn.base.files import check_target
    from minircnn.data.survey import a_few, survey
    from minircnn.proposals.reach import reach

    check_figures(json)
    if out is not None:
        check_target(out, "--out", (".html",), "minircnn data info", _is_data_page)
    with Console() as console, on_interrupt("nothing was written"):
        found = survey(path, format, console)
        searched = reach(a_few(found.learned.samples, sample), progress=console)
        if out is not None:
            from minircnn.report.data_page import write_data_page

            write_data_page(out, path, found, searched)
    figures = found.to_dict() | {"proposals": searched.to_dict()}
    write_figures(json, "data info", figures)
    print(f"{path}: {found.format}, {len(found.class_names)} classes")
    for name, split in figures["splits"].items():
        boxes = sum(split["boxes"].values())
        marked = f", {split['difficult_or_crowd']} difficult or crowd" if split["difficult_or_crowd"] else ""
        print(f"{name}: {split['images']} images ({split['without_a_box']} without a box), {boxes} boxes{marked}")
        for words, key, digits in (
            ("shorter side of the images", "image_sides", 0),
            ("side of the boxes (√area)", "box_sides", 0),
            ("width / height of the boxes", "width_by_height", 2),
        ):
            if values := split[key]:
                low, tenth, middle, most, high = (f"{value:.{digits}f}" for value in values)
                print(
                    f"  {padded(words, 28)} {low} to {high}, half below {middle}, a tenth below {tenth}, above {most}"
                )
    _print_counts(figures)
    if searched.samples:
        _print_reach(figures["proposals"], sum(split["images"] for split in figures["splits"].values()))
    if out is not None:
        print(f"the page is {out}")
    for split in figures["splits"].values():
        for sentence in split["left_out"]:
            print(f"note: {sentence}")
    for sentence in figures["remarks"]:
        print(f"note: {sentence}")
    faults = [sentence for split in figures["splits"].values() for sentence in split["faults"]]
    faults += searched.faults
    for sentence in faults[:FAULTS_SHOWN]:
        complain(sentence)
    if faults:
        more = f" ({len(faults) - FAULTS_SHOWN} more are not shown; --json has all)" * (len(faults) > FAULTS_SHOWN)
        print(f"files at fault: {len(faults)}{more}; mend them, or train with --skip-bad")
        raise typer.Exit(2)


def _print_reach(figures: dict, images: int) -> None:
    from minircnn.base.cores import usable_cores

    known = {name: value for name, value in figures["recall50_by_size"].items() if value is not None}
    sizes = ", ".join(f"{name} {figure(value)}" for name, value in known.items())
    print(
        f"proposals on {figures['images']} of the images: {figures['proposals_per_image']:.0f} each; they reach "
        f"{figure(figures['recall50'])} of the boxes at IoU 0.5 ({sizes or 'no box'}), "
        f"{figure(figures['recall70'])} at 0.7"
    )
    each, cores = figures["seconds_per_image"], usable_cores()
    minutes = images * each / cores / 60
    whole = f"{minutes:.0f} min" if minutes < 100 else f"{minutes / 60:.1f} h; less with --search-side, docs/data.md"
    print(f"searching an image takes {each:.2f} s: all {images:,} on {cores} cores about {whole}")


def _is_data_page(path: Path) -> bool:
    """Whether `data info` wrote this file: its frame has the sheet."""
    try:
        return '<div class="sheet">' in path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def _print_counts(figures: dict) -> None:
    """Boxes of each class, a column a split."""
    splits = figures["splits"]
    width = max(columns(name) for name in ("class", *figures["classes"])) + 2
    print(padded("class", width) + "".join(f"{name:>12}" for name in splits))
    for name in figures["classes"]:
        print(padded(name, width) + "".join(f"{split['boxes'][name]:12}" for split in splits.values()))


@app.command("convert")
@one_sentence
def convert_data(
    path: Annotated[Path, typer.Argument(help="Folder of images and annotations, or its one annotation file.")],
    to: Annotated[str, typer.Option(help="deepfashion2, coco, voc, yolo, csv or labelme.")],
    out: Annotated[Path, typer.Option(help="Folder to make: new, or empty.")],
    format: Annotated[str, typer.Option(help="Format of PATH; told from its content if absent.")] = "auto",
    link: Annotated[bool, typer.Option("--link", help="Hard links in place of copies of the images.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip and count broken files.")] = False,
) -> None:
    """Write a data set in another format, images and all, and say what that format has no place for.

    Example: minircnn data convert labels --to yolo --out labels-yolo
    """
    from minircnn.data.convert import convert

    with Console() as console, on_interrupt(f"{out} is not whole; take it away before you begin again"):
        done = convert(path, to, out, format, link=link, skip_bad=skip_bad, progress=console)
    for sentence in done.notes:
        print(f"note: {sentence}")
    counts = ", ".join(f"{split} {done.images[split]} images, {done.boxes[split]} boxes" for split in done.images)
    print(f"{out} holds {counts}, of {len(done.class_names)} classes, as {to}")


def proposals(
    data: Annotated[Path, typer.Option(help="Folder with train/ and validation/.")],
    out: Annotated[Path, typer.Option(help="Folder that caches the proposals; give it to train --proposals.")],
    split: Annotated[
        str, typer.Option(help="train, validation, test; all of data without splits; or a list, FILE.txt.")
    ] = "train",
    format: Annotated[str, typer.Option(help="Format of --data; told from its content if absent.")] = "auto",
    mode: SearchMode = None,
    search_side: SearchSide = None,
    search_min_side: SearchMinSide = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N images.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; one per core if absent.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip and count broken files.")] = False,
    json: Annotated[Path | None, typer.Option(help="Write the figures here too.")] = None,
) -> None:
    """Compute Selective Search proposals ahead of training and say how many objects they reach.

    Example: minircnn proposals --data scenes --out scenes/proposals
    """
    from minircnn.data import open_samples
    from minircnn.proposals import ProposalCache, proposal_recall
    from minircnn.training.data import with_proposals

    settings = search_settings(mode, search_side, search_min_side)
    check_figures(json)
    with Console() as console, on_interrupt(f"the proposals so far are in {out}"):
        samples = open_samples(data, split, format, limit=limit, skip_bad=skip_bad, progress=console)
        cache = ProposalCache(out, settings)
        samples, left_out = with_proposals(samples, cache, console, skip_bad, workers=workers)
        for sentence in left_out:
            console.say(f"skipped: {sentence}")
    counts: list[int] = []

    def pairs() -> Iterator[tuple["np.ndarray", "np.ndarray"]]:
        for sample in samples:
            boxes = cache.get(sample)
            counts.append(len(boxes))
            yield boxes, sample.learned()[0]

    recall = proposal_recall(pairs())
    mean = sum(counts) / max(1, len(counts))
    figures = {"images": len(counts), "proposals_per_image": mean, "recall50": recall[0.5], "recall70": recall[0.7]}
    write_figures(json, "proposals", figures | {"skipped": left_out})
    print(
        f"{len(counts)} images, {mean:.0f} proposals each; "
        f"recall {figure(recall[0.5])} at IoU 0.5, {figure(recall[0.7])} at 0.7"
    )
