"""Annotations of every format are read right, told apart by their content, and named where they are wrong.

What other programs document or write is rebuilt here; the expected boxes are worked out by hand.
"""

import json
import random
import shutil

import numpy as np
import pytest
from PIL import Image

from minircnn.base.errors import InputError
from minircnn.data import open_samples
from minircnn.data.formats import FORMATS, find_splits
from minircnn.data.formats.checks import checked_box, sound_boxes

WIDTH, HEIGHT = 200, 100


def picture(path, size=(WIDTH, HEIGHT)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 120, 60)).save(path)


def told(samples):
    """What a test compares: id → (class, box, ignore) of each object."""
    return {
        sample.image_id: [
            (samples.class_names[label - 1], *box, bool(ignore))
            for label, box, ignore in zip(sample.labels, sample.boxes.tolist(), sample.ignore, strict=True)
        ]
        for sample in samples
    }


# COCO


def coco(**changes):
    """As cocodataset.org describes it: info, licenses, images, annotations, categories."""
    return {
        "info": {"year": 2017, "version": "1.0", "description": "a [ { brace", "contributor": "", "url": ""},
        "licenses": [{"id": 1, "name": "none", "url": ""}],
        "images": [
            {"id": 397133, "width": WIDTH, "height": HEIGHT, "file_name": "b.jpg", "license": 1, "flickr_url": ""},
            {"id": 37777, "width": WIDTH, "height": HEIGHT, "file_name": "a.jpg", "license": 1},
        ],
        "annotations": [
            {"id": 1, "image_id": 397133, "category_id": 44, "segmentation": [[1, 2, 3, 4, 5, 6]], "area": 702.1,
             "bbox": [21.5, 3.0, 20.25, 40.5], "iscrowd": 0},
            {"id": 2, "image_id": 37777, "category_id": 1, "segmentation": {"counts": [5, 6], "size": [100, 200]},
             "area": 9.0, "bbox": [0, 0, 200, 100], "iscrowd": 1},
            {"id": 3, "image_id": 37777, "category_id": 1, "iscrowd": 0,
             "segmentation": [[10, 20, 30, 20, 30, 60.5], [8, 30, 9, 31]]},
            {"id": 4, "image_id": 37777, "category_id": 44, "bbox": [96.65, 38.33, 1.03, 0.0], "iscrowd": 0},
        ],
        "categories": [
            {"id": 44, "name": "bottle", "supercategory": "kitchen"},
            {"id": 1, "name": "person", "supercategory": "person"},
        ],
    } | changes  # fmt: skip


COCO_TOLD = {
    "a": [("person", 0, 0, 200, 100, True), ("person", 8, 20, 30, 60.5, False)],
    "b": [("bottle", 21.5, 3, 41.75, 43.5, False)],
}


@pytest.mark.parametrize(
    ("file", "images", "split"),
    [
        ("annotations/instances_train2017.json", "train2017", "train"),  # COCO's own layout
        ("annotations/instances_default.json", "images", "all"),  # CVAT's export
        ("annotations/instances_default.json", "images/default", "all"),
        ("train/_annotations.coco.json", "train", "train"),  # Roboflow's
        ("valid/_annotations.coco.json", "valid", "validation"),
        ("labels.json", "data", "all"),  # FiftyOne's
        ("result.json", ".", "all"),
    ],
)
def test_coco_in_the_layouts_that_tools_write(tmp_path, file, images, split):
    for name in "ab":
        picture(tmp_path / images / f"{name}.jpg")
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(json.dumps(coco()))
    if file.startswith("annotations"):
        (tmp_path / "annotations" / "captions_train2017.json").write_text(json.dumps({"images": [], "annotations": []}))
    for folder, asked in ((tmp_path, split), (tmp_path / file, "all")):
        samples = open_samples(folder, asked)
        assert samples.class_names == ("person", "bottle")  # by id
        assert told(samples) == COCO_TOLD
        assert "is 1.03×0 pixels: left out" in samples.left_out[0]


