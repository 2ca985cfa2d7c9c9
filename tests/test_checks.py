"""No public function of the numbers takes what it would answer wrongly: each is refused by name, or converted."""

import numpy as np
import pytest

from minircnn.boxes import clip_boxes, decode_boxes, encode_boxes, flip_boxes, iou_matrix, nms
from minircnn.detection import DetectionSettings, detect, select_detections
from minircnn.kernels.conv import conv2d_backward, conv2d_forward
from minircnn.kernels.conv_rows import conv_rows_backward, conv_rows_backward_w, conv_rows_forward
from minircnn.kernels.matmul import matmul
from minircnn.kernels.max_pool import max_pool_backward, max_pool_forward
from minircnn.kernels.roi_pool import roi_pool_backward, roi_pool_forward
from minircnn.kernels.winograd import conv3x3_backward, conv3x3_backward_w, conv3x3_forward
from minircnn.kernels.winograd_filters import conv3x3_filters
from minircnn.layers import RoIPool
from minircnn.losses import smooth_l1, softmax_cross_entropy
from minircnn.models import FastRCNN, Preprocessing, vgg_small
from minircnn.targets import SamplingSettings, sample_rois

F32 = np.float32
MAP = np.zeros((1, 8, 8, 2), F32)
ROI = np.array([[0, 0, 0, 3, 3]], F32)
POOLED = np.zeros((1, 2, 2, 2), F32)
WINNERS = np.zeros((1, 2, 2, 2), np.int32)
KERNEL, BIAS = np.zeros((3, 3, 2, 4), F32), np.zeros(4, F32)
OUT = np.zeros((1, 8, 8, 4), F32)
SCORES, PRED, TARGETS = np.zeros((3, 4), F32), np.zeros((3, 16), F32), np.zeros((3, 4), F32)
LABELS = np.array([0, 1, 3])
BOX = np.array([[0.0, 0, 4, 4]])


def roi(*numbers):
    return np.array([numbers], F32)


