"""`minircnn detect --save`: label files that other tools and our own readers take, cut-outs, filters, --score auto."""

import csv
import json
import shutil
import xml.etree.ElementTree

import numpy as np
import pytest
from commands import assert_one_sentence, minircnn
from PIL import Image

from minircnn import FastRCNN, detect, detect_each, load_model, save_model, vgg_small
from minircnn.base.errors import InputError
from minircnn.data import open_samples, read_image
from minircnn.data.formats import WHOLE, WRITERS
from minircnn.detection import Detections
from minircnn.tasks.images import list_images
from minircnn.tasks.picture_folder import PictureFolder
from minircnn.tasks.saving import SAVED, check_save, save_shown

NAMES = ("hat", "wide / scarf")
FOUND = Detections(
    np.array([[1.25, 2, 30, 40.5], [5, 5, 9, 9], [0, 0, 56, 48]], np.float32),
    np.array([1, 2, 1]),
    np.array([0.9, 0.75, 0.2], np.float32),
)
SHOWN = FOUND.above(0.5)
PICTURES = ("a.png", "b.jpg", "deeper/b.png", "deeper/c.png")


@pytest.fixture
def photographs(tmp_path, rng):
    folder = tmp_path / "photographs"
    for name in PICTURES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        blocks = rng.integers(0, 256, (6, 7, 3), dtype=np.uint8)
        Image.fromarray(np.kron(blocks, np.ones((8, 8, 1), np.uint8))).save(folder / name)
    return folder


def filled(out, images, score=0.5):
    """What `detect` does, with a detector that always finds the same."""
    folder = PictureFolder(out, list_images(images, out)[0], NAMES, {"model": "one"}, score)
    for path in folder.remaining:
        image = read_image(path)
        folder.add(path, folder.draw(path, image, FOUND.above(score)), image.shape[:2], FOUND)
    folder.write_lists()
    return folder


@pytest.mark.parametrize("word", [word for word in SAVED if word not in ("crops", "labelme")])
def test_our_own_readers_take_what_is_saved_once_the_images_lie_beside_it(word, photographs, tmp_path):
    """LabelMe's files lead to the images where they are: see below."""
    folder = filled(tmp_path / "found", [photographs])
    assert save_shown(folder, [word]) == [tmp_path / "found" / word]
    writer = WRITERS[word](tmp_path / "found" / word, NAMES)
    for name in PICTURES:
        target = writer.image(WHOLE, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photographs / name, target)
    samples = open_samples(tmp_path / "found" / word, WHOLE, word)
    assert [sample.image_id for sample in samples] == ["a", "b", "deeper/b", "deeper/c"]
    for sample in samples:
        assert np.abs(sample.boxes - SHOWN.boxes).max() < 1e-5
        assert [samples.class_names[label - 1] for label in sample.labels] == ["hat", "wide / scarf"]


def test_scores_stand_where_each_format_has_them(photographs, tmp_path):
    folder = filled(tmp_path / "found", [photographs / "a.png"])
    save_shown(folder, SAVED)
    found = tmp_path / "found"
    coco = json.loads((found / "coco" / "annotations" / "instances_all.json").read_text())
    assert [row["score"] for row in coco["annotations"]] == [pytest.approx(0.9), 0.75]
    root = xml.etree.ElementTree.parse(found / "voc" / "Annotations" / "a.xml")
    assert [float(item.findtext("score")) for item in root.findall("object")] == [0.9, 0.75]
    yolo = (found / "yolo" / "labels" / "all" / "a.txt").read_text().splitlines()
    assert [float(line.split()[5]) for line in yolo] == [0.9, 0.75]
    with (found / "csv" / "annotations.csv").open() as file:
        assert [float(row["score"]) for row in csv.DictReader(file)] == [0.9, 0.75]
    labelme = json.loads((found / "labelme" / "a.json").read_text())
    assert [shape["score"] for shape in labelme["shapes"]] == [0.9, 0.75]


def test_labelme_finds_the_images_where_they_are(photographs, tmp_path):
    save_shown(filled(tmp_path / "found", [photographs]), ["labelme"])
    written = sorted((tmp_path / "found" / "labelme").rglob("*.json"))
    assert len(written) == 4
    for path in written:
        content = json.loads(path.read_text())
        image = (path.parent / content["imagePath"]).resolve()
        assert image.is_relative_to(photographs.resolve())
        assert (image.stem, 48, 56) == (path.stem, content["imageHeight"], content["imageWidth"])


def test_crops_are_the_pixels_that_a_box_touches_in_a_folder_for_each_class(photographs, tmp_path):
    save_shown(filled(tmp_path / "found", [photographs]), ["crops"])
    crops = tmp_path / "found" / "crops"
    assert sorted(path.relative_to(crops).as_posix() for path in crops.rglob("*.jpg")) == [
        f"{name}/{stem}-1.jpg" for name in ("hat", "wide _ scarf") for stem in ("a", "b", "deeper/b", "deeper/c")
    ]
    with Image.open(crops / "hat" / "a-1.jpg") as crop:
        cut = np.asarray(crop).astype(int)
    assert (
        np.abs(cut - read_image(photographs / "a.png")[2:41, 1:30]).mean() < 16
    )  # JPEG of hard colours, moved by nothing


def test_images_that_would_share_a_label_file_keep_apart(photographs, tmp_path):
    shutil.copy(photographs / "b.jpg", photographs / "a.jpg")
    save_shown(filled(tmp_path / "found", [photographs]), ["voc"])
    written = sorted(path.name for path in (tmp_path / "found" / "voc" / "Annotations").glob("*.xml"))
    assert written == ["0001-a.xml", "0002-a.xml", "b.xml"]


