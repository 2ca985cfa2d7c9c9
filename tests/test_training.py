"""Training as a whole on a handful of scenes: files, repeatability, resuming, and what stops it."""

import csv
import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from commands import stop_at
from PIL import Image
from safetensors.numpy import save_file
from typer.testing import CliRunner

from minircnn.base.errors import InputError
from minircnn.cli import app
from minircnn.models import FastRCNN, vgg_small
from minircnn.training.begin import first_model
from minircnn.training.divergence import way_out
from minircnn.training.loop import Interrupted
from minircnn.training.run_folder import RunFolder, whole_rows
from minircnn.training.settings import TrainSettings
from minircnn.training.train import Training
from minircnn.weights.model_file import load_model, save_model


@pytest.fixture
def finished(finished_run, tmp_path):
    """A finished run of one's own."""
    return RunFolder(shutil.copytree(finished_run, tmp_path / "run"))


def settings(scenes, **given):
    common = {"epochs": 3, "lr": 0.005, "images_per_step": 2, "proposals_folder": str(scenes / "proposals")}
    return TrainSettings(data=str(scenes), **common | given)


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


def test_a_run_leaves_its_files_and_a_detector(finished_run):
    names = {path.name for path in finished_run.iterdir()}
    assert names - {"tensorboard"} == {  # which is there where that is installed
        "settings.json", "log.csv", "last.safetensors", "best.safetensors", "metrics.json", "report.html",
        "previous.safetensors",
        "index-train",
        "index-validation",
    }  # fmt: skip
    stored = json.loads((finished_run / "metrics.json").read_text())
    assert stored["images"] == 4
    assert {"mAP50", "mAP75", "AP", "per_class", "train_seconds", "proposal_recall50"} <= stored.keys()
    assert stored["proposal_recall50"] > 0.9
    with open(finished_run / "log.csv") as file:
        rows = list(csv.DictReader(file))
    assert int(rows[-1]["step"]) == 12
    page = (finished_run / "report.html").read_text()
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_training_twice_and_with_more_threads_gives_the_same_bits(finished_run, scenes, tmp_path):
    first = weights(Training.resume(RunFolder(finished_run)))
    before = numba.get_num_threads()
    numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS) if before == 1 else 1)
    second = weights(train(tmp_path / "b", settings(scenes)))
    numba.set_num_threads(before)
    assert_same_bits(first, second)
    other = weights(train(tmp_path / "c", settings(scenes, seed=1, epochs=1)))
    assert not np.array_equal(first["fc6.weight"], other["fc6.weight"])


def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(finished_run, scenes, tmp_path):
    whole = weights(Training.resume(RunFolder(finished_run)))
    training = Training.start(RunFolder(tmp_path / "cut"), settings(scenes))
    with pytest.raises(Interrupted):
        training.run(stop_at("training", 5))
    resumed = Training.resume(RunFolder(tmp_path / "cut"))
    assert resumed.step == 5
    resumed.run()
    assert_same_bits(whole, weights(resumed))


@pytest.mark.slow
def test_the_loss_falls(scenes, tmp_path):
    train(tmp_path / "run", settings(scenes, epochs=12, flip=0.0, validation_images=1))
    with open(tmp_path / "run" / "log.csv") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert losses[-1] < 0.8 * losses[0]


def test_a_run_is_never_overwritten(scenes, finished):
    with pytest.raises(InputError, match="already holds a run"):
        Training.start(finished, settings(scenes))


def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(scenes, tmp_path):
    training = Training.start(RunFolder(tmp_path / "run"), settings(scenes))
    training.save()
    kept = (tmp_path / "run" / "last.safetensors").read_bytes()
    training.model.head.fc7.weight.value[:] = np.nan
    with pytest.raises(InputError, match=r"step 1: the loss is nan on images \d{6}, \d{6}"):
        training.run()
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == kept
    assert not (tmp_path / "run" / "best.safetensors").exists()


