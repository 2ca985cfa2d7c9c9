"""The pages under docs/ and the READMEs: their numbers, their links, and that the Korean ones grow with the English."""

import ast
import doctest
import importlib.util
import inspect
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(
    path for path in DOCS.rglob("*.md") if not any(part.startswith("_") or part == "gallery" for part in path.parts)
)
PAIRS = {ROOT / "README.md": ROOT / "README.ko.md", ROOT / "examples" / "README.md": DOCS / "ko" / "study.md"} | {
    DOCS / english: DOCS / "ko" / Path(english).name
    for english in (
        "gradient.md",
        "index.md",
        "outputs.md",
        "faq.md",
        "next.md",
        "notation.md",
        "road.md",
        "targets.md",
        "ten_minutes.md",
        "backward/linear.md",
        "backward/relu.md",
        "backward/roi_align.md",
        "backward/roi_pool.md",
        "backward/smooth_l1.md",
    )
}
CODE = {  # what the line shows to which a page's last paragraph leads
    "kernels/conv.py": "def conv2d_backward(",
    "kernels/max_pool.py": "def max_pool_backward(",
    "kernels/winograd.py": "def conv3x3_backward(",
    "kernels/roi_pool.py": "cells[n, cell, c] += dpooled",
    "kernels/roi_align.py": "dcell[c] += share",
    "kernels/sgd.py": "def sgd_update(",
    "layers/linear.py": "def backward(",
    "layers/relu.py": "def backward(",
    "layers/dropout.py": "def backward(",
    "models/heads.py": {"linear": "def backward(", "outputs": "cls_score = linear("},
    "training/optim.py": "def step(",
    "anchors.py": "def label_overlaps(",
    "models/rpn.py": "return loss_cls, loss_bbox, dscores, doffsets",
    "models/faster_rcnn.py": "# Here the coordinates' gradient is dropped",
    "targets.py": "def sample_rois(",
    "boxes.py": "def encode_boxes(",
    "losses.py": "def smooth_l1(",
}
CLOSING = re.compile(r"\*\*(Code|코드)\.\*\*")
KOREAN_LETTERS = 0.12  # for each English one, at least: it is all there, in Korean


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [path for path in PAGES if ">>>" in path.read_text(encoding="utf-8")], ids=name)
def test_the_numbers_on_a_page_are_the_codes(path):
    text = path.read_text(encoding="utf-8")
    with np.printoptions(precision=4, suppress=True):
        test = doctest.DocTestParser().get_doctest(text, {"np": np}, path.name, str(path), 0)
        told = []
        doctest.DocTestRunner().run(test, out=told.append)
    assert told == []
    assert text.count("```{doctest}") == len(re.findall(r"```\{doctest\}\n>>>", text))


@pytest.mark.parametrize("path", [*PAGES, *PAIRS, ROOT / "README.ko.md", ROOT / "examples" / "README.md"], ids=name)
def test_every_link_leads_somewhere(path):
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        file, _, heading = target.partition("#")
        if re.match(r"https?:", target):
            continue
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{name(path)} links to {target}"
        if heading and there.suffix == ".md":
            assert heading in {anchor(line) for line in headings(there)}, f"{name(path)} links to {target}"


@pytest.mark.parametrize("path", [path for path in PAGES if CLOSING.search(path.read_text(encoding="utf-8"))], ids=name)
def test_a_page_ends_with_the_lines_of_code_that_it_is_about(path):
    text = path.read_text(encoding="utf-8")
    links = re.findall(r"\]\((\S+?\.py)(#\S*)?\)", text[CLOSING.search(text).start() :])
    assert links
    for target, place in links:
        file = (path.parent / target).resolve()
        known = file.relative_to(ROOT / "minircnn").as_posix()
        shown = rf"def _?{path.stem}" if known == "losses.py" else re.escape(_shown(known, path.stem))
        lines = file.read_text(encoding="utf-8").splitlines()
        right = [n for n, line in enumerate(lines, start=1) if re.search(shown, line)]
        places = [f"#L{n}" for n in (right if known == "losses.py" else right[:1])]  # a wrapper and its loop
        assert place in places, f"{name(path)} leads to {known}{place}; {shown!r} stands in {right}"


def _shown(known: str, page: str) -> str:
    return CODE[known] if isinstance(CODE[known], str) else CODE[known][page]


def api_names() -> list[str]:
    return re.findall(r"^\.\. auto\w+:: (minircnn\.[\w.]+)$", (DOCS / "api.md").read_text("utf-8"), re.MULTILINE)


def callables(thing) -> list:
    """A function itself, as it was before Numba took it; of a class, the methods that it writes itself."""
    if not inspect.isclass(thing):
        return [thing]
    own = [member for name, member in vars(thing).items() if not name.startswith("_") or name == "__init__"]
    return [getattr(member, "fget", getattr(member, "__func__", member)) for member in own]


@pytest.mark.parametrize("name", api_names())
def test_every_name_of_the_api_reference_has_its_types(name):
    room, _, last = name.rpartition(".")
    untold = []
    for function in callables(getattr(importlib.import_module(room), last)):
        function = getattr(function, "py_func", function)
        if not inspect.isfunction(function):
            continue
        signature = inspect.signature(function)
        untold += [p.name for p in signature.parameters.values() if p.annotation is p.empty and p.name != "self"]
        if signature.return_annotation is signature.empty and function.__name__ != "__init__":
            untold.append(f"what {function.__name__} returns")
    assert [what for what in untold if what != "cls"] == []


