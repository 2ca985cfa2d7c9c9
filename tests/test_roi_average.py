"""RoI average pooling against a slow twin that shares RoI pooling's bins and nothing else; a detector with it."""

from dataclasses import replace

import naive
import numpy as np
import pytest

from minircnn import FastRCNN, InputError, load_model, save_model, vgg_small
from minircnn.kernels.roi_average import roi_average_backward, roi_average_forward
from minircnn.layers import RoIAverage
from minircnn.weights.export.onnx_detector import export_onnx


@pytest.fixture
def regions(rng):
    """Small, large, half off the map, and wholly off it."""
    features = rng.standard_normal((2, 9, 11, 20))
    corners = rng.uniform(-30, 80, (14, 2))
    rois = np.concatenate([rng.integers(0, 2, (14, 1)), corners, corners + rng.uniform(0, 60, (14, 2))], axis=1)
    rois[0, 1:] = -300, -300, -200, -200
    return features, rois.astype(np.float32)


def bins(features, rois, size, scale):
    """(r, ph, pw) → mask of the cells that the bin reads: a map whose one hot cell is the bin's maximum."""
    _, H, W, _ = features.shape
    masks = np.zeros((len(rois), *size, H, W), bool)
    for h in range(H):
        for w in range(W):
            hot = np.zeros((len(features), H, W, 1))
            hot[:, h, w] = 1
            masks[:, :, :, h, w] = naive.roi_pool(hot, rois, size, scale)[0][..., 0] > 0
    return masks


def test_every_bin_is_the_mean_of_the_cells_of_roi_poolings_bin(regions, rng):
    features, rois = regions
    pooled = roi_average_forward(features, rois, (3, 4), 1 / 8)
    masks = bins(features, rois, (3, 4), 1 / 8)
    dpooled, dfeatures = rng.standard_normal(pooled.shape), np.zeros_like(features)
    for place in np.ndindex(pooled.shape[:3]):
        n, mask = int(rois[place[0], 0]), masks[place]
        expected = features[n, mask].mean(axis=0) if mask.any() else np.zeros(20)
        np.testing.assert_allclose(pooled[place], expected, atol=1e-12)
        if mask.any():
            dfeatures[n, mask] += dpooled[place] / mask.sum()
    assert not masks[0].any()
    np.testing.assert_allclose(roi_average_backward(dpooled, rois, features.shape, 1 / 8), dfeatures, atol=1e-12)


def test_a_region_of_no_image_is_told(regions):
    features, rois = regions
    with pytest.raises(ValueError, match="image's index"):
        roi_average_forward(features[:1], rois)
    with pytest.raises(ValueError, match="dpooled"):
        roi_average_backward(np.zeros((2, 3, 3, 20)), rois, features.shape)


def test_a_detector_with_it_is_stored_and_loaded_and_not_exported(tmp_path, rng):
    pytest.importorskip("onnx", reason="onnx is not installed")
    model = FastRCNN(replace(vgg_small(), pooling="average"), 2, rng)
    save_model(tmp_path / "m.safetensors", model)
    again = load_model(tmp_path / "m.safetensors")
    assert isinstance(again.roi_layer, RoIAverage)
    features, rois = rng.random((1, 9, 11, 128), np.float32), np.array([[0, 3, 4, 50, 60]], np.float32)
    np.testing.assert_array_equal(model.forward_rois(features, rois)[0], again.forward_rois(features, rois)[0])
    with pytest.raises(InputError, match="average"):
        export_onnx(tmp_path / "m.onnx", model)
    assert not (tmp_path / "m.onnx").exists()
