"""What people ask of a trainer besides: an early end, frozen layers, the search's options, a forecast, a report."""

import json
import shutil
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from commands import assert_one_sentence, minircnn
from PIL import Image

from minircnn import FastRCNN, load_model, save_model, vgg_small
from minircnn.base.errors import InputError
from minircnn.base.memory import memory_limit, most_used
from minircnn.proposals import ProposalSettings
from minircnn.tasks.batch_picture import BatchPicture
from minircnn.training.forecast import forecast
from minircnn.training.freeze import frozen_layers
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.training.tensorboard import Board
from minircnn.training.train import Training
from minircnn.weights.svd import compress


def settings(scenes, **given):
    common = {"epochs": 2, "lr": 0.005, "images_per_step": 2, "proposals_folder": str(scenes / "proposals")}
    return TrainSettings(data=str(scenes), **common | given)


def start(folder, given):
    return Training.start(RunFolder(folder), given)


def weights(training):
    return {name: parameter.value.copy() for name, parameter in training.model.named_parameters()}


# The early end


def with_scores(training, scores, patience):
    training.settings = replace(training.settings, patience=patience)
    training.history = [{"AP": score} for score in scores]
    return training.is_enough


def test_patience_counts_validations_since_the_best(scenes, tmp_path):
    training = start(tmp_path / "run", settings(scenes))
    assert not with_scores(training, [0.3, 0.2], None)
    assert not with_scores(training, [], 1)
    assert not with_scores(training, [0.1, 0.3], 1)
    assert with_scores(training, [0.3, 0.2], 1)
    assert not with_scores(training, [0.3, 0.2], 2)
    assert with_scores(training, [0.1, 0.3, None, 0.2], 2)
    assert not with_scores(training, [0.3, 0.2, 0.3], 1)  # as good as the best: these weights are kept


def test_a_run_ends_early_logs_all_its_steps_and_stays_ended(scenes, tmp_path, monkeypatch):
    training = start(tmp_path / "run", settings(scenes, validations=8, patience=2))
    scores = iter([0.2, 0.1, 0.1, 0.3])
    measured = Training._validate

    def validate(self, progress):
        measured(self, progress)
        self.history[-1]["AP"] = next(scores)
        self.save()

    monkeypatch.setattr(Training, "_validate", validate)
    training.run()
    assert (training.step, training.steps.count) == (3, 8)
    assert (tmp_path / "run" / "log.csv").read_text().splitlines()[-1].startswith("3,")
    again = Training.resume(RunFolder(tmp_path / "run"))
    again.run()
    assert again.step == 3
    done = minircnn("train", "--resume", tmp_path / "run")
    assert "stopped early, after 3 of 8 steps: 2 validations without a better AP" in done.stdout


# Frozen layers


def test_frozen_layers_by_name_block_and_backbone():
    model = FastRCNN(vgg_small(), 2, np.random.default_rng(0))
    assert frozen_layers(["conv3"], model) == ("conv3_1", "conv3_2", "conv3_3")
    assert frozen_layers(["fc6", "conv1_1"], model) == ("conv1_1", "fc6")
    assert len(frozen_layers(["backbone"], model)) == 8
    assert frozen_layers([], model) == ()
    with pytest.raises(InputError, match="--freeze relu6: give backbone, conv1, conv2"):
        frozen_layers(["relu6"], model)
    with pytest.raises(InputError, match="leaves nothing to learn"):
        frozen_layers(["backbone", "fc6", "fc7", "cls_score", "bbox_pred"], model)


@pytest.mark.parametrize("names", [("backbone",), ("conv4_2", "fc7")])
def test_frozen_layers_stay_and_the_others_learn_also_after_a_resume(scenes, tmp_path, names):
    training = start(tmp_path / "run", settings(scenes, freeze=names, frozen_blocks=0, epochs=1, validations=1))
    before, frozen = weights(training), frozen_layers(names, training.model)
    training.run()
    longer = Training.resume(RunFolder(tmp_path / "run"), epochs=1.5)
    longer.run()
    assert longer.step > training.step
    for name, value in weights(longer).items():
        same = np.array_equal(value, before[name])
        assert same == (name.split(".")[0] in frozen), name


# The search's options


def test_the_searchs_options_go_into_run_model_and_detection(scenes, tmp_path):
    run = tmp_path / "run"
    options = ["--search-side", 64, "--search-min-side", 8, "--epochs", 0.5, "--out", run]
    done = minircnn("train", "--data", scenes, *options)
    assert done.returncode == 0, done.stderr
    expected = ProposalSettings(max_image_side=64, min_side=8)
    assert RunFolder(run).read_settings().proposals == expected
    model = load_model(run)
    assert model.search == expected
    assert compress(model, 16, 16)[0].search == expected
    save_model(tmp_path / "again.safetensors", model)
    assert load_model(tmp_path / "again.safetensors").search == expected
    cached = len(list((run / "proposals").rglob("*")))
    done = minircnn("eval", run, "--data", scenes, "--proposals", run / "proposals")
    assert done.returncode == 0, done.stderr
    assert len(list((run / "proposals").rglob("*"))) == cached  # those of training: nothing was searched again


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--search-mode", "best"], "--search-mode should be fast or quality, not 'best'"),
        (["--search-side", 4], "--search-side should be at least 16, not 4"),
        (["--search-min-side", -1], "--search-min-side should be at least 0, not -1"),
        (
            ["--model", "faster", "--search-side", 300],
            "proposes its regions itself: leave out the options of the search",
        ),
        (["--freeze", "conv9"], "--freeze conv9: give backbone"),
        (["--weights", "none", "--freeze", "fc6"], "would keep random weights as they are"),
        (["--patience", 0], "patience should be at least 1"),
        (["--validations", 0], "validations should be at least 1"),
    ],
)
def test_wrong_options_are_one_sentence_and_nothing_is_written(scenes, tmp_path, options, words):
    assert_one_sentence(minircnn("train", "--data", scenes, "--out", tmp_path / "run", *options), words)
    assert not (tmp_path / "run").exists()


