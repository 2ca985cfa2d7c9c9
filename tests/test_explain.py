"""The gradient page's worked example, held to finite differences, and the page's own files."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from minircnn.base.errors import InputError
from minircnn.explain import page as page_module
from minircnn.explain.page import page, write_page
from minircnn.explain.scenario import POOLINGS, SENT, follow, worked_example
from minircnn.explain.source import additions, find
from minircnn.explain.steps import STEPS

PARTS = Path(page_module.__file__).parent / "parts"


@pytest.fixture(scope="module")
def example():
    return worked_example()


@pytest.fixture(scope="module")
def found(example):
    return follow(example)


def test_the_watched_cell_wins_four_bins_of_one_roi_and_one_of_another(example, found):
    cell = 2 * 7 + 3
    assert example.features[2, 3] == 9
    assert (found["argmax"] == cell).sum(axis=(1, 2)).tolist() == [4, 1, 0]
    five = found["both.dpooled"][found["argmax"] == cell]
    assert found["both.dfeatures"][2, 3] == pytest.approx(five.sum(), abs=1e-15)
    assert len(set(five.round(4))) == 5


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("sent", SENT)
def test_the_worked_example_is_right_by_finite_differences(example, sent, pooling):
    """Five-point slopes of the loss over every cell; cells lie 0.1 apart, so that no winner changes on the way."""

    def loss(at: np.ndarray) -> float:
        class_loss, box_loss = follow(replace(example, features=at, pooling=pooling))["losses"]
        return class_loss * (sent != "box") + box_loss * (sent != "class")

    e = 1e-3
    numeric = np.zeros_like(example.features)
    for cell in np.ndindex(numeric.shape):
        step = np.zeros_like(numeric)
        step[cell] = e
        near = loss(example.features + step) - loss(example.features - step)
        far = loss(example.features + 2 * step) - loss(example.features - 2 * step)
        numeric[cell] = (8 * near - far) / (12 * e)
    assert abs(numeric - follow(replace(example, pooling=pooling))[f"{sent}.dfeatures"]).max() <= 1e-11


def test_the_coordinates_gradient_is_right_by_finite_differences(example):
    """Of a RoI whose samples stand on no cell's own place; the other poolings have none to compare with."""
    rois = example.rois + np.array([0.13, 0.07, 0.29, 0.17])
    example = replace(example, rois=rois, pooling="align")
    targets = follow(example)["targets"]
    numeric, e = np.zeros_like(rois), 1e-6
    for place in np.ndindex(rois.shape):
        step = np.zeros_like(rois)
        step[place] = e
        up, down = (follow(replace(example, rois=rois + by), targets)["losses"].sum() for by in (step, -step))
        numeric[place] = (up - down) / (2 * e)
    found = follow(example)["both.drois"]
    np.testing.assert_allclose(numeric, found, atol=1e-9)
    assert (abs(found) > 1e-5).sum() > 9


def test_the_worked_example_shows_what_the_page_speaks_of(example, found):
    d = abs(found["d"][:2])
    assert (d > 1).any()
    assert (d < 1).any()
    for name in ("z6", "z7"):
        gates = found[name] > 0
        assert gates.any(axis=1).all()
        assert not gates.all(axis=1).any()
        assert (gates[0] != gates[1]).any()  # a gate belongs to a RoI, not to a unit
    assert (found["box.dpooled"][2] == 0).all()  # background: no box loss
    assert (found["class.dpooled"][2] != 0).all()  # but a class loss
    for weight in example.weights.values():
        assert (weight == weight.round(1)).all()  # for paper


