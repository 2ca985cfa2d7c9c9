"""`minircnn train` and `minircnn demo`: flags become `TrainSettings`, Ctrl-C a sentence that says how to go on.

The run itself is `training/train.py`, its measuring `tasks/finish.py`, the demo's tasks `tasks/demo.py`.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minircnn.base.errors import InputError
from minircnn.cli.console import Console, Stopped, on_interrupt, this_command
from minircnn.cli.figures import figure, print_measures

if TYPE_CHECKING:
    from minircnn.anchors import RPNSettings
    from minircnn.targets import SamplingSettings
    from minircnn.training.run_folder import RunFolder
    from minircnn.training.settings import TrainSettings


def demo(
    out: Annotated[Path, typer.Option(help="Run folder; a finished demo there is measured again.")] = Path("runs/demo"),
    quick: Annotated[bool, typer.Option("--quick", help="Fewer scenes, under 90 seconds; weaker figures.")] = False,
    compare: Annotated[
        bool, typer.Option("--compare", help="Train once more, from random weights, and report both.")
    ] = False,
    weights: Annotated[
        str | None,
        typer.Option(help="Start from this backbone file, or none; from the one that comes with minircnn if absent."),
    ] = None,
    model: Annotated[str, typer.Option(help="fast, or faster, which needs no search.")] = "fast",
    seed: Annotated[int, typer.Option(help="Of the scenes and of training.")] = 0,
) -> None:
    """Train, measure and show a detector on the bundled garments: scenes, proposals, training, test, report.

    Example: minircnn demo --out runs/demo
    """
    from minircnn.tasks.demo import run_demo
    from minircnn.training.loop import Interrupted

    try:
        with Console() as console, on_interrupt(f"scenes, proposals and the last checkpoint are in {out}"):
            metrics = run_demo(out, quick, seed, console, weights, compare, model)
    except Interrupted:
        raise _stopped(this_command()) from None
    _print_end(metrics, out / "report.html", out / "best.safetensors")


SAME_NAME = {  # options that go into the settings as they are
    "format", "split", "split_seed", "backbone", "model", "pooling", "alternating", "weights", "pixels", "epochs", "lr",
    "images_per_step", "frozen_blocks", "seed", "limit", "validation_limit", "skip_bad",
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
        typer.Option(help="What makes 7×7 cells of a region: pool (RoI pooling) or align; suits the model if absent."),
    ] = None,
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
    frozen_blocks: Annotated[
        int | None,
        typer.Option(help="The first blocks of convolutions stay as --weights gives them; suits the data if absent."),
    ] = None,
    rois_per_image: Annotated[int | None, typer.Option(help="RoIs drawn from each; suits the model if absent.")] = None,
    anchor_scales: Annotated[
        str | None,
        typer.Option(help="Of --model faster: sides of the anchors in units of 16 pixels, comma-separated: 8,16,32."),
    ] = None,
    classes: Annotated[str | None, typer.Option(help="Learn only these, comma-separated.")] = None,
    limit: Annotated[int | None, typer.Option(help="Use only the first N training images.")] = None,
    validation_limit: Annotated[int | None, typer.Option(help="Use only the first N validation images.")] = None,
    proposals: Annotated[Path | None, typer.Option(help="Folder that caches proposals, to share between runs.")] = None,
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
        _refuse_other_flags(ctx)
    from minircnn.tasks.alternating import is_alternating
    from minircnn.tasks.finish import finish_run
    from minircnn.training.loop import Interrupted
    from minircnn.training.run_folder import RunFolder
    from minircnn.training.settings import TrainSettings
    from minircnn.training.train import Training
    from minircnn.training.warm_up import warm_up

    if weights is not None and weights.startswith(("http:", "https:")):
        raise InputError("--weights takes a file; download it first, with: curl -L -O URL")
    folder = RunFolder(run)

    def go_on() -> list[str]:
        return ["minircnn", "train", "--resume", str(folder.path)] if folder.holds_a_run else this_command()

    if resume is None:
        given = {name: value for name, value in ctx.params.items() if name in SAME_NAME}
        settings = TrainSettings(
            data=str(data),
            classes=tuple(name.strip() for name in classes.split(",")) if classes is not None else None,
            proposals_folder=str(proposals) if proposals else None,
            sampling=_sampling(model, rois_per_image),
            rpn=_rpn(backbone, anchor_scales),
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
                training.run(console)
                metrics = finish_run(training, training.data.validation, "validation", console)
    except Interrupted:
        raise _stopped(go_on()) from None
    return _print_end(metrics, folder.report, folder.best)


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
        raise _stopped(["minircnn", "train", "--resume", str(folder.path)]) from None
    _print_end(metrics, folder.path / STAGES[-1] / "report.html", folder.best)


def _sampling(model: str, rois_per_image: int | None) -> "SamplingSettings | None":
    from minircnn.models import MODELS

    if rois_per_image is None or model not in MODELS:  # an unknown one is refused with the rest of the settings
        return None
    return replace(MODELS[model].sampling, rois_per_image=rois_per_image)


def _rpn(backbone: str, anchor_scales: str | None) -> "RPNSettings | None":
    from minircnn.models import BACKBONES

    if anchor_scales is None or backbone not in BACKBONES:
        return None
    try:
        scales = tuple(float(scale) for scale in anchor_scales.split(","))
    except ValueError:
        raise InputError(f"--anchor-scales takes numbers, comma-separated (8,16,32), not {anchor_scales!r}") from None
    return replace(BACKBONES[backbone]().rpn, scales=scales)


def _refuse_other_flags(ctx: typer.Context) -> None:
    """--resume takes the run's own settings; a flag that would change them is named, never ignored."""
    given = [
        f"--{name.replace('_', '-')}"
        for name in ctx.params
        if name not in ("resume", "epochs", "data")
        and (source := ctx.get_parameter_source(name)) is not None
        and source.name == "COMMANDLINE"
    ]
    if given:
        raise InputError(
            f"--resume RUN takes data and settings from the run: leave out {', '.join(given)} (only --epochs may "
            "differ, and --data say where moved data lies)"
        )


def _kept(folder: "RunFolder") -> str:
    if folder.holds_a_run:
        return f"all steps up to the last checkpoint are in {folder.path}"
    return f"what is computed so far is in {folder.path}" if folder.path.is_dir() else "nothing was written yet"


def _stopped(command: list[str]) -> Stopped:
    from minircnn.base.files import shell_words

    return Stopped(f"stopped; everything is saved. Go on with: {shell_words(command)}")


def _print_end(metrics: dict, report: Path, best: Path) -> None:
    print_measures(metrics)
    if metrics["data"]["chose_the_weights"]:
        print("  (on the images that chose the weights, so a little too good)")
    if rival := metrics.get("rival"):
        print(f"  from {rival['started_from']}: mAP50 {figure(rival['mAP50'])}   mAP75 {figure(rival['mAP75'])}")
    print(
        f"trained in {metrics['train_seconds']:.0f} s; "
        f"proposals reach {figure(metrics['proposal_recall50'])} of the true boxes"
    )
    print(f"Done. Open {report} in a browser; {best} is the detector.")
