"""Faster R-CNN: the proposal layer step by step, a run of it with all that has a detector in it, and bad input."""

import csv
import json
import shutil
from dataclasses import replace

import numba
import numpy as np
import pytest
from commands import assert_one_sentence, minircnn, stop_at

from minircnn import FastRCNN, detect, load_model, save_model, vgg_small
from minircnn.anchors import RPNSettings
from minircnn.base.errors import InputError, NotFinite
from minircnn.boxes import iou_matrix
from minircnn.data import open_samples, read_image
from minircnn.layers import RoIAlign
from minircnn.models import Batch, FasterRCNN
from minircnn.models.rpn import RPN
from minircnn.training.loop import Interrupted
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.training.steps import train_step
from minircnn.training.train import Training
from minircnn.weights.model_file import read_tensors, write_tensors
from minircnn.weights.svd import compress

NONE = np.zeros((0, 5), np.float32), np.zeros(0, np.int64), np.zeros((0, 4), np.float32)


def given(scenes, **changes):
    settings = {"model": "faster", "pooling": "align", "epochs": 2, "lr": 0.005, "images_per_step": 2} | changes
    return TrainSettings(data=str(scenes), **settings)


def weights(training):
    return {name: parameter.value.copy() for name, parameter in training.model.named_parameters()}


def assert_same_bits(one, two):
    assert one.keys() == two.keys()
    assert [name for name in one if not np.array_equal(one[name], two[name])] == []


def small(rng, **rpn):
    model = FasterRCNN(replace(vgg_small(), rpn=replace(vgg_small().rpn, **rpn)), 3, rng)
    model.train()
    return model


def batch(rng, boxes=((20, 20, 70, 60),), side=96):
    truth = np.array(boxes, np.float32).reshape(-1, 4)
    images = rng.standard_normal((1, side, side, 3)).astype(np.float32)
    labels = np.ones(len(truth), np.int64)
    return Batch(images, *NONE, ("a",), boxes=(truth,), box_labels=(labels,), sizes=((side, side),), scales=(1.0,))


def proposer(**changes):
    """A network that proposes, on a map of 2×2 cells of 16 pixels, with one anchor of 16×16 at each."""
    settings = replace(RPNSettings(scales=(1,), ratios=(1,), min_side=4), **changes)
    rpn = RPN(8, 16, settings, bias_lr_multiplier=2.0, dtype=np.float32)
    rpn.map = 2, 2
    return rpn


def test_proposals_that_are_not_moved_are_the_anchors_best_first():
    found = proposer().propose(np.array([1.0, 3, 2, 0]), np.zeros((4, 4)), (32, 32), 1.0, 10, 10)
    assert found.anchors.tolist() == [1, 2, 0, 3]
    assert found.boxes.tolist() == [[16, 0, 32, 16], [0, 16, 16, 32], [0, 0, 16, 16], [16, 16, 32, 32]]


def test_of_equal_scores_the_first_anchor_comes_first():
    found = proposer().propose(np.zeros(4), np.zeros((4, 4)), (32, 32), 1.0, 10, 10)
    assert found.anchors.tolist() == [0, 1, 2, 3]


def test_a_box_is_measured_as_it_is_clipped_and_takes_no_place_if_it_is_too_small():
    """The best anchor moves out of the image but for 3 pixels; with room for one box the next takes its place."""
    offsets = np.zeros((4, 4))
    offsets[0, 0] = -13 / 16
    scores = np.array([3.0, 2, 1, 0])
    assert proposer().propose(scores, offsets, (32, 32), 1.0, 1, 1).anchors.tolist() == [1]
    assert proposer(min_side=3).propose(scores, offsets, (32, 32), 1.0, 1, 1).anchors.tolist() == [0]
    assert proposer(min_side=3).propose(scores, offsets, (32, 32), 2.0, 1, 1).anchors.tolist() == [1]  # scaled


