"""Anchors against the original's list and counts, and matching against the cases of detectron2 and mmdetection."""

import numpy as np
import pytest

from minircnn.anchors import (
    RPNSettings,
    anchor_grid,
    cell_anchors,
    inside,
    label_overlaps,
    match_anchors,
    sample_anchors,
)
from minircnn.base.errors import InputError
from minircnn.models import vgg_small

ORIGINAL = RPNSettings()
LIST = [  # py-faster-rcnn's nine, last pixels included; here a box ends where the next pixel begins
    [-84, -40, 99, 55], [-176, -88, 191, 103], [-360, -184, 375, 199],
    [-56, -56, 71, 71], [-120, -120, 135, 135], [-248, -248, 263, 263],
    [-36, -80, 51, 95], [-80, -168, 95, 183], [-168, -344, 183, 359],
]  # fmt: skip


def test_the_nine_anchors_are_the_originals():
    assert (cell_anchors(ORIGINAL) - [0, 0, 1, 1]).tolist() == LIST


@pytest.mark.parametrize(("map_", "image", "anchors", "within"), [
    ((38, 63), (600, 1000), 21546, 8151), ((38, 50), (600, 800), 17100, 5944),
])  # fmt: skip
def test_as_many_anchors_and_as_many_inside_as_in_the_original(map_, image, anchors, within):
    found = anchor_grid(*map_, 16, ORIGINAL)
    assert len(found) == anchors
    assert inside(found, *image, 0).sum() == within
    assert inside(found, *image, None).all()


def test_the_grid_goes_row_by_row_cell_by_cell_anchor_by_anchor():
    grid = anchor_grid(3, 4, 16, ORIGINAL).reshape(3, 4, 9, 4)
    np.testing.assert_array_equal(grid[2, 1] - grid[0, 0], np.tile([16, 32, 16, 32], (9, 1)))
    np.testing.assert_array_equal(grid[0, 0], cell_anchors(ORIGINAL))


def test_the_labels_of_detectron2s_matcher():
    """tests/modeling/test_matcher.py: thresholds 0.3 and 0.7, low-quality matches allowed; its rows are the truths."""
    overlap = np.array([[0.15, 0.45, 0.2, 0.6], [0.3, 0.65, 0.05, 0.1], [0.05, 0.4, 0.25, 0.4]]).T
    assert label_overlaps(overlap, ORIGINAL).tolist() == [-1, 1, 0, 1]
    assert overlap.argmax(axis=1).tolist() == [1, 1, 2, 0]


BOXES = np.array([[0, 0, 10, 10], [10, 10, 20, 20], [5, 5, 15, 15], [32, 32, 38, 42]], float)


def test_the_assignment_of_mmdetections_test():
    """Its max-IoU assigner's test: both thresholds 0.5; the third box is the best that the second truth has."""
    truth = np.array([[0, 0, 10, 9], [0, 10, 10, 19]], float)
    half = RPNSettings(positive_iou=0.5, negative_iou=0.5)
    labels, index = match_anchors(BOXES, truth, half)
    assert labels.tolist() == [1, 0, 1, 0]
    assert index[[0, 2]].tolist() == [0, 1]


@pytest.mark.parametrize("lower", [-1.0, 0.0])
def test_a_truth_that_touches_no_anchor_makes_none_positive(lower):
    """The best overlap of such a truth is 0, and so is that of all that lie apart.

    With a lower bound of -1, or of 0 and ≥, all four would be positive.
    """
    far = np.array([[100, 100, 120, 120]], float)
    labels, _ = match_anchors(BOXES, far, RPNSettings(best_match_iou=lower))
    assert labels.tolist() == [0, 0, 0, 0]


def test_a_truth_without_area_makes_none_positive():
    labels, _ = match_anchors(BOXES, np.array([[5.0, 5, 5, 5]]), ORIGINAL)
    assert not labels.any()


def test_all_of_equally_good_anchors_are_positive():
    twice = np.concatenate([BOXES[:1], BOXES[:1], BOXES[3:]])
    labels, _ = match_anchors(twice, np.array([[0, 0, 10, 4]], float), ORIGINAL)
    assert labels.tolist() == [1, 1, 0]


def test_an_anchor_moves_onto_the_truth_it_overlaps_best_whichever_made_it_positive():
    """The second truth's best anchor is the first, which overlaps the first truth more."""
    truth = np.array([[0, 0, 10, 8], [0, 0, 10, 4]], float)
    labels, index = match_anchors(BOXES[:1], truth, ORIGINAL)
    assert (labels[0], index[0]) == (1, 0)


def test_a_lower_bound_keeps_poor_best_matches_out():
    overlap = np.array([[0.2], [0.1]])
    assert label_overlaps(overlap, ORIGINAL).tolist() == [1, 0]
    assert label_overlaps(overlap, RPNSettings(best_match_iou=0.2)).tolist() == [0, 0]


def test_half_of_the_drawn_are_positive_at_most_and_only_inside(rng):
    settings = RPNSettings(scales=(1, 2, 3), anchors_per_image=40)
    anchors = anchor_grid(20, 20, 8, settings)
    truth = rng.uniform(0, 110, (30, 2))
    truth = np.concatenate([truth, truth + rng.uniform(14, 50, (30, 2))], axis=1)
    drawn = sample_anchors(anchors, truth, (160, 160), settings, rng)
    assert len(drawn.index) == len(set(drawn.index)) == 40
    assert drawn.labels.tolist() == [1] * 20 + [0] * 20
    assert inside(anchors[drawn.index], 160, 160, 0).all()
    learning = np.flatnonzero(inside(anchors, 160, 160, 0))
    labels = dict(zip(learning, match_anchors(anchors[learning], truth, settings)[0], strict=True))
    assert [labels[index] for index in drawn.index] == drawn.labels.tolist()
    assert drawn.offsets[:20].any()
    assert not drawn.offsets[20:].any()


def test_an_image_smaller_than_every_anchor_teaches_nothing(rng):
    """Which has ended py-faster-rcnn with an argmax of nothing."""
    anchors = anchor_grid(4, 40, 16, ORIGINAL)
    drawn = sample_anchors(anchors, np.array([[3.0, 3, 60, 40]]), (64, 640), ORIGINAL, rng)
    assert [len(part) for part in (drawn.index, drawn.labels, drawn.offsets)] == [0, 0, 0]


def test_an_image_without_objects_teaches_background(rng):
    settings = vgg_small().rpn
    drawn = sample_anchors(anchor_grid(20, 20, 8, settings), np.zeros((0, 4)), (160, 160), settings, rng)
    assert len(drawn.labels) == settings.anchors_per_image
    assert not drawn.labels.any()


@pytest.mark.parametrize("change", [
    {"scales": ()}, {"ratios": (0.0,)}, {"scales": (float("nan"),)}, {"positive_iou": 1.2}, {"nms_threshold": -0.1},
    {"negative_iou": 0.8}, {"anchors_per_image": 0}, {"test_after": 0}, {"sigma": 0},
    {"min_side": float("nan")}, {"border": -1.0},
])  # fmt: skip
def test_numbers_out_of_range_are_refused(change):
    with pytest.raises(InputError):
        RPNSettings(**change)
