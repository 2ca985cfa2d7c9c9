"""`minircnn detect`: one image after another from the files and folders that were named.

`tasks/images.py` lists them, `detection/` finds the boxes, and `tasks/picture_folder.py` keeps what was drawn and
listed, so that the same command goes on where it stopped.
"""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from minircnn.base.errors import InputError
from minircnn.cli.console import Console, complain, on_interrupt, this_command

LISTS_EVERY = 60.0  # seconds: what a killed run had found until then is in its lists


def detect(
    model: Annotated[Path, typer.Argument(help="Run folder or model file.")],
    images: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")],
    out: Annotated[Path, typer.Option(help="Folder for the pictures, detections.json and images.json.")],
    score: Annotated[
        float, typer.Option(min=0, max=1, help="Draw what scores at least this; the JSON holds all from 0.05.")
    ] = 0.5,
) -> None:
    """Find objects in photographs: pictures with boxes, classes and scores, and a JSON in COCO's results form.

    Images that cannot be read are named at the end, and the others are done all the same. Nothing is ever written
    over an input, or over a file that detect did not write itself. What is in the folder already, of the same image
    and model, is not done again: the same command goes on where it stopped, and further images join the lists.

    Example: minircnn detect runs/demo photo.jpg --out found
    """
    from minircnn.base.files import shell_words
    from minircnn.data import read_image
    from minircnn.detection import detect as detect_garments
    from minircnn.tasks.images import list_images
    from minircnn.tasks.picture_folder import PictureFolder
    from minircnn.weights.foreign.convert import sha256
    from minircnn.weights.model_file import load_model, model_path

    detector = load_model(model)
    paths, left_out, failed = list_images(images, out)
    folder = PictureFolder(out, paths, detector.class_names, {"model": sha256(model_path(model))}, score)
    for sentence in left_out:
        print(f"left out: {sentence}")
    for sentence in folder.notes:
        print(f"note: {sentence}", flush=True)
    done = len(paths) - len(folder.remaining)
    with Console() as console, on_interrupt(folder.saved):
        listed, fault = time.monotonic(), None
        try:
            for number, path in enumerate(folder.remaining, start=done + 1):
                began = time.perf_counter()
                if time.monotonic() - listed > LISTS_EVERY:
                    folder.write_lists()
                    listed = time.monotonic()
                try:
                    image = read_image(path)
                    detections = detect_garments(detector, image)
                    shown = detections.above(score)
                    content = folder.draw(path, image, shown)
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
    for path, names in folder.lines():
        print(f"{path}: {names or 'nothing'}")
    print(f"{folder.count} of {len(paths)} pictures, detections.json and images.json are in {out}")
    sys.stdout.flush()
    for sentence in failed:
        complain(sentence)
    if failed:
        raise typer.Exit(2)
