"""`minircnn data info`: figures that were counted by hand, every fault named at once, what training should know."""

import json
import os

import numpy as np
from commands import assert_one_sentence, minircnn
from PIL import Image

from minircnn.data.survey import survey


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
