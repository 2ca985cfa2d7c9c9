"""Flags that become settings: of the search, of anchors and RoIs; and which may stand beside --resume."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from minircnn.base.errors import InputError

if TYPE_CHECKING:
    from minircnn.anchors import RPNSettings
    from minircnn.proposals import ProposalSettings
    from minircnn.targets import SamplingSettings

SearchMode = Annotated[
    str | None,
    typer.Option("--search-mode", "--mode", help="Selective Search's: fast, or quality: more boxes, slower."),
]
SearchSide = Annotated[
    int | None,
    typer.Option(help="Pixels: of a larger image the search looks at a copy with this longer side; 500 if absent."),
]
SearchMinSide = Annotated[
    float | None, typer.Option(help="Pixels: narrower proposals are dropped; 12 if absent. Lower it for small objects.")
]


def search_settings(mode: str | None, side: int | None, min_side: float | None) -> "ProposalSettings":
    """How Selective Search is run; what is None as it is by default."""
    from minircnn.proposals import ProposalSettings

    given: dict[str, Any] = {"mode": mode, "max_image_side": side, "min_side": min_side}
    try:
        return ProposalSettings(**{name: value for name, value in given.items() if value is not None})
    except InputError as error:
        flags = {"mode": "--search-mode", "max_image_side": "--search-side", "min_side": "--search-min-side"}
        words = str(error).removeprefix("proposals: ")
        for name, flag in flags.items():
            words = words.replace(f"{name} should", f"{flag} should")
        raise InputError(words) from None


def sampling_settings(model: str, rois_per_image: int | None) -> "SamplingSettings | None":
    """How RoIs are drawn, where a flag says so."""
    from minircnn.models import MODELS

    if rois_per_image is None or model not in MODELS:  # an unknown one is refused with the rest of the settings
        return None
    return replace(MODELS[model].sampling, rois_per_image=rois_per_image)


def rpn_settings_of(backbone: str, anchor_scales: str | None) -> "RPNSettings | None":
    """The anchors, where a flag says which."""
    from minircnn.models import BACKBONES

    if anchor_scales is None or backbone not in BACKBONES:
        return None
    try:
        scales = tuple(float(scale) for scale in anchor_scales.split(","))
    except ValueError:
        raise InputError(f"--anchor-scales takes numbers, comma-separated (8,16,32), not {anchor_scales!r}") from None
    return replace(BACKBONES[backbone]().rpn, scales=scales)


def refuse_other_flags(ctx: typer.Context) -> None:
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
