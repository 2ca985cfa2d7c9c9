"""A network's architecture in a file's description, there and back."""

from dataclasses import asdict
from pathlib import Path

from minircnn.base.errors import InputError
from minircnn.models import VGG, Preprocessing

FORMAT = 1  # of files that minircnn writes; raise it when older versions could not read one rightly


def describe_architecture(architecture: VGG) -> dict:
    """JSON-ready; `architecture_of` reads it."""
    fields = asdict(architecture)
    if fields["ranks"] is None:  # as files were before there was such a thing
        del fields["ranks"]
    return fields


def architecture_of(description: dict, path: Path) -> VGG:
    """The architecture in a file's description.

    Raises
    ------
    InputError : the file is of another format, or says what cannot be
    """
    if description.get("format") != FORMAT:
        raise InputError(
            f"{path} is of format {description.get('format')!r}, this minircnn reads {FORMAT}; use the version of "
            "minircnn that wrote it, or train it again"
        )
    try:
        fields = dict(description["architecture"])
        preprocessing = dict(fields.pop("preprocessing"))
        preprocessing["mean"] = tuple(preprocessing["mean"])
        preprocessing["scale"] = tuple(preprocessing["scale"])
        fields["blocks"] = tuple(tuple(block) for block in fields["blocks"])
        for name in ("hidden", "frozen", "output_spreads", *(["ranks"] if "ranks" in fields else [])):
            fields[name] = tuple(fields[name])
        return VGG(preprocessing=Preprocessing(**preprocessing), **fields)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise InputError(f"{path}: its description of the model is not usable ({error}); train it again") from None
