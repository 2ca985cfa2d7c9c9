"""Training as a whole on a handful of scenes: files, repeatability, resuming, and what stops it."""

import csv
import json
from dataclasses import replace

import numba
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from minircnn.data import write_scenes
from minircnn.errors import InputError
from minircnn.finish import finish_run
from minircnn.models import FastRCNN, vgg_small
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.training.train import Interrupted, Training
from minircnn.weights.model_file import load_model, save_model


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "scenes"
    write_scenes(folder, 8, 4, size=96)
    return folder


def settings(scenes, **given):
    return TrainSettings(data=str(scenes), epochs=3, lr=0.005, proposals_folder=str(scenes / "proposals"), **given)


def train(folder, given):
    training = Training.start(RunFolder(folder), given)
    training.run()
    return training


def weights(training):
    return {name: parameter.value.copy() for name, parameter in training.model.named_parameters()}


def assert_same_bits(one, two):
    assert one.keys() == two.keys()
    for name in one:
        assert np.array_equal(one[name], two[name]), name


def test_a_run_leaves_its_files_and_a_detector(scenes, tmp_path):
    training = train(tmp_path / "run", settings(scenes))
    metrics = finish_run(training, training.data.validation, lambda *_: None)
    names = {path.name for path in (tmp_path / "run").iterdir() if not path.name.startswith("index-")}
    assert names == {
        "settings.json", "log.csv", "last.safetensors", "best.safetensors", "metrics.json", "report.html",
        "previous.safetensors",
    }  # fmt: skip
    stored = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert stored["images"] == 4
    assert {"mAP50", "mAP75", "AP", "per_class", "train_seconds", "proposal_recall50"} <= stored.keys()
    assert stored["proposal_recall50"] == metrics["proposal_recall50"] > 0.9
    with open(tmp_path / "run" / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert int(rows[-1]["step"]) == training.steps == 12
    page = (tmp_path / "run" / "report.html").read_text()
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_training_twice_and_with_one_thread_gives_the_same_bits(scenes, tmp_path):
    first = weights(train(tmp_path / "a", settings(scenes)))
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    second = weights(train(tmp_path / "b", settings(scenes)))
    numba.set_num_threads(before)
    assert_same_bits(first, second)
    other = weights(train(tmp_path / "c", settings(scenes, seed=1)))
    assert not np.array_equal(first["fc6.weight"], other["fc6.weight"])


def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(scenes, tmp_path):
    whole = weights(train(tmp_path / "whole", settings(scenes)))
    training = Training.start(RunFolder(tmp_path / "cut"), settings(scenes))

    def stop_at_5(stage, done, total, words=""):
        if stage == "training" and done == 5:
            import signal

            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        training.run(stop_at_5)
    resumed = Training.resume(RunFolder(tmp_path / "cut"))
    assert resumed.step == 5
    resumed.run()
    assert_same_bits(whole, weights(resumed))


def test_the_loss_falls(scenes, tmp_path):
    given = TrainSettings(data=str(scenes), epochs=40, lr=0.005, proposals_folder=str(scenes / "proposals"), flip=0.0)
    train(tmp_path / "run", given)
    with open(tmp_path / "run" / "log.csv") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < 0.8 * losses[0]


def test_a_run_is_never_overwritten(scenes, tmp_path):
    train(tmp_path / "run", settings(scenes))
    with pytest.raises(InputError, match="already holds a run"):
        Training.start(RunFolder(tmp_path / "run"), settings(scenes))


def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(scenes, tmp_path):
    training = Training.start(RunFolder(tmp_path / "run"), settings(scenes))
    training.save()
    kept = (tmp_path / "run" / "last.safetensors").read_bytes()
    training.model.fc7.weight.value[:] = np.nan
    with pytest.raises(InputError, match=r"step 1: the loss is nan on images \d{6}, \d{6}"):
        training.run()
    state = load_file(tmp_path / "run" / "last.safetensors")
    assert len(kept) > 0
    assert set(state) >= {"conv1_1.weight", "velocity.conv1_1.weight", "order"}


def test_a_stored_model_needs_no_statistics(tmp_path, rng):
    model = FastRCNN(vgg_small(), 3, rng, ("a", "b", "c"))
    model.statistics.mean[1:] = [0.1, -0.2, 0.3, 0.05]
    model.statistics.std[1:] = [0.1, 0.2, 0.3, 0.4]
    images = rng.standard_normal((1, 64, 64, 3)).astype(np.float32)
    rois = np.array([[0, 5, 5, 40, 50]], np.float32)
    cls_score, bbox_pred = model.forward(images, rois)
    save_model(tmp_path / "model.safetensors", model)
    loaded = load_model(tmp_path / "model.safetensors")
    scores, offsets = loaded.forward(images, rois)
    assert loaded.class_names == ("a", "b", "c")
    np.testing.assert_array_equal(scores, cls_score)
    np.testing.assert_allclose(offsets, model.offsets(bbox_pred), atol=1e-5)


@pytest.mark.parametrize("damage", ["missing", "cut off", "not a model", "of other software"])
def test_a_file_that_is_no_model_is_refused_in_one_sentence(damage, tmp_path, rng):
    path = tmp_path / "model.safetensors"
    save_model(path, FastRCNN(vgg_small(), 3, rng))
    if damage == "missing":
        path.unlink()
    elif damage == "cut off":
        path.write_bytes(path.read_bytes()[:5000])
    elif damage == "not a model":
        path.write_text("hello")
    else:
        save_file({"weight": np.zeros(3)}, path)
    with pytest.raises(InputError, match=str(path)):
        load_model(path)


def test_weights_of_another_architecture_are_refused(tmp_path, rng, scenes):
    other = replace(vgg_small(), hidden=(64, 64))
    save_model(tmp_path / "model.safetensors", FastRCNN(other, 3, rng))
    given = settings(scenes, weights=str(tmp_path / "model.safetensors"))
    with pytest.raises(InputError, match="of another architecture: fc6"):
        Training.start(RunFolder(tmp_path / "run"), given)


def test_a_folder_that_cannot_be_written_is_refused(scenes, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        Training.start(RunFolder(tmp_path / "file" / "run"), settings(scenes))


def test_a_full_disk_is_one_sentence_and_leaves_the_last_checkpoint(scenes, tmp_path, monkeypatch):
    training = train(tmp_path / "run", settings(scenes))
    before = (tmp_path / "run" / "last.safetensors").read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("minircnn.weights.model_file.save_file", full)
    with pytest.raises(InputError, match="No space left on device"):
        training.save()
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == before