def test_coco_supercategory_without_objects_is_left_out(tmp_path):
    picture(tmp_path / "a.jpg")
    content = coco(
        images=[{"id": 0, "file_name": "a.jpg"}],
        annotations=[{"image_id": 0, "category_id": 1, "bbox": [1, 1, 9, 9]}],
        categories=[
            {"id": 0, "name": "clothes", "supercategory": "none"},
            {"id": 1, "name": "hat", "supercategory": "clothes"},
        ],
    )
    (tmp_path / "x.json").write_text("\ufeff" + json.dumps(content), encoding="utf-8")
    samples = open_samples(tmp_path, "all")
    assert samples.class_names == ("hat",)
    assert "'clothes' has no object and is the supercategory" in samples.left_out[0]


# Pascal VOC: the example of the 2012 development kit, with its values


VOC_XML = """<annotation>
  <folder>VOC2012</folder><filename>2007_000027.jpg</filename>
  <source><database>The VOC2007 Database</database><annotation>PASCAL VOC2007</annotation><image>flickr</image></source>
  <size><width>486</width><height>500</height><depth>3</depth></size>
  <segmented>0</segmented>
  <object>
    <name>person</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>
    <bndbox><xmin>174</xmin><ymin>101</ymin><xmax>349</xmax><ymax>351</ymax></bndbox>
    <part><name>head</name><bndbox><xmin>169</xmin><ymin>104</ymin><xmax>209</xmax><ymax>146</ymax></bndbox></part>
  </object>
  <object>
    <name>dog</name><difficult>1</difficult>
    <bndbox><ymax>500</ymax><xmax>486</xmax><ymin>1</ymin><xmin>45.70000076293945</xmin></bndbox>
  </object>
</annotation>"""
VOC_TOLD = [("person", 173, 100, 349, 351, False), ("dog", np.float32(44.70000076293945), 0, 486, 500, True)]


def test_voc_development_kit(tmp_path):
    kit = tmp_path / "VOC2012"
    for name in ("2007_000027", "2007_000032"):
        picture(kit / "JPEGImages" / f"{name}.jpg", (486, 500))
        (kit / "Annotations").mkdir(exist_ok=True)
        (kit / "Annotations" / f"{name}.xml").write_text(VOC_XML)
    assert told(open_samples(kit, "all")) == dict.fromkeys(("2007_000027", "2007_000032"), VOC_TOLD)
    lists = kit / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_000032\n")
    (lists / "val.txt").write_text("2007_000027\n")
    for folder in (tmp_path, kit):
        assert told(open_samples(folder, "train")) == {"2007_000032": VOC_TOLD}
        assert told(open_samples(folder, "validation")) == {"2007_000027": VOC_TOLD}


def test_voc_beside_the_images_with_a_name_from_another_machine(tmp_path):
    picture(tmp_path / "train" / "한복 1.PNG", (486, 500))
    xml = VOC_XML.replace("2007_000027.jpg", "C:\\data\\한복 1.PNG")
    (tmp_path / "train" / "another.xml").write_text(
        f'<?xml version="1.0" encoding="utf-8"?>{xml}', encoding="utf-8-sig"
    )
    samples = open_samples(tmp_path, "train")
    assert told(samples) == {"한복 1": VOC_TOLD}
    assert samples.class_names == ("dog", "person")  # no list: those that occur, sorted
    (tmp_path / "classes.txt").write_text("person\ncat\ndog\n")
    assert open_samples(tmp_path, "train").class_names == ("person", "cat", "dog")


# YOLO


def yolo(folder, images, names=("hat", "scarf")):
    """Two images, one of which shows nothing and has no text file."""
    for name in ("a", "deep/b"):
        picture(folder / images / f"{name}.jpg")
    labels = folder / images.replace("images", "labels") / "a.txt"
    labels.parent.mkdir(parents=True, exist_ok=True)
    labels.write_text("1 0.25 0.5 0.1 0.2\r\n0 0.1 0.2 0.3 0.2 0.3 0.4 0.15 0.45\n")
    return {"a": [("scarf", 40, 40, 60, 60, False), ("hat", 20, 20, 60, 45, False)], "deep/b": []}


