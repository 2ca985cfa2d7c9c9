"""R-CNN's parts: warping by hand, features of each region alone, the SVM and the regression against other solvers."""

import errno
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize
from commands import assert_one_sentence, minircnn

from minircnn import FastRCNN, InputError, vgg_small
from minircnn.base.progress import silent
from minircnn.boxes import decode_boxes, iou_matrix
from minircnn.data import open_samples, read_image
from minircnn.detection import detect
from minircnn.detection.evaluate import evaluate_model
from minircnn.models import Batch
from minircnn.models.rcnn import RCNN
from minircnn.models.sppnet import SPPNet
from minircnn.models.warping import usual_context, warp_regions
from minircnn.proposals import ProposalCache, ProposalSettings
from minircnn.targets import SamplingSettings
from minircnn.training.begin import first_model
from minircnn.training.loop import Interrupted
from minircnn.training.optim import SGD
from minircnn.training.rcnn import stages as stages_file
from minircnn.training.rcnn.features import Features
from minircnn.training.rcnn.ridge import solve_ridge
from minircnn.training.rcnn.stages import learn_linear, train_stages
from minircnn.training.rcnn.svm import BIAS, EASY, POSITIVE_WEIGHT, RETRAIN, C, Mining, solve_svm
from minircnn.training.rcnn.windows import WindowSteps
from minircnn.training.settings import TrainSettings
from minircnn.training.steps import DetectorSteps, train_step
from minircnn.weights.description import assign
from minircnn.weights.model_file import load_model, read_tensors, save_model, write_tensors


def test_warping_an_enlarged_region_is_bilinear_and_ends_in_the_mean(rng):
    pixels = rng.standard_normal((20, 30, 3)).astype(np.float32)
    (warped,) = warp_regions(pixels, np.array([[4, 6, 14, 16]], np.float32), 24, 2)  # 10 pixels to 20, and 1 around
    for row, column in ((0, 0), (7, 12), (23, 23)):
        y, x = 6 + (row + 0.5 - 2) / 2 - 0.5, 4 + (column + 0.5 - 2) / 2 - 0.5
        y0, x0 = int(np.floor(y)), int(np.floor(x))
        expected = sum(
            pixels[y0 + i, x0 + j] * abs(1 - i - (y - y0)) * abs(1 - j - (x - x0)) for i in (0, 1) for j in (0, 1)
        )
        assert np.abs(warped[row, column] - expected).max() < 0.05  # OpenCV's coordinates have 5 binary digits
    (beyond,) = warp_regions(pixels + 5, np.array([[0, 0, 30, 20]], np.float32), 20, 5)
    assert (beyond[:4] == 0).all()  # above the image
    assert (beyond[8:12, 8:12] != 0).all()


def test_warping_keeps_pixels_where_nothing_is_stretched(rng):
    pixels = rng.standard_normal((40, 50, 3)).astype(np.float32)
    (same,) = warp_regions(pixels, np.array([[10, 5, 26, 21]], np.float32), 16, 0)
    np.testing.assert_allclose(same, pixels[5:21, 10:26], atol=1e-6)
    (around,) = warp_regions(pixels, np.array([[10, 5, 26, 21]], np.float32), 20, 2)
    np.testing.assert_allclose(around, pixels[3:23, 8:28], atol=1e-6)
    assert usual_context(227) == 16


@pytest.mark.parametrize(
    ("boxes", "side", "context", "words"),
    [([[1, 2, 1, 5]], 20, 2, "x1 < x2"), ([[1, 2, 3]], 20, 2, "shape"), ([[0, 0, 5, 5]], 20, 10, "leaves nothing")],
)
def test_regions_that_cannot_be_warped_are_told(boxes, side, context, words):
    with pytest.raises(ValueError, match=words):
        warp_regions(np.zeros((9, 9, 3), np.float32), np.array(boxes, np.float32), side, context)


@pytest.fixture
def model():
    return RCNN(vgg_small(), 3, np.random.default_rng(0))


