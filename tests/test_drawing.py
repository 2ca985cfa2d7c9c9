"""Pictures of detections: legible, on the image, and one colour a class."""

import itertools

import numpy as np
import pytest

from minircnn.report import drawing
from minircnn.report.drawing import SMALLEST_PICTURE, class_colour, draw_detections

NAMES = ("coat", "bag", "sandal")
GREY = np.full((160, 160, 3), 128, np.uint8)


def _boxes(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


def _pixels_of(picture, colour):
    """(height, width) bool, where the picture has exactly this colour."""
    return (picture == np.array(colour, np.uint8)).all(axis=2)


def test_nothing_to_draw_leaves_a_large_image_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (600, 500, 3), np.uint8)
    before = image.copy()
    picture = draw_detections(image, _boxes(), np.zeros(0, np.int64), NAMES)
    np.testing.assert_array_equal(picture, before)
    assert picture.dtype == np.uint8


def test_image_that_was_given_is_not_drawn_on():
    image = np.zeros((600, 500, 3), np.uint8)
    picture = draw_detections(image, _boxes([10, 10, 90, 90]), np.array([1]), NAMES)
    assert picture.any()
    assert not image.any()


@pytest.mark.parametrize(("height", "width", "factor"), [(160, 160, 3), (60, 200, 3), (479, 20, 2), (480, 20, 1)])
def test_small_image_is_enlarged_by_a_whole_factor(height, width, factor):
    picture = draw_detections(np.zeros((height, width, 3), np.uint8), _boxes(), np.zeros(0, np.int64), NAMES)
    assert picture.shape == (factor * height, factor * width, 3)
    assert max(picture.shape) >= SMALLEST_PICTURE


def test_box_is_drawn_where_it_is():
    picture = draw_detections(GREY, _boxes([40, 60, 120, 140]), np.array([2]), NAMES)
    drawn = _pixels_of(picture, class_colour(2))
    for x, y in ((120, 300), (360, 300), (240, 420)):  # left, right and lower line, three times enlarged
        assert drawn[y - 3 : y + 4, x - 3 : x + 4].any()
    assert not drawn[200:400, 140:340].any()  # nothing within


def test_label_is_written_on_its_colour():
    picture = draw_detections(GREY, _boxes([40, 60, 120, 140]), np.array([2]), NAMES, np.array([0.87]))
    above = picture[150:178, 120:190]
    assert _pixels_of(above, class_colour(2)).mean() > 0.3
    assert _pixels_of(above, (0, 0, 0)).any() or _pixels_of(above, (255, 255, 255)).any()


def test_scores_make_labels_longer():
    def width(scores):
        picture = draw_detections(GREY, _boxes([10, 60, 150, 140]), np.array([1]), NAMES, scores)
        return _pixels_of(picture[155:177], class_colour(1)).any(axis=0).sum()

    assert width(np.array([0.5])) > width(None) + 20


def test_labels_stay_on_the_image(monkeypatch):
    places = []
    write = drawing._write
    monkeypatch.setattr(drawing, "_write", lambda *given: places.append(write(*given)) or places[-1])
    boxes = _boxes([0, 0, 160, 160], [-9, -9, 8, 8], [150, 150, 170, 170], [150, -5, 170, 4], [60, 60, 60, 60])
    draw_detections(GREY, boxes, np.array([1, 2, 3, 1, 2]), NAMES, np.linspace(0.9, 0.5, 5))
    assert len(places) == 5
    for x1, y1, x2, y2 in places:
        assert 0 <= x1 < x2 <= 480
        assert 0 <= y1 < y2 <= 480


def test_labels_of_one_place_do_not_cover_each_other(monkeypatch):
    places = []
    write = drawing._write
    monkeypatch.setattr(drawing, "_write", lambda *given: places.append(write(*given)) or places[-1])
    draw_detections(GREY, _boxes(*[[40, 60, 120, 140]] * 3), np.array([1, 2, 3]), NAMES, np.array([0.9, 0.8, 0.7]))
    assert all(drawing._shared(a, b) == 0 for a, b in itertools.combinations(places, 2))


def test_best_box_lies_on_top():
    picture = draw_detections(GREY, _boxes(*[[40, 60, 120, 140]] * 2), np.array([1, 2]), NAMES)
    assert _pixels_of(picture, class_colour(1))[300, 118:124].any()
    assert not _pixels_of(picture, class_colour(2))[300, 118:124].any()


def test_truth_is_dashed():
    picture = draw_detections(GREY, _boxes(), np.zeros(0, np.int64), NAMES, truth=_boxes([40, 60, 120, 140]))
    line = picture[180, 130:350]
    assert _pixels_of(line[None], (255, 255, 255)).any()
    assert _pixels_of(line[None], (0, 0, 0)).any()


def test_colours_differ_between_classes():
    colours = np.array([class_colour(label) for label in range(1, 16)], float)
    gaps = np.linalg.norm(colours[:, None] - colours[None], axis=2)[np.triu_indices(15, 1)]
    assert gaps.min() > 50


def test_name_in_another_script_is_written_or_numbered():
    names = ("셔츠", "bag \N{DIGIT ONE}\U0010fffd")  # no font has the last character
    boxes = _boxes([20, 20, 80, 80], [80, 80, 140, 140])
    picture = draw_detections(GREY, boxes, np.array([1, 2]), names, np.array([0.9, 0.8]))
    assert _pixels_of(picture, class_colour(1)).any()
    assert drawing._name(2, names) == "class 2"


def test_font_that_cannot_be_opened_is_passed_over(tmp_path):
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    assert drawing._characters(str(tmp_path / "broken.ttf")) == frozenset()