def test_yolo_in_the_layouts_that_tools_write(tmp_path):
    expected = yolo(tmp_path, "images/train")
    yolo(tmp_path, "images/val")
    settings = tmp_path / "data.yaml"
    settings.write_text("path: ../datasets/mine\ntrain: images/train\nval: images/val\nnames:\n  0: hat\n  1: scarf\n")
    for folder in (tmp_path, settings):  # Ultralytics'
        assert told(open_samples(folder, "train")) == told(open_samples(folder, "validation")) == expected
    settings.write_text("train: ../images/train\nval: ../images/val\nnc: 2\nnames: [hat, scarf]\n")  # Roboflow's
    assert told(open_samples(tmp_path, "train")) == expected
    (tmp_path / "t.txt").write_text(f"./images/train/a.jpg\n{tmp_path}/images/train/deep/b.jpg\n")
    settings.write_text("train: t.txt\nval: [images/val]\nnames: [hat, scarf]\n")
    assert list(told(open_samples(tmp_path, "train")).values()) == list(expected.values())
    settings.unlink()
    (tmp_path / "obj.names").write_text("hat\nscarf\n")  # Darknet's
    (tmp_path / "obj.data").write_text("classes = 2\ntrain = data/t.txt\nnames = data/obj.names\nbackup = backup/\n")
    assert list(told(open_samples(tmp_path, "train")).values()) == list(expected.values())  # as CVAT exports it
    (tmp_path / "obj.data").write_text("classes = 2\ntrain = t.txt\nnames = other.names\n")
    with pytest.raises(InputError, match=r"names 'other.names', and there is no"):
        open_samples(tmp_path, "train")
    (tmp_path / "obj.data").write_text("classes = 2\ntrain = t.txt\nnames = obj.names\n")
    assert list(told(open_samples(tmp_path, "train")).values()) == list(expected.values())
    (tmp_path / "obj.data").unlink()
    assert told(open_samples(tmp_path, "validation")) == expected


def test_yolo_settings_that_name_classes_alone(tmp_path):
    """As supervision writes data.yaml."""
    expected = yolo(tmp_path, "images")
    (tmp_path / "data.yaml").write_text("nc: 2\nnames: [hat, scarf]\n")
    for folder in (tmp_path, tmp_path / "data.yaml"):
        assert told(open_samples(folder, "all")) == expected


def test_yolo_beside_the_images_and_in_label_studios_layout(tmp_path):
    expected = yolo(tmp_path / "one", "images")
    (tmp_path / "one" / "classes.txt").write_text("hat\nscarf\n")
    (tmp_path / "one" / "notes.json").write_text(json.dumps({"categories": [{"id": 0, "name": "hat"}], "info": {}}))
    assert told(open_samples(tmp_path / "one", "all", "yolo")) == expected
    picture(tmp_path / "two" / "a.png")
    (tmp_path / "two" / "a.txt").write_text("0 0.5 0.5 1 1\n")
    (tmp_path / "two" / "classes.txt").write_text("hat\n")
    assert told(open_samples(tmp_path / "two", "all")) == {"a": [("hat", 0, 0, 200, 100, False)]}


# CSV


