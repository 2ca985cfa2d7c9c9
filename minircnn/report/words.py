"""The report's sentences in two languages: each stands in the page twice, and the page's style shows one of them."""

import html
import json
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "ko")


@cache
def sentences() -> dict[str, dict[str, str]]:
    """Key → language → sentence with {places}."""
    return json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))


def say(*keys: str, **values: object) -> str:
    """Sentences in both languages, as HTML; the values, which are not, are escaped."""
    return both({language: "".join(filled(key, language, **values) for key in keys) for language in LANGUAGES})


def filled(key: str, language: str, **values: object) -> str:
    """A sentence in one language, as plain text."""
    return sentences()[key][language].format(**values)


def both(text: dict[str, str]) -> str:
    """Plain text in each language, as HTML."""
    return "".join(f'<span lang="{language}">{html.escape(text[language])}</span>' for language in LANGUAGES)
