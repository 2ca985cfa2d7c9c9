"""`minircnn data info`: figures that were counted by hand, every fault named at once, what training should know."""

import json
import os
import re

import numpy as np
import pytest
from commands import assert_one_sentence, minircnn
from PIL import Image

from minircnn.data import open_samples, read_image
from minircnn.data.survey import a_few, survey
from minircnn.proposals import ProposalSettings, proposal_recall, propose
from minircnn.proposals.reach import reach
from minircnn.report.charts import histogram


def write(folder, name, text, size=(200, 100)):
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(name)).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / f"{name}.png")
    if text is not None:
        (folder / f"{name}.txt").write_text(text)


def test_figures_by_hand_and_every_fault(tmp_path):
    (tmp_path / "classes.txt").write_text("hat\nscarf\nshoe\n")
    write(tmp_path / "train", "a", "0 0.5 0.5 0.2 0.4\n1 0.5 0.5 0.1 0.8\n")  # 40×40 and 20×80
    write(tmp_path / "train", "b", "", (100, 300))
    write(tmp_path / "train", "c", "0 0.5 0.5 1.5 0.5\n")
    write(tmp_path / "train", "d", "9 0.5 0.5 0.5 0.5\n")
    write(tmp_path / "val", "a", "0 0.5 0.5 0.2 0.4\n1 0.5 0.5 0.1 0.8\n")  # the same bytes, and under another name:
    (tmp_path / "val" / "z.png").write_bytes((tmp_path / "val" / "a.png").read_bytes())
    (tmp_path / "val" / "z.txt").write_text("2 0.5 0.5 0.2 0.4\n")
    write(tmp_path / "val", "other", "")
    content = bytearray((tmp_path / "train" / "b.png").read_bytes())
    content[60] ^= 255  # another file of the same size and time
    (tmp_path / "val" / "b.png").write_bytes(content)
    (tmp_path / "val" / "b.txt").write_text("")
    for split in ("train", "val"):
        os.utime(tmp_path / split / "b.png", (1, 1))
    done = minircnn("data", "info", tmp_path, "--json", tmp_path / "info.json")
    assert done.returncode == 2
    assert "yolo, 3 classes" in done.stdout
    assert "files at fault: 2; mend them, or train with --skip-bad" in done.stdout
    assert "c.txt: object 1: '0 0.5 0.5 1.5 0.5' reaches beyond" in done.stderr
    assert "d.txt: object 1: class 9, and there are 3 names" in done.stderr
    told = json.loads((tmp_path / "info.json").read_text())
    train = told["splits"]["train"]
    assert (train["images"], train["without_a_box"]) == (2, 1)
    assert train["boxes"] == {"hat": 1, "scarf": 1, "shoe": 0}
    assert np.allclose(train["box_sides"], 40)
    assert np.allclose(train["width_by_height"], np.quantile([1, 0.25], (0, 0.1, 0.5, 0.9, 1)))
    assert np.allclose(train["image_sides"], 100)
    remarks = " ".join(told["remarks"])
    assert "no box to learn from is of the class shoe" in remarks
    assert "few boxes to learn from: hat (1), scarf (1)" in remarks
    assert "learned as well, byte for byte: 2, as " in remarks


def test_scenes_are_without_fault(scenes):
    done = minircnn("data", "info", scenes)
    assert done.returncode == 0, done.stderr
    assert "train: 8 images" in done.stdout
    assert "validation: 4 images" in done.stdout
    assert survey(scenes).format == "deepfashion2"


def test_what_is_no_data_is_one_sentence(tmp_path):
    assert_one_sentence(minircnn("data", "info", tmp_path), "no annotations that are read as")
    assert_one_sentence(minircnn("data", "info", tmp_path / "nowhere"), "no such folder")


# The page, and what proposals reach


