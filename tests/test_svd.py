"""Truncated SVD: what it keeps, what it refuses, and that a compressed model is a model like any other."""

from dataclasses import replace

import numpy as np
import pytest
from commands import assert_one_sentence, minircnn

from minircnn.base.errors import InputError
from minircnn.detection import detect
from minircnn.models import FastRCNN, vgg_small
from minircnn.weights.model_file import load_model, save_model
from minircnn.weights.svd import compress, truncate, usual_ranks


@pytest.fixture
def model(rng):
    narrow = replace(vgg_small(), blocks=((4,), (6,), (8,)), hidden=(40, 30))
    return FastRCNN(narrow, num_classes=3, rng=rng, class_names=("a", "b", "c"))


@pytest.mark.parametrize("shape", [(50, 20), (20, 50), (30, 30)])
@pytest.mark.parametrize("rank", [1, 7, 20])
def test_truncation_is_the_nearest_of_its_rank(shape, rank, rng):
    weight = rng.standard_normal(shape)
    first, second, share = truncate(weight, rank)
    assert first.shape == (shape[0], rank)
    assert second.shape == (rank, shape[1])
    u, s, v = np.linalg.svd(weight, full_matrices=False)
    np.testing.assert_allclose(first @ second, (u[:, :rank] * s[:rank]) @ v[:rank], atol=1e-9)
    assert share == pytest.approx((s[:rank] ** 2).sum() / (s**2).sum())


def test_all_singular_values_give_the_same_detector(model, rng, tmp_path):
    image = rng.integers(0, 255, (60, 70, 3)).astype(np.uint8)
    proposals = np.array([[5.0, 5, 40, 50], [10, 0, 69, 59], [0, 0, 20, 20]])
    whole, shares = compress(model, 40, 30)
    assert shares == pytest.approx({"fc6": 1, "fc7": 1})
    save_model(tmp_path / "whole.safetensors", whole)
    again = load_model(tmp_path / "whole.safetensors")
    assert again.architecture.ranks == (40, 30)
    for other in (whole, again):
        got, want = detect(other, image, proposals), detect(model, image, proposals)
        np.testing.assert_array_equal(got.labels, want.labels)
        np.testing.assert_allclose(got.scores, want.scores, atol=1e-5)
        np.testing.assert_allclose(got.boxes, want.boxes, atol=1e-3)


def test_fewer_make_the_file_smaller_and_the_rest_stays(model, tmp_path):
    smaller, shares = compress(model, 10, 2)
    assert 0 < shares["fc7"] < shares["fc6"] < 1
    values = dict(model.named_parameters())
    for name, parameter in smaller.named_parameters():
        if name in values:
            np.testing.assert_array_equal(parameter.value, values[name].value)
    save_model(tmp_path / "a.safetensors", model)
    save_model(tmp_path / "b.safetensors", smaller)
    assert (tmp_path / "b.safetensors").stat().st_size < (tmp_path / "a.safetensors").stat().st_size


def test_what_cannot_be_compressed_is_refused(model):
    with pytest.raises(InputError, match="--fc6 41 is not between 1 and 40"):
        compress(model, 41, 2)
    with pytest.raises(InputError, match="--fc7 0 is not between 1 and 30"):
        compress(model, 10, 0)
    with pytest.raises(InputError, match="compressed already"):
        compress(compress(model, 10, 2)[0], 5, 2)


def test_the_command_writes_a_file_and_never_over_one(model, tmp_path):
    save_model(tmp_path / "m.safetensors", model)
    done = minircnn("weights", "svd", tmp_path / "m.safetensors", "--fc6", 12, "--out", tmp_path / "s.safetensors")
    assert done.returncode == 0, done.stderr
    assert load_model(tmp_path / "s.safetensors").architecture.ranks == (12, 7)
    assert "fc6:" in done.stdout
    for arguments, words in (
        ([tmp_path / "m.safetensors", "--out", tmp_path / "s.safetensors"], "is there already"),
        ([tmp_path / "m.safetensors", "--out", tmp_path / "s.safetensors" / "s.safetensors"], "is a file"),
        ([tmp_path / "m.safetensors", "--out", tmp_path / "s.pth"], "should end in .safetensors"),
        ([tmp_path / "m.safetensors", "--fc6", 0, "--out", tmp_path / "t.safetensors"], "not between 1"),
        ([tmp_path / "s.safetensors", "--out", tmp_path / "t.safetensors"], "compressed already"),
    ):
        assert_one_sentence(minircnn("weights", "svd", *arguments), words)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m.safetensors", "s.safetensors"]


def test_the_usual_ranks_are_the_papers_and_leave_narrow_layers_enough():
    assert usual_ranks(4096, 4096) == (1024, 256)
    assert usual_ranks(256, 256) == (64, 64)
    assert usual_ranks(3, 2) == (1, 1)