@pytest.mark.parametrize(
    "text",
    [
        "image,x1,y1,x2,y2,class,difficult\na.jpg,1,2,30,40,hat,0\nb.jpg,,,,,,\na.jpg,5.5,6,70,80,scarf,1\n",
        "filename,width,height,class,xmin,ymin,xmax,ymax,ignore\n"
        "a.jpg,200,100,hat,1,2,30,40,\na.jpg,200,100,scarf,5.5,6,70,80,true\nb.jpg,200,100,,,,,,\n",
        "image;x1;y1;x2;y2;class;difficult\r\n.\\a.jpg;1;2;30;40;hat;\r\nb.jpg;;;;;;\r\n.\\a.jpg;5.5;6;70;80;scarf;1\r\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_csv_of_several_tools(tmp_path, text, encoding):
    for name in "ab":
        picture(tmp_path / "train" / f"{name}.jpg")
    (tmp_path / "train" / "_annotations.csv").write_text(text, encoding=encoding)
    assert told(open_samples(tmp_path, "train")) == {
        "a": [("hat", 1, 2, 30, 40, False), ("scarf", 5.5, 6, 70, 80, True)],
        "b": [],
    }


def test_csv_without_a_first_row_of_names(tmp_path):
    picture(tmp_path / "img_1.jpg")
    picture(tmp_path / "elsewhere" / "img_2.jpg")
    (tmp_path / "elsewhere" / "x").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "img_1.jpg").rename(tmp_path / "data" / "img_1.jpg")
    path = tmp_path / "data" / "annotations.csv"  # keras-retinanet's documented form, and paths from elsewhere
    path.write_text(
        f"/data/imgs/img_1.jpg,83,18,199,90,cow\n/data/imgs/img_1.jpg,100,50,160,98,bird\n"
        f"{tmp_path}/elsewhere/img_2.jpg,,,,,\n"
    )
    samples = open_samples(path, "all")
    boxes = {sample.image_path.name: told(samples)[sample.image_id] for sample in samples}
    assert boxes == {"img_1.jpg": [("cow", 83, 18, 199, 90, False), ("bird", 100, 50, 160, 98, False)], "img_2.jpg": []}


# LabelMe


def labelme(**changes):
    """As labelme 5 writes it: shapes of each kind."""
    return {
        "version": "5.4.1", "flags": {},
        "shapes": [
            {"label": "hat", "points": [[30.5, 40], [10, 20]], "group_id": None, "description": "", "flags": {},
             "shape_type": "rectangle", "mask": None},
            {"label": "scarf", "points": [[50, 50], [53, 54]], "group_id": None, "shape_type": "circle", "flags": {}},
            {"label": "bag", "points": [[1, 2], [9, 2], [9, 30]], "group_id": 7, "shape_type": "polygon",
             "flags": {"crowd": True}},
            {"label": "bag", "points": [[20, 5], [29, 2], [25, 44]], "group_id": 7, "shape_type": "polygon"},
            {"label": "hat", "points": [[5, 5]], "group_id": None, "shape_type": "point", "flags": {}},
            {"label": "hat", "points": [[60, 60], [80, 90]], "shape_type": "rectangle", "flags": {"difficult": True}},
        ],
        "imagePath": "..\\photos\\a.jpg", "imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH,
    } | changes  # fmt: skip


LABELME_TOLD = [
    ("hat", 10, 20, 30.5, 40, False),
    ("scarf", 45, 45, 55, 55, False),
    ("bag", 1, 2, 29, 44, True),
    ("hat", 60, 60, 80, 90, True),
]


def test_labelme(tmp_path):
    picture(tmp_path / "photos" / "a.jpg")
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "a.json").write_text(json.dumps(labelme()), encoding="utf-8")
    samples = open_samples(tmp_path, "all")
    assert list(told(samples).values()) == [LABELME_TOLD]
    assert samples.left_out == (f"{tmp_path}/json/a.json: shapes[4] (hat) is a point, which has no area: left out",)
    assert samples[0].image_path == tmp_path / "photos" / "a.jpg"


# Splits


@pytest.mark.parametrize("format", ["coco", "voc", "yolo", "csv", "labelme"])
def test_names_with_dots_are_names(tmp_path, format):
    """Roboflow calls the copies of a.jpg a_jpg.rf.<digest>.jpg: their ends are no suffixes."""
    from minircnn.data.convert import convert

    rows = "".join(f"a_jpg.rf.{digest}.jpg,{x},2,30,40,hat\n" for x, digest in enumerate(("0f", "1e", "2d")))
    for digest in ("0f", "1e", "2d"):
        picture(tmp_path / "csv" / f"a_jpg.rf.{digest}.jpg")
    (tmp_path / "csv" / "x.csv").write_text(rows)
    convert(tmp_path / "csv", format, tmp_path / format if format != "csv" else tmp_path / "again")
    folder = tmp_path / (format if format != "csv" else "again")
    (tmp_path / "two.txt").write_text("a_jpg.rf.2d.jpg\nsomewhere/a_jpg.rf.0f\n")
    for split, digests in (("all", "0f 1e 2d"), (str(tmp_path / "two.txt"), "0f 2d")):
        samples = open_samples(folder, split)
        assert list(samples.image_ids()) == [f"a_jpg.rf.{digest}" for digest in digests.split()]
    parts = [list(open_samples(folder, s, held_out=0.34).image_ids()) for s in ("train", "validation")]
    assert parts == [["a_jpg.rf.1e", "a_jpg.rf.2d"], ["a_jpg.rf.0f"]]  # one choice for all formats


