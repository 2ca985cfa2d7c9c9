"""RoIAlign against its slow twin, against values that others have published, and against a nudge of a region's side."""

import naive
import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minircnn.kernels.roi_align import roi_align_backward, roi_align_backward_to_rois, roi_align_forward
from minircnn.layers import RoIAlign

corner = st.one_of(st.integers(-8, 24).map(lambda v: 4.0 * v), st.integers(-100, 360).map(lambda v: v / 3.7))
SIXTEEN = np.array([[1, 2, 5, 6], [3, 4, 7, 8], [9, 10, 13, 14], [11, 12, 15, 16]], float).reshape(1, 4, 4, 1)


@st.composite
def cases(draw):
    N, H, W, C = (draw(st.integers(1, top)) for top in (2, 9, 8, 3))
    features = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).standard_normal((N, H, W, C))
    rois = draw(st.lists(st.tuples(st.integers(0, N - 1), corner, corner, corner, corner), max_size=5))
    rule = draw(st.sampled_from([1 / 8, 1.0])), draw(st.integers(0, 3)), draw(st.booleans())
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    return features, np.array(rois, float).reshape(-1, 5), size, rule


@given(cases())
def test_roi_align_equals_its_twin(case):
    """Any region: off the map, turned inside out, on the edge, none at all; any number of samples."""
    features, rois, size, rule = case
    pooled = roi_align_forward(features, rois, size, *rule)
    np.testing.assert_allclose(pooled, naive.roi_align(features, rois, size, *rule), rtol=0, atol=1e-12)
    dpooled = np.random.default_rng(0).standard_normal(pooled.shape)
    expected = naive.roi_align_backward(dpooled, rois, features.shape, *rule)
    np.testing.assert_allclose(roi_align_backward(dpooled, rois, features.shape, *rule), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("aligned", "first"), [(False, 7.5), (True, 4.5)])
def test_rising_map_of_detectron2(aligned, first):
    """detectron2's tests/layers/test_roi_align.py: 0 … 24 on 5×5, the region (1, 1, 3, 3), 4×4."""
    features = np.arange(25, dtype=np.float32).reshape(1, 5, 5, 1)
    rois = np.array([[0, 1, 1, 3, 3]], np.float32)
    pooled = roi_align_forward(features, rois, (4, 4), 1.0, 0, aligned)[0, :, :, 0]
    np.testing.assert_allclose(pooled, first + 0.5 * np.arange(4) + 2.5 * np.arange(4)[:, None], atol=1e-5)


def test_a_region_turned_inside_out_is_empty_in_detectron2():
    features, rois = np.random.default_rng(0).standard_normal((1, 5, 5, 1)), np.array([[0, 3.0, 4, 5, 4]])
    pooled = roi_align_forward(features, rois, (7, 7), 1.0, 0, True)
    assert not pooled.any()
    assert not roi_align_backward(np.ones_like(pooled), rois, features.shape, 1.0, 0, True).any()


def test_no_region_at_all():
    features, none = np.zeros((1, 5, 5, 3)), np.zeros((0, 5))
    assert roi_align_forward(features, none, (7, 7)).shape == (0, 7, 7, 3)
    assert not roi_align_backward(np.zeros((0, 7, 7, 3)), none, (1, 5, 5, 3)).any()
    assert roi_align_backward_to_rois(np.zeros((0, 7, 7, 3)), features, none).shape == (0, 4)


MMCV = [
    ([[1, 2], [3, 4]], [0, 0, 0, 1, 1], [[1, 1.25], [1.5, 1.75]], [[3.0625, 0.4375], [0.4375, 0.0625]]),
    ([[4, 3], [2, 1]], [0, 0, 0, 1, 1], [[4, 3.75], [3.5, 3.25]], [[3.0625, 0.4375], [0.4375, 0.0625]]),
    (
        SIXTEEN[0, :, :, 0],
        [0, 0, 0, 3, 3],
        [[1.9375, 4.75], [7.5625, 10.375]],
        [
            [0.47265625, 0.4296875, 0.4296875, 0.04296875],
            [0.4296875, 0.390625, 0.390625, 0.0390625],
            [0.4296875, 0.390625, 0.390625, 0.0390625],
            [0.04296875, 0.0390625, 0.0390625, 0.00390625],
        ],
    ),
]


@pytest.mark.parametrize(("values", "roi", "forward", "backward"), MMCV)
def test_values_and_gradients_of_mmcv(values, roi, forward, backward):
    """mmcv's tests/test_ops/test_roi_align.py: 2×2, aligned, two samples a side, upstream ones."""
    features = np.array(values, float)[None, :, :, None]
    rois = np.array([roi], float)
    pooled = roi_align_forward(features, rois, 2, 1.0, 2, True)
    np.testing.assert_allclose(pooled[0, :, :, 0], forward, atol=1e-12)
    gradient = roi_align_backward(np.ones_like(pooled), rois, features.shape, 1.0, 2, True)
    np.testing.assert_allclose(gradient[0, :, :, 0], backward, atol=1e-12)