def test_a_few_images_show_every_class_and_are_always_the_same(scenes):
    samples = open_samples(scenes, "train")
    few = a_few(samples, 4)
    assert [sample.image_id for sample in few] == [sample.image_id for sample in a_few(samples, 4)]
    assert len(few) == 4
    rare = int(np.argmin(np.where(samples.class_counts() > 0, samples.class_counts(), 999)[1:])) + 1
    assert any((sample.labels == rare).any() for sample in few)
    everything = a_few(samples, 99)
    assert [sample.image_id for sample in everything] == list(samples.image_ids())


def test_reach_is_what_the_search_covers(scenes):
    samples = list(open_samples(scenes, "train"))[:3]
    found = reach(samples)
    proposals = [propose(read_image(sample.image_path), ProposalSettings()) for sample in samples]
    expected = proposal_recall(zip(proposals, (sample.learned()[0] for sample in samples), strict=True))
    assert found.recall(0.5) == expected[0.5]
    assert found.recall(0.7) == expected[0.7]
    assert found.proposals == tuple(map(len, proposals))
    sizes = found.recall_by_size(0.5)
    boxes = sum(len(sample.boxes) for sample in samples)
    assert sum(count for _, count in sizes.values()) == boxes
    assert sum((share or 0) * count for share, count in sizes.values()) == pytest.approx(expected[0.5] * boxes)


def test_the_page_shows_every_class_and_box_and_loads_nothing(scenes, tmp_path):
    page = tmp_path / "look.html"
    done = minircnn("data", "info", scenes, "--out", page, "--sample", 5, "--json", tmp_path / "info.json")
    assert done.returncode == 0, done.stderr
    assert f"the page is {page}" in done.stdout
    text = page.read_text(encoding="utf-8")
    told = json.loads((tmp_path / "info.json").read_text())
    shown = a_few(open_samples(scenes, "train"), 5)
    assert text.count("<figure><div") == len(shown) == told["proposals"]["images"]
    assert len(re.findall(r'<i class="box', text)) == sum(len(sample.boxes) for sample in shown)
    for name, count in told["splits"]["train"]["boxes"].items():
        assert f"<tr><th>{name}</th><td>{count}</td>" in text
    reached = re.findall(r'<i class="box right', text)
    assert len(reached) == round(told["proposals"]["recall50"] * sum(len(sample.boxes) for sample in shown))
    bare = re.sub(r"base64,[^\"]*", "", text)
    assert "http" not in bare.replace("http://www.w3.org", "")
    assert "$" not in bare
    assert minircnn("data", "info", scenes, "--out", page, "--sample", 0).returncode == 0  # its own it may


def test_the_page_is_written_over_nothing_else(scenes, tmp_path):
    (tmp_path / "mine.html").write_text("mine")
    assert_one_sentence(
        minircnn("data", "info", scenes, "--out", tmp_path / "mine.html"), "was not written by minircnn"
    )
    assert_one_sentence(minircnn("data", "info", scenes, "--out", tmp_path / "look.pdf"), "--out should end in .html")
    assert (tmp_path / "mine.html").read_text() == "mine"


def test_an_image_that_only_its_pixels_show_to_be_broken_is_a_fault(tmp_path):
    (tmp_path / "classes.txt").write_text("hat\n")
    for name in ("a", "b"):
        write(tmp_path, name, "0 0.5 0.5 0.2 0.4\n")
    content = (tmp_path / "b.png").read_bytes()
    (tmp_path / "b.png").write_bytes(content[: len(content) // 2])
    done = minircnn("data", "info", tmp_path, "--out", tmp_path / "look.html")
    assert done.returncode == 2
    assert "b.png" in done.stderr
    assert "proposals on 1 of the images" in done.stdout
    assert (tmp_path / "look.html").is_file()


def test_histograms_of_nothing_and_of_one_value_are_drawn():
    assert "Nothing was recorded" in histogram([(np.zeros(0), "a")], "pixels")
    for numbers in ([5.0], [3, 3, 3], [0.25, 4], [float("nan"), 2]):
        for options in ({}, {"log": True}, {"whole": True}):
            assert histogram([(np.array(numbers), "a"), (np.zeros(0), "b")], "pixels", **options).startswith("<svg")
