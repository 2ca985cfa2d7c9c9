"""From every format into every other and back: the same images, boxes, classes and marks, and what is lost is said."""

import itertools
import json
import os
import re

import numpy as np
import pytest
from commands import minircnn
from PIL import Image

from minircnn.base.errors import InputError
from minircnn.data import open_samples
from minircnn.data.convert import convert
from minircnn.data.formats import FORMATS, WRITERS, find_splits
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.training.train import Training

KEEP_IGNORE = {"coco", "voc", "csv", "labelme"}
CLASSES = ["scarf", "=HAT()", "모자, 큰", "a: b"]  # not sorted; a formula, a comma, letters beyond ASCII, YAML's colon


def content(samples):
    """All that a sample says, but where it lies."""
    return [
        (
            s.image_id,
            s.height,
            s.width,
            s.boxes.tolist(),
            [samples.class_names[k - 1] for k in s.labels],
            s.ignore.tolist(),
        )
        for s in samples
    ]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Two splits in COCO's form: fractions of a pixel, borders, crowds, empty images, a sub-folder."""
    folder, rng = tmp_path_factory.mktemp("source"), np.random.default_rng(3)
    for split in ("train", "validation"):
        images, annotations = [], []
        for i, name in enumerate(("b 1.jpg", "deep/한복.png", "c.webp", "d.rf.1.jpg", "d.rf.2.jpg")):
            path = folder / split / name
            path.parent.mkdir(parents=True, exist_ok=True)
            width, height = int(rng.integers(40, 900)), int(rng.integers(40, 900))
            Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)).save(path)
            images.append({"id": i, "file_name": name, "width": width, "height": height})
            for _ in range(0 if i == 2 else 5):
                corner, size = rng.uniform(0, 20, 2).astype(np.float32), rng.uniform(2, 19, 2).astype(np.float32)
                box = [0, 0, width, height] if rng.random() < 0.2 else [*corner.tolist(), *size.tolist()]
                annotations.append({"image_id": i, "category_id": int(rng.integers(1, 5)), "bbox": box,
                                    "iscrowd": int(rng.random() < 0.4)})  # fmt: skip
        categories = [{"id": k, "name": name} for k, name in enumerate(CLASSES, start=1)]
        (folder / "annotations").mkdir(exist_ok=True)
        (folder / "annotations" / f"instances_{split}.json").write_text(
            json.dumps({"images": images, "annotations": annotations, "categories": categories})
        )
    return folder


@pytest.mark.parametrize(("first", "second"), list(itertools.product(WRITERS, WRITERS)))
def test_round_trips(source, tmp_path, first, second):
    convert(source, first, tmp_path / "1")
    convert(tmp_path / "1", second, tmp_path / "2")
    assert find_splits(tmp_path / "2", "auto")[0] == second
    for split in ("train", "validation"):
        before, after = open_samples(source, split), open_samples(tmp_path / "2", split)
        assert after.class_names == before.class_names == tuple(CLASSES)
        expected = content(before)
        if not {first, second} <= KEEP_IGNORE:
            expected = [
                (*row[:3], *([v for v, drop in zip(part, row[5], strict=True) if not drop] for part in row[3:]))
                for row in expected
            ]
        if "deepfashion2" in (first, second):
            expected = sorted((row[0].replace("/", "__"), *row[1:]) for row in expected)
        assert content(after) == expected
        for one, other in zip(before, after, strict=False):
            if one.image_id == other.image_id:
                assert one.image_path.read_bytes() == other.image_path.read_bytes()


