"""`minircnn demo` and `minircnn train`."""

from pathlib import Path
from typing import Annotated

import typer

from minircnn.cli.console import Console, print_measures
from minircnn.errors import InputError


def demo(
    out: Annotated[Path, typer.Option(help="Run folder; a finished demo there is measured again.")] = Path("runs/demo"),
    quick: Annotated[bool, typer.Option("--quick", help="Fewer scenes, under 90 seconds; weaker figures.")] = False,
    seed: Annotated[int, typer.Option(help="Of the scenes and of training.")] = 0,
) -> None:
    """Train, measure and show a detector on the bundled garments: scenes, proposals, training, test, report.

    Example: minircnn demo --out runs/demo
    """
    from minircnn.demo import run_demo
    from minircnn.training.train import Interrupted

    try:
        with Console() as console:
            metrics = run_demo(out, quick, seed, console)
    except Interrupted:
        _interrupted(f"minircnn demo --out {out}{' --quick' if quick else ''}")
    print_measures(metrics)
    print(
        f"trained in {metrics['train_seconds']:.0f} s; proposals reach {metrics['proposal_recall50']:.3f} of garments"
    )
    print(f"Done. Open {out / 'report.html'} in a browser.")


def train(
    data: Annotated[Path | None, typer.Option(help="Folder with train/ and validation/.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder to make.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with the run in this folder, bit for bit.")] = None,
    format: Annotated[str, typer.Option(help="Layout of --data.")] = "deepfashion2",
    backbone: Annotated[str, typer.Option(help="vgg_small or vgg16.")] = "vgg_small",
    weights: Annotated[Path | None, typer.Option(help="Start from this model file.")] = None,
    epochs: Annotated[
        float | None, typer.Option(help="Times the set is seen; suits data and backbone if absent.")
    ] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate; suits the backbone if absent.")] = None,
    images_per_step: Annotated[int, typer.Option(help="Images in a minibatch.")] = 2,
    rois_per_image: Annotated[int, typer.Option(help="RoIs drawn from each.")] = 64,
    classes: Annotated[str | None, typer.Option(help="Learn only these, comma-separated.")] = None,
    limit: Annotated[int | None, typer.Option(help="Use only the first N training images.")] = None,
    proposals: Annotated[Path | None, typer.Option(help="Folder that caches proposals, to share between runs.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip and count broken files.")] = False,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
) -> None:
    """Train a detector; Ctrl-C leaves a run that --resume goes on with.

    Example: minircnn train --data DeepFashion2 --out runs/first
    """
    if resume is None and (data is None or out is None):
        raise InputError("train needs --data DIR and --out RUN to begin a run, or --resume RUN to go on with one")
    if resume is not None and (data is not None or out is not None):
        raise InputError("--resume RUN takes data and settings from the run: leave out --data and --out")
    from minircnn.finish import finish_run
    from minircnn.targets import SamplingSettings
    from minircnn.training.run_folder import RunFolder
    from minircnn.training.settings import TrainSettings
    from minircnn.training.train import Interrupted, Training
    from minircnn.training.warm_up import warm_up

    folder = RunFolder(resume or out)
    try:
        with Console() as console:
            if resume is not None:
                training = Training.resume(folder, console)
            else:
                settings = TrainSettings(
                    data=str(data),
                    format=format,
                    backbone=backbone,
                    weights=str(weights) if weights else None,
                    epochs=epochs,
                    lr=lr,
                    images_per_step=images_per_step,
                    seed=seed,
                    classes=tuple(name.strip() for name in classes.split(",")) if classes else None,
                    limit=limit,
                    proposals_folder=str(proposals) if proposals else None,
                    skip_bad=skip_bad,
                    sampling=SamplingSettings(rois_per_image=rois_per_image),
                )
                training = Training.start(folder, settings, console)
            for sentence in training.data.skipped:
                console.say(f"skipped: {sentence}")
            warm_up(console)
            training.run(console)
            metrics = finish_run(training, training.data.validation, console)
    except Interrupted:
        _interrupted(f"minircnn train --resume {folder.path}")
    print_measures(metrics)
    print(
        f"trained in {metrics['train_seconds']:.0f} s; proposals reach {metrics['proposal_recall50']:.3f} of garments"
    )
    print(f"Done. Open {folder.report} in a browser; {folder.best} is the detector.")


def _interrupted(command: str) -> None:
    """Say how to go on, and end as a program does that was stopped by Ctrl-C."""
    print(f"stopped; everything is saved. Go on with: {command}")
    raise typer.Exit(130)