ONNX = """
    2764 7150 1958 3416 4638 0259 2963 6518 4856 7250  9637 0895 2919 6753 0234 6132 8085 5324 8992 4467
    3265 8479 9698 2471 9336 1878 4766 4308 3400 2162  0206 1720 2155 4394 0653 3406 7724 3921 2541 5799
    4062 2194 4473 4687 7109 9327 9815 6320 1728 6119  3097 1283 4984 5068 4279 0173 4388 0430 4671 7119
    1011 8477 4726 1777 9923 4042 1869 7795 9946 9689  1366 3671 7011 6234 9867 5585 6985 5609 8788 9928
    5697 8511 6711 9406 8751 7496 1650 1049 1559 2514  7012 4056 7879 3461 0415 2998 5094 3727 5482 0502
"""  # of its operator's test, onnx/backend/test/case/node/roialign.py, in ten-thousandths
ONNX_ROIS = np.array([[0, 0, 0, 9, 9], [0, 0, 5, 4, 9], [0, 5, 5, 9, 9]], float)


@pytest.mark.parametrize(
    ("aligned", "rows"),
    [
        (False, {0: [0.4664, 0.4466, 0.3405, 0.5688, 0.6068], 1: [0.3022, 0.4305, 0.4696, 0.3978, 0.5423],
                 2: [0.2384, 0.3379, 0.3717, 0.6100, 0.7601]}),
        (True, {0: [0.5178, 0.3434, 0.3229, 0.4474, 0.6344]}),
    ],
)  # fmt: skip
def test_values_of_onnx(aligned, rows):
    """The first row of bins of each region; printed to four digits."""
    features = np.array([float(f"0.{digits}") for digits in ONNX.split()]).reshape(1, 10, 10, 1)
    pooled = roi_align_forward(features, ONNX_ROIS, 5, 1.0, 2, aligned)
    for region, row in rows.items():
        np.testing.assert_allclose(pooled[region, 0, :, 0], row, atol=1e-4)


@pytest.mark.parametrize(("aligned", "first"), [(True, 8.25), (False, 13.75)])
def test_values_of_onnxs_issue_3428(aligned, first):
    """A region of 2×2 cells of a map that counts in tens from row to row, 4×4 bins: 8.25 … 24.75, or half a cell on."""
    features = np.array([[0.0, 1, 2, 3], [10, 11, 12, 13], [20, 21, 22, 23], [30, 31, 32, 33]]).reshape(1, 4, 4, 1)
    pooled = roi_align_forward(features, np.array([[0, 1.0, 1, 3, 3]]), (4, 4), 1.0, 0, aligned)[0, :, :, 0]
    np.testing.assert_allclose(pooled, first + 0.5 * np.arange(4) + 5.0 * np.arange(4)[:, None], atol=1e-12)


