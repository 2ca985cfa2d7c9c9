"""`minircnn explain`: writes the gradient page, with a step of a trained model on it if one is given (`explain/`)."""

from pathlib import Path
from typing import Annotated

import typer


def explain(
    out: Annotated[Path, typer.Option(help="The page, an HTML file.")] = Path("gradient.html"),
    model: Annotated[
        Path | None,
        typer.Option(help="Run folder or model file, whose step screen 9 shows; the bundled one if absent."),
    ] = None,
    image: Annotated[Path | None, typer.Option(help="The photograph of that step.")] = None,
    lang: Annotated[str, typer.Option(help="The language it opens in, en or ko; both are in it.")] = "en",
) -> None:
    """Write the gradient page: the loss that moves a box, followed back through RoI pooling, number by number.

    Example: minircnn explain --out gradient.html

    Screen 9 shows a photograph of the bundled data; with a step of your own detector:
    minircnn explain --model runs/demo --image photo.jpg
    """
    from minircnn.explain.page import write_page

    write_page(out, lang, model, image)
    print(f"{out}: open it in a browser; it needs nothing else")
