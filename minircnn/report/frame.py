"""What the pages share: the shell around them, the style sheet `page.css`, and the language shown first."""

import re
from collections.abc import Sequence
from pathlib import Path
from string import Template

from minircnn.report.words import LANGUAGES

HANGUL = re.compile("[가-힣]")


def frame(name: str) -> Template:
    """`name`.html in `shell.html`, with the style and, where there is one, its own `name`.css: a template."""
    folder = Path(__file__).parent
    files = ("shell.html", f"{name}.html", "page.css")
    shell, body, style = (folder.joinpath(file).read_text("utf-8") for file in files)
    if name != "page" and (own := folder / f"{name}.css").is_file():
        style += own.read_text("utf-8")
    return Template(shell.replace("$style", style).replace("$body", body))


def first_language(names: Sequence[str]) -> dict[str, str]:
    """Which of the two languages is shown first: Korean where a class has a Korean name."""
    language = "ko" if any(HANGUL.search(name) for name in names) else "en"
    return {"first": language} | {f"{each}_checked": "checked" * (each == language) for each in LANGUAGES}