@pytest.mark.parametrize("where", ["weight", "velocity"])
def test_a_weight_that_is_not_finite_never_gets_into_a_checkpoint(scenes, tmp_path, where):
    """The loss may still be finite: a dead unit's weight reaches nothing."""
    training = Training.start(RunFolder(tmp_path / "run"), settings(scenes))
    training.save()
    kept = (tmp_path / "run" / "last.safetensors").read_bytes()
    array = (
        training.model.head.fc7.weight.value if where == "weight" else training.steps.optimiser.velocity["fc7.weight"]
    )
    array[0, 0] = np.inf
    with pytest.raises(InputError, match=r"is not written: .*fc7\.weight holds NaN or infinity"):
        training.save()
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == kept


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def test_a_damaged_checkpoint_is_told_and_the_one_before_it_used(finished):
    folder = finished
    whole = weights(Training.resume(folder))
    with open(folder.log, "a", encoding="utf-8") as file:
        file.write("9999,1.0")  # torn
    flip_a_bit(folder.last)
    resumed = Training.resume(folder)
    assert resumed.step <= 12
    assert len(resumed.notes) == 1
    assert "last.safetensors is damaged" in resumed.notes[0]
    assert "previous.safetensors" in resumed.notes[0]
    resumed.run()
    assert_same_bits(whole, weights(resumed))
    assert "9999" not in folder.log.read_text(encoding="utf-8")
    load_model(folder.previous)  # the damaged one was not pushed into the sound one's place
    flip_a_bit(folder.last)
    flip_a_bit(folder.previous)
    with pytest.raises(InputError, match=r"previous\.safetensors is damaged"):
        Training.resume(folder)


def test_a_torn_log_is_cut_to_its_last_whole_row():
    row = "{},0.5,0.01,1,0.6,0.4,0.25,9.5\n"
    text = "step,…\n" + row.format(20) + "x,y\n" + row.format(40) + row.format(60) + "80,0.5,0.0"
    assert whole_rows(text, 8, 50) == [row.format(20).strip(), row.format(40).strip()]
    assert whole_rows(row.format(0) + row.format(40).rstrip("\n"), 8, 50) == []


def test_resume_takes_more_epochs_and_refuses_fewer_than_are_done(finished):
    folder = finished
    with pytest.raises(InputError, match="epochs is 2, and 3 are done already"):
        Training.resume(folder, epochs=2)
    assert folder.read_settings().epochs == 3
    longer = Training.resume(folder, epochs=4)
    assert (longer.step, longer.steps.count) == (12, 16)
    longer.run()
    assert Training.resume(RunFolder(folder.path)).step == 16


def test_resume_finds_its_data_from_any_folder_and_where_it_has_moved(scenes, tmp_path, monkeypatch):
    shutil.copytree(scenes, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    train(Path("run"), TrainSettings(data="data", epochs=0.5, images_per_step=2, validation_images=1))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert Training.resume(RunFolder("../run")).step == 2
    (tmp_path / "data").rename(tmp_path / "moved")
    with pytest.raises(InputError, match=r"data is not there any more; .* --data DIR"):
        Training.resume(RunFolder("../run"))
    assert Training.resume(RunFolder("../run"), data="../moved").step == 2
    monkeypatch.chdir(tmp_path)
    assert Training.resume(RunFolder("run")).step == 2  # the new place is remembered


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("fewer images", "7 usable training images"),
        ("another name", "other image files"),
        ("classes", "has the classes"),
        ("a box", "train: 000001: the image or its boxes are not those"),
        ("an image", "train: 000001: the image or its boxes are not those"),
        ("a box of validation", "validation: 000001: the image or its boxes are not those"),
    ],
)
def test_resume_refuses_data_that_is_not_the_runs(scenes, finished, tmp_path, change, words):
    other = tmp_path / "other"
    shutil.copytree(scenes, other, ignore=shutil.ignore_patterns("proposals"))
    first = other / "train" / "image" / "000001.jpg", other / "train" / "annos" / "000001.json"
    if change == "fewer images":
        for path in first:
            path.unlink()
    elif change == "another name":
        for path in first:
            path.rename(path.with_stem("other"))
    elif change == "an image":
        Image.new("RGB", (96, 96)).save(first[0])
    elif change != "classes":
        path = other / ("validation" if "validation" in change else "train") / "annos" / "000001.json"
        annotation = json.loads(path.read_text())
        annotation["item1"]["bounding_box"][0] += 1
        path.write_text(json.dumps(annotation))
    else:
        classes = json.loads((other / "classes.json").read_text())["classes"]
        (other / "classes.json").write_text(json.dumps({"classes": [*classes, "hat"]}))
    before = {path.name: path.read_bytes() for path in finished.path.iterdir() if path.is_file()}
    with pytest.raises(InputError, match=words):
        Training.resume(finished, data=other)
    assert {path.name: path.read_bytes() for path in finished.path.iterdir() if path.is_file()} == before


FAULTS = {
    "data": ({"data": "nowhere"}, "nowhere"),
    "classes": ({"classes": ("hat",)}, "class 'hat' is unknown"),
    "weights": ({"weights": "nothing.safetensors"}, "nothing.safetensors is not there"),
}