def test_features_are_those_of_each_region_alone(model, rng):
    image = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    corner = rng.uniform(0, 60, (70, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(10, 30, (70, 2))], axis=1).astype(np.float32)
    pooled, hidden7 = model.region_features(image, model.image_features(image), boxes)
    assert pooled.shape == (70, 7 * 7 * 128)
    for a, b in zip(
        model.region_features(image, model.image_features(image), boxes, 32), (pooled, hidden7), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    for n in (0, 40, 69):
        one, other = model.region_features(image, model.image_features(image), boxes[n : n + 1])
        np.testing.assert_allclose(one[0], pooled[n], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(other[0], hidden7[n], rtol=1e-4, atol=1e-5)
    assert model.region_features(image, model.image_features(image), boxes[:0])[1].shape == (0, 256)


def test_a_region_is_pooled_cell_by_cell(model, rng):
    """56 pixels make 7×7 cells, each of which is its own bin."""
    assert (model.side, model.context) == (56, 4)
    image = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    box = np.array([[10, 10, 60, 70]], np.float32)
    pooled, _ = model.region_features(image, model.image_features(image), box)
    np.testing.assert_array_equal(
        pooled.reshape(7, 7, 128), model.forward_features(model.warp(model.image_features(image), box))[0]
    )


def test_it_has_fast_rcnns_layers_and_learns_classes_alone(model, rng):
    fast = FastRCNN(vgg_small(), 3, np.random.default_rng(0))
    mine = {name: p.value.shape for name, p in model.named_parameters()}
    assert mine == {name: p.value.shape for name, p in fast.named_parameters()}
    crops = rng.standard_normal((6, 56, 56, 3)).astype(np.float32)
    batch = Batch(crops, model.whole(6), np.array([0, 1, 2, 3, 0, 0]), np.zeros((6, 4), np.float32), ("",))
    before = {name: p.value.copy() for name, p in model.named_parameters()}
    model.train()
    losses = [train_step(model, SGD(model.named_parameters()), batch, 0.01) for _ in range(6)]
    assert losses[-1]["loss_cls"] < losses[0]["loss_cls"]
    after = dict(model.named_parameters())
    assert not np.array_equal(after["conv1_1.weight"].value, before["conv1_1.weight"])


def begin(scenes):
    """The steps of an R-CNN's fine-tuning on eight scenes."""
    samples, cache = open_samples(scenes, "train"), ProposalCache(scenes / "proposals", ProposalSettings())
    there = [name for name, count in zip(samples.class_names, samples.class_counts()[1:], strict=True) if count]
    samples = open_samples(scenes, "train", classes=there)
    model = RCNN(vgg_small(), len(samples.class_names), np.random.default_rng(0), samples.class_names)
    begun = first_model(TrainSettings(data=str(scenes)), samples.class_names, np.random.default_rng(0))
    assign(model, begun.model.folded_parameters(), scenes)  # the shipped backbone, as Fast R-CNN begins
    model.sampling = SamplingSettings(rois_per_image=16, background_iou_low=0)
    given = TrainSettings(data=str(scenes), epochs=4, images_per_step=2, lr=0.01, sampling=model.sampling)
    settings = given.resolve(len(samples))
    steps = WindowSteps(model, samples, lambda sample: cache.get(sample)[::4], settings)  # enough, and faster
    steps.new = begun.new
    return steps


@pytest.fixture(scope="module")
def taught(scenes, tmp_path_factory):
    """R-CNN through all its stages on eight scenes: steps, stages, folder."""
    folder, steps = tmp_path_factory.mktemp("rcnn"), begin(scenes)
    return steps, train_stages(steps, folder), folder


def test_fine_tuning_that_is_stopped_goes_on_to_the_same_bits(taught, scenes, tmp_path, monkeypatch):
    steps, _, _ = taught
    stopped, take = begin(scenes), WindowSteps.take

    def stop_at_six(own):
        figures = take(own)
        if own.step == 6:
            signal.raise_signal(signal.SIGINT)
        return figures

    monkeypatch.setattr(WindowSteps, "take", stop_at_six)
    with pytest.raises(Interrupted):
        train_stages(stopped, tmp_path)
    assert stopped.step == 6
    assert not (tmp_path / "features").exists()
    monkeypatch.setattr(WindowSteps, "take", take)
    monkeypatch.setattr(stages_file, "learn_linear", lambda *given: (None, {}))
    monkeypatch.setattr(Features, "write", lambda *given: None)
    again = begin(scenes)
    train_stages(again, tmp_path)
    assert again.step == again.count > 6
    expected = dict(steps.detector.named_parameters())
    for name, parameter in again.detector.named_parameters():
        assert np.array_equal(parameter.value, expected[name].value), name
    fewer = WindowSteps(again.detector, again.samples[:5], again.proposals_of, again.settings)
    with pytest.raises(InputError, match="is of 8 images, and here are 5"):
        train_stages(fewer, tmp_path)


def test_a_full_disk_while_features_are_written_loses_nothing(taught, tmp_path, monkeypatch):
    steps, _, _ = taught
    features = Features(tmp_path / "features", steps.samples, steps.proposals_of)
    write = Path.write_bytes

    def fills_up(path, content):
        if path.name.startswith("000003"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", fills_up)
    with pytest.raises(InputError, match=r"000003.npz cannot be written .No space left on device.; make room"):
        features.write(steps.detector, silent)
    assert [path.name for path in sorted(features.folder.iterdir())] == ["000001.npz", "000002.npz"]
    monkeypatch.setattr(Path, "write_bytes", write)
    before = (features.folder / "000001.npz").stat().st_mtime_ns
    features.write(steps.detector, silent)
    assert len(list(features)) == 8
    assert (features.folder / "000001.npz").stat().st_mtime_ns == before


def test_all_stages_leave_a_detector_that_finds_what_it_learned(taught):
    steps, stages, _ = taught
    model, samples = steps.detector, steps.samples[:3]
    assert set(stages.seconds) == {"fine-tuning", "features", "SVMs and boxes"}
    assert stages.disk > 1e6
    assert all(count > 0 for count in stages.negatives.values())
    measures, found, _ = evaluate_model(model, samples, steps.proposals_of)
    assert measures.coco.AP50 > 0.25  # after 16 small steps
    unmoved, linear = [], model.linear
    model.linear = replace(linear, ridge=np.zeros_like(linear.ridge))
    unmoved, _, _ = evaluate_model(model, samples, steps.proposals_of)
    model.linear = linear
    assert measures.coco.AP75 > unmoved.coco.AP75
    assert all(((image.scores > 0) & (image.scores < 1)).all() for image in found)


def test_features_on_the_disk_are_the_networks_and_are_not_written_again(taught, monkeypatch):
    steps, _, folder = taught
    features = Features(folder / "features", steps.samples, steps.proposals_of)
    kept, sample = next(iter(features)), steps.samples[0]
    boxes = np.concatenate([sample.boxes, steps.proposals_of(sample)])
    image = read_image(sample.image_path)
    pooled, hidden7 = steps.detector.region_features(image, steps.detector.image_features(image), boxes, 64)
    np.testing.assert_array_equal(kept.hidden7, hidden7)
    overlap = iou_matrix(boxes, sample.boxes)
    good = np.flatnonzero(overlap.max(axis=1) > 0.6)
    np.testing.assert_array_equal(kept.pooled, pooled[good])
    np.testing.assert_allclose(
        decode_boxes(boxes[good], kept.offsets), sample.boxes[overlap[good].argmax(axis=1)], atol=1e-3
    )
    for k in range(steps.detector.num_classes):
        own = overlap[:, sample.labels == k + 1]
        np.testing.assert_array_equal(kept.negative[:, k], (own < 0.3).all(axis=1))
    monkeypatch.setattr(Features, "_compute", None)
    features.write(steps.detector, silent)


def test_it_is_stored_with_its_svms_and_asked_for_layers_in_vain(taught, tmp_path):
    steps, _, _ = taught
    model, sample = steps.detector, steps.samples[0]
    path, image, proposals = tmp_path / "m.safetensors", read_image(sample.image_path), steps.proposals_of(sample)
    save_model(path, model)
    again = load_model(path)
    assert isinstance(again, RCNN)
    one, other = detect(model, image, proposals[::4]), detect(again, image, proposals[::4])
    assert len(one) > 0
    for name in ("boxes", "labels", "scores"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    done = minircnn("detect", path, sample.image_path, "--out", tmp_path / "found")
    assert done.returncode == 0, done.stderr
    for words in (
        ("export", path, "--out", tmp_path / "m.onnx"),
        ("export", path, "--out", tmp_path / "t.safetensors"),
        ("trace", path, "--image", sample.image_path),
        ("weights", "svd", path, "--out", tmp_path / "s.safetensors"),
    ):
        assert_one_sentence(minircnn(*words), "no layers of its network")
    tensors, description = read_tensors(path)
    write_tensors(path, tensors | {"linear.svm": tensors["linear.svm"][:-1]}, description)
    with pytest.raises(InputError, match=r"its linear\.svm is missing, or not of shape"):
        load_model(path)


def test_a_fine_tuned_network_is_not_tuned_again(taught, tmp_path, monkeypatch):
    steps, stages, folder = taught
    again = WindowSteps(steps.detector, steps.samples, steps.proposals_of, steps.settings)
    monkeypatch.setattr(WindowSteps, "take", None)
    before = {name: parameter.value.copy() for name, parameter in steps.detector.named_parameters()}
    linear = steps.detector.linear
    second = train_stages(again, folder)
    assert second.seconds["fine-tuning"] == pytest.approx(stages.seconds["fine-tuning"])
    for name, parameter in again.detector.named_parameters():
        assert np.array_equal(parameter.value, before[name]), name
    np.testing.assert_array_equal(again.detector.linear.svm, linear.svm)
    np.testing.assert_array_equal(again.detector.linear.ridge, linear.ridge)


def test_damaged_features_and_classes_without_a_box_are_one_sentence(taught, tmp_path):
    steps, _, folder = taught
    copied = shutil.copytree(folder / "features", tmp_path / "features")
    features = Features(copied, steps.samples, steps.proposals_of)
    (copied / "000003.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"000003.npz is missing or damaged"):
        list(features)
    names = (*steps.detector.class_names, "umbrella")
    other = RCNN(vgg_small(), len(names), np.random.default_rng(0), names)
    features = Features(tmp_path / "other", steps.samples[:2], steps.proposals_of)
    features.write(other, silent)
    with pytest.raises(InputError, match="no true box of the class"):
        learn_linear(other, features)


def test_the_svm_is_where_its_loss_is_least(rng):
    x = np.concatenate([rng.normal(1, 1, (40, 5)), rng.normal(-1, 1, (300, 5))])
    positive = np.arange(340) < 40

    def loss(w):
        y = np.where(positive, 1, -1)
        short = np.maximum(0, 1 - y * (x @ w[:5] + BIAS * w[5]))
        return 0.5 * w @ w + C * (np.where(positive, POSITIVE_WEIGHT, 1) * short**2).sum()

    found = solve_svm(x, positive)
    own = np.append(found[:5], found[5] / BIAS)
    other = scipy.optimize.minimize(loss, np.zeros(6), method="Powell", options={"xtol": 1e-10, "ftol": 1e-14}).x
    assert loss(own) <= loss(other) + 1e-6
    np.testing.assert_allclose(own, other, atol=2e-3)
    np.testing.assert_allclose(solve_svm(x, positive, np.full(6, 3.0)), found, atol=1e-3)  # wherever it begins


def test_mining_finds_the_svm_of_all_negatives(rng):
    positives = rng.normal(4, 3, (60, 8)).astype(np.float32)
    negatives = rng.normal(-1, 4, (12_000, 8)).astype(np.float32)
    mining = Mining(positives, np.zeros(9))
    for start in range(0, len(negatives), 100):  # one pass, as over images
        mining.look(negatives[start : start + 100])
    mining.learn()
    features = np.concatenate([positives, negatives])
    whole = solve_svm(features, np.arange(len(features)) < 60)
    kept = np.concatenate(mining.negatives)
    assert len(kept) < len(negatives)
    assert mining.seen >= RETRAIN
    assert (kept @ mining.weights[:-1] + mining.weights[-1] >= EASY).all()
    margins, expected = (negatives @ w[:-1] + w[-1] for w in (mining.weights, whole))
    assert np.abs(margins - expected)[expected > -1].mean() < 0.2
    assert np.corrcoef(margins, expected)[0, 1] > 0.99


@pytest.mark.parametrize("pairs", [30, 200])  # fewer than features, and more
def test_the_regression_solves_its_equations(rng, pairs):
    x, true = rng.normal(2, 1, (pairs, 50)), rng.normal(0, 0.1, (50, 4))
    t = x @ true + 0.3 + rng.normal(0, 0.01, (pairs, 4))
    found = solve_ridge(x, t, 0.01)
    np.testing.assert_allclose(x @ found[:-1] + found[-1], t, atol=0.1)
    strong = solve_ridge(x, t, 1e9)
    np.testing.assert_allclose(x @ strong[:-1] + strong[-1], np.tile(t.mean(axis=0), (pairs, 1)), atol=1e-3)
    if pairs == 200:  # with targets of one variance the whitening is a turn, which ridge does not see
        centred = x - x.mean(axis=0)
        white = (t - t.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(t.T, bias=True) + 1e-3 * np.eye(4))).T
        middle = solve_ridge(x, white, 5.0)
        scale = 1 / (1 + 1e-3)  # the covariance of `white` is nearly one
        expected = np.linalg.solve(centred.T @ centred + 5 * np.eye(50), centred.T @ white)
        np.testing.assert_allclose(middle[:-1], expected, atol=2e-3 + 1e-3 * scale)
    assert (solve_ridge(np.zeros((0, 5)), np.zeros((0, 4))) == 0).all()


# SPPnet: the same stages on one feature map


def test_sppnet_pools_all_regions_from_one_map_and_its_convolutions_stay(scenes, tmp_path):
    samples, cache = open_samples(scenes, "train"), ProposalCache(scenes / "proposals", ProposalSettings())
    there = [name for name, count in zip(samples.class_names, samples.class_counts()[1:], strict=True) if count]
    samples = open_samples(scenes, "train", classes=there)
    begun = first_model(TrainSettings(data=str(scenes)), samples.class_names, np.random.default_rng(0))
    architecture = replace(begun.model.architecture, pooling="pyramid")
    model = SPPNet(architecture, len(there), np.random.default_rng(0), there)
    for name, parameter in model.backbone.named_parameters():
        parameter.value[...] = dict(begun.model.named_parameters())[name].value
    before = {name: parameter.value.copy() for name, parameter in model.named_parameters()}
    given = TrainSettings(data=str(scenes), epochs=5, images_per_step=2, lr=0.01, freeze=("backbone",))
    steps = DetectorSteps(model, samples, cache.get, given.resolve(len(samples)))
    stages = train_stages(steps, tmp_path)
    assert stages.disk > 1e6
    for name, parameter in model.named_parameters():
        assert np.array_equal(parameter.value, before[name]) == name.startswith(("conv", "bbox_pred")), name
    image, boxes = read_image(samples[0].image_path), cache.get(samples[0])
    features = model.image_features(image)
    assert features.shape == (1, 20, 20, 128)  # 96 pixels, enlarged to 160
    pooled, hidden7 = model.region_features(image, features, boxes, 50)
    rois = np.insert(boxes * np.float32(160 / 96), 0, 0, axis=1)
    np.testing.assert_array_equal(pooled.reshape(-1, 50, 1, 128), model.roi_layer.forward(features, rois))
    assert hidden7.shape == (len(boxes), 256)
    measures, _, _ = evaluate_model(model, samples[:4], cache.get)
    assert measures.coco.AP50 > 0.1