def test_the_best_are_taken_before_suppression_and_counted_after_it():
    offsets = np.zeros((4, 4))
    offsets[1, 0] = -0.9  # onto the first
    scores = np.array([3.0, 2, 1, 0])
    assert proposer().propose(scores, offsets, (32, 32), 1.0, 2, 9).anchors.tolist() == [0]
    assert proposer().propose(scores, offsets, (32, 32), 1.0, 9, 2).anchors.tolist() == [0, 2]


def test_outputs_that_are_not_numbers_propose_nothing():
    scores, offsets = np.array([np.nan, 1, 2, 3]), np.zeros((4, 4))
    offsets[1] = np.nan
    offsets[2, 2] = np.inf  # stretched as far as a box may be, so it covers the image
    found = proposer().propose(scores, offsets, (32, 32), 1.0, 10, 10)
    assert 0 not in found.anchors
    assert 1 not in found.anchors
    assert np.isfinite(found.boxes).all()


def test_none_is_left_after_the_size_filter(rng):
    """No proposal and no object: nothing is pooled, and the anchors learn all the same."""
    model = small(rng, min_side=200)
    losses = model.losses(batch(rng, boxes=()))
    assert len(model.drawn.labels) == 0
    assert losses["loss_cls"] == losses["loss_bbox"] == losses["loss_rpn_bbox"] == 0
    assert losses["loss_rpn_cls"] > 0
    model.backward()
    assert all(np.isfinite(parameter.grad).all() for _, parameter in model.named_parameters() if parameter.learns)
    model.eval()
    image = rng.integers(0, 256, (96, 96, 3)).astype(np.uint8)
    assert model.propose(image).shape == (0, 4)
    assert len(detect(model, image)) == 0


def test_an_image_without_an_object_teaches_background_alone(rng):
    model = small(rng)
    losses = model.losses(batch(rng, boxes=()))
    assert losses["loss_rpn_bbox"] == losses["loss_bbox"] == 0
    assert not model.drawn.labels.any()
    assert model.figures == {"foreground": 0.0, "rpn_recall": 1.0}


def test_without_an_anchor_in_the_image_there_is_no_loss_of_anchors(rng):
    model = small(rng, scales=(16, 32), border=0.0)
    losses = model.losses(batch(rng))
    assert losses["loss_rpn_cls"] == losses["loss_rpn_bbox"] == 0
    model.backward()
    assert not model.rpn.conv.weight.grad.any()
    assert model.head.fc6.weight.grad.any()


def test_nan_in_the_outputs_of_anchors_stops_the_step(rng):
    model = small(rng)
    model.rpn.cls_score.bias.value[0] = np.nan
    optimiser = None  # nothing is updated
    with pytest.raises(NotFinite, match="a"):
        train_step(model, optimiser, batch(rng), 0.01)


def test_what_was_padded_holds_no_proposal_and_no_anchor_that_learns(rng):
    model = small(rng, border=0.0)
    narrow = replace(batch(rng), sizes=((96, 48),), boxes=(np.array([[2, 20, 40, 60]], np.float32),))
    model.losses(narrow)
    assert model.drawn.rois[:, 3].max() <= 48


def test_background_of_no_overlap_at_all_is_drawn_and_128_regions_of_an_image(rng, scenes):
    """As py-faster-rcnn has it: what the head is to refuse in detection lies mostly apart from everything."""
    model = small(rng)
    model.losses(batch(rng))
    background = model.drawn.rois[model.drawn.labels == 0, 1:]
    assert (iou_matrix(background, np.array([[20.0, 20, 70, 60]])) == 0).any()
    assert len(model.drawn.labels) == 128
    sampling = given(scenes).resolve(8).roi_sampling
    assert (sampling.rois_per_image, sampling.background_iou_low) == (128, 0.0)
    assert given(scenes, model="fast").resolve(8).roi_sampling.background_iou_low == 0.1


