"""Boxes against their slow twins: overlap, offsets there and back, clipping, suppression."""

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minircnn.boxes import areas, clip_boxes, decode_boxes, encode_boxes, flip_boxes, iou_matrix, nms

seeds = st.integers(0, 2**32 - 1)


def random_boxes(rng, count):
    corner = rng.uniform(0, 60, (count, 2)).round()
    return np.concatenate([corner, corner + rng.uniform(1, 40, (count, 2)).round()], axis=1)


@given(seed=seeds, A=st.integers(0, 8), B=st.integers(0, 8))
def test_iou_equals_its_twin(seed, A, B):
    rng = np.random.default_rng(seed)
    a, b = random_boxes(rng, A), random_boxes(rng, B)
    want = np.array([[naive.iou(p, q) for q in b] for p in a]).reshape(A, B)
    np.testing.assert_allclose(iou_matrix(a, b), want, atol=1e-14)


def test_boxes_that_touch_do_not_overlap():
    """Width is x2 - x1: with the old +1 these two would share a column."""
    a, b = np.array([[0.0, 0, 10, 10]]), np.array([[10.0, 0, 20, 10]])
    assert iou_matrix(a, b)[0, 0] == 0
    assert iou_matrix(a, a)[0, 0] == 1


@given(seed=seeds, R=st.integers(1, 10), K=st.integers(1, 4))
def test_decode_undoes_encode_for_every_class(seed, R, K):
    rng = np.random.default_rng(seed)
    proposals, truth = random_boxes(rng, R), random_boxes(rng, R)
    offsets = np.tile(encode_boxes(proposals, truth), (1, K))
    np.testing.assert_allclose(
        decode_boxes(proposals, offsets).reshape(R, K, 4), truth[:, None] + np.zeros((1, K, 1)), atol=1e-9
    )


def test_encode_by_hand():
    """A 10×20 proposal at (5, 10) against a 20×20 truth at (10, 10), both by centre."""
    offsets = encode_boxes(np.array([[0.0, 0, 10, 20]]), np.array([[0.0, 0, 20, 20]]))
    np.testing.assert_allclose(offsets, [[0.5, 0, np.log(2), 0]])


def test_a_wild_offset_does_not_overflow():
    assert np.isfinite(decode_boxes(np.array([[0.0, 0, 10, 10]]), np.array([[0, 0, 1e4, 1e4]]))).all()


@given(seed=seeds, D=st.integers(0, 25), threshold=st.sampled_from([0.0, 0.3, 0.5, 0.9]))
def test_nms_equals_its_twin(seed, D, threshold):
    rng = np.random.default_rng(seed)
    boxes, scores = random_boxes(rng, D), rng.integers(0, 6, D) / 5  # with ties
    assert nms(boxes, scores, threshold).tolist() == naive.nms(boxes, scores, threshold)


def test_clip_and_flip():
    boxes = np.array([[-5.0, 2, 30, 50]])
    np.testing.assert_array_equal(clip_boxes(boxes, height=40, width=20), [[0, 2, 20, 40]])
    np.testing.assert_array_equal(flip_boxes(np.array([[1.0, 2, 5, 6]]), 20), [[15, 2, 19, 6]])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float16])
def test_boxes_of_any_number_type_are_measured_rightly(dtype):
    """Unsigned differences wrap, areas of large whole numbers and of halves overflow: all would go unsaid."""
    far = 250 if dtype == np.uint8 else 30_000
    boxes = np.array([[0, 0, far, far], [far // 2, 0, far, far]], dtype)
    exact = boxes.astype(np.float64)
    np.testing.assert_array_equal(iou_matrix(boxes, boxes), iou_matrix(exact, exact))
    np.testing.assert_allclose(iou_matrix(boxes, boxes), [[1, 0.5], [0.5, 1]])
    np.testing.assert_array_equal(areas(boxes), areas(exact))
    np.testing.assert_array_equal(flip_boxes(boxes, 60_000), flip_boxes(exact, 60_000))
    np.testing.assert_array_equal(encode_boxes(boxes, boxes[::-1]), encode_boxes(exact, exact[::-1]))
