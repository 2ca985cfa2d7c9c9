"""Alternating training: four runs that share their features in the end, stopped and gone on with."""

import json

import numpy as np
import pytest
from commands import assert_one_sentence, minircnn, stop_at

from minircnn import detect, load_model
from minircnn.base.errors import InputError
from minircnn.data import open_samples, read_image
from minircnn.models import FasterRCNN
from minircnn.tasks.alternating import STAGES, is_alternating, train_alternating
from minircnn.training.loop import Interrupted
from minircnn.training.model_proposals import ModelProposals
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings


def given(scenes, **changes):
    common = {"model": "faster", "alternating": True, "epochs": 1, "lr": 0.005, "images_per_step": 2}
    return TrainSettings(data=str(scenes), **common | changes)


def convolutions(model):
    return {name: parameter.value for name, parameter in model.backbone.named_parameters()}


def assert_equal(one, two):
    assert one.keys() == two.keys()
    assert [name for name in one if not np.array_equal(one[name], two[name])] == []


@pytest.fixture(scope="module")
def run(scenes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("alternating") / "run"
    train_alternating(RunFolder(folder), given(scenes), lambda *_: None)
    return folder


def test_the_features_are_shared_and_each_network_is_its_stages(run, scenes):
    first, second, third, fourth = (load_model(run / stage / "last.safetensors") for stage in STAGES)
    model = load_model(run)
    assert isinstance(model, FasterRCNN)
    for other in (second, third, fourth):
        assert_equal(convolutions(model), convolutions(other))
    assert not np.array_equal(
        first.backbone.layers["conv4_1"].weight.value, second.backbone.layers["conv4_1"].weight.value
    )
    np.testing.assert_array_equal(model.rpn.conv.weight.value, third.rpn.conv.weight.value)
    assert not np.array_equal(first.rpn.conv.weight.value, third.rpn.conv.weight.value)
    best = load_model(run / STAGES[3])
    np.testing.assert_array_equal(model.head.fc6.weight.value, best.head.fc6.weight.value)
    assert not np.array_equal(second.head.fc6.weight.value, fourth.head.fc6.weight.value)
    image = read_image(open_samples(scenes, "validation")[0].image_path)
    one, two = detect(model, image), detect(best, image, model.propose(image))
    np.testing.assert_allclose(one.boxes, two.boxes, atol=1e-3)


def test_a_network_that_proposes_alone_leaves_the_head_as_it_was(run, scenes):
    third, start = load_model(run / STAGES[2] / "last.safetensors"), load_model(run / "3-start.safetensors")
    np.testing.assert_array_equal(third.head.fc6.weight.value, start.head.fc6.weight.value)
    row = (run / STAGES[0] / "log.csv").read_text().splitlines()[0]
    assert row == "step,epoch,lr,loss,loss_rpn_cls,loss_rpn_bbox,rpn_recall,seconds"


def test_outputs_begin_anew_in_the_last_stage(run):
    second, start = load_model(run / STAGES[1] / "last.safetensors"), load_model(run / "4-start.safetensors")
    np.testing.assert_array_equal(second.head.fc7.weight.value, start.head.fc7.weight.value)
    assert not np.array_equal(second.head.cls_score.weight.value, start.head.cls_score.weight.value)
    assert not start.head.cls_score.bias.value.any()


def test_it_measures_what_came_of_it(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["steps"] == 16
    assert metrics["images"] == 4
    assert metrics["proposal_recall50"] > 0.3
    assert is_alternating(RunFolder(run))


@pytest.mark.slow
@pytest.mark.parametrize("stage", [0, 2])
def test_one_that_was_stopped_ends_as_if_it_had_not_been(run, scenes, tmp_path, stage):
    folder = RunFolder(tmp_path / "cut")
    with pytest.raises(Interrupted):
        train_alternating(folder, given(scenes), stop_at(f"{STAGES[stage]} training", 2))
    assert not folder.best.exists()
    train_alternating(folder, None, lambda *_: None)
    one, two = load_model(run / "best.safetensors"), load_model(folder.best)
    assert_equal({n: p.value for n, p in one.named_parameters()}, {n: p.value for n, p in two.named_parameters()})


def test_the_command_goes_on_with_it_and_ends_at_once_where_all_is_done(run):
    done = minircnn("train", "--resume", run)
    assert done.returncode == 0, done.stderr
    assert "mAP50" in done.stdout


def test_other_settings_and_other_models_are_one_sentence(run, scenes, tmp_path):
    with pytest.raises(InputError, match="other settings"):
        train_alternating(RunFolder(run), given(scenes, epochs=2), lambda *_: None)
    done = minircnn("train", "--data", scenes, "--out", tmp_path / "a", "--alternating")
    assert_one_sentence(done, "leave out --alternating")
    assert_one_sentence(minircnn("train", "--resume", run, "--epochs", "2"), "neither --epochs nor --data")


def test_a_run_of_the_four_that_diverges_says_to_begin_them_again(scenes, tmp_path):
    with pytest.raises(InputError, match=r"four runs that learn in turn.*--alternating --lr 100"):
        train_alternating(RunFolder(tmp_path / "run"), given(scenes, lr=1000.0, epochs=4), lambda *_: None)


def test_proposals_of_a_model_that_makes_none_are_refused(model_file, tmp_path):
    with pytest.raises(InputError, match="holds no Faster R-CNN"):
        ModelProposals(tmp_path, model_file)