def test_true_boxes_are_among_the_regions_and_learn_no_move(rng):
    model = small(rng)
    model.losses(batch(rng))
    own = model.origin.anchors == -1
    assert model.drawn.rois[own, 1:].tolist() == [[20, 20, 70, 60]]
    assert not model.drawn.targets[own].any()


def test_the_gradients_at_the_shared_features_are_added(rng):
    """What the convolutions get of all four losses is what they get of the head's and of the anchors' alone."""
    model = small(rng)
    model.losses(batch(rng))
    gradients = model.kept_gradients()
    parts = []
    for kept in ((1, 1, 1, 1), (1, 1, 0, 0), (0, 0, 1, 1)):
        model.backward(*(d * np.float32(keep) for d, keep in zip(gradients, kept, strict=True)))
        parts.append(model.layers["conv1_1"].weight.grad.copy())
    both, head, anchors = parts
    assert np.abs(head).max() > 0
    assert np.abs(anchors).max() > 0
    np.testing.assert_allclose(both, head + anchors, atol=1e-5 * np.abs(both).max())


def test_a_gradient_that_is_left_out_is_told(rng):
    model = small(rng)
    model.losses(batch(rng))
    with pytest.raises(ValueError, match="all four"):
        model.backward(*model.kept_gradients()[:2])


def test_the_dropped_gradient_needs_roi_align(rng):
    model = small(rng)
    model.losses(batch(rng))
    model.backward()
    assert model.dropped_gradient() is None
    assert FastRCNN(vgg_small(), 3, rng).dropped_gradient() is None


def test_a_run_leaves_its_files_no_proposals_and_a_detector(faster_run):
    assert not (faster_run / "proposals").exists()
    stored = json.loads((faster_run / "metrics.json").read_text())
    assert stored["proposal_recall50"] > 0.5
    with open(faster_run / "log.csv") as file:
        row = list(csv.DictReader(file))[-1]
    assert {"loss_cls", "loss_bbox", "loss_rpn_cls", "loss_rpn_bbox", "foreground", "rpn_recall"} <= row.keys()
    assert 0 < float(row["rpn_recall"]) <= 1
    page = (faster_run / "report.html").read_text()
    assert all(words in page for words in ("anchors’ class loss", "region proposal network", "RoIs"))
    model = load_model(faster_run)
    assert isinstance(model, FasterRCNN)
    assert isinstance(model.roi_layer, RoIAlign)
    assert model.architecture.rpn == vgg_small().rpn


@pytest.mark.slow
def test_twice_and_with_more_threads_gives_the_same_bits(faster_run, scenes, tmp_path):
    first = weights(Training.resume(RunFolder(faster_run)))
    before = numba.get_num_threads()
    numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS) if before == 1 else 1)
    training = Training.start(RunFolder(tmp_path / "again"), given(scenes))
    training.run()
    numba.set_num_threads(before)
    assert_same_bits(first, weights(training))


def test_a_run_that_was_stopped_ends_as_if_it_had_not_been(faster_run, scenes, tmp_path):
    training = Training.start(RunFolder(tmp_path / "cut"), given(scenes))
    with pytest.raises(Interrupted):
        training.run(stop_at("training", 3))
    resumed = Training.resume(RunFolder(tmp_path / "cut"))
    assert resumed.step == 3
    resumed.run()
    assert_same_bits(weights(Training.resume(RunFolder(faster_run))), weights(resumed))
    assert (tmp_path / "cut" / "log.csv").read_text().splitlines()[0] == (
        (faster_run / "log.csv").read_text().splitlines()[0]
    )


def test_a_stored_model_detects_as_the_one_it_was(faster_run, scenes, tmp_path):
    model = load_model(faster_run)
    save_model(tmp_path / "copy.safetensors", model)
    sample = open_samples(scenes, "validation")[0]
    image = read_image(sample.image_path)
    one, two = detect(model, image), detect(load_model(tmp_path / "copy.safetensors"), image)
    np.testing.assert_array_equal(one.boxes, two.boxes)
    np.testing.assert_array_equal(one.scores, two.scores)
    proposals = model.propose(image)
    assert len(proposals) <= model.architecture.rpn.test_after
    assert iou_matrix(sample.boxes, proposals).max(axis=1).mean() > 0.4