def test_a_list_is_told_the_folders_apart(tmp_path):
    for folder in ("a", "b"):
        picture(tmp_path / folder / "1.jpg")
    (tmp_path / "x.csv").write_text("a/1.jpg,1,2,30,40,hat\nb/1.jpg,1,2,30,40,hat\n")
    for line, words in (("c/1.jpg", "no image"), ("1.jpg", "several images")):
        (tmp_path / "list.txt").write_text(line)
        with pytest.raises(InputError, match=f"is the name of {words}"):
            open_samples(tmp_path, str(tmp_path / "list.txt"))
    (tmp_path / "list.txt").write_text("/home/other/b/1.jpg")
    assert list(open_samples(tmp_path, str(tmp_path / "list.txt")).image_ids()) == ["b/1"]


def test_stray_files_of_other_kinds_do_no_harm(tmp_path, scenes):
    picture(tmp_path / "a.jpg")
    (tmp_path / "x.json").write_bytes(one("coco"))
    (tmp_path / "compose.yaml").write_text("services: !reference [a, b]\n\t- x")
    (tmp_path / "classes.txt").write_bytes(b"\xff\xfe\xff")
    assert open_samples(tmp_path, "all").format == "coco"
    (tmp_path / "x.json").unlink()
    with pytest.raises(InputError, match=r"compose.yaml: not valid YAML"):
        open_samples(tmp_path, "all")
    copy = tmp_path / "scenes"
    shutil.copytree(scenes, copy)
    (copy / "annotations.json").write_bytes(one("coco"))
    (copy / "more.csv").write_bytes(one("csv"))
    assert open_samples(copy, "train").format == "deepfashion2"


def test_a_list_of_classes_above_the_data_is_nobodys(tmp_path):
    (tmp_path / "classes.txt").write_text("cat\n")
    for format in ("voc", "csv", "labelme"):
        write(tmp_path / format, format, one(format))
        assert open_samples(tmp_path / format, "all").class_names == ("hat",)


def test_yolo_settings_may_not_lead_elsewhere(tmp_path):
    yolo(tmp_path, "images/train")
    data = tmp_path / "data"
    expected = yolo(data, "images/train")
    (data / "images" / "train" / "deep" / "b.jpg").rename(data / "images" / "train" / "c.jpg")
    (data / "data.yaml").write_text("train: ../images/train\nnames: [hat, scarf]\n")
    assert told(open_samples(data, "train")) == {"a": expected["a"], "c": []}  # not the neighbour's
    (data / "data.yaml").write_text("train: ../images\nnames: [hat, scarf]\n")
    assert len(open_samples(data, "train")) == 2
    shutil.rmtree(data / "images")
    with pytest.raises(InputError, match=r"'../images' lies outside .*; move it there, or say `path:` in the file"):
        open_samples(data, "train")
    (data / "data.yaml").write_text("path: ..\ntrain: images/train\nnames: [hat, scarf]\n")
    samples = open_samples(data, "train")
    assert told(samples) == expected
    assert "1 of 2 images have no text file, so nothing is on them: b.jpg" in samples.left_out[0]


def test_yolo_keypoints_are_behind_the_box(tmp_path):
    picture(tmp_path / "images" / "a.jpg")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 0.5 0.5 0.9 0.9 0.1 0.1\n")
    (tmp_path / "data.yaml").write_text("names: [person]\nkpt_shape: [2, 2]\n")
    assert told(open_samples(tmp_path, "all")) == {"a": [("person", 50, 25, 150, 75, False)]}


def test_csv_cells_may_hold_lines_and_commas(tmp_path):
    picture(tmp_path / "a, b.jpg")
    (tmp_path / "x.csv").write_text('image,x1,y1,x2,y2,class\n"a, b.jpg",1,2,30,40,"long\nname"\n', newline="")
    assert told(open_samples(tmp_path, "all")) == {"a, b": [("long\nname", 1, 2, 30, 40, False)]}


