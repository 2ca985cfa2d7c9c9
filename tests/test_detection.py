"""From outputs to detections: thresholds, suppression, clipping, the best of the image."""

import numpy as np
from PIL import Image

from minircnn import Detections, FastRCNN, detect, vgg_small
from minircnn.data import Sample
from minircnn.detection import DetectionSettings, select_detections
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
