"""R-CNN, SPPnet, Fast and Faster R-CNN on the same images, with the same first weights and budget, side by side.

Every system runs in a process of its own, so that its peak memory is its own, and leaves its figures in the folder:
what is finished there is not done again. The searched proposals are shared by the three that need them.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from minircnn.base.errors import InputError
from minircnn.base.files import locked, read_json, write_json
from minircnn.base.progress import Progress
from minircnn.data.formats import find_splits
from minircnn.fashion import write_scenes
from minircnn.report.compare_page import write_compare_page
from minircnn.report.road import NAMES
from minircnn.tasks.budget import Budget, check_folder
from minircnn.tasks.compare.systems import RESULT, STAGED, Ground, pictured, run_system
from minircnn.training.data import TrainingData, open_split, with_proposals
from minircnn.training.loop import Interrupted

SYSTEMS = tuple(NAMES)
STOPPED = 130  # exit code of a process that Ctrl-C has ended
SETTINGS, PAGE = "compare.json", "compare.html"


FULL = Budget(train=300, test=100, epochs=8)
QUICK = Budget(train=48, test=12, epochs=4)

Figures = dict[str, list[dict]]  # system → what each seed gave


def compare(
    out: Path,
    systems: Sequence[str],
    size: Budget,
    seed: int,
    progress: Progress,
    *,
    seeds: int = 1,
    data: Path | None = None,
    held_out: float | None = None,
) -> Figures:
    """Run what is not there yet, and write the page; system → its figures, seed by seed.

    Parameters
    ----------
    seed : of the scenes, and the first of training
    seeds : so many trainings of each, one seed after the other, on the same images
    data : folder of somebody's images in place of the scenes; then all of it is used
    held_out : share of them that is measured, where they are not split

    Raises
    ------
    InputError : an unknown system, or `out` holds something else, or a comparison of another size, seed or data
    """
    if unknown := [name for name in systems if name not in SYSTEMS]:
        raise InputError(f"--systems {unknown[0]}: give one or several of {','.join(SYSTEMS)}")
    if not systems:
        raise InputError(f"--systems: give one or several of {','.join(SYSTEMS)}")
    if seeds < 1:
        raise InputError(f"--seeds is {seeds}; give at least 1")
    wanted: dict[str, float | str] = {"train": size.train, "test": size.test, "epochs": size.epochs, "seed": seed}
    if data is not None:
        wanted = {"data": str(data.resolve()), "epochs": size.epochs, "seed": seed, "split": held_out or "own"}
    elif held_out is not None:
        raise InputError("--split is of --data: leave it out, or give both")
    check_folder(out, SETTINGS, wanted, "a comparison of another size, seed or data")
    ground = _ground(out, size, data, held_out)
    if data is not None:  # its faults show before there is a folder
        _check_classes(TrainingData.read(ground.settings("fast", seed), out, progress), systems)
    with locked(out / "lock", f"{out} is in use by another minircnn process"):
        write_json(out / SETTINGS, wanted)
        if data is None:
            write_scenes(out / "scenes", size.train, 1, seed=seed, test=size.test, progress=progress)
        names = _search(ground, seed, progress)
        for each in range(seed, seed + seeds):
            for name in systems:
                if not (ground.folder(name, each) / RESULT).is_file():
                    _apart(name, ground, each)
        found = {name: [_read(ground, name, each) for each in range(seed, seed + seeds)] for name in systems}
        test = open_split(ground.settings("fast", seed), ground.split, None, out, progress, names)
        shown = [test[n] for n in pictured([len(sample.boxes) for sample in test])]
        write_compare_page(out / PAGE, found, shown, names, wanted)
    return found


def _ground(out: Path, size: Budget, data: Path | None, held_out: float | None) -> Ground:
    if data is None:
        return Ground(out, str(out / "scenes"), "test", size.epochs)
    _, splits = find_splits(data, "auto")
    return Ground(out, str(data.resolve()), "test" if "test" in splits else "validation", size.epochs, held_out)


def _read(ground: Ground, name: str, seed: int) -> dict:
    return read_json(ground.folder(name, seed) / RESULT, "remove it, and compare again")


def _check_classes(data: TrainingData, systems: Sequence[str]) -> None:
    """Every SVM needs a true box of its class: said now, and not after the fine-tuning."""
    names = data.class_names
    missing = [name for name, count in zip(names, data.train.class_counts()[1:], strict=True) if not count]
    staged = [NAMES[name] for name in systems if name in STAGED]
    if missing and staged:
        others = ",".join(name for name in SYSTEMS if name not in STAGED)
        raise InputError(
            f"no training image has a box of {missing[0]}, so {staged[0]}'s SVM for it has nothing to learn from; "
            f"label some, leave the class out of the data, or give --systems {others}"
        )


def _search(ground: Ground, seed: int, progress: Progress) -> tuple[str, ...]:
    """All proposals, before anything is timed; gives the classes, which are those of the training images."""
    settings = ground.settings("fast", seed)
    data = TrainingData.read(settings, ground.out, progress).with_proposals(progress)
    if ground.split == "test":
        test = open_split(settings, "test", None, ground.out, progress, data.class_names)
        with_proposals(test, data.cache, progress, split="test")
    return data.class_names


def _apart(name: str, ground: Ground, seed: int) -> None:
    """One system in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=_in_a_process, args=(name, ground, seed))
    process.start()
    try:
        process.join()
    except KeyboardInterrupt:
        process.terminate()
        process.join()
        raise
    if process.exitcode == STOPPED:
        raise KeyboardInterrupt
    if process.exitcode != 0 or not (ground.folder(name, seed) / RESULT).is_file():
        raise InputError(f"{NAMES[name]} stopped half-way (see above); the same command goes on with it")


def _in_a_process(name: str, ground: Ground, seed: int) -> None:
    """`run_system`; what ends it is a sentence and an exit code, for the process has nobody above it to say so.

    A terminal's Ctrl-C reaches the process above alone, which passes it on once: twice would cut off the checkpoint.
    """
    if hasattr(os, "setpgrp"):
        os.setpgrp()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        run_system(name, ground, seed)
    except InputError as error:
        sys.stderr.write(f"{NAMES[name]}: {error}\n")
        sys.exit(2)
    except (KeyboardInterrupt, Interrupted):
        sys.exit(STOPPED)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
