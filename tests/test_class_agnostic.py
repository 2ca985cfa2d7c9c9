"""One box for a region, whatever its class: learned, stored, detected with, and exported as boxes of each class."""

import json
from dataclasses import replace

import numpy as np
import pytest
from commands import assert_one_sentence, minircnn
from safetensors import safe_open

from minircnn import FastRCNN, detect, load_model, save_model, smooth_l1, vgg_small
from minircnn.models.batch import Drawn
from minircnn.targets import OffsetStatistics
from minircnn.training.begin import first_model
from minircnn.training.settings import TrainSettings


@pytest.fixture
def model(rng):
    narrow = replace(vgg_small(), blocks=((4,), (6,), (8,)), hidden=(20, 12), class_agnostic=True)
    return FastRCNN(replace(narrow, output_spreads=(0.3, 0.05)), 3, rng, ("a", "b", "c"))


@pytest.fixture
def shared() -> OffsetStatistics:
    statistics = OffsetStatistics.identity(3)
    statistics.mean[1:], statistics.std[1:] = (0.02, -0.01, 0.1, 0.2), (0.1, 0.2, 0.3, 0.4)
    return statistics


def test_four_numbers_and_the_loss_of_the_foreground(model, rng):
    model.train()
    bbox_pred = model.head.forward(rng.standard_normal((5, *model.head.shape)).astype(np.float32))[1]
    assert bbox_pred.shape == (5, 4)
    labels, targets = np.array([0, 3, 1, 0, 2]), rng.standard_normal((5, 4)).astype(np.float32)
    loss, dbbox_pred = model.box_loss(bbox_pred, Drawn(np.zeros((5, 5)), labels, targets))
    wide = np.zeros((5, 8), np.float32)
    wide[:, 4:] = bbox_pred  # as the four of one class, held to whatever is foreground
    same, dwide = smooth_l1(wide, targets, (labels > 0).astype(np.int64))
    assert loss == pytest.approx(same)
    assert smooth_l1(bbox_pred, targets, labels > 0)[0] == loss
    assert (dbbox_pred == dwide[:, 4:]).all()
    assert (dbbox_pred[labels == 0] == 0).all()


def test_it_detects_what_a_model_with_the_same_box_for_each_class_does(model, shared, rng):
    model.statistics = shared
    twin = FastRCNN(replace(model.architecture, class_agnostic=False), 3, rng, model.class_names)
    values = model.parameters_by_class()
    for name, parameter in twin.named_parameters():
        parameter.value[...] = values[name]
    image = np.kron(rng.integers(0, 256, (10, 12, 3), dtype=np.uint8), np.ones((12, 12, 1), np.uint8))
    found, expected = detect(model, image), detect(twin, image)
    assert len(found.labels) > 5
    assert (found.labels == expected.labels).all()
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-3)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)


def test_normalisation_changes_no_real_offset(model, shared, tmp_path, rng):
    bias = model.head.bbox_pred.bias.value
    bias[...] = 0.3, -0.2, 0.1, 0.05
    before = model.offsets(bias[None])
    model.restate_offsets(shared)
    np.testing.assert_allclose(model.offsets(bias[None]), before, atol=1e-6)
    save_model(tmp_path / "model.safetensors", model)
    again = load_model(tmp_path / "model.safetensors")
    assert again.architecture.class_agnostic
    assert (again.learned_in.std == shared.std).all()
    np.testing.assert_allclose(again.head.bbox_pred.bias.value, [0.3, -0.2, 0.1, 0.05], atol=1e-6)
    by_class = OffsetStatistics.identity(3)
    by_class.std[2] = 0.5
    with pytest.raises(ValueError, match="the same for all classes"):
        model.restate_offsets(by_class)


def test_a_file_says_it_only_where_it_is_so(model, model_file):
    with safe_open(model_file, "numpy") as file:
        assert "class_agnostic" not in json.loads(file.metadata()["minircnn"])["architecture"]


def test_it_is_trained_resumed_explained_and_detected_with(scenes, tmp_path):
    run = tmp_path / "run"
    options = ("--class-agnostic", "--epochs", "1", "--images-per-step", "2", "--proposals", scenes / "proposals")
    done = minircnn("train", "--data", scenes, "--out", run, "--validation-limit", "1", *options)
    assert done.returncode == 0, done.stderr
    model = load_model(run)
    assert model.head.bbox_pred.weight.value.shape == (256, 4)
    spread = model.learned_in.std[1:]
    assert (spread == spread[0]).all()
    assert (spread != 1).all()
    assert json.loads((run / "settings.json").read_text())["class_agnostic"] is True
    assert minircnn("train", "--resume", run).returncode == 0
    photograph = scenes / "validation" / "image" / "000001.jpg"
    shown = minircnn("detect", run, photograph, "--out", tmp_path / "found", "--explain")
    assert shown.returncode == 0, shown.stderr
    page = minircnn("explain", "--model", run, "--image", photograph, "--out", tmp_path / "page.html")
    assert page.returncode == 0, page.stderr
    # A run with boxes for each class begins with it: the rest is kept, and said.
    begun = first_model(
        TrainSettings(str(scenes), weights=str(run)).resolve(8), model.class_names, np.random.default_rng(0)
    )
    assert begun.notes[-1].endswith("predicts one box for all classes, and this run does not: bbox_pred begins anew")
    assert not begun.same_classes
    assert begun.model.head.bbox_pred.weight.value.shape == (256, 44)
    assert (begun.model.head.fc7.weight.value == model.head.fc7.weight.value).all()


def test_a_wrong_setting_is_one_sentence(scenes, finished_run):
    assert_one_sentence(minircnn("train", "--resume", finished_run, "--class-agnostic"), "class-agnostic")
