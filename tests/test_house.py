"""The rules of the house: who may import whom, what stays light, how long a file may be."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "minircnn"
FLOORS = {
    0: {"errors", "kernels", "boxes", "__init__"},
    1: {"layers", "losses", "optim", "data", "proposals", "proposal_cache", "targets", "metrics", "drawing"},
    3: {"models", "gradcheck", "gradcheck_cases"},
    4: {
        "checkpoint", "batches", "settings", "run_folder", "training_data", "train", "detection", "evaluate", "finish",
        "report", "report_plots", "demo", "warm_up",
    },
    6: {"cli", "__main__"},
}  # fmt: skip
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
FILES = sorted(PACKAGE.rglob("*.py"))


def room(module: str) -> str:
    """minircnn.kernels.conv → kernels."""
    return [*module.split("."), "__init__"][1]


def imports(path: Path) -> list[tuple[int, str]]:
    """(line, module) of every import of this package; a lazy one inside a function counts too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "minircnn":
            found.append((node.lineno, node.module))
        elif isinstance(node, ast.Import):
            found += [(node.lineno, name.name) for name in node.names if name.name.split(".")[0] == "minircnn"]
    return found


def test_no_file_imports_upwards():
    wrong = []
    for path in FILES:
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        own = parts[0]
        if own not in FLOOR_OF:
            wrong.append(f"{path}: belongs to no floor; add it to FLOORS")
            continue
        if own == "__init__":  # the public names are loaded lazily, from every floor
            continue
        for line, module in imports(path):
            other = room(module)
            if other != own and FLOOR_OF.get(other, 99) > FLOOR_OF[own]:
                wrong.append(f"{path}:{line} (floor {FLOOR_OF[own]}) imports {module} (floor {FLOOR_OF.get(other)})")
    assert wrong == []


def test_rooms_of_a_floor_import_in_one_direction():
    edges = {}
    for path in FILES:
        own = path.relative_to(PACKAGE).with_suffix("").parts[0]
        edges.setdefault(own, set()).update(room(module) for _, module in imports(path))
    edges["__init__"] = set()

    def reaches(start: str, goal: str, seen: set[str]) -> bool:
        return any(
            n == goal or (n not in seen and reaches(n, goal, seen | {n})) for n in edges.get(start, ()) if n != start
        )

    assert [name for name in edges if reaches(name, name, {name})] == []


def test_kernels_know_arrays_only():
    allowed = {"numpy", "numba", "math", "functools", "contextlib", "scipy", "threadpoolctl", "minircnn"}
    for path in (PACKAGE / "kernels").glob("*.py"):
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
    heavy = ("numba", "cv2", "matplotlib", "scipy", "torch")
    code = f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_public_names_load():
    import minircnn

    for name in minircnn.__all__:
        assert callable(getattr(minircnn, name))
    assert callable(minircnn.detect)