WRONG = {
    "roi without the image's index": (lambda: roi_pool_forward(MAP, ROI[:, 1:], (2, 2), 1.0), r"rois .* \(any, 5\)"),
    "one roi, not a list": (lambda: roi_pool_forward(MAP, ROI[0], (2, 2), 1.0), r"rois .* not \(5,\)"),
    "roi of image 1 of 1": (lambda: roi_pool_forward(MAP, roi(1, 0, 0, 3, 3), (2, 2), 1.0), "first column of rois"),
    "roi of image -1": (lambda: roi_pool_forward(MAP, roi(-1, 0, 0, 3, 3), (2, 2), 1.0), "first column of rois"),
    "roi of image 0.5": (lambda: roi_pool_forward(MAP, roi(0.5, 0, 0, 3, 3), (2, 2), 1.0), "in whole numbers"),
    "roi with NaN": (lambda: roi_pool_forward(MAP, roi(0, np.nan, 0, 3, 3), (2, 2), 1.0), "not finite"),
    "roi too far to count": (lambda: roi_pool_forward(MAP, roi(0, 0, 0, 1e20, 3), (2, 2), 1.0), "beyond"),
    "features of whole numbers": (lambda: roi_pool_forward(MAP.astype(int), ROI, (2, 2), 1.0), "float32"),
    "features without a batch": (lambda: roi_pool_forward(MAP[0], ROI, (2, 2), 1.0), "features should have shape"),
    "no bins": (lambda: roi_pool_forward(MAP, ROI, (0, 2), 1.0), "output_size"),
    "half a size": (lambda: roi_pool_forward(MAP, ROI, (2,), 1.0), r"output_size should be \(height, width\), or one"),
    "scale of 0": (lambda: roi_pool_forward(MAP, ROI, (2, 2), 0.0), "spatial_scale"),
    "scale of NaN": (lambda: roi_pool_forward(MAP, ROI, (2, 2), np.nan), "spatial_scale"),
    "argmax of a larger map": (lambda: roi_pool_backward(POOLED, WINNERS + 64, ROI, MAP.shape), "cells beyond a map"),
    "argmax of other rois": (lambda: roi_pool_backward(POOLED, WINNERS[:, :1], ROI, MAP.shape), "argmax should have"),
    "more rois than pooled": (lambda: roi_pool_backward(POOLED, WINNERS, np.repeat(ROI, 2, 0), MAP.shape), "dpooled"),
    "fewer images than rois name": (
        lambda: roi_pool_backward(POOLED, WINNERS, roi(1, 0, 0, 3, 3), MAP.shape),
        "first column of rois",
    ),
    "pool of a window of 0": (lambda: max_pool_forward(MAP, 0, 2, True), "size should be a whole number"),
    "pool of whole numbers": (lambda: max_pool_forward(MAP.astype(int), 2, 2, True), "float32"),
    "pool of no cell": (lambda: max_pool_forward(MAP[:, :0], 2, 2, True), "no cell"),
    "pool's argmax of a larger map": (
        lambda: max_pool_backward(POOLED, WINNERS + 64, MAP.shape, 2, 2),
        "cells beyond a map",
    ),
    "convolution of other channels": (lambda: conv2d_forward(MAP[..., :1], KERNEL, BIAS, 1, 1), "x should have shape"),
    "convolution of two dtypes": (lambda: conv2d_forward(MAP.astype(float), KERNEL, BIAS, 1, 1), "float64"),
    "convolution with a short bias": (lambda: conv2d_forward(MAP, KERNEL, BIAS[:3], 1, 1), "b should have shape"),
    "convolution of stride 0": (lambda: conv2d_forward(MAP, KERNEL, BIAS, 0, 1), "stride"),
    "convolution of a map under the kernel": (lambda: conv2d_forward(MAP[:, :2], KERNEL, BIAS, 1, 0), "does not fit"),
    "dy of another size": (lambda: conv2d_backward(OUT[:, 1:], MAP, KERNEL, 1, 1), "dy should have shape"),
    "rows of two dtypes": (lambda: conv_rows_forward(MAP, KERNEL.astype(float), BIAS, 1), "float64"),
    "rows' dy of another size": (lambda: conv_rows_backward(OUT[:, 1:], MAP, KERNEL, 1), "dy should have shape"),
    "Winograd of 5×5": (lambda: conv3x3_forward(MAP, np.zeros((5, 5, 2, 4)), BIAS), "w should have shape"),
    "Winograd of two dtypes": (lambda: conv3x3_forward(MAP, KERNEL.astype(float), BIAS), "float64"),
    "Winograd's dy of another size": (lambda: conv3x3_backward(OUT[:, 1:], MAP, KERNEL), "dy should have shape"),
    "Winograd's dy of another map alone": (lambda: conv3x3_backward_w(OUT[:, 1:], MAP), "dy should have shape"),
    "Winograd's dy of two dtypes": (lambda: conv3x3_backward_w(OUT.astype(float), MAP), "float64"),
    "Winograd's filters of another kernel": (
        lambda: conv3x3_forward(MAP, KERNEL, BIAS, filters=conv3x3_filters(KERNEL[:, :, :1])),
        "filters should have shape",
    ),
    "Winograd's filters of two dtypes": (
        lambda: conv3x3_forward(MAP, KERNEL, BIAS, filters=conv3x3_filters(KERNEL).astype(float)),
        "float64",
    ),
    "Winograd's gate of another map": (lambda: conv3x3_forward(MAP, KERNEL, BIAS, gate=OUT[:, 1:]), "gate should have"),
    "rows' dy of another size alone": (
        lambda: conv_rows_backward_w(OUT[:, 1:], MAP, KERNEL.shape, 1),
        "dy should have shape",
    ),
    "a map for another out": (lambda: conv3x3_forward(MAP, KERNEL, BIAS, out=OUT[:, 1:]), "out should be"),
    "Winograd's pool alone": (lambda: conv3x3_forward(MAP, KERNEL, BIAS, pool=True), "pool needs relu"),
    "product of unequal sides": (lambda: matmul(np.zeros((2, 3)), np.zeros((4, 2))), r"b should have shape \(3, any"),
    "scores of whole numbers": (lambda: softmax_cross_entropy(SCORES.astype(int), LABELS), "float32"),
    "labels of fractions": (lambda: softmax_cross_entropy(SCORES, LABELS.astype(float)), "whole numbers"),
    "labels as a column": (lambda: softmax_cross_entropy(SCORES, LABELS[:, None]), "labels should have shape"),
    "label out of range": (lambda: softmax_cross_entropy(SCORES, LABELS + 1), "labels should lie in"),
    "nine columns of offsets": (lambda: smooth_l1(PRED[:, :9], TARGETS, LABELS), r"4\(K\+1\) columns"),
    "offsets of whole numbers": (lambda: smooth_l1(PRED.astype(int), TARGETS, LABELS), "float32"),
    "sigma of 0": (lambda: smooth_l1(PRED, TARGETS, LABELS, 0.0), "sigma"),
    "targets of another minibatch": (lambda: smooth_l1(PRED, TARGETS[:2], LABELS), "bbox_targets should have shape"),
    "offsets onto a box without area": (lambda: encode_boxes(BOX, np.array([[1.0, 1, 1, 4]])), "truth needs x1 < x2"),
    "offsets from a box inside out": (lambda: encode_boxes(BOX[:, ::-1], BOX), "proposals needs x1 < x2"),
    "offsets of other rows": (lambda: decode_boxes(BOX, np.zeros((2, 4))), "offsets should have shape"),
    "offsets onto fewer boxes": (lambda: encode_boxes(np.repeat(BOX, 2, axis=0), BOX), "give one for each"),
    "overlap of rois": (lambda: iou_matrix(ROI, ROI), r"iou_matrix: boxes should have shape \(any, 4\)"),
    "rois mirrored": (lambda: flip_boxes(ROI, 9), "flip_boxes"),
    "rois clipped": (lambda: clip_boxes(ROI, 9, 9), "clip_boxes"),
    "a threshold of NaN": (lambda: DetectionSettings(score_threshold=np.nan), "score_threshold"),
    "scores of other boxes": (lambda: nms(BOX, np.zeros(2), 0.3), "boxes should have shape"),
    "more offsets than classes": (
        lambda: select_detections(BOX, np.zeros((1, 3)), np.zeros((1, 16)), (9, 9), DetectionSettings()),
        "offsets should have shape",
    ),
    "labels of other garments": (
        lambda: sample_rois(BOX, BOX, np.array([1, 2]), SamplingSettings(), np.random.default_rng(0)),
        "labels for them",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "words"), WRONG.values(), ids=WRONG)
