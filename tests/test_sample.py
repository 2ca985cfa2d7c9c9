"""A sample names an image and holds its truth; it does not change."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from minircnn.data import Sample


@pytest.fixture
def sample():
    boxes = np.array([[1, 2, 3, 4]], np.float32)
    return Sample("000001", Path("image/000001.jpg"), 20, 30, boxes, np.array([5]))


def test_sample_fields_stand_in_the_agreed_order():
    names = [field.name for field in dataclasses.fields(Sample)]
    assert names == ["image_id", "image_path", "height", "width", "boxes", "labels"]


def test_sample_cannot_be_changed(sample):
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample.height = 21


def test_sample_is_compared_by_identity(sample):
    assert sample != dataclasses.replace(sample)  # comparing the boxes element by element would raise
    assert len({sample, dataclasses.replace(sample)}) == 2