def test_classes_that_would_share_a_folder_keep_apart(photographs, tmp_path, monkeypatch):
    folder = PictureFolder(tmp_path / "found", list_images([photographs], tmp_path)[0], ("a/b", "A:B"), {}, 0.5)
    for path in folder.remaining:
        folder.add(path, b"", (48, 56), FOUND)
    save_shown(folder, ["crops"])
    assert sorted(path.name for path in (tmp_path / "found" / "crops").iterdir()) == ["A_B-2", "a_b"]


def test_what_may_hold_corrections_is_never_written_again(photographs, tmp_path):
    out = tmp_path / "found"
    save_shown(filled(out, [photographs / "a.png"]), ["yolo"])
    corrected = out / "yolo" / "labels" / "all" / "a.txt"
    corrected.write_text("1 0.5 0.5 0.1 0.1\n")
    with pytest.raises(InputError, match="may hold corrections; move it away"):
        check_save("voc,yolo", out, remaining=True)
    assert check_save("voc, yolo", out, remaining=False) == (
        ["voc"], [f"{out / 'yolo'} is there already and left as it is"],
    )  # fmt: skip


def test_a_sub_folder_that_is_called_as_a_form_is_refused(photographs, tmp_path):
    (photographs / "deeper").rename(photographs / "crops")
    names = list_images([photographs], tmp_path / "found")[0].values()
    with pytest.raises(InputError, match="the pictures of a sub-folder called crops go"):
        check_save("yolo,crops", tmp_path / "found", True, names)
    assert check_save("yolo", tmp_path / "found", True, names) == (["yolo"], [])


def test_a_save_that_fails_leaves_no_half_folder(photographs, tmp_path):
    folder = filled(tmp_path / "found", [photographs])
    (photographs / "b.jpg").unlink()
    with pytest.raises(InputError, match=r"b\.jpg"):
        save_shown(folder, ["csv", "crops"])
    assert sorted(path.name for path in (tmp_path / "found").iterdir() if path.is_dir()) == ["csv", "deeper"]


# The command


@pytest.fixture
def sure(tmp_path):
    """A detector that is sure of a hat wherever something is proposed."""
    model = FastRCNN(vgg_small(), 2, np.random.default_rng(0), ("hat", "scarf"))
    model.head.cls_score.bias.value[:] = [0, 5, 3]
    model.best_score = 0.125
    save_model(tmp_path / "sure.safetensors", model)
    return tmp_path / "sure.safetensors"


def test_detect_saves_filters_and_takes_the_models_own_score(sure, photographs, tmp_path):
    out = tmp_path / "found"
    command = ["detect", sure, photographs, "--out", out, "--save", "yolo,crops", "--score", "auto"]
    done = minircnn(*command, "--classes", "scarf", "--min-side", 20)
    assert done.returncode == 0, done.stderr
    assert "note: --score is 0.125" in done.stdout
    assert "4 of 4 pictures, yolo/, crops/, detections.json" in done.stdout
    results = json.loads((out / "detections.json").read_text())
    assert {row["category_name"] for row in results} == {"scarf"}
    assert min(min(row["bbox"][2:]) for row in results) >= 20
    shown = [row for row in results if row["score"] >= 0.125]
    lines = [line for path in (out / "yolo").rglob("*.txt") for line in path.read_text().splitlines()]
    assert len(lines) == len(shown) == len(list((out / "crops" / "scarf").rglob("*.jpg")))
    again = minircnn(*command, "--classes", "scarf", "--min-side", 20)
    assert f"note: {out / 'yolo'} is there already and left as it is" in again.stdout
    assert_one_sentence(minircnn(*command), f"{out / 'yolo'} is there already, and may hold corrections")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--save", "yolo,pascal"], "--save pascal: give one or several of coco,voc,yolo,csv,labelme,crops"),
        (["--classes", "coat"], "finds hat, scarf; give one or several of these"),
        (["--classes", ","], "--classes is empty"),
        (["--min-side", "-1"], "--min-side"),
        (["--min-side", "nan"], "--min-side"),
    ],
)
def test_wrong_filters_are_one_sentence(sure, photographs, tmp_path, options, words):
    assert_one_sentence(minircnn("detect", sure, photographs, "--out", tmp_path / "found", *options), words)
    assert not (tmp_path / "found").exists()


def test_a_model_that_nobody_validated_has_no_best_score(model_file, photographs, tmp_path):
    done = minircnn("detect", model_file, photographs, "--out", tmp_path / "found", "--score", "auto")
    assert_one_sentence(done, "does not know its best score")


def test_training_stores_the_best_score_in_the_model(finished_run):
    metrics, score = json.loads((finished_run / "metrics.json").read_text()), load_model(finished_run).best_score
    assert score is None if metrics["best"] is None else 0 < score < 1


def test_a_list_and_frames_are_detected_as_each_alone(sure, photographs):
    model, images = load_model(sure), [read_image(photographs / name)[: 48 - 9 * n] for n, name in enumerate(PICTURES)]
    one_by_one = [detect(model, image) for image in images]
    asked = []
    frames = (asked.append(n) or image for n, image in enumerate(images))
    each = detect_each(model, frames)
    first = next(each)
    assert asked == [0]  # nothing is read ahead
    for found in (detect(model, images), [first, *each]):
        assert len(found) == 4
        for a, b in zip(found, one_by_one, strict=True):
            assert np.array_equal(a.boxes, b.boxes)
            assert np.array_equal(a.scores, b.scores)
    given = [np.array([[0, 0, 20, 20]], np.float32)] * 4
    assert [len(found) for found in detect(model, images, given)] == [len(detect(model, i, given[0])) for i in images]
    with pytest.raises(ValueError, match="shorter"):
        detect(model, images, given[:3])