def test_what_would_be_answered_wrongly_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_the_calls_above_are_wrong_in_one_thing_only():
    """With that thing put right each goes through: the refusals above refuse nothing else."""
    roi_pool_forward(MAP, ROI, (2, 2), 1.0)
    roi_pool_backward(POOLED, WINNERS, ROI, MAP.shape)
    max_pool_forward(MAP, 2, 2, True)
    conv2d_backward(OUT, MAP, KERNEL, 1, 1)
    conv_rows_backward(OUT, MAP, KERNEL, 1)
    conv_rows_forward(MAP, KERNEL, BIAS, 1)
    conv3x3_backward(OUT, MAP, KERNEL)
    conv3x3_forward(MAP, KERNEL, BIAS, relu=True, pool=True)
    conv3x3_forward(MAP, KERNEL, BIAS, filters=conv3x3_filters(KERNEL), gate=OUT, out=np.empty_like(OUT))
    conv3x3_backward_w(OUT, MAP)
    conv_rows_backward_w(OUT, MAP, KERNEL.shape, 1)
    conv2d_forward(MAP, KERNEL, BIAS, 1, 1)
    softmax_cross_entropy(SCORES, LABELS)
    smooth_l1(PRED, TARGETS, LABELS)
    select_detections(BOX, np.zeros((1, 4)), np.zeros((1, 16)), (9, 9), DetectionSettings())
    sample_rois(BOX, BOX, np.array([1]), SamplingSettings(), np.random.default_rng(0))


def test_arrays_of_any_memory_order_are_taken(rng):
    """A transposed view, as weights of other libraries are, gives what its copy gives."""
    x = rng.standard_normal((1, 2, 6, 5)).transpose(0, 3, 2, 1)
    w = rng.standard_normal((4, 2, 3, 3)).transpose(2, 3, 1, 0)
    b = rng.standard_normal(8)[::2]
    copies = [np.ascontiguousarray(array) for array in (x, w, b)]
    y = conv_rows_forward(*copies, 1)
    np.testing.assert_allclose(conv_rows_forward(x, w, b, 1), y, atol=1e-12)
    np.testing.assert_allclose(conv3x3_forward(x, w, b), y, atol=1e-12)
    np.testing.assert_allclose(conv2d_forward(x, w, b, 1, 1), y, atol=1e-12)
    dy = rng.standard_normal(y.shape[::-1]).transpose()
    for ours in (conv_rows_backward(dy, x, w, 1), conv3x3_backward(dy, x, w), conv2d_backward(dy, x, w, 1, 1)):
        for got, want in zip(ours, conv2d_backward(np.ascontiguousarray(dy), *copies[:2], 1, 1), strict=True):
            np.testing.assert_allclose(got, want, atol=1e-12)
    features = rng.standard_normal((1, 3, 7, 6)).transpose(0, 3, 2, 1)
    for got, want in zip(
        roi_pool_forward(features, ROI, (2, 2), 1.0),
        roi_pool_forward(np.ascontiguousarray(features), ROI.astype(int), (2, 2), 1.0),
        strict=True,
    ):
        np.testing.assert_array_equal(got, want)


def test_nan_in_the_features_shows_in_what_is_pooled():
    """A maximum that skipped it would hide a network that has diverged."""
    features = np.ones((1, 4, 4, 1))
    features[0, 1, 1, 0] = np.nan
    assert np.isnan(roi_pool_forward(features, ROI, (1, 1), 1.0)[0]).all()
    assert np.isnan(max_pool_forward(features, 2, 2, True)[0]).sum() == 1


