"""Somebody's own regions in place of the search: read, refused in a sentence, learned from and detected with."""

import json
from dataclasses import replace

import numpy as np
import pytest
from commands import assert_one_sentence, minircnn

from minircnn import FasterRCNN, InputError, load_model, save_model, vgg_small
from minircnn.base.progress import silent
from minircnn.data import open_samples, read_image
from minircnn.detection import detect
from minircnn.proposals import GivenProposals, ProposalCache, ProposalSettings, open_proposals
from minircnn.training.data import TrainingData
from minircnn.training.settings import TrainSettings


@pytest.fixture
def regions(scenes, tmp_path):
    """For every training scene a file with its true boxes a little off, and one region half outside; two kinds."""
    for split in ("train", "validation"):  # whose images have the same names
        folder = tmp_path / "regions" / split
        folder.mkdir(parents=True)
        for n, sample in enumerate(open_samples(scenes, split)):
            boxes = np.concatenate([sample.boxes + 2, [[-20.0, -20, 30, 30], [200, 200, 300, 300]]])
            if n % 2:
                np.save(folder / f"{sample.image_id}.npy", np.insert(boxes, 4, 0.9, axis=1))
            else:
                lines = [",".join(f"{value:g}" for value in box) for box in boxes]
                (folder / f"{sample.image_id}.csv").write_text("x1,y1,x2,y2\n" + "\n".join(lines) + "\n")
    return tmp_path / "regions"


def test_both_kinds_are_read_clipped_and_without_what_lies_outside(scenes, regions):
    given = open_proposals(regions, ProposalSettings())
    assert isinstance(given, GivenProposals)
    for sample in open_samples(scenes, "train"):
        boxes = given.get(sample)
        assert boxes.dtype == np.float32
        assert len(boxes) == len(sample.boxes) + 1
        np.testing.assert_allclose(boxes[:-1], np.clip(sample.boxes + 2, 0, 96), atol=1e-4)
        np.testing.assert_array_equal(boxes[-1], [0, 0, 30, 30])


def test_one_file_never_serves_two_images(scenes, tmp_path):
    (tmp_path / "000001.csv").write_text("1,2,30,40")
    given = GivenProposals(tmp_path)
    (one, *_), (other, *_) = (open_samples(scenes, split) for split in ("train", "validation"))
    assert given.get(one).tolist() == given.get(one).tolist() == [[1, 2, 30, 40]]
    with pytest.raises(InputError, match=r"would serve both .*train.* and .*validation"):
        given.get(other)


def test_a_cache_is_still_a_cache(scenes, tmp_path):
    assert type(open_proposals(tmp_path / "new", ProposalSettings())) is ProposalCache
    assert type(open_proposals(scenes / "proposals", ProposalSettings())) is ProposalCache
    with pytest.raises(InputError, match=r"holds no .npy or .csv file"):
        GivenProposals(tmp_path)


def test_training_learns_from_them(scenes, regions, tmp_path):
    words = ("train", "--data", scenes, "--proposals", regions, "--epochs", 0.5, "--out", tmp_path / "run")
    done = minircnn(*words)
    assert done.returncode == 0, done.stderr
    assert f"note: proposals are those in {regions}" in done.stdout
    settings = TrainSettings(data=str(scenes), proposals_folder=str(regions))
    data = TrainingData.read(settings, tmp_path, silent).with_proposals(silent)
    assert len(data.proposals_of(data.train[0])) == len(data.train[0].boxes) + 1
    assert not list(regions.glob("settings-*"))  # nothing is written into somebody's folder
    recall = json.loads((tmp_path / "run" / "metrics.json").read_text())["proposal_recall50"]
    assert recall == 1.0  # two pixels off
    done = minircnn("eval", tmp_path / "run", "--data", scenes, "--split", "validation", "--proposals", regions)
    assert "proposals reach 1.000 of the true boxes at IoU 0.5" in done.stdout


def test_detection_looks_at_them_alone(scenes, regions, model_file, tmp_path):
    image = scenes / "validation" / "image" / "000001.jpg"
    (sample, *_) = open_samples(scenes, "validation")
    done = minircnn("detect", model_file, image, "--proposals", regions / "validation", "--out", tmp_path / "found")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found" / "detections.json").read_text())
    expected = detect(load_model(model_file), read_image(image), GivenProposals(regions).get(sample))
    assert len(found) == len(expected) > 0
    (regions / "validation" / f"{sample.image_id}.csv").unlink()
    (regions / "train" / f"{sample.image_id}.csv").unlink()
    done = minircnn("detect", model_file, image, "--proposals", regions / "validation", "--out", tmp_path / "again")
    assert done.returncode == 2
    assert "000001.npy is not there, nor 000001.csv: every image needs its regions" in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("csv", "1,2,3\n", "line 1 has 3 numbers"),
        ("csv", "x1,y1,x2,y2\n1,2,x,4\n", "line 2 is '1,2,x,4'"),
        ("csv", "5,5,2,9\n", "region 1 is"),
        ("csv", "5,5,nan,9\n", "region 1 is"),
        ("npy", np.zeros(4), "not an array of shape (4,)"),
        ("npy", np.array([{}]), "is no array of numbers"),
        ("npy", b"\x93NUMPY", "is no array of numbers"),
    ],
)
def test_what_is_no_region_is_one_sentence(scenes, tmp_path, name, content, words):
    samples = open_samples(scenes, "train")
    path = tmp_path / f"{samples[0].image_id}.{name}"
    if isinstance(content, str):
        path.write_text(content)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content, allow_pickle=True)
    with pytest.raises(InputError) as caught:
        GivenProposals(tmp_path).get(samples[0])
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_no_region_is_none_and_a_model_that_proposes_takes_none(scenes, tmp_path, rng):
    (sample, *_) = open_samples(scenes, "train")
    (tmp_path / f"{sample.image_id}.csv").write_text("x1,y1,x2,y2\n")
    assert GivenProposals(tmp_path).get(sample).shape == (0, 4)
    moved = replace(sample, image_id=f"a/{sample.image_path.stem}")
    assert GivenProposals(tmp_path).get(moved).shape == (0, 4)  # by its name alone, where the folder has no a/
    image = scenes / "train" / "image" / "000001.jpg"
    save_model(tmp_path / "faster.safetensors", FasterRCNN(vgg_small(), 2, rng))
    words = ("detect", tmp_path / "faster.safetensors", image, "--proposals", tmp_path, "--out", tmp_path / "found")
    assert_one_sentence(minircnn(*words), "proposes its regions itself: leave out --proposals")