@pytest.mark.parametrize("mode", ["half_pixel", "output_half_pixel"])
@pytest.mark.parametrize("ratio", [0, 2])
def test_onnxs_reference_gives_the_same(mode, ratio, rng):
    """Regions on the map and off it, by the evaluator that defines the operator."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: pip install onnx to compare with it")
    from onnx.reference import ReferenceEvaluator

    rule = {"output_height": 3, "output_width": 4, "sampling_ratio": ratio, "spatial_scale": 0.25}
    node = onnx.helper.make_node("RoiAlign", ["X", "R", "B"], ["Y"], coordinate_transformation_mode=mode, **rule)
    kinds = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    inputs = [onnx.helper.make_tensor_value_info(name, kind, None) for name, kind in zip("XRB", kinds, strict=True)]
    output = onnx.helper.make_tensor_value_info("Y", onnx.TensorProto.FLOAT, None)
    graph = onnx.helper.make_graph([node], "g", inputs, [output])
    evaluator = ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 16)]))
    features = rng.standard_normal((2, 9, 8, 3)).astype(np.float32)
    low = rng.uniform(-10, 30, (20, 2))
    boxes = np.concatenate([low, low + rng.uniform(1, 25, (20, 2))], axis=1).astype(np.float32)
    image = rng.integers(0, 2, 20)
    (want,) = evaluator.run(None, {"X": features.transpose(0, 3, 1, 2), "R": boxes, "B": image})
    rois = np.concatenate([image[:, None], boxes], axis=1).astype(np.float32)
    pooled = roi_align_forward(features, rois, (3, 4), 0.25, ratio, mode == "half_pixel")
    np.testing.assert_allclose(pooled, want.transpose(0, 2, 3, 1), atol=1e-5)


def test_one_sample_gives_its_four_cells_their_shares():
    """A sample at row 2.6 and column 1.3."""
    rois = np.array([[0, 0.8, 2.1, 1.8, 3.1]])  # one cell wide and high, its middle there
    shares = roi_align_backward(np.ones((1, 1, 1, 1)), rois, (1, 5, 4, 1), 1.0, 1, False)[0, :, :, 0]
    expected = np.zeros((5, 4))
    expected[2:4, 1:3] = [[0.28, 0.12], [0.42, 0.18]]
    np.testing.assert_allclose(shares, expected, atol=1e-12)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
def test_a_nudged_side_changes_the_sum_as_its_gradient_says(rng, aligned, ratio):
    features = rng.standard_normal((2, 9, 8, 4))
    low = rng.uniform(-12, 40, (20, 2))
    rois = np.concatenate([rng.integers(0, 2, (20, 1)), low, low + rng.uniform(2, 40, (20, 2))], axis=1)
    upstream = rng.standard_normal((20, 3, 3, 4))
    drois = roi_align_backward_to_rois(upstream, features, rois, 1 / 8, ratio, aligned)
    close = 0
    for r, side in np.ndindex(20, 4):
        moved = []
        for nudge in (-1e-5, 1e-5):
            at = rois.copy()
            at[r, 1 + side] += nudge
            moved.append(float(np.vdot(upstream, naive.roi_align(features, at, (3, 3), 1 / 8, ratio, aligned))))
        close += abs((moved[1] - moved[0]) / 2e-5 - drois[r, side]) < 1e-6
    assert close == 80  # of these regions no sample passes a cell's own place, where there is a kink


def test_a_region_narrower_than_a_cell_that_is_held_at_one_only_moves_along():
    features = np.arange(40.0).reshape(1, 5, 8, 1)  # a step along x is worth 1
    drois = roi_align_backward_to_rois(np.ones((1, 1, 1, 1)), features, np.array([[0, 2.2, 1, 2.5, 3]]), 1.0, 2, False)
    np.testing.assert_allclose(drois[0, [0, 2]], [1, 0], atol=1e-12)


def test_beyond_the_edge_the_map_has_no_slope():
    features = np.arange(40.0).reshape(1, 5, 8, 1)
    rois = np.array([[0, 20.0, 20, 30, 30], [0, 7.8, 1.2, 8.1, 1.9]])  # off the map; past the last column
    drois = roi_align_backward_to_rois(np.ones((2, 2, 2, 1)), features, rois, 1.0, 2, True)
    assert not drois[0].any()
    assert not drois[1, [0, 2]].any()
    assert drois[1, [1, 3]].all()


def test_roi_align_gives_the_same_bits_with_one_thread_and_with_two(rng):
    features = rng.standard_normal((2, 38, 50, 67)).astype(np.float32)
    xy = rng.uniform(0, 700, (300, 2))
    rois = np.concatenate([rng.integers(0, 2, (300, 1)), xy, xy + rng.uniform(0, 300, (300, 2))], axis=1)
    dpooled = rng.standard_normal((300, 7, 7, 67)).astype(np.float32)
    before, results = numba.get_num_threads(), []
    for threads in (1, min(2, before)):
        numba.set_num_threads(threads)
        back = roi_align_backward(dpooled, rois, features.shape), roi_align_backward_to_rois(dpooled, features, rois)
        results.append((roi_align_forward(features, rois), *back))
    numba.set_num_threads(before)
    for one, two in zip(*results, strict=True):
        assert np.array_equal(one, two)


def test_an_image_of_the_batch_is_not_anothers(rng):
    features = rng.standard_normal((3, 5, 5, 2))
    rois = np.array([[2, 0, 0, 64, 64], [0, 0, 0, 64, 64]], float)
    pooled = roi_align_forward(features, rois, 2)
    np.testing.assert_array_equal(pooled[0], roi_align_forward(features[2:], np.array([[0, 0, 0, 64, 64.0]]), 2)[0])
    assert not roi_align_backward(np.ones_like(pooled), rois, features.shape)[1].any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rois": np.zeros((2, 4))}, "image index"),
        ({"rois": np.array([[1, 0, 0, 8, 8.0]])}, "image's index in the batch"),
        ({"rois": np.array([[0, 0, np.nan, 8, 8.0]])}, "not finite"),
        ({"features": np.zeros((1, 0, 4, 2))}, "no cell"),
        ({"features": np.zeros((1, 4, 4, 2), np.int64)}, "float32"),
        ({"sampling_ratio": -1}, "sampling_ratio"),
        ({"output_size": 0}, "output_size"),
    ],
)
def test_what_cannot_be_told_is_said(change, words):
    given_ = {"features": np.zeros((1, 4, 4, 2)), "rois": np.array([[0, 0, 0, 8, 8.0]])} | change
    with pytest.raises(ValueError, match=words):
        roi_align_forward(**given_)


def test_the_layer_needs_a_forward_in_training(rng):
    layer = RoIAlign(2, 1 / 8)
    layer.forward(rng.standard_normal((1, 4, 4, 2)), np.array([[0, 0, 0, 16, 16.0]]))
    with pytest.raises(RuntimeError, match="training mode"):
        layer.backward(np.zeros((1, 2, 2, 2)))
