"""The rules of the house: who may import whom, what stays light, how long a file may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "minircnn"
FLOORS = {
    0: {"base", "kernels", "boxes"},
    1: {"layers", "losses", "data", "metrics"},
    2: {"fashion", "proposals", "targets", "anchors"},
    3: {"models"},
    4: {"weights", "gradcheck"},
    5: {"detection"},
    6: {"training"},
    7: {"report", "explain", "bench"},
    8: {"tasks"},
    9: {"cli", "__main__"},
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {".".join(("minircnn", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
           for path in FILES}  # fmt: skip


def imported_modules(module: str, path: Path, text: str) -> list[tuple[int, str]]:
    """(line, module) of every file of this package that `text`, the content of `path`, imports.

    A lazy import inside a function counts, and so does each way to write one: `import minircnn.a`,
    `from minircnn import a`, `from minircnn.a import name`, `from . import a`, `from .a import name`. Only what is
    read for type checkers alone does not: it never runs.
    """
    tree = ast.parse(text)
    never_run = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test).endswith("TYPE_CHECKING")
        for node in ast.walk(block)
    }
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = []
    for node in ast.walk(tree):
        if node in never_run:
            continue
        if isinstance(node, ast.Import):
            found += [(node.lineno, name.name) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                source = ".".join([*above, *([node.module] if node.module else [])])
            for name in node.names:
                inner = f"{source}.{name.name}"
                found.append((node.lineno, inner if inner in MODULES else public_home(source, name.name)))
    return [(line, name) for line, name in found if name.split(".")[0] == "minircnn"]


def public_home(source: str, name: str) -> str:
    """`from minircnn import FastRCNN` is an import of the room where FastRCNN lives."""
    import minircnn

    return f"minircnn.{minircnn._HOME[name]}" if source == "minircnn" and name in minircnn._HOME else source


def all_imports() -> dict[str, list[tuple[int, str]]]:
    return {
        module: imported_modules(module, path, path.read_text(encoding="utf-8")) for module, path in MODULES.items()
    }


def room(module: str) -> str:
    """minircnn.kernels.conv → kernels; the package itself → ""."""
    return [*module.split("."), ""][1]


def upward(imports: dict[str, list[tuple[int, str]]]) -> list[str]:
    """A sentence for every import of a higher floor. (On one floor any may import any, but not in a circle.)"""
    return [
        f"{module}:{line} (floor {FLOOR_OF[room(module)]}) imports {other} (floor {FLOOR_OF[room(other)]})"
        for module, lines in imports.items()
        if room(module)
        for line, other in lines
        if room(other) and FLOOR_OF[room(other)] > FLOOR_OF[room(module)]
    ]


def circles(edges: dict[str, set[str]]) -> list[str]:
    """Those that import themselves by way of others."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        ahead = set(edges.get(start, ())) - {start}
        while ahead:
            seen |= ahead
            ahead = {after for name in ahead for after in edges.get(name, ()) if after != name} - seen
        return seen

    return sorted(name for name in edges if name in reached(name))


def test_every_room_has_a_floor():
    assert {room(module) for module in MODULES} - {""} == set(FLOOR_OF)


def test_the_top_of_the_house_has_few_entries():
    no_room = {"__pycache__", "py.typed"}  # the second tells type checkers to read the hints
    assert len([path for path in PACKAGE.iterdir() if path.name not in no_room]) <= 24


def test_no_file_imports_upwards():
    assert upward(all_imports()) == []


def test_no_two_rooms_and_no_two_files_import_in_a_circle():
    files, rooms = {}, {}
    for module, lines in all_imports().items():
        if not room(module):
            continue  # the package's own names are loaded lazily, from every floor
        files[module] = {other for _, other in lines}
        rooms.setdefault(room(module), set()).update(room(other) for _, other in lines)
    assert circles(rooms) == []
    assert circles(files) == []


@pytest.mark.parametrize(
    "line",
    [
        "import minircnn.cli.console",
        "from minircnn.training.train import Training",
        "from minircnn import training",
        "from minircnn import SGD",
        "from .. import training",
        "from ..training.train import Training",
        "def later():\n    from minircnn.training import settings",
    ],
)
def test_an_upward_import_is_seen_however_it_is_written(line):
    path = PACKAGE / "layers" / "relu.py"
    assert len(upward({"minircnn.layers.relu": imported_modules("minircnn.layers.relu", path, line)})) == 1


def test_a_circle_is_seen():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "d"}}) == ["a", "b", "c"]


def test_kernels_know_arrays_only():
    allowed = {"numpy", "numba", "math", "minircnn", "llvmlite", "typing", "operator", "threading", "collections"}
    about_numba = ("cache.py", "threads.py")  # no loops: how Numba keeps and runs them
    for path in (path for path in (PACKAGE / "kernels").glob("*.py") if path.name not in about_numba):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in names:
                assert name.split(".")[0] in allowed, f"{path}:{node.lineno} imports {name}"
                if name.startswith("minircnn"):
                    assert name.startswith("minircnn.kernels"), f"{path}:{node.lineno} imports {name}"


def test_the_twins_share_nothing():
    assert "import minircnn" not in (text := (Path(__file__).parent / "naive.py").read_text())
    assert "from minircnn" not in text


def test_no_file_is_longer_than_250_lines():
    assert [str(p) for p in FILES if len(p.read_text(encoding="utf-8").splitlines()) > 250] == []


@pytest.mark.parametrize("module", ["minircnn", "minircnn.cli"])
def test_importing_is_light(module):
    """Under a second on any machine, because nothing heavy is loaded."""
    heavy = ("numba", "cv2", "matplotlib", "torch")
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_public_names_load():
    import minircnn

    for name in minircnn.__all__:
        assert callable(getattr(minircnn, name))
    assert callable(minircnn.detect)