@pytest.mark.parametrize(("given", "words"), FAULTS.values(), ids=FAULTS)
def test_everything_is_checked_before_anything_is_written(scenes, tmp_path, given, words):
    with pytest.raises(InputError, match=words):
        Training.start(RunFolder(tmp_path / "run"), replace(settings(scenes), **given))
    assert not (tmp_path / "run").exists()


def test_a_broken_validation_set_is_found_before_the_search_for_proposals(scenes, tmp_path):
    shutil.copytree(scenes, tmp_path / "data", ignore=shutil.ignore_patterns("proposals"))
    (tmp_path / "data" / "validation" / "annos" / "000002.json").write_text("{")
    with pytest.raises(InputError, match=r"validation.annos.000002\.json"):
        Training.start(RunFolder(tmp_path / "run"), TrainSettings(data=str(tmp_path / "data")))
    assert not (tmp_path / "run").exists()


def test_a_training_set_without_one_box_is_refused(scenes, tmp_path):
    shutil.copytree(scenes, tmp_path / "data", ignore=shutil.ignore_patterns("proposals"))
    for path in (tmp_path / "data" / "train" / "annos").iterdir():
        path.write_text('{"source": "user"}')
    with pytest.raises(InputError, match="not one box in 8 annotations"):
        Training.start(RunFolder(tmp_path / "run"), TrainSettings(data=str(tmp_path / "data")))


# What is said before a night of training


@pytest.fixture
def own(scenes, tmp_path):
    """A copy of the scenes, to be changed."""
    shutil.copytree(scenes, tmp_path / "own", ignore=shutil.ignore_patterns("proposals"))
    return tmp_path / "own"


def change_items(folder, change):
    for path in folder.glob("*/annos/*.json"):
        annotation = json.loads(path.read_text())
        for item in (value for key, value in annotation.items() if key.startswith("item")):
            change(item)
        path.write_text(json.dumps(annotation))


def test_categories_without_names_are_told_whose_they_get(own, tmp_path):
    (own / "classes.json").unlink()
    change_items(own, lambda item: item.pop("category_name"))
    notes = Training.start(RunFolder(tmp_path / "run"), TrainSettings(data=str(own))).notes
    assert any(note.startswith(f"{own} has no classes.json, so the categories are called as in Deep") for note in notes)


def test_a_class_without_a_box_is_told(own, tmp_path):
    change_items(own, lambda item: item.update(category_id=3, category_name="Pullover"))
    notes = Training.start(RunFolder(tmp_path / "run"), TrainSettings(data=str(own), classes=("Pullover", "Bag"))).notes
    assert notes == [f"not one box in {own}/train is of these classes, so they cannot be learned: Bag"]


def test_proposals_that_reach_little_are_told(own, tmp_path):
    change_items(own, lambda item: item.update(bounding_box=[1, 1, 6, 8]))
    notes = Training.start(RunFolder(tmp_path / "run"), TrainSettings(data=str(own))).notes
    assert any(
        re.search(r"the proposals reach only 0 of (\d+) true boxes, of which \1 are narrower than 12", n) for n in notes
    )


def test_room_on_the_disk_is_told_and_asked_for(scenes, tmp_path, monkeypatch):
    monkeypatch.setattr("minircnn.training.notes.MUCH", 1e6)
    notes = Training.start(RunFolder(tmp_path / "run"), settings(scenes)).notes
    assert any("GB: two checkpoints and the best weights" in note for note in notes)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(InputError, match="are free there; make room"):
        Training.start(RunFolder(tmp_path / "other"), settings(scenes))
    assert not (tmp_path / "other").exists()


# A run that diverges


def log_of(folder, losses):
    rows = [
        "step,epoch,lr,loss,loss_cls,loss_bbox,foreground,seconds",
        *(f"{20 * n},0,0,{loss},0,0,0,0" for n, loss in enumerate(losses, start=1)),
    ]
    folder.log.write_text("\n".join(rows) + "\n")


