"""Every example runs as a person runs it: alone, from its own command, with its figure; and nothing links nowhere."""

import ast
import os
import re
import runpy
import subprocess
import sys
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest import mock

import pytest
from commands import python

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))
SHOWN = {  # what a reader must find in the output
    "04": ["column 3 is in both", "argmax [[-1, -1], [-1, -1]]"],
    "05": ["dX[2, 3] = 0.10 + 0.20 + 0.30 + 0.40 + 0.50 = 1.50", "+1.50   .   +0.60"],
    "06": ["+0.0031250", "-0.0078125"],
    "07": ["[20, 21, 22, 23]", "(3, 14)", "(3, 56)"],
    "08": ["closed", "open"],
    "09": ["conv3_1 (dweight)", "roi_pool"],
    "10": ["numeric 0.50, rule 1", "numeric 0.50, rule 0"],
    "13": ["77.2 times"],
    "15": ["8 hold something", "after 200 steps"],
    "17": ["the paper's 2000 of 224×224 on an image of 600×1000: 167 times", "reach fc6"],
    "16": ["0.28 of (2, 1)", "Joint training drops it"],
}
LINES = {
    "minircnn/models/heads.py": "cls_score = linear(",
    "minircnn/losses.py": "dpred[r, column] = sigma2 * d / R",
    "minircnn/layers/relu.py": "return dy * (self.saved",
    "minircnn/kernels/roi_pool.py": "cells[n, cell, c] += dpooled",
    "minircnn/models/fast_rcnn.py": "def backward(self",
}


def run(path, *words):
    """What the example prints, run in this process as `python PATH WORDS` runs it."""
    printed, code = StringIO(), 0
    with redirect_stdout(printed), chdir(ROOT), mock.patch.object(sys, "argv", [str(path), *map(str, words)]):
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as end:
            code = end.code
    assert not code, printed.getvalue()
    return printed.getvalue()


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """path → what that example printed, and its figure's folder. Each runs once, when it is first asked for."""
    folder, known = tmp_path_factory.mktemp("examples"), {}

    def of(path):
        if path not in known:
            known[path] = run(path, "--out", folder)
        return known[path], folder

    return of


def test_there_are_seventeen_in_order():
    assert [path.name[:2] for path in EXAMPLES] == [f"{n:02}" for n in range(1, 18)]


LONG = ("11", "12", "13", "15", "17")  # the site's build runs them as well


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.slow] * (path.name[:2] in LONG)) for path in EXAMPLES],
    ids=lambda path: path.stem,
)
def test_an_example_runs_and_leaves_its_figure(path, output):
    printed, folder = output(path)
    for words in SHOWN.get(path.name[:2], []):
        assert words in printed
    if "PyTorch is not installed" in printed:
        pytest.skip("PyTorch is not installed: the example says so and ends")
    assert f"figure: {folder / path.stem}.png" in printed
    assert (folder / f"{path.stem}.png").read_bytes().startswith(b"\x89PNG")


def test_the_ledger_takes_any_map_and_any_region(tmp_path):
    """Who changes its map, moves a region over the border or off the map sees what happens, and no traceback."""
    text = EXAMPLES[4].read_text(encoding="utf-8")
    for old, new in (
        ("H = W = 7", "H, W = 5, 9"),
        ("[3, 2, 6, 5]", "[6, 2, 14, 8]"),
        ("[0, 4, 2, 6]", "[-9, -9, -4, -4]"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    (tmp_path / "changed.py").write_text(text, encoding="utf-8")
    printed = run(tmp_path / "changed.py", "--out", tmp_path)
    assert printed.count("empty, argmax -1") == 7
    assert "Σ dX = 1.50" in printed


def test_all_three_planted_bugs_are_caught_and_what_is_sound_passes(output):
    lines = output(EXAMPLES[9])[0].splitlines()
    verdicts = [line.split()[-1] for line in lines if "worst relative error" in line]
    assert verdicts == ["passes", "CAUGHT", "CAUGHT", "passes", "CAUGHT"]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short_and_says_what_it_shows(path):
    text = path.read_text(encoding="utf-8")
    assert 30 <= len(text.splitlines()) <= 120
    assert ast.get_docstring(ast.parse(text)).startswith(f"{path.name[:2]}  ")


def test_without_pytorch_its_example_says_how_to_get_it_and_ends_well():
    with mock.patch.dict(sys.modules, torch=None):
        assert "pip install torch" in run(EXAMPLES[13])


def test_help_says_what_an_example_shows():
    printed = python(EXAMPLES[4], "--help").stdout
    assert "every contribution in a ledger" in printed
    assert "--out" in printed


def test_a_figure_goes_to_a_temporary_folder_whose_path_is_printed(tmp_path):
    done = python(EXAMPLES[5], TMPDIR=str(tmp_path), TEMP=str(tmp_path), TMP=str(tmp_path))
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.rpartition("figure: ")[2].strip())
    assert path.is_file()
    assert tmp_path in path.parents


def test_a_debugger_stops_inside_the_loop_that_adds(tmp_path):
    """The transcript of examples/README.md, typed."""
    source = (ROOT / "minircnn" / "kernels" / "roi_pool.py").read_text(encoding="utf-8").splitlines()
    line = next(n for n, text in enumerate(source, start=1) if "cells[n, cell, c] +=" in text)
    typed = f"b ../minircnn/kernels/roi_pool.py:{line}\nc\np r, ph, pw, c, cell, dpooled[r, ph, pw, c]\nq\n"
    done = subprocess.run(
        [sys.executable, "-m", "pdb", EXAMPLES[4], "--out", tmp_path],
        input=typed, capture_output=True, text=True, timeout=300, cwd=ROOT,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
    )  # fmt: skip
    assert re.search(r"\(0, 0, 0, 0, (np\.int32\()?17\)?, (np\.float64\()?0\.1\)?\)", done.stdout), done.stdout
    readme = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"roi_pool\.py[:(](\d+)", readme)) == {str(line)}, "the transcript names another line"


def anchors(text):
    """GitHub's anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["README.md", "examples/README.md"])
def test_every_link_and_picture_leads_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert links
    for link in links:
        if link.startswith("http"):
            continue
        target, _, anchor = link.partition("#")
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), link
        if anchor.startswith("L"):  # a line of code: the one that the sentence is about
            line = path.read_text(encoding="utf-8").splitlines()[int(anchor[1:]) - 1]
            assert LINES[target] in line, f"{link} shows {line}"
        elif anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), link


def test_every_example_stands_in_both_tables():
    for page in ("README.md", "examples/README.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert [path.name for path in EXAMPLES if path.name not in text] == [], page
