"""`minircnn weights …`: what is in files of weights, and what is done to them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from minircnn.base.errors import InputError
from minircnn.cli.console import one_sentence

if TYPE_CHECKING:
    from minircnn.weights.foreign.vgg16 import Pretrained

Weights = Annotated[
    Path, typer.Argument(help="A VGG16 of any kind: .pth, safetensors, .caffemodel, Keras, ONNX, .npz.")
]

Pixels = Annotated[
    str | None,
    typer.Option(
        help="What the weights expect, where it is guessed wrong: caffe, caffe-rgb, keras, torchvision, "
        "torchvision-bgr, unit (RGB from 0 to 1), signed (-1 to 1) or raw."
    ),
]

app = typer.Typer(
    help="Look into files of weights, convert, check and compress them.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@app.command()
@one_sentence
def svd(
    model: Annotated[Path, typer.Argument(help="A run folder or a model file.")],
    out: Annotated[Path, typer.Option(help="The smaller model file, new.")],
    fc6: Annotated[
        int | None, typer.Option(help="Singular values kept of fc6; by default a quarter of its width.")
    ] = None,
    fc7: Annotated[int | None, typer.Option(help="The same of fc7; by default a quarter, 256 at most.")] = None,
    half: Annotated[bool, typer.Option("--half", help="Store float16: half the file, three digits a weight.")] = False,
) -> None:
    """Make detection faster: keep fc6's and fc7's largest singular values (the paper's truncated SVD).

    VGG16's defaults are the paper's 1024 and 256; a narrow layer keeps as large a share. `minircnn eval` on both files
    shows what it costs and gains.

    Example: minircnn weights svd runs/first --fc6 1024 --fc7 256 --out small.safetensors
    """
    from minircnn.base.files import check_target
    from minircnn.weights.model_file import load_model, save_model
    from minircnn.weights.svd import compress, usual_ranks

    check_target(out, "--out", (".safetensors",))
    detector = load_model(model)
    usual6, usual7 = usual_ranks(*detector.architecture.hidden)
    smaller, shares = compress(detector, usual6 if fc6 is None else fc6, usual7 if fc7 is None else fc7)
    save_model(out, smaller, half)
    for name, share in shares.items():
        old, new = detector.layers[name].parameters(), smaller.layers[name].parameters()
        sizes = [sum(parameter.value.size for parameter in layer.values()) / 1e6 for layer in (old, new)]
        print(f"{name}: {sizes[0]:.2f} to {sizes[1]:.2f} million weights, {100 * share:.1f} % of the squares kept")
    print(f"{out}: {out.stat().st_size / 1e6:.0f} MB; compare: minircnn eval {out} --data DIR")


@app.command()
@one_sentence
def info(file: Weights) -> None:
    """Say what a file holds: whose weights, for which pixels, and each layer's name, shape and type there and here.

    Files that minircnn wrote say how they were made.

    Example: minircnn weights info vgg16-397923af.pth
    """
    from minircnn.models import vgg16
    from minircnn.weights.foreign.convert import KNOWN, sha256
    from minircnn.weights.foreign.formats import is_foreign, read_contents
    from minircnn.weights.foreign.vgg16 import read_vgg16
    from minircnn.weights.model_file import read_tensors

    contents = read_contents(file)
    digest = sha256(file)
    if not is_foreign(file):
        tensors, description = read_tensors(file)
        _print_own(file, tensors, description, digest)
        return
    print(f"{file}: {contents.format}, {file.stat().st_size / 1e6:.1f} MB")
    print(f"SHA-256 {digest}" + (f", {KNOWN[digest]}" if digest in KNOWN else ""))
    try:
        found = read_vgg16(file, vgg16(), contents)
    except InputError as error:
        for name, stored in contents.tensors.items():
            print(f"  {name:40} {stored.type_name:9} {stored.shape}")
        print(str(error))
        return
    pixels = found.preprocessing
    print(f"weights: {found.origin}")
    guess = " (a guess)" if found.guessed else ""
    print(f"pixels: {pixels.channel_order}, less {pixels.mean}, divided by {pixels.scale}{guess}")
    for name, source in found.sources.items():
        stored = source.stored
        print(f"  {name:18} {source.shape!s:20} from {source.name}, {stored.type_name} {stored.shape}")
    for layer in ("fc6", "fc7", "fc8"):
        if not found.has(layer):
            print(f"  no {layer}")
    for note in found.notes:
        print(f"note: {note}")


@app.command()
@one_sentence
def convert(
    file: Weights, out: Annotated[Path, typer.Option(help="The safetensors file, new.")], pixels: Pixels = None
) -> None:
    """Write a VGG16 to safetensors, with its origin, SHA-256 and pixels; a detector becomes a model file.

    Pixels that were guessed stay marked as a guess.

    Example: minircnn weights convert VGG_ILSVRC_16_layers.caffemodel --out vgg16.safetensors
    """
    from minircnn.base.files import check_target
    from minircnn.models import vgg16
    from minircnn.weights.foreign.convert import convert as write
    from minircnn.weights.foreign.detector import read_detector
    from minircnn.weights.foreign.vgg16 import read_vgg16
    from minircnn.weights.model_file import save_model

    check_target(out, "--out", (".safetensors",))
    found = read_vgg16(file, vgg16(), pixels=pixels)
    for note in found.notes:
        print(f"note: {note}")
    if found.has("cls_score"):
        save_model(out, read_detector(file, pixels))
        print(f"{out}: a detector, {out.stat().st_size / 1e6:.0f} MB; try: minircnn detect {out} photo.jpg --out found")
        return
    write(found, out)
    print(f"{out}: {out.stat().st_size / 1e6:.0f} MB; begin with it: minircnn train --backbone vgg16 --weights {out}")


@app.command()
@one_sentence
def check(file: Weights, pixels: Pixels = None) -> None:
    """Classify bundled photographs with the whole VGG16, and print each one's five best ImageNet classes.

    A wrong order of channels or of fc6's rows shows at once. The exit status says whether two at least are recognised.
    Without a classifier, say how much alike the convolutions' maps of these photographs are with each kind of pixels.

    Example: minircnn weights check vgg16-397923af.pth
    """
    from minircnn.models import vgg16
    from minircnn.weights.check import class_names, look
    from minircnn.weights.foreign.detector import read_classifier
    from minircnn.weights.foreign.vgg16 import read_vgg16

    found = read_vgg16(file, vgg16(), pixels=pixels)
    for note in found.notes:
        print(f"note: {note}")
    if not found.has("fc8") or found.sources["fc8.bias"].shape != (len(class_names()),):  # none, or of other classes
        _check_convolutions(file, found)
        return
    answers = []
    for answer in look(read_classifier(found, vgg16()), found.preprocessing):
        answers.append(answer)
        print(f"{answer.photograph}:")
        for words, share, right in answer.best:
            words = ", ".join(words.split(", ")[:2])
            print(f"  {100 * share:5.1f} %  {words}{'   <- right' if right else ''}")
    recognised = sum(answer.right for answer in answers)
    print(f"{recognised} of {len(answers)} photographs have a right class among their five")
    if recognised < 2:  # one may be luck
        raise InputError(
            f"{file}: hardly anything is recognised; these are no weights of ImageNet's, or their pixels or order are "
            "others than they were taken for"
        )


def _check_convolutions(file: Path, found: "Pretrained") -> None:
    """What convolutions alone can tell: with which pixels they tell photographs apart."""
    from minircnn.models import vgg16
    from minircnn.weights.check import compare_pixels, likeness
    from minircnn.weights.foreign.detector import read_convolutions

    backbone = read_convolutions(found, vgg16())
    own = likeness(backbone, found.preprocessing)
    print(
        "it has no classifier of ImageNet's, so: how much alike are the maps of different photographs?\n"
        "0 not at all, 1 the same"
    )
    print(f"  {'as they are taken here':24} {own:5.2f}")
    rows = list(compare_pixels(backbone, found.preprocessing))
    for name, words, alike in rows:
        print(f"  {name:24} {alike:5.2f}   {words}")
    best, words, least = min(rows, key=lambda row: row[2])
    if least > 0.6:
        raise InputError(f"{file}: with no pixels do these weights tell photographs apart; were they ever trained?")
    if own > least + 0.2:
        raise InputError(
            f"{file}: with these pixels all photographs look alike ({own:.2f}), with {words} they do not "
            f"({least:.2f}): give --pixels {best}, or one of its neighbours"
        )
    print("these pixels serve: photographs are told apart (the order of the channels matters too little to show here)")


def _print_own(file: Path, tensors: dict, description: dict, digest: str) -> None:
    """What a file that minircnn wrote says of itself."""
    kind = description.get("kind", "checkpoint" if "training" in description else "detector")
    print(f"{file}: minircnn's, a {kind}, {file.stat().st_size / 1e6:.1f} MB")
    print(f"SHA-256 {digest}")
    architecture = description.get("architecture", {})
    if pixels := architecture.get("preprocessing"):
        print(f"architecture: {architecture['name']}, channels {architecture['blocks']}")
        print(f"pixels: {pixels['channel_order']}, less {pixels['mean']}, divided by {pixels['scale']}")
    if names := description.get("class_names"):
        print(f"classes: {', '.join(names)}")
    for key, value in (description.get("origin") or {}).items():
        print(f"{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
    for name, array in tensors.items():
        print(f"  {name:26} {array.dtype!s:9} {array.shape}")
