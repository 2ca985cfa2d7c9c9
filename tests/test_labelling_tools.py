"""Label files that other programs wrote: all say the same of the same two images, within what each can say."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from minircnn.data import open_samples
from minircnn.data.formats import WHOLE

LABELS = Path(__file__).parent / "real" / "labels"
TRUTH = json.loads((LABELS / "truth.json").read_text(encoding="utf-8"))
PLACES = {  # tool → where its images lie, the format, and whether it has a mark for difficult objects
    "labelimg-voc": (".", "voc", True),
    "labelimg-yolo": (".", "yolo", False),
    "labelme": (".", "labelme", True),
    "supervision-coco": ("images", "coco", False),
    "supervision-voc": ("images", "voc", False),
    "supervision-yolo": ("images", "yolo", False),
}


@pytest.mark.parametrize("tool", PLACES)
def test_what_a_labelling_tool_wrote_is_read_right(tool, tmp_path):
    below, format, marks = PLACES[tool]
    folder = tmp_path / "labels"
    shutil.copytree(LABELS / tool, folder)
    shutil.copytree(LABELS / "images", folder / below, dirs_exist_ok=True)
    samples = open_samples(folder, WHOLE)
    assert samples.format == format
    assert [sample.image_path.name for sample in samples] == sorted(TRUTH["images"])
    for sample in samples:
        rows = TRUTH["images"][sample.image_path.name]
        boxes = np.array([box for box, _, _ in rows], np.float32)
        if tool == "labelimg-voc":  # counts from 0 where Pascal VOC counts from 1, and moves a side at 0 to 1
            boxes[:, :2] = np.maximum(boxes[:, :2] - 1, 0)
        assert np.abs(sample.boxes - boxes).max() < 1e-3
        assert [samples.class_names[label - 1] for label in sample.labels] == [name for _, name, _ in rows]
        assert sample.ignore.tolist() == [bool(hard) and marks for _, _, hard in rows]