def test_the_api_reference_has_every_public_name():
    told = {name.split(".")[-1] for name in api_names()}
    public = set()
    for room in (
        "minircnn",
        "minircnn.data",
        "minircnn.detection",
        "minircnn.fashion",
        "minircnn.layers",
        "minircnn.metrics",
        "minircnn.models",
        "minircnn.proposals",
    ):
        public |= set(importlib.import_module(room).__all__)
    for file in ("boxes", "detection.evaluate", "losses", "targets"):
        module = importlib.import_module(f"minircnn.{file}")
        public |= {name for name, thing in vars(module).items() if getattr(thing, "__module__", "") == module.__name__}
    assert sorted(name for name in public - told if not name.startswith("_")) == []


def headings(path: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.findall(r"^#+ .*$", text, re.MULTILINE)


def anchor(heading: str) -> str:
    """As GitHub and MyST make it."""
    words = heading.lstrip("# ").strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


@pytest.mark.parametrize("english", PAIRS, ids=name)
def test_a_korean_page_has_the_structure_of_the_english_one(english):
    korean = PAIRS[english]
    one, other = (path.read_text(encoding="utf-8") for path in (english, korean))

    def levels(path: Path) -> list[str]:
        return [heading.split(" ")[0] for heading in headings(path)]

    def code(text: str) -> list[str]:
        """Less the comments, which are in the page's own language, and what is no code."""
        blocks = re.findall(r"```.*?```", text, re.DOTALL)
        blocks = [re.sub(r"(?m)^(?:(?:>>>|\.\.\.) )?# .*\n", "", block) for block in blocks]  # a line of their own
        return [re.sub(r"(?m) +# .*$", "", block) for block in blocks if not re.match(r"```\{(toctree|raw)\}", block)]

    def links(path: Path, text: str) -> list[str]:
        """Names of the files; a Korean page counts as the English one, and a page's own are left out."""
        found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        files = [(path.parent / target.partition("#")[0]).resolve() for target in found]
        files = [twins.get(file, file) for file in files]
        return sorted(file.name.replace("_ko.svg", ".svg") for file in files if file != english)

    def tables(text: str) -> list[int]:
        return [row.count("|") for row in re.findall(r"^\|.*$", text, re.MULTILINE)]

    assert levels(english) == levels(korean)
    assert code(one) == code(other)
    assert tables(one) == tables(other)
    twins = {there: here for here, there in PAIRS.items()}
    assert links(english, one) == links(korean, other)
    assert f"[한국어]({os.path.relpath(korean, english.parent)})" in one
    assert f"[English]({os.path.relpath(english, korean.parent)})" in other
    assert len(re.findall("[가-힣]", other)) > KOREAN_LETTERS * len(re.findall("[a-z]", one))


def test_every_page_is_in_a_table_of_contents():
    listed = set()
    for path in PAGES:
        for block in re.findall(r"```\{toctree\}\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
            entries = [line for line in block.splitlines() if line and not line.startswith(":")]
            listed |= {(path.parent / f"{entry}.md").resolve() for entry in entries}
    assert {path.resolve() for path in PAGES} - listed == {DOCS / "index.md"}


@pytest.mark.parametrize("there", [True, False])
def test_without_pytorch_the_site_shows_its_example_and_does_not_run_it(monkeypatch, there):
    """An example that ends its program would end Sphinx with it, quietly."""
    tree = ast.parse((DOCS / "conf.py").read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if getattr(node, "name", "") == "examples_to_run"]
    room = {"importlib": importlib, "re": re, "HERE": DOCS}
    exec(compile(tree, "conf.py", "exec"), room)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: there or None)
    pattern = room["examples_to_run"]()
    run = [
        path.name[:2] for path in sorted((ROOT / "examples").glob("[0-9]*.py")) if re.search(pattern, f"/{path.name}")
    ]
    assert run == [f"{n:02}" for n in range(1, 18) if there or n != 14]


@pytest.mark.parametrize(
    ("programs", "folder"),
    [(["road_pictures"], "road"), (["derivation_pictures", "network_pictures"], "backward/pictures")],
)
def test_pictures_are_what_their_program_draws(programs, folder):
    """By `python docs/PROGRAM.py`."""
    drawn = {}
    for program in programs:
        specification = importlib.util.spec_from_file_location(program, DOCS / f"{program}.py")
        module = importlib.util.module_from_spec(specification)
        sys.modules[program] = module  # where its dataclasses look for it, and the next program
        specification.loader.exec_module(module)
        drawn |= module.pictures()
    assert {path.name for path in (DOCS / folder).glob("*.svg")} == set(drawn)
    for file, content in drawn.items():
        assert (DOCS / folder / file).read_text(encoding="utf-8") == content, file


def test_every_derivation_has_a_picture():
    for path in (DOCS / "backward").glob("*.md"):
        if path.name != "index.md":
            assert f"pictures/{path.stem}.svg" in path.read_text(encoding="utf-8"), path.name


def test_code_on_the_site_is_at_most_76_columns_wide():
    """So that nothing scrolls sideways beside the table of contents. Printed tables are set smaller (site.css)."""
    for path in PAGES:
        if DOCS not in path.parents:
            continue
        kind, fenced = "", False
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if line.startswith("```"):
                kind, fenced = line[3:].strip("{}"), not fenced
            elif fenced and len(line) > 76 and not kind.startswith(("eval-rst", "raw")):
                assert not line.startswith((">>>", "...", "minircnn", "make")), f"{name(path)}:{number}"
                assert kind != "python", f"{name(path)}:{number}"