@pytest.mark.parametrize(
    ("losses", "sound"),
    [
        ([2.5, 2.0, 1.5, 1.2, 1.1], "last.safetensors"),
        ([2.5, 2.0, 1.5, 1.2, 90.0], "previous.safetensors"),  # finite, and ruined
        ([2.5, 2.0, 1.5, float("nan"), float("nan")], "previous.safetensors"),
        ([2.5, 2.0, 1.5, 1.2, float("nan")], "previous.safetensors"),
        ([2.5, 90.0, 1e9, 1e20], None),
        ([2.5, 2.0], None),  # nothing was logged after them
        ([], None),
    ],
)
def test_a_diverged_run_names_what_is_sound_and_a_command_that_works(scenes, tmp_path, losses, sound):
    folder = RunFolder(tmp_path / "run")
    given = settings(scenes, weights="none", lr=0.3, seed=7)
    training = Training.start(folder, given)
    for training.steps.step in (45, 85):
        training.save()
    log_of(folder, losses)
    words = way_out(folder, training.settings, [])
    assert (
        f"{sound} (step {45 if sound and 'previous' in sound else 85}) is sound" if sound else "no checkpoint"
    ) in words
    command = shlex.split(words[words.index("minircnn train") :])
    assert command[command.index("--lr") + 1] == "0.03"
    assert command[command.index("--weights") + 1] == (str(folder.path / sound) if sound else "none")
    if sound:
        done = CliRunner().invoke(app, [*command[1:], "--epochs", "0.25", "--validation-limit", "1"])
        assert done.exit_code == 0, done.output
        again = RunFolder(tmp_path / "run-2").read_settings()
        assert (again.seed, again.images_per_step, again.frozen_blocks) == (7, 2, 0)


def test_where_no_checkpoint_is_sound_the_best_weights_may_be(finished):
    given = finished.read_settings()
    log_of(finished, [2.5, 90.0, 1e9])
    history = [{"step": 4, "AP": 0.1}, {"step": 8, "AP": 0.2}, {"step": 12, "AP": 0.0}]
    assert "best.safetensors (step 8) is sound" in way_out(finished, given, history)
    assert "no checkpoint of it is sound" in way_out(finished, given, [{"step": 4, "AP": 0.0}])


def test_a_run_with_far_too_high_a_rate_ends_with_the_way_out(scenes, tmp_path):
    with np.errstate(all="ignore"), pytest.raises(InputError, match=r"step \d+: .*--lr 100 .*--proposals"):
        train(tmp_path / "run", settings(scenes, lr=1000.0, epochs=30))


def test_a_run_begins_in_a_new_an_empty_or_its_own_folder_only(scenes, tmp_path):
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    RunFolder(thesis).check_free()
    (thesis / "chapter1.txt").write_text("years of work")
    with pytest.raises(InputError, match=r"thesis holds other files \(chapter1\.txt\)"):
        Training.start(RunFolder(thesis), settings(scenes))
    assert [path.name for path in thesis.iterdir()] == ["chapter1.txt"]
    # one that ended before its first checkpoint is begun again
    Training.start(RunFolder(tmp_path / "run"), settings(scenes))
    Training.start(RunFolder(tmp_path / "run"), settings(scenes)).run()
    with pytest.raises(InputError, match="already holds a run; go on with `minircnn train --resume"):
        RunFolder(tmp_path / "run").check_free()


def test_a_stored_models_boxes_begin_where_they_ended(scenes, finished, tmp_path):
    """bbox_pred of a model file is in real offsets, a run's in normalised ones: what it predicts must not change."""
    source = Training.resume(finished)
    assert source.model.statistics.std[1:].min() < 0.5
    training = Training.start(RunFolder(tmp_path / "next"), settings(scenes, weights=str(finished.path)))
    assert not [note for note in training.notes if "anew" in note]
    images, hidden = np.zeros((1, 96, 96, 3), np.float32), np.random.default_rng(0).random((4, 256), np.float32)
    stored = load_model(finished.path)
    np.testing.assert_allclose(
        training.model.offsets(training.model.head.bbox_pred.forward(hidden)),
        stored.head.bbox_pred.forward(hidden),
        atol=1e-5,
    )
    np.testing.assert_array_equal(training.model.forward_features(images), stored.forward_features(images))


def test_weights_of_other_classes_bring_all_but_the_output_layers(scenes, tmp_path, rng):
    stored = FastRCNN(vgg_small(), 3, rng, ("hat", "scarf", "glove"))
    save_model(tmp_path / "model.safetensors", stored)
    given = settings(scenes, weights=str(tmp_path / "model.safetensors"))
    training = Training.start(RunFolder(tmp_path / "run"), given)
    np.testing.assert_array_equal(training.model.head.fc7.weight.value, stored.head.fc7.weight.value)
    assert training.model.head.cls_score.weight.value.shape == (256, 11)
    assert "other classes (hat, scarf, glove): all but cls_score and bbox_pred is kept" in training.notes[0]


