"""RoIAlign and suppression against torchvision's, where it loads: torchvision 0.29.1 does beside torch 2.14.1."""

import numpy as np
import pytest

from minircnn.boxes import nms
from minircnn.kernels.roi_align import roi_align_backward, roi_align_forward

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch to compare with it")
try:
    from torchvision import ops
except Exception:  # beside another PyTorch it fails in its own ways
    pytest.skip("torchvision is not installed, or does not load beside this PyTorch", allow_module_level=True)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("ratio", [0, 2])
@pytest.mark.parametrize(("dtype", "allowed"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_roi_align_is_torchvisions(aligned, ratio, dtype, allowed):
    """Regions on the map, off it, and turned inside out; relative to the largest value."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((2, 38, 50, 9)).astype(dtype)
    xy = rng.uniform(-60, 700, (200, 2))
    rois = np.concatenate([rng.integers(0, 2, (200, 1)), xy, xy + rng.uniform(-30, 300, (200, 2))], axis=1).astype(
        dtype
    )
    dpooled = rng.standard_normal((200, 7, 7, 9)).astype(dtype)
    x = torch.tensor(features.transpose(0, 3, 1, 2).copy(), requires_grad=True)
    want = ops.roi_align(x, torch.tensor(rois), 7, 1 / 16, ratio or -1, aligned)
    want.backward(torch.tensor(dpooled.transpose(0, 3, 1, 2).copy()))
    pooled = roi_align_forward(features, rois, 7, 1 / 16, ratio, aligned)
    dfeatures = roi_align_backward(dpooled, rois, features.shape, 1 / 16, ratio, aligned)
    for got, expected in ((pooled, want.detach()), (dfeatures, x.grad)):
        expected = expected.numpy().transpose(0, 2, 3, 1)
        assert np.abs(got - expected).max() <= allowed * np.abs(expected).max()


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_the_same_boxes_are_kept(threshold):
    rng = np.random.default_rng(0)
    centre, size = rng.uniform(0, 700, (3000, 2)), rng.uniform(20, 250, (3000, 2))
    boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1).astype(np.float32)
    scores = rng.random(3000, np.float32)
    want = ops.nms(torch.tensor(boxes), torch.tensor(scores), threshold).numpy()
    np.testing.assert_array_equal(nms(boxes, scores, threshold), want)
