"""Spatial pyramid pooling against slow twins, level by level; a detector with it; its file."""

from dataclasses import replace

import naive
import numpy as np
import pytest

from minircnn import FastRCNN, load_model, save_model, vgg_small
from minircnn.layers import SpatialPyramid


@pytest.fixture
def regions(rng):
    features = rng.standard_normal((2, 9, 11, 4))
    corners = rng.uniform(-8, 60, (12, 2))
    rois = np.concatenate([rng.integers(0, 2, (12, 1)), corners, corners + rng.uniform(0, 50, (12, 2))], axis=1)
    return features, rois.astype(np.float32)


def test_forward_is_every_levels_pooling_below_the_other(regions):
    features, rois = regions
    layer = SpatialPyramid((7, 7), 1 / 8)
    assert layer.output_size == (50, 1)
    pooled, first = layer.forward(features, rois), 0
    assert pooled.shape == (12, 50, 1, 4)
    for level in (6, 3, 2, 1):
        expected, _ = naive.roi_pool(features, rois, (level, level), 1 / 8)
        np.testing.assert_array_equal(pooled[:, first : first + level**2, 0], expected.reshape(12, -1, 4))
        first += level**2


def test_backward_adds_every_levels_gradient_to_the_winning_cells(regions, rng):
    features, rois = regions
    layer = SpatialPyramid(0, 1 / 8)
    layer.training = True
    layer.forward(features, rois)
    dpooled = rng.standard_normal((12, 50, 1, 4))
    expected, first = np.zeros_like(features), 0
    for level in (6, 3, 2, 1):
        _, argmax = naive.roi_pool(features, rois, (level, level), 1 / 8)
        own = dpooled[:, first : first + level**2].reshape(12, level, level, 4)
        expected += naive.scatter(own, argmax, rois[:, 0].astype(int), features.shape)
        first += level**2
    np.testing.assert_allclose(layer.backward(dpooled), expected, atol=1e-12)
    with pytest.raises(ValueError, match="dpooled"):
        layer.backward(dpooled[:, :49])


def test_backward_before_forward_is_told():
    with pytest.raises(RuntimeError, match="forward"):
        SpatialPyramid(0, 1 / 8).backward(np.zeros((1, 50, 1, 4)))


def test_a_detector_with_a_pyramid_is_stored_and_loaded(tmp_path, rng):
    model = FastRCNN(replace(vgg_small(), pooling="pyramid"), 2, rng)
    assert model.head.fc6.weight.value.shape == (50 * 128, 256)
    save_model(tmp_path / "m.safetensors", model)
    again = load_model(tmp_path / "m.safetensors")
    assert isinstance(again.roi_layer, SpatialPyramid)
    images = rng.standard_normal((1, 64, 80, 3)).astype(np.float32)
    rois = np.array([[0, 3, 4, 70, 60], [0, 20, 10, 40, 50]], np.float32)
    for one, other in zip(model.forward(images, rois), again.forward(images, rois), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
