"""New layers on given ones begin with weights that fit what they are given."""

from dataclasses import replace

import numpy as np
import pytest

from minircnn.models import Batch, FastRCNN, vgg_small
from minircnn.training import first_weights
from minircnn.training.first_weights import FIRST_SCORES, fit_first_weights
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.training.train import Training


@pytest.fixture
def batch(rng):
    images = rng.standard_normal((2, 64, 64, 3)).astype(np.float32)
    rois = np.array([[0, 4, 4, 50, 40], [0, 0, 0, 63, 63], [1, 10, 20, 40, 60]], np.float32)
    return Batch(images, rois, np.zeros(3, np.int64), np.zeros((3, 4), np.float32), ("a", "b"))


def rms(x):
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


@pytest.mark.parametrize("larger", [1 / 64, 30, 100])
def test_fc6_hands_on_the_same_whatever_size_the_features_have(larger, batch, rng):
    model = FastRCNN(vgg_small(), 2, rng)
    model.train()
    last = dict(model.named_parameters())["conv3_3.weight"].value
    last *= larger  # every bias is 0: the features are so many times larger
    before = model.head.fc6.weight.value.copy()
    said = fit_first_weights(model, batch, ("fc6", "fc7"))
    pooled = model.roi_layer.forward(model.forward_features(batch.images), batch.rois)
    np.testing.assert_allclose(model.head.fc6.weight.value * rms(pooled), before, rtol=1e-5)
    hidden = model.head.fc6.forward(pooled.reshape(3, -1))
    assert 0.3 < rms(hidden) < 3
    assert f"fc6 by {rms(pooled):.3g}" in said


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_first_scores_favour_no_class(dropout, batch):
    """Also behind two dropouts, which make what is left of a layer larger."""
    sizes = []
    for seed in range(20):
        model = FastRCNN(replace(vgg_small(), dropout=dropout, hidden=(256, 256)), 2, np.random.default_rng(seed))
        model.train()
        fit_first_weights(model, replace(batch, images=60 * batch.images), ("fc6", "fc7"))
        cls_score, bbox_pred = model.forward(60 * batch.images, batch.rois)
        sizes.append(rms(cls_score))
        assert rms(bbox_pred) < rms(cls_score)
    assert 0.5 * FIRST_SCORES < np.mean(sizes) < 1.5 * FIRST_SCORES  # no mask is drawn for the measurement


def test_sizes_that_are_nearly_right_are_left_to_learning(batch, rng):
    model = FastRCNN(vgg_small(), 2, rng)
    model.train()
    before = {name: parameter.value.copy() for name, parameter in model.named_parameters()}
    assert fit_first_weights(model, batch, ("conv1_1", "fc6", "fc7")) == ""
    for name, parameter in model.named_parameters():
        np.testing.assert_array_equal(parameter.value, before[name], err_msg=name)


def test_scores_that_are_small_already_are_left_alone(batch, rng):
    model = FastRCNN(replace(vgg_small(), output_spreads=(0.001, 0.001)), 2, rng)
    model.train()
    before = model.head.cls_score.weight.value.copy()
    assert "cls_score" not in fit_first_weights(model, replace(batch, images=60 * batch.images), ("fc6", "fc7"))
    np.testing.assert_array_equal(model.head.cls_score.weight.value, before)


def test_only_new_layers_are_touched_and_nothing_is_drawn(batch, rng):
    everything = ["conv1_1.weight", "fc6.weight", "fc7.weight", "cls_score.weight", "bbox_pred.weight"]
    for new, touched in (
        (("conv1_1", "fc6", "fc7"), everything),
        (("fc6", "fc7"), everything[1:]),
        (("fc7",), everything[2:]),
        (("fc6",), everything[1:2]),
        ((), []),
    ):
        model = FastRCNN(replace(vgg_small(), dropout=0.5), 2, rng)
        model.train()
        before = {name: parameter.value.copy() for name, parameter in model.named_parameters()}
        state = rng.bit_generator.state
        fit_first_weights(model, replace(batch, images=60 * batch.images), new)
        changed = [name for name, p in model.named_parameters() if not np.array_equal(p.value, before[name])]
        assert changed == touched
        assert rng.bit_generator.state == state


def test_nothing_to_measure_changes_nothing(batch, rng):
    model = FastRCNN(vgg_small(), 2, rng)
    model.train()
    before = model.head.fc6.weight.value.copy()
    dict(model.named_parameters())["conv3_3.weight"].value[...] = 0
    assert fit_first_weights(model, batch, ("fc6", "fc7")) == ""
    np.testing.assert_array_equal(model.head.fc6.weight.value, before)


def test_a_run_says_so_and_does_it_once_also_when_it_is_resumed_before_its_first_step(scenes, tmp_path, monkeypatch):
    monkeypatch.setattr(first_weights, "LARGE", 0.01)  # so that the shipped backbone's features are
    shared = str(scenes / "proposals")
    given = TrainSettings(data=str(scenes), epochs=0.5, images_per_step=2, validation_images=1, proposals_folder=shared)
    said, weights = [], []
    for name in ("whole", "resumed"):
        training = Training.start(RunFolder(tmp_path / name), given)
        assert training.steps.new == ("fc6", "fc7")
        if name == "resumed":
            training.save()
            training = Training.resume(RunFolder(tmp_path / name))
            assert training.steps.new == ("fc6", "fc7")
        training.run(lambda stage, done, total, words: said.append(words) if stage == "first weights" else None)
        weights.append({name: parameter.value.copy() for name, parameter in training.model.named_parameters()})
        assert Training.resume(RunFolder(tmp_path / name)).steps.new == ()
    assert len(said) == 2
    assert said[0].startswith("divided by the size of what they are given: fc6 by ")
    for name, value in weights[0].items():
        np.testing.assert_array_equal(value, weights[1][name], err_msg=name)


def test_a_detector_of_ones_own_is_left_as_it_is(scenes, finished_run, tmp_path):
    again = TrainSettings(data=str(scenes), epochs=0.5, weights=str(finished_run / "best.safetensors"))
    assert Training.start(RunFolder(tmp_path / "b"), again).steps.new == ()