def test_a_bin_of_minus_infinity_has_a_winner():
    pooled, argmax = roi_pool_forward(np.full((1, 4, 4, 1), -np.inf), ROI, (1, 1), 1.0)
    assert pooled.item() == -np.inf
    assert argmax.item() == 0


def test_a_target_of_nan_gives_no_finite_gradient():
    loss, dpred = smooth_l1(PRED.astype(float), np.full((3, 4), np.nan), LABELS)
    assert np.isnan(loss)
    assert np.isnan(dpred[1, 4:8]).all()


def test_a_row_that_is_no_number_suppresses_nothing():
    boxes = np.array([[0, 0, 10, 10], [np.nan, 0, 10, 10], [1, 0, 10, 10], [50, 50, 60, 60]], F32)
    assert nms(boxes, np.array([0.8, 0.9, 0.7, 0.6]), 0.3).tolist() == [0, 3]
    assert nms(boxes[[0, 3]], np.array([np.nan, 0.6]), 0.3).tolist() == [1]


def test_detections_have_area_and_are_numbers():
    """Pushed over the border a box is clipped to nothing; a NaN offset leaves its neighbours alone."""
    proposals = np.array([[80, 20, 98, 40], [10, 10, 30, 30], [50, 50, 70, 70]], F32)
    scores = np.tile(np.array([0, 4], F32), (3, 1))
    offsets = np.zeros((3, 8), F32)
    offsets[0, 4] = 3  # three widths to the right
    offsets[1, 6] = np.nan
    found = select_detections(proposals, scores, offsets, (100, 100), DetectionSettings())
    np.testing.assert_allclose(found.boxes, [[50, 50, 70, 70]])


@pytest.mark.parametrize(
    ("image", "proposals", "words"),
    [
        (np.zeros((40, 40, 3)), BOX, "uint8"),
        (np.zeros((40, 40), np.uint8), BOX, r"\(H, W, 3\)"),
        (np.zeros((40, 40, 3), np.uint8), np.zeros((1, 5)), r"\(any, 4\)"),
        (np.zeros((40, 40, 3), np.uint8), np.array([[9.0, 9, 9, 20]]), "x1 < x2"),
        (np.zeros((40, 40, 3), np.uint8), np.array([[np.nan, 9, 12, 20]]), "x1 < x2"),
    ],
    ids=["fractions", "grey", "five columns", "no width", "NaN"],
)
def test_detect_refuses_images_and_proposals_it_would_misread(image, proposals, words):
    with pytest.raises(ValueError, match=words):
        detect(FastRCNN(vgg_small(), 1, np.random.default_rng(0)), image, proposals)


@pytest.mark.parametrize(
    "changed",
    [
        {"channel_order": "RBG"}, {"mean": (0.0, 0.0)}, {"scale": (1.0, 0.0, 1.0)}, {"mean": (0.0, 0.0, float("nan"))},
        {"short_side": 0}, {"long_side": 10**9}, {"short_side": 700, "long_side": 600},
    ],
)  # fmt: skip
def test_preprocessing_that_cannot_be_meant_is_refused(changed):
    sound = {"channel_order": "RGB", "mean": (0.0,) * 3, "scale": (1.0,) * 3, "short_side": 600, "long_side": 1000}
    Preprocessing(**sound)
    with pytest.raises(ValueError, match="should be"):
        Preprocessing(**sound | changed)


@pytest.mark.parametrize("count", [2, 1, 0, -4])
def test_too_few_rois_for_one_foreground_are_refused(count):
    with pytest.raises(ValueError, match=f"rois_per_image .* {count}"):
        SamplingSettings(rois_per_image=count)
    assert SamplingSettings(rois_per_image=4).max_foreground == 1


def test_what_has_one_meaning_only_is_taken():
    """No bias is a bias of 0, and one number for an output's size is both."""
    x = np.arange(MAP.size, dtype=F32).reshape(MAP.shape)
    w = np.ones((3, 3, x.shape[3], 2), F32)
    for conv in (lambda b: conv2d_forward(x, w, b, 1, 1), lambda b: conv3x3_forward(x, w, b)):
        np.testing.assert_array_equal(conv(None), conv(np.zeros(2, F32)))
    for one, both in zip(roi_pool_forward(x, ROI, 2, 1.0), roi_pool_forward(x, ROI, (2, 2), 1.0), strict=True):
        np.testing.assert_array_equal(one, both)
    assert RoIPool(2, 1.0).output_size == (2, 2)