def test_preprocessing_comes_with_the_weights(scenes, tmp_path, rng):
    other = replace(vgg_small().preprocessing, channel_order="BGR", mean=(1.0, 2.0, 3.0))
    save_model(tmp_path / "model.safetensors", FastRCNN(replace(vgg_small(), preprocessing=other), 3, rng))
    given = settings(scenes, weights=str(tmp_path / "model.safetensors"))
    model = first_model(given, ("a", "b"), rng).model
    assert model.architecture.preprocessing == other


def test_random_convolutions_are_not_frozen_and_given_ones_as_far_as_asked(scenes, tmp_path, rng):
    """The paper freezes what ImageNet has taught; random weights that never learn would only be in the way."""
    beginning = first_model(settings(scenes, weights="none").resolve(8), ("a", "b"), rng)
    model = beginning.model
    assert all(parameter.learns for _, parameter in model.named_parameters())
    assert "begins with random weights: conv1_1 … conv3_3 learn too" in beginning.notes[0]
    save_model(tmp_path / "model.safetensors", model)
    for weights in ("shipped", str(tmp_path / "model.safetensors")):
        for blocks, frozen in ((None, 5), (0, 0), (2, 2)):
            given = settings(scenes, weights=weights, frozen_blocks=blocks).resolve(8)
            model = first_model(given, ("a", "b"), rng).model
            names = [name for name, _ in model.backbone.named_parameters() if name.endswith(".weight")]
            still = [name for name, parameter in model.named_parameters() if not parameter.learns]
            assert [name for name in still if name.endswith(".weight")] == names[:frozen]
    assert settings(scenes).resolve(2499).frozen_blocks == 3
    assert settings(scenes).resolve(2500).frozen_blocks == 0
    assert settings(scenes, backbone="vgg16", weights="a.pth").resolve(200_000).frozen_blocks == 2
    with pytest.raises(InputError, match="would keep random weights as they are"):
        settings(scenes, weights="none", frozen_blocks=1)


@pytest.mark.parametrize(
    "given",
    [
        {"epochs": float("inf")}, {"epochs": float("nan")}, {"epochs": 0}, {"epochs": 1e300}, {"lr": float("inf")},
        {"lr": -1}, {"seed": -1}, {"seed": 0.5}, {"images_per_step": 0}, {"limit": 0}, {"validation_limit": -1},
        {"images_per_step": True}, {"epochs": "3"}, {"data": 5}, {"weights": 5}, {"backbone": "resnet"},
    ],
    ids=str,
)  # fmt: skip
def test_settings_out_of_range_are_named(given):
    with pytest.raises(InputError, match=f"{next(iter(given))} should be"):
        TrainSettings(**{"data": "x"} | given)


@pytest.mark.parametrize("stored", [{}, {"data": 5}, {"sampling": []}, {"classes": 5}, {"proposals": {"mode": 1}}])
def test_damaged_settings_of_a_run_are_one_sentence(stored):
    sound = TrainSettings(data="x").to_dict()
    assert TrainSettings.from_dict(sound) == TrainSettings(data="x")
    with pytest.raises(InputError, match=r"settings\.json is damaged or of another version"):
        TrainSettings.from_dict(sound | stored if stored else {})


def test_a_resumed_run_says_again_what_is_skipped(scenes, tmp_path):
    """One file fails the first pass, one only when its pixels are decoded: both are named, at the start and later."""
    shutil.copytree(scenes, tmp_path / "data", ignore=shutil.ignore_patterns("proposals"))
    image = tmp_path / "data" / "train" / "image" / "000003.jpg"
    image.write_bytes(image.read_bytes()[:1500])
    (tmp_path / "data" / "train" / "annos" / "000005.json").write_text("{")
    begun = train(tmp_path / "run", TrainSettings(data=str(tmp_path / "data"), epochs=0.5, skip_bad=True))
    resumed = Training.resume(RunFolder(tmp_path / "run"))
    assert begun.data.skipped == resumed.data.skipped
    assert [("000003" in one, "000005" in one) for one in sorted(begun.data.skipped)] == [(False, True), (True, False)]


def test_validation_may_be_limited_too(scenes, tmp_path):
    given = settings(scenes, limit=5, validation_limit=2)
    training = Training.start(RunFolder(tmp_path / "run"), given)
    assert (len(training.data.train), len(training.data.validation)) == (5, 2)


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


def test_a_full_disk_is_one_sentence_and_leaves_the_last_checkpoint(finished, monkeypatch):
    training = Training.resume(finished)
    before = finished.last.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("minircnn.weights.model_file.save_file", full)
    with pytest.raises(InputError, match="No space left on device"):
        training.save()
    assert finished.last.read_bytes() == before
