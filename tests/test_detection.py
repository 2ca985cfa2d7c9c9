"""From outputs to detections: thresholds, suppression, clipping, the best of the image."""

import json
import re

import numpy as np
import pytest
from commands import minircnn
from PIL import Image

from minircnn import Detections, FastRCNN, detect, load_model, vgg_small
from minircnn.data import Sample, read_image
from minircnn.detection import DetectionSettings, origins, select_detections
from minircnn.detection.evaluate import time_parts
from minircnn.models.preprocessing import Preprocessing, stack_images

SETTINGS = DetectionSettings()


def certain(label, K=3, score=9.0):
    row = np.zeros(K + 1)
    row[label] = score
    return row


def test_boxes_are_moved_clipped_and_sorted():
    proposals = np.array([[10.0, 10, 30, 30], [50, 50, 90, 90]])
    scores = np.stack([certain(1, score=5), certain(2)])
    offsets = np.zeros((2, 16))
    offsets[1, 8:12] = [0.5, 0.0, 0.0, np.log(2)]  # class 2: half a width to the right, twice as high
    found = select_detections(proposals, scores, offsets, (100, 100), SETTINGS)
    assert found.labels.tolist()[:2] == [2, 1]
    np.testing.assert_allclose(found.boxes[0], [70, 30, 100, 100])  # clipped from 110 and 110
    np.testing.assert_allclose(found.boxes[1], [10, 10, 30, 30])
    assert found.boxes.dtype == np.float32


def test_overlapping_boxes_of_one_class_are_suppressed_and_of_two_are_not():
    proposals = np.array([[10.0, 10, 50, 50], [12, 10, 50, 50], [10, 10, 50, 51]])
    scores = np.stack([certain(1), certain(1, score=8), certain(2)])
    found = select_detections(proposals, scores, np.zeros((3, 16)), (100, 100), DetectionSettings(score_threshold=0.5))
    assert sorted(found.labels.tolist()) == [1, 2]


def test_weak_and_surplus_detections_are_dropped():
    proposals = np.array([[x, 0.0, x + 8, 8] for x in range(0, 90, 10)])
    scores = np.tile(certain(1), (9, 1))
    found = select_detections(proposals, scores, np.zeros((9, 16)), (100, 100), DetectionSettings(max_detections=4))
    assert len(found) == 4
    unsure = np.zeros((9, 4))
    assert len(select_detections(proposals, unsure, np.zeros((9, 16)), (100, 100), DetectionSettings(0.3))) == 0
    assert len(found.above(1.1)) == 0


