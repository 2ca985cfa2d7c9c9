"""What the pages share: the style sheet `page.css`, put into each page's own frame, and the language shown first."""

import re
from collections.abc import Sequence
from pathlib import Path
from string import Template

from minircnn.report.words import LANGUAGES

HANGUL = re.compile("[가-힣]")


def frame(name: str) -> Template:
    """`name`.html with the style in it, as a template."""
    page, style = (Path(__file__).with_name(file).read_text(encoding="utf-8") for file in (f"{name}.html", "page.css"))
    return Template(page.replace("$style", style))


def first_language(names: Sequence[str]) -> dict[str, str]:
    """Which of the two languages is shown first: Korean where a class has a Korean name."""
    language = "ko" if any(HANGUL.search(name) for name in names) else "en"
    return {"first": language} | {f"{each}_checked": "checked" * (each == language) for each in LANGUAGES}
