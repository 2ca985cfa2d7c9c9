"""`minircnn explain`."""

from pathlib import Path
from typing import Annotated

import typer


def explain(
    out: Annotated[Path, typer.Option(help="The page, an HTML file.")] = Path("gradient.html"),
    lang: Annotated[str, typer.Option(help="The language it opens in, en or ko; both are in it.")] = "en",
) -> None:
    """Write the gradient page: the loss that moves a box, followed back through RoI pooling, number by number.

    Example: minircnn explain --out gradient.html
    """
    from minircnn.explain.page import write_page

    write_page(out, lang)
    print(f"{out}: open it in a browser; it needs nothing else")
