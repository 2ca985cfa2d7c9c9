"""Pretraining: crops, the classifier's gradients, stopping and going on, the file it leaves, what begins with it."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from commands import assert_one_sentence, minircnn
from fashion_mnist import FULL_FASHION_MNIST, write_idx

from minircnn.base.errors import InputError
from minircnn.fashion.crops import CROP_CLASSES, SIDES, CropMaterial, compose_crop
from minircnn.fashion.materials import bundled_garments, bundled_photographs
from minircnn.gradcheck.finite_differences import check_gradient
from minircnn.losses import softmax_cross_entropy
from minircnn.models import FastRCNN, vgg16, vgg_small
from minircnn.models.crop_classifier import CropClassifier
from minircnn.tasks import pretrain
from minircnn.tasks.pretrain import CROPS_PER_STEP, Pretraining, PretrainSettings
from minircnn.training import loop
from minircnn.training.begin import first_model
from minircnn.training.loop import Interrupted
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.training.train import Training
from minircnn.weights.backbone_file import Backbone, read_backbone, save_backbone, shipped_backbone
from minircnn.weights.model_file import kind_of, load_model, read_tensors, save_model, write_tensors


@pytest.fixture(scope="module")
def material():
    return CropMaterial.training(None)


@pytest.fixture
def few(monkeypatch):
    """A test that takes a moment."""
    monkeypatch.setattr(pretrain, "TEST_CROPS", 33)


def backbone_of(architecture=None, seed=0):
    architecture = architecture or vgg_small()
    layers = architecture.backbone()
    layers.draw(np.random.default_rng(seed))
    return Backbone(architecture, {name: p.value for name, p in layers.named_parameters()}, {"data": "nothing"})


# Crops


@pytest.mark.parametrize("side", SIDES)
def test_a_crop_depends_on_its_number_alone(material, side):
    crops, labels = material.crops(0, 24, side, 7)
    assert crops.shape == (24, side, side, 3)
    assert crops.dtype == np.uint8
    assert labels.tolist() == [number % len(CROP_CLASSES) for number in range(24)]
    again, _ = material.crops(5, 3, side, 7)
    np.testing.assert_array_equal(again, crops[5:8])
    assert (material.crops(5, 1, side, 8)[0] != crops[5]).any()


def test_a_garment_fills_its_crop_and_background_has_none():
    """Cloth on a black photograph, which relighting makes a dark grey: how much shows."""
    photographs = [np.zeros((320, 320, 3), np.uint8)]
    garments = bundled_garments("train")
    share = {label: [] for label in range(len(CROP_CLASSES))}
    for number in range(220):
        crop = compose_crop(photographs, garments, number % 11, 64, np.random.default_rng(number))
        share[number % 11].append((crop.max(axis=2) > 80).mean())
    assert max(share[0]) < 0.02  # noise
    assert min(np.mean(share[label]) for label in range(1, 11)) > 0.08
    assert max(max(share[label]) for label in range(1, 11)) < 0.98


# The split


def same_images(one, two):
    return {image.tobytes() for image in one} & {image.tobytes() for image in two}


def test_no_test_garment_or_photograph_is_learned_from(material):
    assert not same_images(material.garments.images, bundled_garments("test").images)
    assert not same_images(material.photographs, bundled_photographs("test"))
    assert not same_images(CropMaterial.test().garments.images, material.garments.images)


@pytest.mark.skipif(not os.path.isdir(FULL_FASHION_MNIST), reason="Debian's dataset-fashion-mnist is not installed")
def test_nothing_of_the_demos_tests_was_in_the_shipped_backbones_pretraining():
    material = CropMaterial.training(FULL_FASHION_MNIST)
    origin = read_backbone(shipped_backbone("vgg_small")).origin
    assert origin["garments"] == material.name  # these very garments, by SHA-256
    assert len(material.garments.images) == 60_000
    assert not same_images(material.garments.images, bundled_garments("test").images)


def test_a_folder_whose_training_part_holds_test_garments_is_refused(tmp_path, monkeypatch):
    write_idx(tmp_path)
    assert len(CropMaterial.training(tmp_path).name) == 64
    stolen = CropMaterial.training(tmp_path).garments
    monkeypatch.setattr("minircnn.fashion.crops.bundled_garments", lambda split: stolen)
    with pytest.raises(InputError, match="hold some that detectors are tested on"):
        CropMaterial.training(tmp_path)


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_a_folder_with_a_missing_or_damaged_file_is_refused(tmp_path, name):
    write_idx(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-3])
    with pytest.raises(InputError, match=f"{name}: .*download it again"):
        CropMaterial.training(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=f"{name}: no such file"):
        CropMaterial.training(tmp_path)


# The classifier


def test_gradients_of_the_crop_classifier(rng):
    model = CropClassifier(vgg_small(), 3, rng, np.float64)
    model.train()
    crops, labels = rng.standard_normal((2, 32, 40, 3)), np.array([2, 0])
    loss, dscores = softmax_cross_entropy(model.forward(crops), labels)
    model.backward(dscores)
    named = dict(model.named_parameters())
    assert list(named)[-4:] == ["fc.weight", "fc.bias", "score.weight", "score.bias"]
    for name in ("conv1_1.weight", "conv3_2.bias", "conv4_3.weight", "fc.weight", "fc.bias", "score.weight"):
        parameter = named[name]
        value, analytic = parameter.value.copy(), parameter.grad.copy()

        def loss_at(x, parameter=parameter):
            parameter.value[...] = x
            return softmax_cross_entropy(model.forward(crops), labels)[0]

        row = check_gradient(name, loss_at, value, analytic, rng, step=1e-6)
        parameter.value[...] = value
        assert row.worst < 1e-4, row  # ReLUs and maxima have kinks: a small step seldom crosses one
    assert loss > 0


def test_crops_become_inputs_as_images_do(rng):
    crops = rng.integers(0, 256, (2, 160, 160, 3), np.uint8)
    for pixels in (vgg_small().preprocessing, vgg16().preprocessing):
        one = pixels.centre(crops)
        assert one.dtype == np.float32
        if pixels.short_side == 160:
            np.testing.assert_allclose(one[1], pixels.apply(crops[1])[0], atol=1e-6)
        else:
            np.testing.assert_allclose(one[0, 0, 0], crops[0, 0, 0, ::-1] - np.array(pixels.mean), atol=1e-4)


# Learning, stopping, going on


@pytest.mark.slow
def test_it_learns_by_heart_what_it_is_always_shown(material, tmp_path, monkeypatch):
    """The same crops at every step, at a steady rate: the loss falls well below that of a guess."""
    crops = material.crops(0, CROPS_PER_STEP, min(SIDES), 0)
    monkeypatch.setattr(CropMaterial, "crops", lambda *_: crops)
    monkeypatch.setattr(PretrainSettings, "lr", lambda self, step: min(0.01, 0.0005 * (step + 1)))
    run = Pretraining(tmp_path / "a.safetensors", material, 150 * CROPS_PER_STEP, 1, 0)
    losses = [run.steps.take()["loss"] for _ in range(40)]
    assert losses[0] > 2
    assert losses[-1] < 0.6 * losses[0], losses


def test_a_stopped_pretraining_goes_on_bit_for_bit(material, tmp_path, few, monkeypatch):
    crops = 5 * CROPS_PER_STEP
    whole = Pretraining(tmp_path / "whole.safetensors", material, crops, 1, 3)
    accuracy = whole.run()
    out = tmp_path / "parts.safetensors"

    class StopAtOnce(loop.StopRequest):
        def __enter__(self):
            self.asked = True
            return self

    with monkeypatch.context() as patch:
        patch.setattr(loop, "StopRequest", StopAtOnce)
        for step in (1, 2):
            stopped = Pretraining(out, material, None if step == 2 else crops, 1, 3)
            with pytest.raises(Interrupted):
                stopped.run()
            assert stopped.steps.step == step
    assert not out.exists()
    with pytest.raises(InputError, match="is of other garments, crops, seed or sum"):
        Pretraining(out, material, crops, 1, 4)
    assert Pretraining(out, material, crops, 1, 3).run() == accuracy
    one, two = (read_backbone(path) for path in (tmp_path / "whole.safetensors", out))
    for name in one.weights:
        np.testing.assert_array_equal(one.weights[name], two.weights[name])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts.safetensors", "whole.safetensors"]
    assert one.origin["command"] == f"minircnn pretrain --crops {crops} --seed 3"
    assert one.origin["top1"] == round(accuracy, 4)


def test_minutes_become_crops_by_measuring(material, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain, "measure_seconds", lambda material, seed: 0.5)
    said = []
    run = Pretraining(tmp_path / "a.safetensors", material, None, 2.0, 0, lambda *words: said.append(words))
    assert run.steps.settings.crops == 240 * CROPS_PER_STEP
    assert said[-1] == ("measuring speed", 1, 1, "7,680 crops will take about 2 min")


def test_small_crops_come_first_then_all_sizes():
    sides = [PretrainSettings("bundled", 100 * CROPS_PER_STEP, 0).side(step) for step in range(100)]
    assert set(sides[:40]) == {min(SIDES)}
    assert set(sides[40:]) == set(SIDES)


@pytest.mark.parametrize("spoil", ["kind", "shape", "state"])
def test_what_was_left_and_cannot_be_gone_on_with_is_refused(material, tmp_path, spoil):
    out = tmp_path / "a.safetensors"
    run = Pretraining(out, material, 64, 1, 0)
    run._save()
    tensors, description = read_tensors(run.unfinished)
    if spoil == "kind":
        description.pop("pretraining")
    elif spoil == "shape":
        tensors["fc.weight"] = tensors["fc.weight"][:5]
    else:
        description["pretraining"]["step"] = "soon"
    write_tensors(run.unfinished, tensors, description)
    with pytest.raises(InputError, match=r"a\.safetensors\.unfinished"):
        Pretraining(out, material, 64, 1, 0)
    assert run.unfinished.exists()


# The file


def test_a_backbone_comes_back_as_float16_holds_it(tmp_path):
    stored = backbone_of()
    save_backbone(tmp_path / "a.safetensors", stored)
    found = read_backbone(tmp_path / "a.safetensors")
    assert found.architecture == stored.architecture
    assert found.origin == {"data": "nothing"}
    assert kind_of(tmp_path / "a.safetensors") == "backbone"
    for name, array in stored.weights.items():
        np.testing.assert_array_equal(found.weights[name], array.astype(np.float16).astype(np.float32))


def test_a_backbone_is_no_detector_and_a_detector_no_backbone(tmp_path, rng):
    save_backbone(tmp_path / "a.safetensors", backbone_of())
    with pytest.raises(InputError, match="a backbone alone, no detector; begin one with it: minircnn train --weights"):
        load_model(tmp_path / "a.safetensors")
    save_model(tmp_path / "b.safetensors", FastRCNN(vgg_small(), 2, rng))
    with pytest.raises(InputError, match="holds no backbone but a whole model"):
        read_backbone(tmp_path / "b.safetensors")
    assert kind_of(tmp_path / "b.safetensors") == "model"


def test_a_damaged_backbone_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    save_backbone(path, backbone_of())
    content = bytearray(path.read_bytes())
    content[-100] ^= 4
    path.write_bytes(content)
    with pytest.raises(InputError, match="does not fit its checksum"):
        read_backbone(path)
    stored = backbone_of()
    stored.weights["conv3_2.bias"] = stored.weights["conv3_2.bias"][:7]
    save_backbone(path, stored)
    with pytest.raises(InputError, match=r"another architecture: conv3_2\.bias has shape \(7,\)"):
        read_backbone(path)


def test_the_shipped_backbone_is_small_and_says_what_it_is():
    path = shipped_backbone("vgg_small")
    assert path.stat().st_size < 1_500_000
    tensors, _ = read_tensors(path)
    assert {array.dtype for array in tensors.values()} == {np.dtype(np.float16)}
    backbone = read_backbone(path)
    assert backbone.architecture.blocks == vgg_small().blocks
    assert backbone.architecture.preprocessing == vgg_small().preprocessing
    for key in ("command", "seed", "data", "top1", "licence", "crops"):
        assert key in backbone.origin
    assert backbone.origin["top1"] > 0.7
    with pytest.raises(InputError, match="no weights of vgg16 come with minircnn"):
        shipped_backbone("vgg16")


def test_the_shipped_backbone_tells_unseen_garments():
    """Its last map separates classes: crops of the same class are nearer to their class's mean than to others'."""
    backbone, material = read_backbone(shipped_backbone("vgg_small")), CropMaterial.test()
    layers = backbone.architecture.backbone()
    layers.draw(np.random.default_rng(0))
    random = backbone.architecture.backbone()
    random.draw(np.random.default_rng(0))
    for name, parameter in layers.named_parameters():
        parameter.value[...] = backbone.weights[name]
    crops, labels = material.crops(0, 440, 64, 0)
    right = []
    for network in (layers, random):
        maps = network.forward(backbone.architecture.preprocessing.centre(crops)).reshape(len(crops), 8, 8, -1)
        seen = maps.reshape(len(crops), 4, 2, 4, 2, -1).max(axis=(2, 4)).reshape(len(crops), -1)
        seen /= np.linalg.norm(seen, axis=1, keepdims=True)
        means = np.stack([seen[:220][labels[:220] == label].mean(axis=0) for label in range(11)])
        right.append(((seen[220:] @ means.T).argmax(axis=1) == labels[220:]).mean())
    assert right[0] > 0.5 > 1.5 * right[1]


# What begins with it


def test_a_run_begins_with_the_shipped_backbone(rng):
    shipped = read_backbone(shipped_backbone("vgg_small"))
    for weights in (None, "shipped"):
        beginning = first_model(TrainSettings(data="d", weights=weights).resolve(8), ("a", "b"), rng)
        assert "comes with minircnn, taught on 60,000 training garments" in beginning.started_from
        assert not beginning.same_classes
        for name, parameter in beginning.model.backbone.named_parameters():
            np.testing.assert_array_equal(parameter.value, shipped.weights[name])
        assert beginning.model.head.fc6.weight.value.std() > 0


def test_none_means_random_weights(rng):
    beginning = first_model(TrainSettings(data="d", weights="none").resolve(8), ("a", "b"), rng)
    assert beginning.started_from == "random weights"
    one = beginning.model.backbone.layers["conv2_1"].weight.value
    assert (one != read_backbone(shipped_backbone("vgg_small")).weights["conv2_1.weight"]).all()


def test_a_backbone_of_another_architecture_is_refused(tmp_path, rng):
    from dataclasses import replace

    other = replace(vgg_small(), name="vgg_wide", blocks=((8,), (8,), (8,), (8,)))
    save_backbone(tmp_path / "a.safetensors", backbone_of(other))
    settings = TrainSettings(data="d", weights=str(tmp_path / "a.safetensors"))
    with pytest.raises(InputError, match="holds the convolutions of vgg_wide, not of vgg_small"):
        first_model(settings.resolve(8), ("a",), rng)
    save_backbone(tmp_path / "b.safetensors", backbone_of())
    settings = TrainSettings(data="d", backbone="vgg16", weights=str(tmp_path / "b.safetensors"))
    with pytest.raises(InputError, match="holds the convolutions of vgg_small, not of vgg16; choose --backbone"):
        first_model(settings.resolve(8), ("a",), rng)


def test_two_programs_do_not_make_one_file(tmp_path):
    out = tmp_path / "a.safetensors"
    program = (
        "import sys; from pathlib import Path; from minircnn.base.files import locked\n"
        "with locked(Path(sys.argv[1]), ''): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, tmp_path / "a.safetensors.lock"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        result = minircnn("pretrain", "--out", out, "--crops", 64)
        other.stdin.close()
    assert_one_sentence(result, "is being made by another minircnn process")


def test_a_run_remembers_its_start_and_goes_on_without_the_file(scenes, tmp_path):
    other = backbone_of()
    save_backbone(tmp_path / "own.safetensors", other)
    given = {"data": str(scenes), "proposals_folder": str(scenes / "proposals"), "validation_images": 1}
    settings = TrainSettings(**given, epochs=1, weights=str(tmp_path / "own.safetensors"))
    training = Training.start(RunFolder(tmp_path / "run"), settings)
    training.run()
    shutil.move(tmp_path / "own.safetensors", tmp_path / "gone")
    again = Training.resume(RunFolder(tmp_path / "run"), epochs=2)
    assert again.started_from == training.started_from == "the backbone own.safetensors, taught on nothing"
    again.run()
    stored = RunFolder(tmp_path / "run").read_settings()
    assert stored.weights == str(tmp_path / "own.safetensors")


def test_what_was_killed_between_its_last_two_acts_is_done(tmp_path):
    out = tmp_path / "done.safetensors"
    out.write_bytes(shipped_backbone("vgg_small").read_bytes())
    (tmp_path / f"{out.name}.unfinished").write_bytes(b"what it went on from")
    with pytest.raises(InputError, match="is there already"):
        Pretraining(out, CropMaterial.training(None), 64, 1, 0)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