def test_proposals_of_ones_own_may_be_given(faster_run, scenes):
    model, image = load_model(faster_run), read_image(open_samples(scenes, "validation")[0].image_path)
    one, two = detect(model, image), detect(model, image, model.propose(image))
    np.testing.assert_allclose(one.boxes, two.boxes, atol=1e-3)


def test_every_command_takes_it(faster_run, scenes, tmp_path):
    photo = open_samples(scenes, "validation")[0].image_path
    evaluated = minircnn("eval", faster_run, "--data", scenes, "--json", tmp_path / "eval.json")
    assert evaluated.returncode == 0, evaluated.stderr
    assert "proposals included" in evaluated.stdout
    found = minircnn("detect", faster_run, photo, "--out", tmp_path / "found")
    assert found.returncode == 0, found.stderr
    traced = minircnn("trace", faster_run, "--image", photo, "--json", tmp_path / "trace.json")
    assert traced.returncode == 0, traced.stderr
    figures = json.loads((tmp_path / "trace.json").read_text())
    assert set(figures["losses"]) == {"class", "box", "rpn class", "rpn box"}
    assert figures["dropped"] > 0
    assert "it is dropped" in traced.stdout
    page = minircnn("explain", "--model", faster_run, "--image", photo, "--out", tmp_path / "page.html")
    assert page.returncode == 0, page.stderr
    shown = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert '"name": "roi_align"' in shown.replace('"name":"', '"name": "')
    assert "rpn_conv" not in shown
    thin = minircnn("weights", "svd", faster_run, "--out", tmp_path / "thin.safetensors")
    assert thin.returncode == 0, thin.stderr
    assert isinstance(load_model(tmp_path / "thin.safetensors"), FasterRCNN)


def test_svd_keeps_the_network_that_proposes(faster_run):
    model = load_model(faster_run)
    smaller, _ = compress(model, 64, 32)
    image = np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)
    np.testing.assert_array_equal(smaller.propose(image), model.propose(image))


def test_one_kind_of_detector_begins_from_the_other(faster_run, model_file, scenes, tmp_path):
    fast = Training.start(RunFolder(tmp_path / "fast"), given(scenes, model="fast", weights=str(faster_run)))
    assert type(fast.model) is FastRCNN
    stored = load_model(faster_run)
    np.testing.assert_array_equal(fast.model.head.fc6.weight.value, stored.head.fc6.weight.value)
    faster = Training.start(RunFolder(tmp_path / "faster"), given(scenes, weights=str(model_file)))
    assert any("no region proposal network" in note for note in faster.notes)
    np.testing.assert_array_equal(faster.model.head.fc6.weight.value, load_model(model_file).head.fc6.weight.value)


def test_weights_bring_the_anchors_and_the_pooling_that_they_learned_on(faster_run, scenes, tmp_path, rng):
    """With others they would say nothing; a flag that names others wins."""
    others = replace(vgg_small(), rpn=replace(vgg_small().rpn, scales=(1, 2, 3)), pooling="pool")
    names = load_model(faster_run).class_names
    save_model(tmp_path / "a.safetensors", FasterRCNN(others, len(names), rng, names))
    file = {"weights": str(tmp_path / "a.safetensors"), "pooling": None}
    run = RunFolder(tmp_path / "run")
    training = Training.start(run, given(scenes, **file))
    own = training.model.architecture
    assert (own.rpn, own.pooling) == (others.rpn, "pool")
    assert (run_settings := TrainSettings.from_dict(json.loads(run.settings.read_text()))).rpn == others.rpn
    assert run_settings.pooling == "pool"
    asked = given(scenes, **file | {"pooling": "align", "rpn": vgg_small().rpn})
    own = Training.start(RunFolder(tmp_path / "asked"), asked).model.architecture
    assert (own.rpn, own.pooling) == (vgg_small().rpn, "align")