def test_a_share_is_held_out_by_image(tmp_path):
    rows = [f"{i:03}.png,1,2,30,40,hat" for i in range(50)]
    for i in range(55):
        picture(tmp_path / f"{i:03}.png", (40, 50))
    ids = {}
    for name, order in (("one", rows), ("other", random.Random(0).sample(rows, 50)), ("more", [*rows, "054.png,,,,,"])):
        (tmp_path / "labels.csv").write_text("\n".join(order))
        parts = [list(open_samples(tmp_path, s, held_out=0.2).image_ids()) for s in ("train", "validation")]
        assert sorted(parts[0] + parts[1]) == sorted(row[:3] for row in order)
        ids[name] = set(parts[1])
    assert len(ids["one"]) == 10
    assert ids["one"] == ids["other"]
    assert len(ids["more"] - ids["one"]) <= 1
    assert set(open_samples(tmp_path, "validation", held_out=0.2, split_seed=1).image_ids()) != ids["one"]
    (tmp_path / "few.txt").write_text("007.png\n./003.png\n")
    assert list(open_samples(tmp_path, str(tmp_path / "few.txt")).image_ids()) == ["003", "007"]
    (tmp_path / "few.txt").write_text("elsewhere/007.png\ndeep/er/999.png\n")
    with pytest.raises(InputError, match=r"few.txt: 'deep/er/999.png' is the name of no image that is annotated"):
        open_samples(tmp_path, str(tmp_path / "few.txt"))
    for split, words in (("train", "is not split; hold a tenth out"), ("test", "has no split test; it has all")):
        with pytest.raises(InputError, match=words):
            open_samples(tmp_path, split)
    with pytest.raises(InputError, match="leaves none"):
        open_samples(tmp_path, "train", held_out=0.999)


def test_classes_of_another_split_keep_their_labels(tmp_path):
    for split, name in (("train", "hat"), ("train", "scarf"), ("val", "scarf"), ("val", "shoe")):
        picture(tmp_path / split / f"{name}.png")
        (tmp_path / split / f"{name}.json").write_text(json.dumps(labelme(imagePath=f"{name}.png", shapes=[
            {"label": name, "points": [[30.5, 40], [10, 20]], "shape_type": "rectangle"}])))  # fmt: skip
    train = open_samples(tmp_path, "train")
    validation = open_samples(tmp_path, "validation", classes=train.class_names, only_known=False)
    assert train.class_names == validation.class_names == ("hat", "scarf")
    assert [sample.labels.tolist() for sample in validation] == [[2], []]
    assert validation.names == ("scarf", "shoe")
    with pytest.raises(InputError, match="class 'hat' is unknown; choose among: scarf, shoe"):
        open_samples(tmp_path, "validation", classes=["hat"])


def test_content_of_two_formats_asks_which(tmp_path):
    picture(tmp_path / "a.jpg")
    (tmp_path / "classes.txt").write_text("hat\n")
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    (tmp_path / "labels.csv").write_text("a.jpg,50,25,150,75,hat\n")
    with pytest.raises(InputError, match=r"several formats, yolo \(all\), csv \(all\); say which with --format"):
        open_samples(tmp_path, "all")
    assert told(open_samples(tmp_path, "all", "yolo")) == told(open_samples(tmp_path, "all", "csv"))


def test_boxes_checked_at_once_are_those_checked_one_by_one(rng):
    """`sound_boxes` against `checked_box`, on good boxes and on all that is wrong with boxes."""
    odd = np.array([-2, -1, -0.5, 0, 0.4, 1, 1.5, 99, 100, 100.5, 101, 102, 199, 200, 201.5, np.nan, np.inf, 1e300])
    seen = {True: 0, False: 0}
    for _ in range(4000):
        few = odd if rng.random() < 0.5 else odd[3:15]
        corners = np.sort(rng.choice(few, (int(rng.integers(0, 3)), 2, 2)), axis=1).reshape(-1, 4)
        try:
            boxes = [checked_box(row, "x", HEIGHT, WIDTH) for row in corners.tolist()]
        except InputError:
            boxes = None
        sound = sound_boxes(corners, HEIGHT, WIDTH)
        if sound is None:  # boxes of at most a pixel, before the origin, are looked at one by one
            assert boxes is None or (corners[:, 2:].max(axis=1) <= 1).any()
        else:
            assert boxes is not None
            assert np.array_equal(sound, np.array(boxes, np.float32).reshape(-1, 4))
        seen[sound is not None] += len(corners) > 0
    assert min(seen.values()) > 100


# What is wrong


def write(folder, format, content):
    """A set of one image whose annotation has this content, in bytes."""
    picture(folder / ("images/a.jpg" if format == "yolo" else "a.jpg"))
    name = {"coco": "x.json", "voc": "a.xml", "yolo": "labels/a.txt", "csv": "x.csv", "labelme": "a.json"}[format]
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    if format == "yolo":
        (folder / "classes.txt").write_text("hat\nscarf\n")
    return folder / name


