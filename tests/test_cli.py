"""The commands as a person types them: what works leaves its files, what cannot work is one sentence and exit 2."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from minircnn.data import write_scenes
from minircnn.models import FastRCNN, vgg_small
from minircnn.weights.model_file import save_model


def run(*arguments, cwd=None):
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "minircnn", *(str(a) for a in arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, timeout=300)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "scenes"
    write_scenes(folder, 6, 3, size=96)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_model(path, FastRCNN(vgg_small(), 10, np.random.default_rng(0)))
    return path


def test_help_names_the_commands():
    text = run("--help").stdout
    for command in ("demo", "train", "eval", "detect", "proposals", "data", "gradcheck"):
        assert command in text
        assert "Example: minircnn" in run(command, *(["scenes"] if command == "data" else []), "--help").stdout


def test_train_eval_and_detect_from_the_command_line(scenes, tmp_path):
    done = run("train", "--data", scenes, "--out", tmp_path / "run", "--epochs", 1)
    assert done.returncode == 0, done.stderr
    assert "mAP50" in done.stdout
    again = run("train", "--resume", tmp_path / "run")  # a finished run is measured again
    assert again.returncode == 0, again.stderr

    done = run("eval", tmp_path / "run", "--data", scenes, "--json", tmp_path / "figures.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "figures.json").read_text())["images"] == 3

    done = run("detect", tmp_path / "run", scenes / "train" / "image", "--out", tmp_path / "found", "--score", 0.1)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "found" / "detections.json").read_text())
    assert all({"image_id", "category_id", "category_name", "bbox", "score"} == result.keys() for result in results)
    assert len(list((tmp_path / "found").glob("*.jpg"))) == 6


def test_proposals_and_scenes_from_the_command_line(tmp_path):
    assert run("data", "scenes", "--out", tmp_path / "s", "--images", 3, "--size", 96).returncode == 0
    done = run("proposals", "--data", tmp_path / "s", "--out", tmp_path / "p", "--workers", 1)
    assert "3 images" in done.stdout
    assert "recall" in done.stdout


def assert_one_sentence(done, *parts):
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    for part in parts:
        assert str(part) in lines[0]


def break_folder(scenes, tmp_path, kind):
    """A copy of the scenes with one thing wrong; gives what the sentence should name."""
    import shutil

    data = tmp_path / "data"
    shutil.copytree(scenes, data)
    image, annotation = data / "train/image/000002.jpg", data / "train/annos/000002.json"
    content = json.loads(annotation.read_text())
    if kind == "truncated JPEG":
        image.write_bytes(image.read_bytes()[:1500])
        return data, image
    if kind == "image without annotation":
        annotation.unlink()
        return data, "000002"
    if kind == "annotation without image":
        image.unlink()
        return data, "000002"
    if kind == "broken JSON":
        annotation.write_text("{")
        return data, annotation
    if kind == "missing key":
        del content["item1"]["bounding_box"]
    elif kind == "class out of range":
        content["item1"]["category_id"] = 99
    elif kind == "box without area":
        content["item1"]["bounding_box"] = [10, 10, 10, 40]
    elif kind == "box outside":
        content["item1"]["bounding_box"] = [10, 10, 500, 40]
    elif kind == "box of NaN":
        content["item1"]["bounding_box"] = [10, 10, float("nan"), 40]
    annotation.write_text(json.dumps(content))
    return data, annotation


@pytest.mark.parametrize(
    "kind",
    [
        "truncated JPEG", "image without annotation", "annotation without image", "broken JSON", "missing key",
        "class out of range", "box without area", "box outside", "box of NaN",
    ],
)  # fmt: skip
def test_a_bad_file_stops_training_with_one_sentence(scenes, tmp_path, kind):
    data, named = break_folder(scenes, tmp_path, kind)
    assert_one_sentence(run("train", "--data", data, "--out", tmp_path / "run", "--epochs", 1), named)


def test_skip_bad_goes_on_and_says_what_was_skipped(scenes, tmp_path):
    data, image = break_folder(scenes, tmp_path, "truncated JPEG")
    done = run("train", "--data", data, "--out", tmp_path / "run", "--epochs", 1, "--skip-bad")
    assert done.returncode == 0, done.stderr
    assert f"skipped: {image}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["train"], "--data DIR"),
        (["train", "--data", "nowhere", "--out", "run"], "nowhere"),
        (["train", "--data", "nowhere", "--out", "run", "--backbone", "resnet"], "should be one of vgg16, vgg_small"),
        (["train", "--data", "nowhere", "--out", "run", "--epochs", "0"], "epochs should be above 0"),
        (["train", "--resume", "nowhere"], "nowhere"),
        (["train", "--resume", "nowhere", "--out", "x"], "--resume RUN takes data and settings from the run"),
        (["eval", "nowhere", "--data", "x"], "nowhere"),
        (["detect", "nowhere", "x.jpg", "--out", "found"], "nowhere"),
        (["data", "scenes", "--out", "s", "--images", "0"], "images"),
        (["proposals", "--data", "nowhere", "--out", "p"], "nowhere"),
        (["proposals", "--data", "nowhere", "--out", "p", "--mode", "slow"], "fast or quality"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments_are_one_sentence(arguments, part, tmp_path):
    assert_one_sentence(run(*arguments, cwd=tmp_path), part)


def test_detect_refuses_what_is_no_image(model, tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    assert_one_sentence(run("detect", model, tmp_path / "text.jpg", "--out", tmp_path / "o"), "text.jpg")
    (tmp_path / "empty").mkdir()
    assert_one_sentence(
        run("detect", model, tmp_path / "empty", "--out", tmp_path / "o"), "holds no image that can be read"
    )


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16", "P"])
def test_detect_takes_grey_transparent_and_sixteen_bit_images(model, mode, tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (60, 70))
    if mode == "I;16":
        Image.fromarray((values * 257).astype(np.uint16)).save(tmp_path / "image.png")
    else:
        Image.fromarray(values.astype(np.uint8)).convert(mode).save(tmp_path / "image.png")
    done = run("detect", model, tmp_path / "image.png", "--out", tmp_path / "o", "--score", 0.05)
    assert done.returncode == 0, done.stderr
