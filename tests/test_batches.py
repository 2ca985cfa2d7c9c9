"""A minibatch and the offsets' statistics, from two hand-made images."""

import numpy as np
import pytest
from PIL import Image

from minircnn.boxes import encode_boxes
from minircnn.data import Sample
from minircnn.models import vgg_small
from minircnn.targets import OffsetStatistics, SamplingSettings
from minircnn.training.batches import make_batch, measure_offsets

TRUTH = np.array([[20, 20, 60, 80]], np.float32)
PROPOSALS = np.array([[22, 20, 60, 80], [20, 24, 64, 80], [100, 100, 140, 150], [30, 30, 60, 100]], np.float32)


@pytest.fixture
def samples(tmp_path):
    made = []
    for number, width in enumerate((160, 320)):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (160, width, 3), dtype=np.uint8)).save(path)
        made.append(Sample(str(number), path, 160, width, TRUTH, np.array([2])))
    return made


def test_offsets_are_measured_on_what_is_trained_on(samples):
    """The garments' own boxes, whose offsets are 0, are among the RoIs that are drawn, and so they count."""
    statistics = measure_offsets(samples * 4, lambda _: PROPOSALS, 0.5, num_classes=2)
    foreground = np.concatenate([TRUTH, PROPOSALS[:2], PROPOSALS[3:]])
    offsets = encode_boxes(foreground, np.repeat(TRUTH, 4, axis=0))
    np.testing.assert_allclose(statistics.mean[2], offsets.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(statistics.std[2], offsets.std(axis=0), atol=1e-6)


@pytest.mark.parametrize("flipped", [False, True])
def test_rois_lie_on_their_image_and_in_its_pixels(samples, flipped):
    """The second image is twice as wide as high; the mirrored garment's x is counted from the other side."""
    statistics = OffsetStatistics.identity(2)
    preprocessing = vgg_small().preprocessing
    batch = make_batch(
        samples, lambda _: PROPOSALS, preprocessing, SamplingSettings(), statistics,
        np.random.default_rng(0), flip_probability=float(flipped),
    )  # fmt: skip
    assert batch.images.shape == (2, 160, 320, 3)
    for index, width in enumerate((160, 320)):
        rois = batch.rois[batch.rois[:, 0] == index]
        left = width - 60 if flipped else 20
        assert [left, 20, left + 40, 80] in rois[:, 1:].tolist()
    assert set(batch.labels.tolist()) <= {0, 2}
    assert batch.labels.dtype == np.int64
    assert batch.targets.dtype == np.float32
    moved = batch.labels > 0
    assert np.abs(batch.targets[moved]).max() > 0
    assert not batch.targets[~moved].any()


def test_a_sample_whose_arrays_do_not_belong_together_is_refused(tmp_path):
    with pytest.raises(ValueError, match="1 boxes, 1 labels and 2 of ignore do not belong together"):
        Sample("a", tmp_path / "a.png", 160, 160, TRUTH, np.array([1]), np.zeros(2, bool))


def test_what_is_to_be_ignored_is_not_learned(samples):
    """A crowd over both proposals: its box is no foreground, and its offsets are not measured."""
    from dataclasses import replace

    crowd = np.array([[22, 20, 60, 80], [100, 100, 140, 150]], np.float32)
    samples = [replace(one, boxes=crowd, labels=np.array([1, 2]), ignore=np.array([True, False])) for one in samples]
    batch = make_batch(
        samples, lambda _: PROPOSALS, vgg_small().preprocessing, SamplingSettings(), OffsetStatistics.identity(2),
        np.random.default_rng(0), flip_probability=0.0,
    )  # fmt: skip
    assert set(batch.labels.tolist()) <= {0, 2}
    statistics = measure_offsets(samples * 8, lambda _: PROPOSALS, 0.5, num_classes=2)
    np.testing.assert_array_equal(statistics.mean[2], 0)  # two boxes that are the truth itself