@pytest.mark.parametrize("steps", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_the_same_scenes_in_all_formats_train_the_same_weights(scenes, tmp_path, steps):
    weights, told = {}, {}
    for name in WRITERS:
        folder = tmp_path / name
        convert(scenes, name, folder, link=True)
        told[name] = [content(open_samples(folder, split)) for split in ("train", "validation")]
        settings = TrainSettings(data=str(folder), epochs=7, images_per_step=1, lr=0.01,
                                 proposals_folder=str(scenes / "proposals"))  # fmt: skip
        training = Training.start(RunFolder(tmp_path / "runs" / name), settings)
        for _ in range(steps):
            training.steps.take()
        weights[name] = training.steps.tensors()
    assert all(other == told["deepfashion2"] for other in told.values())
    for other in weights.values():
        for key, tensor in weights["deepfashion2"].items():
            assert np.array_equal(tensor, other[key]), key


@pytest.mark.slow
def test_a_share_held_out_is_written_down_and_measured_again(scenes, tmp_path):
    convert(scenes / "train", "labelme", tmp_path / "data")
    run = tmp_path / "run"
    done = minircnn("train", "--data", tmp_path / "data", "--split", 0.25, "--epochs", 0.5, "--out", run)
    assert done.returncode == 0, done.stderr
    train, validation = ((run / f"{split}.txt").read_text().split() for split in ("train", "validation"))
    assert (len(train), len(validation)) == (6, 2)
    assert sorted(train + validation) == [f"{i:06}" for i in range(1, 9)]
    done = minircnn("eval", run, "--data", tmp_path / "data", "--split", run / "validation.txt")
    assert "2 images in" in done.stdout, done.stderr
    assert minircnn("train", "--resume", run, "--epochs", 1).returncode == 0
    refused = minircnn("train", "--data", scenes, "--split", 0.25, "--out", tmp_path / "other")
    assert "has a validation split of its own: leave out --split" in refused.stderr


def test_a_run_says_what_only_validation_shows_and_what_it_was_read_as(scenes, tmp_path):
    data = tmp_path / "data"
    convert(scenes, "labelme", data)
    (data / "labels.txt").unlink()
    path = data / "validation" / "000001.json"
    path.write_text(re.sub(r'"label": "[^"]+"', '"label": "cape"', path.read_text(), count=1))
    done = minircnn(
        "train", "--data", data, "--epochs", 0.3, "--proposals", scenes / "proposals", "--out", tmp_path / "r"
    )
    assert done.returncode == 0, done.stderr
    words = "note: validation has classes that training lacks, whose boxes do not count: "
    assert re.search(f"{words}.*cape", done.stdout)
    assert json.loads((tmp_path / "r" / "settings.json").read_text())["format"] == "labelme"


def test_what_a_format_has_no_place_for_is_said(source, tmp_path):
    for name in WRITERS:
        done = minircnn("data", "convert", source, "--to", name, "--out", tmp_path / name)
        assert done.returncode == 0, done.stderr
        assert ("difficult or crowd objects are left out" in done.stdout) == (name not in KEEP_IGNORE)
        assert f"of 4 classes, as {name}" in done.stdout
    table = (tmp_path / "csv" / "train" / "annotations.csv").read_text(encoding="utf-8")
    assert ",'=HAT()," in table
    assert ",=HAT()," not in table
    assert set(FORMATS) == set(WRITERS)


def test_whole_data_stays_whole(tmp_path, source):
    for name in WRITERS:
        one = source / "annotations" / "instances_train.json"
        convert(one, name, tmp_path / name)
        assert list(find_splits(tmp_path / name, "auto")[1]) == ["all"]
        assert len(open_samples(tmp_path / name, "all")) == 5


def test_wrong_requests_are_one_sentence_and_write_nothing(source, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    for words, path, to, out in (
        ("--to should be one of deepfashion2, coco,", source, "tfrecord", "new"),
        ("is there already and not empty", source, "voc", "full"),
        ("no such folder", tmp_path / "nowhere", "voc", "new"),
        ("no annotations that are read", tmp_path / "full", "voc", "new"),
    ):
        done = minircnn("data", "convert", path, "--to", to, "--out", tmp_path / out)
        assert done.returncode == 2
        assert words in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["full"]
    assert os.listdir(tmp_path / "full") == ["mine.txt"]
    with pytest.raises(InputError, match="is there already"):
        convert(source, "voc", source)