# A forecast, a look


@pytest.mark.parametrize("kind", ["fast", "faster"])
def test_a_forecast_and_a_look_change_no_bit(scenes, tmp_path, kind):
    given = settings(scenes, model=kind, proposals_folder=None if kind == "faster" else str(scenes / "proposals"))
    given = replace(given, epochs=1)
    plain = start(tmp_path / "plain", given)
    plain.run()
    watched = start(tmp_path / "watched", given)
    said = forecast(watched)
    BatchPicture(watched)
    watched.run()
    assert "4 steps of" in said
    assert "model files" in said
    for name, value in weights(watched).items():
        assert np.array_equal(value, weights(plain)[name]), name
    assert not (tmp_path / "plain" / "batches.jpg").exists()
    with Image.open(tmp_path / "watched" / "batches.jpg") as sheet:
        assert sheet.size == (1920, 960)
        tile = np.asarray(sheet)[:400, :400].astype(int)
    assert tile.std() > 10  # a photograph, no blank


def test_a_forecast_of_gradients_without_bounds_leaves_the_weights(scenes, tmp_path, monkeypatch):
    training = start(tmp_path / "run", settings(scenes))
    before, backward = weights(training), training.model.backward

    def infinite():
        backward()
        training.model.head.fc7.bias.grad[0] = np.inf

    monkeypatch.setattr(training.model, "backward", infinite)
    forecast(training)
    for name, value in weights(training).items():
        assert np.array_equal(value, before[name]), name
    assert all((velocity == 0).all() for velocity in training.steps.optimiser.velocity.values())


def test_pixels_are_the_way_back_of_centring(rng):
    image = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    for architecture in (vgg_small(), replace(vgg_small(), preprocessing=replace(vgg_small().preprocessing,
                                                                                 channel_order="BGR"))):  # fmt: skip
        preprocessing = architecture.preprocessing
        assert np.array_equal(preprocessing.pixels(preprocessing.centre(image)), image)


def test_memory_is_told_where_the_system_tells_it():
    used, limit = most_used(), memory_limit()
    assert used is None or used > 50e6
    assert used is None or limit is None or used < limit


# A report at any time


@pytest.mark.slow
def test_a_report_while_the_run_goes_on(scenes, tmp_path):
    run = tmp_path / "run"
    training = start(run, settings(scenes, epochs=4))
    waiting, reported = threading.Event(), threading.Event()
    take = training.steps.take

    def pause():
        if training.step == 10:
            training.save()
            waiting.set()
            reported.wait(120)
        return take()

    training.steps.take = pause
    thread = threading.Thread(target=training.run)
    thread.start()
    try:
        assert waiting.wait(120)
        before = {path.name: path.read_bytes() for path in run.iterdir() if path.suffix in (".safetensors", ".csv")}
        done = minircnn("report", run, "--json", tmp_path / "figures.json")
        assert done.returncode == 0, done.stderr
        assert {name: (run / name).read_bytes() for name in before} == before
    finally:
        reported.set()
        thread.join()
    assert "best.safetensors, after 0 of 16 steps" in done.stdout  # the log's next row comes at step 16
    assert training.step == 16
    assert "<svg" in (run / "report.html").read_text(encoding="utf-8")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [row["step"] for row in figures["history"]] == [row["step"] for row in training.history][:3]


def test_a_finished_runs_report_is_the_same_again(finished_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(finished_run, run)
    before, metrics = (run / "report.html").read_text(encoding="utf-8"), (run / "metrics.json").read_bytes()
    (run / "report.html").unlink()
    done = minircnn("report", run)
    assert done.returncode == 0, done.stderr
    assert (run / "report.html").read_text(encoding="utf-8") == before
    assert (run / "metrics.json").read_bytes() == metrics


def test_a_report_of_no_run_is_one_sentence(tmp_path):
    assert_one_sentence(minircnn("report", tmp_path / "nothing"), "holds no last.safetensors")


# TensorBoard


def shown_by_tensorboard(folder, name):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return {event.step: event.value for event in accumulator.Scalars(name)}


def test_tensorboard_reads_the_log_of_a_run(finished_run):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    columns, *rows = (line.split(",") for line in (finished_run / "log.csv").read_text().splitlines())
    for name in ("loss", "loss_bbox", "lr"):
        expected = {int(row[0]): pytest.approx(float(row[columns.index(name)]), rel=1e-4) for row in rows}
        assert shown_by_tensorboard(finished_run / "tensorboard", name) == expected
    history = json.loads((finished_run / "metrics.json").read_text())["history"]
    expected = {row["step"]: pytest.approx(row["AP"]) for row in history if row["AP"] is not None}
    assert shown_by_tensorboard(finished_run / "tensorboard", "validation/AP") == expected


def test_tensorboard_shows_nothing_twice_after_a_resume(tmp_path):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    for first, steps in ((1, (20, 32, 40)), (33, (40, 48))):  # killed behind step 40, its checkpoint was at 32
        board = Board(tmp_path, first)
        for step in steps:
            board.add(step, {"loss": first + step, "AP": None})
        board.close()
    assert shown_by_tensorboard(tmp_path, "loss") == {20: 21, 32: 33, 40: 73, 48: 81}


def test_a_tensorboard_that_does_not_load_stops_nothing(scenes, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto.event_pb2", None)
    training = start(tmp_path / "run", settings(scenes))
    training.run()
    assert training.step == training.steps.count
    assert not (tmp_path / "run" / "tensorboard").exists()