@pytest.mark.parametrize(("flags", "words"), [
    (["--model", "faster", "--proposals", "kept"], "leave out --proposals"),
    (["--model", "fastest"], "fast, faster"),
    (["--anchor-scales", "2,3"], "leave out --anchor-scales"),
    (["--model", "faster", "--anchor-scales", "two"], "--anchor-scales takes numbers"),
    (["--model", "faster", "--anchor-scales", "0"], "above 0"),
    (["--pooling", "median"], "pool, align, average, pyramid"),
])  # fmt: skip
def test_flags_that_do_not_go_together_are_one_sentence(scenes, tmp_path, flags, words):
    done = minircnn("train", "--data", scenes, "--out", tmp_path / "run", *flags)
    assert_one_sentence(done, words)
    assert not (tmp_path / "run").exists()


def test_eval_keeps_no_proposals_of_it(faster_run, scenes, tmp_path):
    done = minircnn("eval", faster_run, "--data", scenes, "--proposals", tmp_path / "kept")
    assert_one_sentence(done, "leave out --proposals")


def test_a_checkpoint_of_the_other_kind_is_told(finished_run, faster_run, scenes, tmp_path):
    """Somebody put another run's checkpoint there."""
    run = shutil.copytree(faster_run, tmp_path / "run")
    shutil.copy(finished_run / "last.safetensors", run / "last.safetensors")
    with pytest.raises(InputError, match="fast"):
        Training.resume(RunFolder(run))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": "fastest"}, "does not know"),
        ({"rpn": {"scales": [2, 3, 4.5] * 100_000}}, "rpn_bbox_pred"),
        ({"rpn": {"scales": "abc"}}, "not usable"),
        ({"rpn": {"scales": [1, -1]}}, "above 0"),
        ({"rpn": [1]}, "not usable"),
        ({"rpn": {"speed": 3}}, "not usable"),
    ],
)
def test_a_description_that_cannot_be_is_one_sentence(faster_run, tmp_path, change, words):
    tensors, description = read_tensors(faster_run / "best.safetensors")
    write_tensors(tmp_path / "a.safetensors", tensors, description | change)
    with pytest.raises(InputError, match=words):
        load_model(tmp_path / "a.safetensors")


def test_anchors_that_fit_nothing_are_told(scenes, tmp_path):
    rpn = replace(vgg_small().rpn, scales=(20.0,))
    training = Training.start(RunFolder(tmp_path / "run"), given(scenes, rpn=rpn))
    assert any("--anchor-scales" in note for note in training.notes)
    assert not any("anchor" in note for note in Training.start(RunFolder(tmp_path / "b"), given(scenes)).notes)


def test_a_broken_image_is_found_before_the_first_step(scenes, tmp_path):
    own = shutil.copytree(scenes, tmp_path / "own", ignore=shutil.ignore_patterns("proposals"))
    broken = sorted((own / "train" / "image").iterdir())[2]
    broken.write_bytes(broken.read_bytes()[:2000])
    with pytest.raises(InputError, match=broken.stem):
        Training.start(RunFolder(tmp_path / "run"), given(own))
    training = Training.start(RunFolder(tmp_path / "skips"), given(own, skip_bad=True))
    assert len(training.data.train) == 7
    assert broken.stem in training.data.skipped[0]
    training.save()
    again = Training.resume(RunFolder(tmp_path / "skips"))
    assert again.data.skipped == training.data.skipped


def test_a_resumed_run_does_not_decode_every_image_again(faster_run, tmp_path):
    stages = []
    Training.resume(RunFolder(shutil.copytree(faster_run, tmp_path / "run")), lambda stage, *_: stages.append(stage))
    assert not any(stage.startswith("images") for stage in stages)
