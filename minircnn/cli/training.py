"""`minircnn train`: flags become `TrainSettings`, Ctrl-C a sentence that says how to go on.

The run itself is `training/train.py`, its measuring `tasks/finish.py`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minircnn.base.errors import InputError
from minircnn.base.ranks import ranks
from minircnn.cli.console import Console, by_ranks, on_interrupt, stopped, this_command
from minircnn.cli.figures import print_end
from minircnn.cli.flags import (
    SearchMinSide,
    SearchMode,
    SearchSide,
    refuse_other_flags,
    rpn_settings_of,
    sampling_settings,
    search_settings,
)

if TYPE_CHECKING:
    from minircnn.training.run_folder import RunFolder
    from minircnn.training.settings import TrainSettings


SAME_NAME = {  # options that go into the settings as they are
    "format", "split", "split_seed", "backbone", "model", "pooling", "class_agnostic", "alternating", "weights",
    "pixels", "epochs", "lr", "images_per_step", "frozen_blocks", "seed", "limit", "validation_limit", "skip_bad",
    "validations", "patience", "scale_lr",
}  # fmt: skip


def train(
    ctx: typer.Context,
    data: Annotated[Path | None, typer.Option(help="Folder of images and annotations, or its data.yaml.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder to make: new, or empty.")] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Go on with the run in this folder, bit for bit; --epochs may differ, --data may have moved."
        ),
    ] = None,
    format: Annotated[
        str, typer.Option(help="deepfashion2, coco, voc, yolo, csv or labelme; told from the content if absent.")
    ] = "auto",
    split: Annotated[
        float | None, typer.Option(help="Share of the images to hold out, where the data has no validation split.")
    ] = None,
    split_seed: Annotated[int, typer.Option(help="Which images --split holds out.")] = 0,
    backbone: Annotated[str, typer.Option(help="vgg_small or vgg16.")] = "vgg_small",
    model: Annotated[
        str, typer.Option(help="fast (proposals by Selective Search), or faster (it proposes regions itself).")
    ] = "fast",
    pooling: Annotated[
        str | None,
        typer.Option(
            help="What makes cells of a region: pool (RoI pooling), align (RoIAlign), average (RoI pooling's bins, "
            "their mean) or pyramid (SPPnet's bins); suits the model if absent."
        ),
    ] = None,
    class_agnostic: Annotated[
        bool, typer.Option("--class-agnostic", help="One box for a region, whatever its class, not one for each class.")
    ] = False,
    alternating: Annotated[
        bool, typer.Option("--alternating", help="Of --model faster: its two networks learn in turn, in four runs.")
    ] = False,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Start from this backbone, model file or anybody's VGG16 (docs/weights.md), or from random weights: "
            "none. If absent, vgg_small starts from the backbone that comes with minircnn, vgg16 from random weights."
        ),
    ] = None,
    pixels: Annotated[
        str | None,
        typer.Option(help="Which pixels that VGG16 expects, if it is guessed wrong: minircnn weights convert --help."),
    ] = None,
    epochs: Annotated[float | None, typer.Option(help="Times the set is seen; suits the data if absent.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate; suits the backbone if absent.")] = None,
    images_per_step: Annotated[
        int | None, typer.Option(help="Images in a minibatch; suits the backbone if absent.")
    ] = None,
    scale_lr: Annotated[
        bool,
        typer.Option("--scale-lr", help="Raise the rate in proportion to --images-per-step, with a slow beginning."),
    ] = False,
    sum: Annotated[
        str | None,
        typer.Option(
            help="How a step's gradient is added: tree (image by image: the same bits by any number of processes; "
            "under mpiexec if absent), or plain (a process's images at once)."
        ),
    ] = None,
    frozen_blocks: Annotated[
        int | None,
        typer.Option(help="The first blocks of convolutions stay as --weights gives them; suits the data if absent."),
    ] = None,
    freeze: Annotated[
        str | None,
        typer.Option(help="Layers that keep their weights besides, comma-separated: backbone, conv3, fc6, …."),
    ] = None,
    rois_per_image: Annotated[int | None, typer.Option(help="RoIs drawn from each; suits the model if absent.")] = None,
    anchor_scales: Annotated[
        str | None,
        typer.Option(help="Of --model faster: sides of the anchors in units of 16 pixels, comma-separated: 8,16,32."),
    ] = None,
    classes: Annotated[str | None, typer.Option(help="Learn only these, comma-separated.")] = None,
    limit: Annotated[int | None, typer.Option(help="Use only the first N training images.")] = None,
    validation_limit: Annotated[int | None, typer.Option(help="Use only the first N validation images.")] = None,
    proposals: Annotated[
        Path | None,
        typer.Option(help="Folder that caches proposals, to share between runs; or holds your own (docs/data.md)."),
    ] = None,
    search_mode: SearchMode = None,
    search_side: SearchSide = None,
    search_min_side: SearchMinSide = None,
    validations: Annotated[int, typer.Option(help="Times the validation images are scored during the run.")] = 6,
    patience: Annotated[
        int | None, typer.Option(help="End early, after so many validations in a row without a better AP.")
    ] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip and count broken files.")] = False,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
) -> None:
    """Train a detector; Ctrl-C leaves a run that --resume goes on with.

    Example: minircnn train --data DeepFashion2 --out runs/first
    """
    run = out if resume is None else resume
    if run is None or (resume is None and data is None):
        raise InputError("train needs --data DIR and --out RUN to begin a run, or --resume RUN to go on with one")
    if resume is not None:
        refuse_other_flags(ctx)
    from minircnn.tasks.alternating import is_alternating
    from minircnn.tasks.batch_picture import BatchPicture
    from minircnn.tasks.finish import finish_run
    from minircnn.training.forecast import forecast
    from minircnn.training.loop import Interrupted
    from minircnn.training.run_folder import RunFolder
    from minircnn.training.settings import TrainSettings
    from minircnn.training.train import Training
    from minircnn.training.warm_up import warm_up

    if weights is not None and weights.startswith(("http:", "https:")):
        raise InputError("--weights takes a file; download it first, with: curl -L -O URL")
    folder = RunFolder(run)

    def go_on() -> list[str]:
        return by_ranks(["minircnn", "train", "--resume", str(folder.path)]) if folder.holds_a_run else this_command()

    if resume is None:
        given = {name: value for name, value in ctx.params.items() if name in SAME_NAME}
        settings = TrainSettings(
            data=str(data),
            classes=tuple(name.strip() for name in classes.split(",")) if classes is not None else None,
            proposals_folder=str(proposals) if proposals else None,
            freeze=tuple(name.strip() for name in freeze.split(",")) if freeze is not None else (),
            proposals=search_settings(search_mode, search_side, search_min_side),
            sampling=sampling_settings(model, rois_per_image),
            rpn=rpn_settings_of(backbone, anchor_scales),
            sum=sum or ("tree" if ranks().started else "plain"),
            **given,
        )
    in_turn = is_alternating(folder) if resume is not None else settings.alternating
    if in_turn and (resume is None or not (epochs or data)):
        return _alternating(folder, None if resume is not None else settings)
    if in_turn:
        raise InputError(f"{folder.path} is an alternating training: --resume takes neither --epochs nor --data there")
    try:
        with Console() as console:
            with on_interrupt(lambda: _kept(folder)):
                if resume is not None:
                    training = Training.resume(folder, console, epochs, data)
                else:
                    training = Training.start(folder, settings, console)
            for sentence in training.data.skipped:
                console.say(f"skipped: {sentence}")
            for sentence in training.notes:
                console.say(f"note: {sentence}")
            with on_interrupt(lambda: _kept(folder), go_on):
                warm_up(console)
                console.say(f"note: {forecast(training)}")
                picture = BatchPicture(training)
                training.run(console)
                picture.finish()
                metrics = finish_run(training, training.data.validation, "validation", console)
    except Interrupted:
        raise stopped(go_on()) from None
    return print_end(metrics, folder.report, folder.best)


def _alternating(folder: "RunFolder", settings: "TrainSettings | None") -> None:
    """The four runs of `--alternating`."""
    from minircnn.tasks.alternating import STAGES, train_alternating
    from minircnn.training.loop import Interrupted
    from minircnn.training.warm_up import warm_up

    try:
        with Console() as console, on_interrupt(f"the runs so far are in {folder.path}"):
            warm_up(console)
            metrics = train_alternating(folder, settings, console)
    except Interrupted:
        raise stopped(by_ranks(["minircnn", "train", "--resume", str(folder.path)])) from None
    print_end(metrics, folder.path / STAGES[-1] / "report.html", folder.best)


def _kept(folder: "RunFolder") -> str:
    if folder.holds_a_run:
        return f"all steps up to the last checkpoint are in {folder.path}"
    return f"what is computed so far is in {folder.path}" if folder.path.is_dir() else "nothing was written yet"
