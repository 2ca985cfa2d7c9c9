"""The project's own source lines that the page shows, read from the installed package and found by what they say.

So the page cannot show code that is not there any more: a line that is not found once ends the making of the page.
"""

import ast
import textwrap
from dataclasses import dataclass
from pathlib import Path

import minircnn

ROOT = Path(minircnn.__file__).parent
_NAMED = (ast.FunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Step:
    """One step of the journey in code.

    Attributes
    ----------
    name : by which the page's script knows what happened there to the example
    file : below the package
    function : its name, "Class.method" for a method; shown whole, without its docstring
    lit : what stands in the lines that do it; each is found once in the function
    title, note : in English and in Korean
    poolings : of which of the page's poolings it is a step; none where of all
    """

    name: str
    file: str
    function: str
    lit: tuple[str, ...]
    title: tuple[str, str]
    note: tuple[str, str]
    poolings: tuple[str, ...] = ()

    def as_data(self) -> dict:
        """For JSON: `first` is the number of the first of `lines`, `lit` holds line numbers."""
        lines, first = function_lines(self.file, self.function)
        english, korean = zip(self.title, self.note, strict=True)
        return {
            "name": self.name,
            "poolings": list(self.poolings),
            "file": f"minircnn/{self.file}",
            "first": first,
            "lines": lines,
            "lit": [first + line_of(text, lines, self.function) for text in self.lit],
            "title": {"en": english[0], "ko": korean[0]},
            "note": {"en": english[1], "ko": korean[1]},
        }


def function_lines(file: str, name: str) -> tuple[list[str], int]:
    """The lines of a function from the first after its docstring, shifted left, and that line's number (from 1)."""
    text = (ROOT / file).read_text(encoding="utf-8")
    body: list[ast.stmt] = ast.parse(text).body
    for part in name.split("."):
        (node,) = [inner for inner in body if isinstance(inner, _NAMED) and inner.name == part]
        body = node.body
    has_docstring = ast.get_docstring(node) is not None
    first = (body[0].end_lineno or 0) + 1 if has_docstring else body[0].lineno
    lines = text.splitlines()
    while not lines[first - 1].strip():  # between docstring and code
        first += 1
    return textwrap.dedent("\n".join(lines[first - 1 : node.end_lineno])).split("\n"), first


def line_of(text: str, lines: list[str], where: str) -> int:
    """Index of the one line that holds `text`."""
    found = [index for index, line in enumerate(lines) if text in line]
    if len(found) != 1:
        raise ValueError(f"{len(found)} lines of {where} hold {text!r}; the page needs exactly one")
    return found[0]


def additions() -> dict[str, dict]:
    """The line of each RoI layer's backward that adds, by the name of its pooling."""
    return {
        "pool": find("kernels/roi_pool.py", "cells[n, cell, c] += dpooled[r, ph, pw, c]"),
        "average": find("kernels/roi_average.py", "dfeatures[n, h, w, c] += dpooled[r, ph, pw, c] / cells"),
        "align": find("kernels/roi_align.py", "dcell[c] += share * d[c]"),
    }


def find(file: str, text: str) -> dict:
    """The one line of `file` that holds `text`: its file, number (from 1) and words."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    index = line_of(text, lines, file)
    return {"file": f"minircnn/{file}", "number": index + 1, "text": lines[index].strip()}
