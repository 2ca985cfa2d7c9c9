"""`minircnn weights …`: what is done to a model's weights."""

from pathlib import Path
from typing import Annotated

import typer

from minircnn.cli.console import one_sentence
from minircnn.errors import InputError

app = typer.Typer(help="Change a trained model's weights.", no_args_is_help=True, rich_markup_mode="rich")


@app.command()
@one_sentence
def svd(
    model: Annotated[Path, typer.Argument(help="A run folder or a model file.")],
    out: Annotated[Path, typer.Option(help="The smaller model file, new.")],
    fc6: Annotated[
        int | None, typer.Option(help="Singular values kept of fc6; by default a quarter of its width.")
    ] = None,
    fc7: Annotated[int | None, typer.Option(help="The same of fc7; by default a sixteenth.")] = None,
) -> None:
    """Make detection faster: keep fc6's and fc7's largest singular values (the paper's truncated SVD).

    VGG16's defaults are the paper's 1024 and 256. `minircnn eval` on both files shows what it costs and gains.

    Example: minircnn weights svd runs/first --fc6 1024 --fc7 256 --out small.safetensors
    """
    from minircnn.weights.model_file import load_model, save_model
    from minircnn.weights.svd import compress

    if out.suffix != ".safetensors":
        raise InputError(f"--out should end in .safetensors, not {out.name!r}")
    if out.exists():
        raise InputError(f"{out} is there already; choose another --out")
    if not out.parent.is_dir():
        raise InputError(f"{out.parent} is not a folder; make it, or choose another --out")
    detector = load_model(model)
    hidden6, hidden7 = detector.architecture.hidden
    wanted6 = max(1, hidden6 // 4) if fc6 is None else fc6
    wanted7 = max(1, hidden7 // 16) if fc7 is None else fc7
    smaller, shares = compress(detector, wanted6, wanted7)
    save_model(out, smaller)
    for name, share in shares.items():
        old, new = getattr(detector, name).parameters(), getattr(smaller, name).parameters()
        sizes = [sum(parameter.value.size for parameter in layer.values()) / 1e6 for layer in (old, new)]
        print(f"{name}: {sizes[0]:.2f} to {sizes[1]:.2f} million weights, {100 * share:.1f} % of the squares kept")
    print(f"{out}: {out.stat().st_size / 1e6:.0f} MB; compare: minircnn eval {out} --data DIR")
