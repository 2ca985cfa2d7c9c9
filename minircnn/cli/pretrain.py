"""`minircnn pretrain`: teaches a backbone on crops, before any detector; the work is `tasks/pretrain.py`."""

from pathlib import Path
from typing import Annotated

import typer

from minircnn.base.errors import InputError
from minircnn.base.ranks import ranks
from minircnn.cli.console import Console, Stopped, on_interrupt, this_command


def pretrain(
    fashion_mnist: Annotated[
        Path | None, typer.Option(help="Folder of Fashion-MNIST's idx files; the bundled 5,000 garments if absent.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Backbone file to write, new.")] = Path("runs/pretrained.safetensors"),
    minutes: Annotated[float, typer.Option(help="About how long; decides how many crops are seen.")] = 18.0,
    crops: Annotated[
        int | None, typer.Option(help="How many crops are seen, whatever the time: the same weights on every run.")
    ] = None,
    sum: Annotated[
        str | None,
        typer.Option(
            help="How a step's gradient is added: tree (eight crops by eight: the same bits by any number of "
            "processes; under mpiexec if absent), or plain (a process's crops at once)."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of first weights and crops.")] = 0,
) -> None:
    """Teach vgg_small's convolutions to tell garments. After Ctrl-C the same command goes on where it stopped.

    Example: minircnn pretrain --fashion-mnist fashion-mnist --out runs/backbone.safetensors
    """
    from minircnn.base.files import locked, shell_words
    from minircnn.fashion.crops import CROP_CLASSES, CropMaterial
    from minircnn.tasks.pretrain import CROPS_PER_STEP, TEST_CROPS, Pretraining, check_out
    from minircnn.training.loop import Interrupted
    from minircnn.training.settings import SUMS
    from minircnn.training.warm_up import warm_up

    if not 0 < minutes <= 10_000:
        raise InputError(f"--minutes should be above 0 and at most 10,000, not {minutes:g}")
    if crops is not None and not CROPS_PER_STEP <= crops <= 10**9:
        raise InputError(f"--crops should be {CROPS_PER_STEP} to 1,000,000,000, not {crops}")
    if not 0 <= seed < 2**128:
        raise InputError(f"--seed should be at least 0, not {seed}")
    sum = sum or ("tree" if ranks().started else "plain")
    if sum not in SUMS:
        raise InputError(f"--sum should be one of {', '.join(SUMS)}, not {sum!r}")
    check_out(out)
    try:
        material = CropMaterial.training(fashion_mnist)
        lock = locked(out.with_name(f"{out.name}.lock"), f"{out} is being made by another minircnn process")
        with Console() as console, lock, on_interrupt(f"what was kept last is beside {out}"):
            warm_up(console)
            pretraining = Pretraining(out, material, crops, minutes, seed, console, sum)
            steps = pretraining.steps
            if steps.step:
                console.say(f"going on after {steps.step:,} of {steps.count:,} steps")
            accuracy = pretraining.run(console)
    except Interrupted:
        command = shell_words(this_command())
        raise Stopped(f"stopped; what is done is in {pretraining.unfinished}. Go on with: {command}") from None
    print(
        f"top-1 {accuracy:.3f} on {TEST_CROPS:,} crops of unseen garments and photographs, "
        f"{len(CROP_CLASSES)} classes with background; learnt in {pretraining.steps.seconds / 60:.1f} min"
    )
    print(f"Done. Begin a detector with it: minircnn train --data DIR --out RUN --weights {out}")
