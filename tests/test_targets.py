"""Matching, sampling and regression targets: who is foreground, how many are drawn, what they should learn."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from minircnn.boxes import decode_boxes, iou_matrix
from minircnn.targets import OffsetStatistics, SamplingSettings, match_proposals, normalise_offsets, sample_rois

TRUTH = np.array([[10.0, 10, 50, 50], [60, 60, 100, 100]], np.float32)
LABELS = np.array([3, 1])


def scattered(rng, count):
    corner = rng.uniform(0, 90, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(8, 60, (count, 2))], axis=1).astype(np.float32)


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(0, 120))
def test_sampled_rois_obey_the_paper(seed, count):
    rng = np.random.default_rng(seed)
    proposals = scattered(rng, count)
    rois, labels, offsets = sample_rois(proposals, TRUTH, LABELS, SamplingSettings(), rng)
    overlap = iou_matrix(rois, TRUTH)
    best = overlap.max(axis=1)
    assert len(rois) <= 64
    assert (labels > 0).sum() <= 16
    assert (best[labels > 0] >= 0.5).all()
    assert ((best[labels == 0] >= 0.1) & (best[labels == 0] < 0.5)).all()
    assert (labels[labels > 0] == LABELS[overlap.argmax(axis=1)[labels > 0]]).all()
    back = decode_boxes(rois, offsets)
    np.testing.assert_allclose(back[labels > 0], TRUTH[overlap.argmax(axis=1)[labels > 0]], atol=1e-3)
    assert not offsets[labels == 0].any()
    assert len(np.unique(rois, axis=0)) == len(rois)


def test_the_garments_own_boxes_join_the_proposals(rng):
    rois, labels, offsets = sample_rois(np.zeros((0, 4), np.float32), TRUTH, LABELS, SamplingSettings(), rng)
    np.testing.assert_array_equal(rois, TRUTH)
    assert labels.tolist() == [3, 1]
    assert not offsets.any()


def test_fewer_rois_where_there_are_fewer_without_padding(rng):
    proposals = np.array([[12.0, 12, 50, 50], [40, 40, 70, 70]], np.float32)
    rois, labels, _ = sample_rois(proposals, TRUTH, LABELS, SamplingSettings(), rng)
    assert len(rois) == 3  # two garments and the good proposal; the last overlaps below 0.1 and is not used
    assert labels.tolist() == [3, 1, 3]


def test_an_image_without_garments_is_all_background(rng):
    rois, labels, _ = sample_rois(scattered(rng, 90), np.zeros((0, 4)), np.zeros(0, int), SamplingSettings(), rng)
    assert len(rois) == 64
    assert not labels.any()


def test_an_image_without_anything_gives_no_rois(rng):
    rois, labels, offsets = sample_rois(
        np.zeros((0, 4), np.float32), np.zeros((0, 4)), np.zeros(0, int), SamplingSettings(), rng
    )
    assert rois.shape == offsets.shape == (0, 4)
    assert len(labels) == 0


def test_overlap_of_exactly_one_half_is_foreground():
    match, overlap = match_proposals(np.array([[10.0, 10, 50, 30]]), TRUTH)
    assert match.tolist() == [0]
    assert overlap.tolist() == [0.5]


def test_normalised_offsets_have_mean_zero_and_spread_one(rng):
    labels = np.repeat([1, 2], 500)
    offsets = rng.standard_normal((1000, 4)) * np.where(labels == 1, 0.1, 0.3)[:, None] + labels[:, None]
    statistics = OffsetStatistics.measure(offsets, labels, num_classes=3)
    for label in (1, 2):
        own = normalise_offsets(offsets, labels, statistics)[labels == label]
        np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(own.std(axis=0), 1, atol=1e-5)
    # a class that was never seen takes what all have, and background keeps its zeros
    np.testing.assert_allclose(statistics.mean[3], offsets.mean(axis=0))
    assert not normalise_offsets(np.ones((1, 4)), np.array([0]), statistics).any()


def test_offsets_that_are_all_alike_have_a_spread_to_divide_by():
    statistics = OffsetStatistics.measure(np.full((9, 4), 0.5), np.ones(9, np.int64), 1)
    np.testing.assert_array_equal(statistics.mean[1], 0.5)
    np.testing.assert_array_equal(statistics.std[1], 1e-3)
