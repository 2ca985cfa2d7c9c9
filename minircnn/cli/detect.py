"""`minircnn detect`: one image after another from the files and folders that were named.

`tasks/images.py` lists them, `detection/` finds the boxes, `tasks/picture_folder.py` keeps what was drawn and listed,
so that the same command goes on where it stopped, and `tasks/saving.py` writes it as labelling tools have it.
"""

import sys
import time
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from minircnn.base.errors import InputError
from minircnn.cli.console import Console, complain, on_interrupt, this_command

LISTS_EVERY = 60.0  # seconds: what a killed run had found until then is in its lists


def detect(
    model: Annotated[Path, typer.Argument(help="Run folder or model file.")],
    images: Annotated[list[Path], typer.Argument(help="Images, or folders with images in and below them.")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures, detections.json and images.json.")],
    score: Annotated[
        str,
        typer.Option(
            metavar="FLOAT|auto",
            help="Draw and save what scores at least this; auto: the best F1 in training's validation. "
            "detections.json holds all from 0.05.",
        ),
    ] = "0.5",
    classes: Annotated[str | None, typer.Option(help="Only these, for example: shirt,skirt.")] = None,
    min_side: Annotated[float, typer.Option(min=0, help="Only boxes with both sides of at least so many pixels.")] = 0,
    proposals: Annotated[
        Path | None, typer.Option(help="Folder of your own regions, NAME.npy or NAME.csv for each image; docs/data.md.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print the proposal and the four numbers that make each box found now.")
    ] = False,
    save: Annotated[
        str | None, typer.Option(help="Besides: any of coco,voc,yolo,csv,labelme (label files) and crops (cut-outs).")
    ] = None,
) -> None:
    """Find objects in photographs: pictures with boxes, classes and scores, and a JSON in COCO's results form.

    Images that cannot be read are named at the end, and the others are done all the same. Nothing is ever written
    over an input, or over a file that detect did not write itself. What is in the folder already, of the same image
    and model, is not done again: the same command goes on where it stopped, and further images join the lists.

    Example: minircnn detect runs/demo photo.jpg --out found
    """
    from minircnn.base.files import shell_words
    from minircnn.data import read_image
    from minircnn.detection import Origin, origins
    from minircnn.detection import detect as detect_garments
    from minircnn.proposals import GivenProposals
    from minircnn.tasks.images import list_images
    from minircnn.tasks.picture_folder import PictureFolder
    from minircnn.tasks.saving import check_save, save_shown
    from minircnn.weights.foreign.convert import sha256
    from minircnn.weights.model_file import load_model, model_path

    least = None if score == "auto" else _number(score)
    detector = load_model(model)
    if least is None:
        if (least := detector.best_score) is None:
            raise InputError(f"{model} does not know its best score, for no validation chose it; give --score a number")
        print(f"note: --score is {least:.3f}, the best of training's validation")
    if proposals is not None and not detector.searches:
        raise InputError(f"{model} proposes its regions itself: leave out --proposals")
    given = GivenProposals(proposals) if proposals is not None else None
    labels = _labels(classes, detector.class_names, model)
    if not min_side < float("inf"):
        raise InputError(f"--min-side is {min_side}, expected pixels")
    paths, left_out, failed = list_images(images, out)
    made_with: dict = {"model": sha256(model_path(model))}
    made_with |= {"classes": classes} if classes else {}
    made_with |= {"min_side": min_side} if min_side else {}
    made_with |= {"proposals": str(proposals)} if given else {}
    folder = PictureFolder(out, paths, detector.class_names, made_with, least)
    wanted, already = check_save(save or "", out, bool(folder.remaining), paths.values())
    for sentence in left_out:
        print(f"left out: {sentence}")
    for sentence in folder.notes + already:
        print(f"note: {sentence}", flush=True)
    done = len(paths) - len(folder.remaining)
    with Console() as console, on_interrupt(folder.saved):
        listed, fault, told = time.monotonic(), None, dict[Path, list[Origin]]()
        try:
            for number, path in enumerate(folder.remaining, start=done + 1):
                began = time.perf_counter()
                if time.monotonic() - listed > LISTS_EVERY:
                    folder.write_lists()
                    listed = time.monotonic()
                try:
                    image = read_image(path)
                    regions = given.of(_names(path, paths[path]), path, *image.shape[:2]) if given else None
                    if explain and regions is None:
                        regions = detector.propose(image)
                    detections = detect_garments(detector, image, regions).at_least(min_side)
                    detections = detections if labels is None else detections.of(labels)
                    shown = detections.above(least)
                    content = folder.draw(path, image, shown)
                    if explain and regions is not None:
                        told[path] = origins(detector, image, regions, shown)
                except InputError as error:
                    failed.append(str(error))
                    console("detecting", number, len(paths))
                    continue
                folder.add(path, content, image.shape[:2], detections)
                console("detecting", number, len(paths), f"{len(shown)} in {time.perf_counter() - began:.1f} s")
        except InputError as error:  # of writing
            fault = error
        finally:
            folder.write_lists()
        if fault:
            raise InputError(f"{fault}, then go on with: {shell_words(this_command())} ({folder.saved()})")
        saved = save_shown(folder, wanted, console)
    for path, names in folder.lines():
        print(f"{path}: {names or 'nothing'}")
        for one in told.get(path, []):
            print("".join(f"    {line}\n" for line in one.lines()))
    besides = "".join(f", {path.name}/" for path in saved)
    print(f"{folder.count} of {len(paths)} pictures{besides}, detections.json and images.json are in {out}")
    sys.stdout.flush()
    for sentence in failed:
        complain(sentence)
    if failed:
        raise typer.Exit(2)


def _number(text: str) -> float:
    """--score; InputError where it is none."""
    from minircnn.base.errors import InputError

    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise InputError(f"--score is {text!r}, expected a number from 0 to 1, or auto")
    return value


def _names(path: Path, listed: str) -> list[str]:
    """What an image's regions may be called: its path below the folder that was named, its folder's name, its own."""
    below = PurePosixPath(listed).with_suffix("").as_posix()
    return [below, f"{path.resolve().parent.name}/{path.stem}", path.stem]


def _labels(classes: str | None, names: tuple[str, ...], model: Path) -> list[int] | None:
    """The numbers of the classes in --classes."""
    from minircnn.base.errors import InputError

    if classes is None:
        return None
    words = [classes] if classes in names else classes.split(",")
    wanted = [name for name in map(str.strip, words) if name]
    if unknown := [name for name in wanted if name not in names]:
        raise InputError(f"--classes {unknown[0]}: {model} finds {', '.join(names)}; give one or several of these")
    if not wanted:
        raise InputError(f"--classes is empty; {model} finds {', '.join(names)}: give one or several of these")
    return [names.index(name) + 1 for name in wanted]
