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


def cvat(folder, layout):
    """One image as CVAT's documentation lays its YOLO exports out; older ones name a folder that is not there."""
    images = folder / ("images/train" if layout == "ultralytics" else "obj_train_data")
    images.mkdir(parents=True)
    shutil.copy(LABELS / "images" / "photo 1.jpg", images / "image1.jpg")
    labels = folder / "labels/train" if layout == "ultralytics" else images
    labels.mkdir(parents=True, exist_ok=True)
    (labels / "image1.txt").write_text("1 0.3 0.8 0.1 0.3\n0 0.7 0.2 0.3 0.1\n")
    if layout == "ultralytics":
        (folder / "data.yaml").write_text("path: ./\ntrain: train.txt\nnames:\n  0: person\n  1: bicycle\n")
        (folder / "train.txt").write_text("images/train/image1.jpg\n")
        return
    data = "data/" if layout == "older" else ""
    (folder / "obj.names").write_text("person\nbicycle\n")
    (folder / "obj.data").write_text(
        f"classes = 2\nnames = {data}obj.names\ntrain = {data}train.txt\nbackup = backup/\n"
    )
    (folder / "train.txt").write_text(f"{data}obj_train_data/image1.jpg\n")


@pytest.mark.parametrize("layout", ["ultralytics", "darknet", "older"])
def test_cvats_yolo_exports_are_read(layout, tmp_path):
    cvat(tmp_path, layout)
    samples = open_samples(tmp_path, "train")
    assert samples.class_names == ("person", "bicycle")
    (sample,) = samples
    assert sample.image_id.split("/")[-1] == "image1"
    assert [samples.class_names[label - 1] for label in sample.labels] == ["bicycle", "person"]
    assert np.allclose(sample.boxes, 96 * np.array([[0.25, 0.65, 0.35, 0.95], [0.55, 0.15, 0.85, 0.25]]), atol=1e-4)