def one(format, image="a.jpg", box=(10, 20, 60, 70), label="hat"):
    """A good annotation of one object."""
    x1, y1, x2, y2 = box
    if format == "coco":
        return json.dumps({
            "images": [{"id": 1, "file_name": image}], "categories": [{"id": 5, "name": "hat"}],
            "annotations": [{"image_id": 1, "category_id": 5 if label == "hat" else label,
                             "bbox": [x1, y1, x2 - x1, y2 - y1]}],
        }).encode()  # fmt: skip
    if format == "voc":
        return f"""<annotation><filename>{image}</filename><object><name>{label}</name><bndbox><xmin>{x1 + 1}</xmin>
            <ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object></annotation>""".encode()
    if format == "yolo":
        middle = f"{(x1 + x2) / 2 / WIDTH} {(y1 + y2) / 2 / HEIGHT} {(x2 - x1) / WIDTH} {(y2 - y1) / HEIGHT}"
        return f"{0 if label == 'hat' else label} {middle}\n".encode()
    if format == "csv":
        return f"{image},{x1},{y1},{x2},{y2},{label}\n".encode()
    shape = {"label": label, "points": [[x1, y1], [x2, y2]], "shape_type": "rectangle"}
    return json.dumps({"shapes": [shape], "imagePath": image}).encode()


OWN = [name for name in FORMATS if name != "deepfashion2"]


@pytest.mark.parametrize("format", OWN)
def test_a_good_one_is_read(tmp_path, format):
    write(tmp_path, format, one(format))
    assert find_splits(tmp_path, "auto")[0] == format
    (boxes,) = told(open_samples(tmp_path, "all")).values()
    assert boxes == [("hat", 10, 20, 60, 70, False)]


