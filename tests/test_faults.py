"""Faults that a reader plants on the gradient page: the page's proof finds each, and so do the project's own tests."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browser import complaints, open_browser, open_page

import minircnn
from minircnn.boxes import decode_boxes, encode_boxes, iou_matrix
from minircnn.explain.faults import FAULTS, MEANS, RATE, STEPS, known_answers
from minircnn.explain.scenario import follow, own_offsets, worked_example

TESTS = Path(__file__).parent
FOUND_BY = {  # fault → the tests of the suite that it does not get past
    "assign": "test_roi_pool.py",
    "foreground": "test_losses.py",
    "halfeven": "test_roi_pool.py",
    "argmax0": "test_roi_pool.py",
    "relu": "test_heads.py",
    "mean": "test_targets.py",
}
CAUGHT = {  # fault → the questions of the page's proof that it fails
    "none": set(),
    "assign": {"slopes"},
    "foreground": {"loss", "learned"},
    "halfeven": {"rounding"},
    "argmax0": {"empty"},
    "relu": {"loss", "learned"},
    "mean": {"moved"},
}


@pytest.fixture(scope="module")
def example():
    return worked_example()


def broken_losses(example, fault: str, steps: int) -> float:
    """The box loss after some SGD steps on the outputs, with a fault in loss and gradient alike: in plain NumPy."""
    h7, targets, labels = follow(example)["h7"], follow(example)["targets"], example.labels
    weights = {name: example.weights[name].copy() for name in ("cls_score", "bbox_pred")}
    biases = {name: example.biases[name].copy() for name in ("cls_score", "bbox_pred")}
    N = (labels > 0).sum() if fault == "foreground" else len(labels)
    for step in range(steps + 1):
        scores, z = (h7 @ weights[name] + biases[name] for name in ("cls_score", "bbox_pred"))
        pred = np.maximum(z, 0) if fault == "relu" else z
        d = np.where(labels[:, None] > 0, own_offsets(pred, labels) - targets, 0)
        loss = np.where(abs(d) < 1, 0.5 * d**2, abs(d) - 0.5).sum() / N
        if step == steps:
            return loss
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        dy = {"cls_score": (p - np.eye(scores.shape[1])[labels]) / len(labels), "bbox_pred": np.zeros_like(z)}
        for r in np.flatnonzero(labels):
            dy["bbox_pred"][r, 4 * labels[r] : 4 * labels[r] + 4] = np.clip(d[r], -1, 1) / N
        if fault == "relu":
            dy["bbox_pred"] *= z > 0
        for name, gradient in dy.items():
            weights[name] -= RATE * h7.T @ gradient
            biases[name] -= RATE * gradient.sum(axis=0)
    raise AssertionError


def expected(example, fault: str) -> dict[str, float]:
    """What the page's six questions are answered with."""
    answers = known_answers(example)
    found = {
        "slopes": 0.0,
        "loss": broken_losses(example, fault, 0),
        "rounding": 0 if fault == "halfeven" else 1,
        "empty": 4 if fault == "argmax0" else 1,  # three empty bins and the winner's own
        "learned": broken_losses(example, fault, STEPS),
        "moved": answers["moved"]["iou"],
    }
    if fault == "assign":
        f = follow(example)
        last = np.zeros(example.features.size)
        for cell, value in zip(f["argmax"].reshape(-1), f["both.dpooled"].reshape(-1), strict=True):
            last[cell] = value
        difference = f["both.dfeatures"].reshape(-1) - last
        found["slopes"] = difference[abs(difference).argmax()]
    if fault == "mean":
        target = encode_boxes(example.rois[:1], example.truth[:1]) / example.std
        back = decode_boxes(example.rois[:1], target * example.std + MEANS)
        found["moved"] = iou_matrix(back, example.truth[:1])[0, 0]
    return found


def test_the_kernels_answers_are_right_by_plain_numpy(example):
    answers = known_answers(example)
    assert answers["loss"] == pytest.approx(broken_losses(example, "none", 0), abs=1e-12)
    assert answers["learned"]["loss"] == pytest.approx(broken_losses(example, "none", STEPS), abs=1e-12)
    assert answers["learned"]["loss"] < 1e-3 < broken_losses(example, "relu", 20 * STEPS)  # however long one trains
    assert answers["moved"]["iou"] == pytest.approx(1, abs=1e-6)
    assert (answers["empty"]["sum"], answers["rounding"]["cell"]) == (1, 1)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_is_a_line_of_the_project_made_wrong(fault):
    line = (Path(minircnn.__file__).parent / fault.file).read_text(encoding="utf-8").splitlines()[fault.number - 1]
    assert line.strip() == fault.right != fault.wrong


@pytest.mark.browser
def test_the_proof_finds_each_fault(example, gradient_page):
    shown = """
        change({ fault: arguments[0] });
        if (arguments[1]) speak(arguments[1]);
        return Object.fromEntries([...document.querySelectorAll('.proof tbody tr')].map((row) => {
          const [must, is] = row.querySelectorAll('[data-of]');
          return [is.dataset.of.split(' ')[2], [row.className, Number(must.dataset.value), Number(is.dataset.value)]];
        }));"""
    says = set()
    with open_browser() as page:
        open_page(page, gradient_page)
        for number, fault in enumerate(CAUGHT):
            proof = page.execute_script(shown, fault, ["en", "ko"][number % 2])
            wanted, known = expected(example, fault), expected(example, "none")
            assert {name for name, (verdict, _, _) in proof.items() if verdict == "fails"} == CAUGHT[fault]
            for name, (_, must, value) in proof.items():
                assert must == pytest.approx(known[name], abs=1e-6 if name == "moved" else 1e-9), (fault, name)
                assert value == pytest.approx(wanted[name], abs=1e-6 if name in ("slopes", "moved") else 1e-9), (
                    fault,
                    name,
                )
            says.add(page.find_element("css selector", '[data-figure="break"] .note').text)
        assert len(says) == len(CAUGHT)
        # Where no bins and no RoIs share a cell, assigning does nothing, and the page says so.
        apart = replace(example, rois=np.array([[0.0, 0, 1, 1], [3, 2, 4, 3], [0, 4, 1, 5]]))
        page.execute_script("change({ scenario: arguments[0], fault: 'assign' }); speak('en')", apart.as_data())
        assert "Nothing notices" in page.find_element("css selector", '[data-figure="break"] .note').text
        assert complaints(page) == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_projects_own_tests_find_each_fault(fault, tmp_path):
    """The same line in a copy of the package, whose tests then fail, and pass again when it is mended."""
    package = tmp_path / "minircnn"
    shutil.copytree(Path(minircnn.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__", "*.webp"))
    shutil.copytree(TESTS, tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__", "real"))
    shutil.copy(TESTS.parent / "pyproject.toml", tmp_path)
    path = package / fault.file
    right = path.read_text(encoding="utf-8").splitlines(keepends=True)
    line = right[fault.number - 1]
    wrong = right.copy()
    wrong[fault.number - 1] = line.replace(fault.right, fault.wrong)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/{FOUND_BY[fault.name]}"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "NUMBA_DISABLE_JIT": "1"}
    for lines, fails in ((wrong, True), (right, False)):
        path.write_text("".join(lines), encoding="utf-8")
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert (done.returncode == 1) == fails, done.stdout[-2000:] + done.stderr[-2000:]