def test_timing_stops_when_its_seconds_are_over(tmp_path, rng):
    """At least one image is timed, however long it takes; then the clock decides."""
    Image.fromarray(rng.integers(0, 256, (40, 40, 3), np.uint8)).save(tmp_path / "a.png")
    sample = Sample("a", tmp_path / "a.png", 40, 40, np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    model = FastRCNN(vgg_small(), 2, rng)
    assert time_parts(model, [sample] * 3, seconds=0)["images"] == 1
    parts = time_parts(model, [sample] * 3)
    assert parts["images"] == 3
    assert min(parts.values()) > 0


def test_what_proposing_costs_is_not_taken_for_the_networks(tmp_path, monkeypatch):
    """The clock is a counter: each part advances it by its own amount."""
    Image.fromarray(np.zeros((96, 96, 3), np.uint8)).save(tmp_path / "a.png")
    sample = Sample("a", tmp_path / "a.png", 96, 96, np.zeros((0, 4), np.float32), np.zeros(0, np.int64))
    clock = [0.0]

    def costs(seconds, result):
        def work(*_):
            clock[0] += seconds
            return result

        return work

    none = np.zeros((0, 4), np.float32)
    monkeypatch.setattr(FastRCNN, "propose", costs(1, none))
    for name, seconds, result in (("image_features", 20, None), ("score_regions", 300, (none, none)),
                                  ("select_scored", 4000, None), ("detect", 0, None)):  # fmt: skip
        monkeypatch.setattr(f"minircnn.detection.evaluate.{name}", costs(seconds, result))
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    parts = time_parts(FastRCNN(vgg_small(), 3, np.random.default_rng(0)), [sample])
    assert parts == {"proposals": 1000, "network": 320_000, "post_processing": 4_000_000, "images": 1}


def test_no_proposals_give_no_detections():
    model = FastRCNN(vgg_small(), 2, np.random.default_rng(0))
    found = detect(model, np.zeros((64, 64, 3), np.uint8), np.zeros((0, 4), np.float32))
    assert isinstance(found, Detections)
    assert found.boxes.shape == (0, 4)


def test_boxes_come_back_in_the_pixels_of_the_photograph():
    """A photograph twice the network's size: proposals go in and boxes come out in its own pixels."""
    model = FastRCNN(vgg_small(), 1, np.random.default_rng(0))
    model.head.bbox_pred.weight.value[:] = 0
    model.head.cls_score.bias.value[1] = 9
    photograph = np.random.default_rng(1).integers(0, 255, (400, 500, 3), dtype=np.uint8)
    proposals = np.array([[100.0, 120, 300, 340]], np.float32)
    found = detect(model, photograph, proposals)
    np.testing.assert_allclose(found.boxes, proposals, atol=1e-3)


def test_preprocessing_follows_the_weights():
    image = np.zeros((50, 100, 3), np.uint8)
    image[..., 0] = 200  # red
    caffe = Preprocessing("BGR", (100.0, 110.0, 120.0), (1.0, 1.0, 2.0), 100, 150)
    pixels, scale = caffe.apply(image)
    assert scale == 1.5  # the long side decides
    assert pixels.shape == (75, 150, 3)
    np.testing.assert_allclose(pixels[0, 0], [-100, -110, 40])
    batch = stack_images([pixels, pixels[:40]])
    assert batch.shape == (2, 75, 150, 3)
    assert not batch[1, 40:].any()


def test_where_a_box_comes_from_is_told_and_adds_up(scenes, model_file, tmp_path):
    """The printed numbers, by hand, give the box that stands in detections.json."""
    image = scenes / "validation" / "image" / "000001.jpg"
    done = minircnn("detect", model_file, image, "--score", 0.05, "--explain", "--out", tmp_path / "found")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found" / "detections.json").read_text())
    lines = r"proposal \((.*)\): .*", *(rf"{name} (\S+):.*" for name in ("tx", "ty", "tw", "th")), r"box +\((.*)\)"
    told = re.findall(r"\n +".join(lines), done.stdout)
    assert len(told) == len(found) > 0
    size = read_image(image).shape
    for (proposal, *offsets, box), row in zip(told, found, strict=True):
        x1, y1, x2, y2 = map(float, proposal.split(", "))
        tx, ty, tw, th = map(float, offsets)
        w, h = (x2 - x1) * np.exp(tw), (y2 - y1) * np.exp(th)
        x, y = (x1 + x2) / 2 + tx * (x2 - x1), (y1 + y2) / 2 + ty * (y2 - y1)
        corners = np.clip([x - w / 2, y - h / 2, x + w / 2, y + h / 2], 0, [size[1], size[0]] * 2)
        np.testing.assert_allclose(corners, [float(value) for value in box.split(", ")], atol=0.2)
        left, top, width, height = row["bbox"]
        np.testing.assert_allclose(corners, [left, top, left + width, top + height], atol=0.2)


def test_a_box_of_other_proposals_has_no_origin(scenes, model_file):
    model, image = load_model(model_file), read_image(scenes / "validation" / "image" / "000001.jpg")
    proposals = model.propose(image)
    found = detect(model, image, proposals)
    assert len(found) > 0
    told = origins(model, image, proposals, found)
    np.testing.assert_allclose([one.box for one in told], found.boxes, atol=1e-3)
    assert [int(one.probabilities[1:].argmax()) + 1 for one in told if one.probabilities[0] < 0.3]
    with pytest.raises(ValueError, match="comes from none of the proposals"):
        origins(model, image, np.array([[1, 1, 3, 3]], np.float32), found)