def test_the_answers_on_paper_are_the_kernels(found):
    text = (PARTS / "screens" / "11_on_paper.html").read_text(encoding="utf-8")

    def written(value: float) -> str:
        return f"{value:.4f}".replace("-", "− ")

    first, second, third, fourth = found["both.dpooled"][0].reshape(-1)
    sum_of_a = f"{first:.4f} + {second:.4f} {written(third)} {written(fourth)}"
    for language in ("en", "ko"):
        (block,) = re.findall(rf'<div lang="{language}" data-rove="move">(.*?)</div>', text, re.DOTALL)
        assert sum_of_a in block
        assert f"+ {found['both.dpooled'][1, 0, 0]:.4f}" in block
        assert f"<b>{found['both.dfeatures'][2, 3]:.4f}</b>" in block
        assert f"<b>+{found['class.dpooled'][2, 0, 0]:.4f}</b>" in block
        assert f"z = −{-found['z7'][0, 1]:.2f}" in block
        assert block.count("<details>") == 12
        for value in (0.4 / 128, -1 / 128):
            assert str(value).replace("-", "−") in block


def test_the_page_speaks_both_languages_everywhere():
    words = json.loads((PARTS / "words.json").read_text(encoding="utf-8"))
    assert {key for key, texts in words.items() if sorted(texts) != ["en", "ko"] or not all(texts.values())} == set()
    assert {key for key, texts in words.items() if names(texts["en"]) != names(texts["ko"])} == set()
    for path in (PARTS / "screens").iterdir():
        text = path.read_text(encoding="utf-8")
        tags = re.findall(r'<(\w+) lang="(en|ko)"', text)
        english, korean = ([tag for tag, language in tags if language == which] for which in ("en", "ko"))
        assert english == korean, path.name
        assert english, path.name


def names(text: str) -> list[str]:
    return sorted(re.findall(r"\{(\w+)\}", text))


def test_every_word_that_the_script_asks_for_is_there_and_none_is_idle():
    words = json.loads((PARTS / "words.json").read_text(encoding="utf-8"))
    script = "\n".join(path.read_text(encoding="utf-8") for path in sorted((PARTS / "script").iterdir()))
    asked = set(re.findall(r'words\(\s*"([^"]+)"', script)) | set(re.findall(r'"([\w.-]+)"', script)) & set(words)
    families = set(re.findall(r"words\(`([\w.]+)\$\{", script))
    assert {key for key in asked if key not in words} == set()
    idle = {key for key in words if key not in asked and not any(key.startswith(family) for family in families)}
    assert idle == set()


def test_every_script_file_is_on_the_page_and_short():
    files = {path.stem for path in (PARTS / "script").glob("*.js")}
    assert files == set(page_module.SCRIPTS)
    for path in (PARTS / "script").iterdir():
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 250, path.name
        assert max(map(len, lines)) <= 130, path.name  # written to be read, not minified


def test_the_page_is_small_and_names_nothing_outside_itself(gradient_page):
    text = gradient_page.read_text(encoding="utf-8")
    assert len(text.encode()) <= 600_000
    assert '<html lang="en"' in text
    assert '<html lang="ko"' in page("ko", worked_example(), {})
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', text) == []
    assert "http" not in re.sub(r"http-equiv|http://www.w3.org/2000/svg", "", text)


def test_text_in_the_data_cannot_end_its_script():
    assert "</script><b>" not in page_module._in_a_script(json.dumps({"a": "</script><b>"}))


def test_source_lines_are_those_of_the_installed_kernel():
    assert set(additions()) == set(POOLINGS)
    line = find("kernels/roi_pool.py", "cells[n, cell, c] += dpooled[r, ph, pw, c]")
    source = (Path(page_module.__file__).parent.parent / "kernels" / "roi_pool.py").read_text(encoding="utf-8")
    assert source.splitlines()[line["number"] - 1].strip() == line["text"]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_shown_lines_stand_where_their_numbers_say(step):
    data = step.as_data()
    source = (Path(page_module.__file__).parents[2] / data["file"]).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(data["lines"], start=data["first"]):
        assert source[number - 1].strip() == line.strip()
    assert len(data["lit"]) == len(step.lit)
    for number, text in zip(data["lit"], step.lit, strict=True):
        assert text in source[number - 1]
    assert data["lines"][0] == data["lines"][0].lstrip()


def test_an_unknown_language_and_a_folder_are_one_sentence(tmp_path, example):
    with pytest.raises(InputError, match="speaks en and ko, not 'de'"):
        page("de", example, {})
    with pytest.raises(InputError, match="is a folder"):
        write_page(tmp_path)
