"""A network's architecture in a file's description, there and back.

Model files and backbone files both hold one; which classes there are says `models/backbones.py`.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from minircnn.base.errors import InputError
from minircnn.models import BACKBONES, KINDS, VGG, Architecture, Preprocessing

OFTEN = {"ranks": None, "pooling": "pool", "class_agnostic": False}  # these stand in a file only where they are others
FORMAT = 1  # of files that minircnn writes; raise it when older versions could not read one rightly


def describe_architecture(architecture: Architecture) -> dict:
    """JSON-ready; `architecture_of` reads it."""
    fields = {name: value for name, value in asdict(architecture).items() if OFTEN.get(name, "") != value}
    del fields["rpn"]  # a model that has one says so
    return fields if architecture.kind == VGG.kind else {"kind": architecture.kind} | fields


def architecture_of(description: dict, path: Path) -> Architecture:
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
        kind = KINDS[fields.pop("kind", VGG.kind)]
        if (name := fields.get("name")) in BACKBONES:
            fields["rpn"] = BACKBONES[name]().rpn  # should it become a model that has one
        return kind(
            preprocessing=Preprocessing(**preprocessing), **{name: _tuples(value) for name, value in fields.items()}
        )
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise InputError(f"{path}: its description of the model is not usable ({error}); train it again") from None


def _tuples(value: object) -> Any:
    """JSON's lists as the tuples that they were."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