@pytest.mark.parametrize(
    ("format", "content", "words"),
    [
        ("coco", one("coco")[:-30], "not valid JSON"),
        ("coco", b"", "no annotations that are read as coco"),
        ("coco", one("coco").replace(b"hat", b"h\xfft"), "not valid JSON"),
        ("coco", b'{"annotations":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested more than 100 deep"),
        ("coco", b'{"images": [], "images": []}', 'the key "images" stands twice'),
        ("coco", b'{"images": [], "x": "' + b"a" * 9_000_000, "a quotation mark is missing"),
        ("coco", one("coco", label=77), "category_id is 77, which is the id of no category"),
        ("coco", one("coco").replace(b'"image_id": 1', b'"image_id": 9'), "image_id is 9, which is the id of no image"),
        ("coco", one("coco").replace(b'"image_id": 1', b'"image_id": "1"'), 'image_id is "1", expected a whole number'),
        ("coco", one("coco").replace(b'[{"id": 1,', b'[{"id": 1, "file_name": "c.jpg"}, {"id": 1,'),
         r"images\[1\]: the id 1 stands twice"),
        ("coco", one("coco").replace(b'[{"id": 1,', b'[{"id": 2, "file_name": "a.jpg"}, {"id": 1,'),
         "holds the image a.jpg twice"),
        ("coco", one("coco").replace(b'[{"id": 5,', b'[{"id": 5, "name": "x"}, {"id": 5,'), "id 5 stands twice"),
        ("coco", one("coco").replace(b"[10, 20, 50, 50]", b'[10, 20, "50", 50]'), "expected \\[x, y, width, height"),
        ("coco", one("coco").replace(b"[10, 20, 50, 50]", b"[10, 20, 50, 1e400]"), "not valid JSON|expected finite"),
        ("coco", one("coco").replace(b'"file_name": "a.jpg"', b'"file_name": "a.jpg", "width": 640, "height": 480'),
         "made for an image of 640×480 pixels"),
        ("voc", one("voc")[:-30], "not valid XML"),
        ("voc", one("voc").replace(b"<filename>", b"<!DOCTYPE a [<!ENTITY b 'cc'>]><filename>"), "not valid XML"),
        ("voc", b"<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;&a;'>]>" + one("voc").replace(b"hat", b"&b;"),
         "declares DTDForbidden, as no annotation needs"),
        ("voc", b"<annotation>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</annotation>", "nested more than"),
        ("voc", b'<?xml version="1.0" encoding="utf-8"?>' + one("voc").replace(b"hat", b"h\xfft"), "not valid XML"),
        ("voc", one("voc").replace(b"<xmin>11", b"<xmin>eleven"), "object 1: xmin is 'eleven', expected a number"),
        ("voc", one("voc").replace(b"hat", b" "), "' ' is no name of a class"),
        ("voc", one("voc").replace(b"bndbox", b"polygon"), "object 1 has no bndbox"),
        ("yolo", b"0 0.5 0.5 0.2\n", "'0 0.5 0.5 0.2', expected five numbers"),
        ("yolo", one("yolo").replace(b".", b","), "expected five numbers"),
        ("yolo", one("yolo", label=2), "class 2, and there are 2 names, of 0 to 1"),
        ("yolo", one("yolo", label=-1), "class -1, and there are 2 names"),
        ("yolo", b"0 nan 0.5 0.2 0.2\n", "expected five numbers"),
        ("yolo", b"0 35 45 50 50\n", "reaches beyond the image; YOLO's numbers are fractions"),
        ("yolo", b"\xff\xfe\x00", "a.txt"),
        ("csv", b"image,x1,y1,x2,y2,class\n", "holds no row"),
        ("csv", b"image,x1,y1,x2,y2,class\na.jpg,1,2\n", "line 2 has 3 cells, too few"),
        ("csv", one("csv") + b'"a.jpg,1,2\n', "line 2 is no CSV"),
        ("csv", one("csv").replace(b"hat", b"h\xfft"), "line 1 is not UTF-8; save the file as UTF-8"),
        ("csv", one("csv") + b"a.jpg,1,=A1,30,40,hat\n", "line 2: '=A1' stands where a coordinate should"),
        ("labelme", one("labelme").replace(b'[[10, 20], [60, 70]]', b'[[10, 20], [60, "x"]]'), r"expected \[\[x, y\]"),
        ("labelme", one("labelme").replace(b"rectangle", b"starfish"), 'a "starfish" of 2 points has no box'),
        ("labelme", one("labelme").replace(b'"hat"', b"7"), "7 is no name of a class"),
        ("labelme", one("labelme").replace(b"{", b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b",", 1), "too deeply"),
        ("labelme", one("labelme")[:-1], "not valid JSON"),
    ],
)  # fmt: skip
def test_bad_content_is_one_sentence(tmp_path, format, content, words):
    write(tmp_path, format, content)
    with pytest.raises(InputError, match=words) as caught:
        open_samples(tmp_path, "all", format if find_splits_or_none(tmp_path) != format else "auto")
    assert len(str(caught.value)) < 600


def find_splits_or_none(folder):
    try:
        return find_splits(folder, "auto")[0]
    except InputError:
        return None


@pytest.mark.parametrize("format", OWN)
@pytest.mark.parametrize("box", [(10, 20, 10, 70), (150, 20, 260, 70), (60, 70, 10, 20)])
def test_a_box_that_is_none_is_named(tmp_path, format, box):
    if format == "labelme" and box[0] > box[2]:
        return  # two corners, whichever
    path = write(tmp_path, format, one(format, box=box))
    if format == "coco" and box[0] == box[2]:
        assert "is 0×50 pixels: left out" in open_samples(tmp_path, "all").left_out[0]
        return
    with pytest.raises(InputError, match=r"no area|outside the image|beyond the image|no box") as caught:
        open_samples(tmp_path, "all")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("format", ["coco", "voc", "csv", "labelme"])
@pytest.mark.parametrize(
    "name", ["../../secret.jpg", "..\\..\\secret.jpg", "missing.jpg", "/missing/b.jpg", "", "C:\\", "x" * 300]
)
def test_an_image_elsewhere_or_nowhere_is_named(tmp_path, format, name):
    picture(tmp_path / "secret.jpg")
    folder = tmp_path / "deep" / "data"
    picture(folder / "c.jpg")
    path = write(folder, format, one(format, image=name))
    if format != "csv" or name:  # the image of the same name would do for VOC and LabelMe
        (folder / "a.jpg").unlink()
    with pytest.raises(InputError) as caught:
        open_samples(folder, "all", format)
    assert str(path) in str(caught.value)
    assert open_or_skip(folder, format) == 0


def open_or_skip(folder, format):
    try:
        return len(open_samples(folder, "all", format, skip_bad=True))
    except InputError:
        return 0
