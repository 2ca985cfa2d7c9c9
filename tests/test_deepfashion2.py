"""The DeepFashion2 reader gives what the files say, names what is wrong with them, and keeps an index that is fresh."""

import json
import os
import tracemalloc
import unicodedata

import numpy as np
import pytest
from PIL import Image

from minircnn.base.errors import InputError
from minircnn.data import open_samples
from minircnn.data.formats import FORMATS
from minircnn.data.formats.deepfashion2 import DEEPFASHION2_CLASSES
from minircnn.data.reader import Objects
from minircnn.fashion import write_scenes

HEIGHT, WIDTH = 40, 60


def _item(category_id=1, box=(10, 10, 30, 35), **others):
    return {"category_id": category_id, "bounding_box": list(box), "style": 0, **others}


class Folder:
    """DIR/train with good files, to be spoilt by a test."""

    def __init__(self, root):
        self.path = root / "train"
        (self.path / "image").mkdir(parents=True)
        (self.path / "annos").mkdir()

    def image(self, stem, suffix=".jpg"):
        return self.path / "image" / f"{stem}{suffix}"

    def annotation(self, stem):
        return self.path / "annos" / f"{stem}.json"

    def add(self, stem, *items, size=(WIDTH, HEIGHT), suffix=".jpg", text=None):
        Image.new("RGB", size, (90, 120, 60)).save(self.image(stem, suffix))
        content = {"source": "shop", "pair_id": 1} | {f"item{n}": item for n, item in enumerate(items, start=1)}
        self.annotation(stem).write_text(json.dumps(content) if text is None else text)

    def read(self, **arguments):
        return open_samples(self.path.parent, self.path.name, **arguments)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture
def three(folder):
    """Three good images: two items, one item, none."""
    folder.add("000001", _item(3), _item(13, (0, 0, 60, 40)))
    folder.add("000002", _item(8))
    folder.add("000003")
    return folder


# What is read


def test_sample_holds_what_the_files_say(three):
    sample = three.read()[0]
    assert sample.image_id == "000001"
    assert sample.image_path == three.image("000001")
    assert (sample.height, sample.width) == (HEIGHT, WIDTH)
    assert sample.boxes.dtype == np.float32
    assert sample.boxes.tolist() == [[10, 10, 30, 35], [0, 0, 60, 40]]
    assert sample.labels.dtype == np.int64
    assert sample.labels.tolist() == [3, 13]


def test_samples_come_in_the_order_of_names(folder):
    for stem in ("b", "a", "000010", "000009"):
        folder.add(stem)
    assert [sample.image_id for sample in folder.read()] == ["000009", "000010", "a", "b"]


def test_image_without_items_is_background(three):
    sample = three.read()[2]
    assert sample.boxes.shape == (0, 4)
    assert sample.labels.shape == (0,)


def test_items_are_sorted_by_number_among_other_keys(folder):
    items = {f"item{n}": _item(n, (n, 0, n + 5, 9)) for n in (10, 2, 1, 11)}
    text = json.dumps({"item10": items["item10"], "pair_id": 3, **items, "source": "user", "items": 4, "item": []})
    folder.add("a", text=text)
    assert folder.read()[0].labels.tolist() == [1, 2, 10, 11]
    assert folder.read()[0].boxes[:, 0].tolist() == [1, 2, 10, 11]


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".png", ".JPG"])
def test_image_suffixes_are_accepted(folder, suffix):
    folder.add("a", suffix=suffix)
    assert folder.read()[0].image_path == folder.image("a", suffix)


def test_hidden_and_foreign_files_are_not_looked_at(three):
    (three.path / "image" / ".000009.jpg.part").write_text("half")
    (three.path / "image" / "._000001.jpg").write_text("what macOS leaves beside a copied file")
    (three.path / "image" / ".DS_Store").write_text("")
    (three.path / "annos" / "readme.txt").write_text("")
    assert len(three.read()) == 3


@pytest.mark.parametrize("position", [-1, 3, 100])
def test_position_out_of_range_is_an_index_error(three, position):
    with pytest.raises(IndexError, match=r"positions are 0\.\.2"):
        three.read()[position]


def test_limit_takes_the_first_by_name(three):
    assert [sample.image_id for sample in three.read(limit=2)] == ["000001", "000002"]
    assert len(three.read(limit=9)) == 3


def test_class_names_are_deepfashion2s_unless_a_file_names_them(three):
    assert three.read().class_names == DEEPFASHION2_CLASSES
    assert len(DEEPFASHION2_CLASSES) == 13
    names = [f"kind {n}" for n in range(14)]
    (three.path.parent / "classes.json").write_text(json.dumps({"classes": names}))
    assert three.read().class_names == tuple(names)


def test_class_subset_renumbers_and_drops(three):
    samples = three.read(classes=["trousers", "short sleeve outwear"])
    assert samples.class_names == ("trousers", "short sleeve outwear")
    assert [sample.labels.tolist() for sample in samples] == [[2], [1], []]
    assert [sample.boxes.shape for sample in samples] == [(1, 4), (1, 4), (0, 4)]


def test_class_subset_keeps_each_label_with_its_box(three):
    samples = three.read(classes=["sling dress", "trousers"])
    assert [sample.boxes.tolist() for sample in samples] == [[[0, 0, 60, 40]], [[10, 10, 30, 35]], []]


def test_without_leaves_out_and_keeps_the_original(three):
    samples = three.read()
    view = samples.without({"000002", "unknown"})
    assert [sample.image_id for sample in view] == ["000001", "000003"]
    assert [sample.image_id for sample in view.without({"000001"})] == ["000003"]
    assert len(samples) == 3


def test_a_slice_holds_the_samples_of_its_positions(three):
    samples = three.read()
    assert [sample.image_id for sample in samples[1:]] == ["000002", "000003"]
    assert [sample.image_id for sample in samples[::-1]] == ["000003", "000002", "000001"]
    assert samples[:1].class_names == samples.class_names
    assert len(samples) == 3


def test_sample_arrays_are_copies(three):
    samples = three.read()
    samples[0].boxes[:] = -1
    assert samples[0].boxes.min() == 0


def test_box_within_a_pixel_of_the_border_is_clipped(folder):
    folder.add("a", _item(box=(-0.5, -1, 61, 40.9)))
    assert folder.read()[0].boxes.tolist() == [[0, 0, 60, 40]]


def test_whole_and_fractional_coordinates_are_kept(folder):
    folder.add("a", _item(box=(1.25, 2, 3.5, 4)))
    assert folder.read()[0].boxes.tolist() == [[1.25, 2, 3.5, 4]]


def test_progress_counts_to_the_total(three):
    steps = []
    three.read(progress=lambda *step: steps.append(step[:3]))
    assert steps == [("reading train", 1, 3), ("reading train", 2, 3), ("reading train", 3, 3)]


def test_scenes_are_read_as_written(tmp_path):
    write_scenes(tmp_path / "scenes", 3, 1)
    samples = open_samples(tmp_path / "scenes", "train")
    for sample in samples:
        annotation = json.loads((samples[0].image_path.parents[1] / "annos" / f"{sample.image_id}.json").read_text())
        boxes = [item["bounding_box"] for key, item in annotation.items() if key.startswith("item")]
        assert sample.boxes.tolist() == boxes


# What is wrong with a file

BAD_ITEMS = {
    "no category": ({"bounding_box": [0, 0, 9, 9]}, "has no category_id"),
    "no box": ({"category_id": 1}, "has no bounding_box"),
    "category 0": (_item(0), r"category_id is 0, expected 1\.\.13"),
    "category 14": (_item(14), r"category_id is 14, expected 1\.\.13"),
    "negative category": (_item(-1), r"category_id is -1, expected 1\.\.13"),
    "category string": (_item("1"), "category_id is a string"),
    "category fraction": (_item(1.0), "category_id is a fraction"),
    "category true": (_item(True), "category_id is true or false"),
    "category null": (_item(None), "category_id is null"),
    "zero width": (_item(box=(5, 5, 5, 9)), r"bounding_box is \[5, 5, 5, 9\], which has no area; it needs"),
    "zero height": (_item(box=(5, 9, 8, 9)), "bounding_box .* has no area"),
    "negative area": (_item(box=(9, 9, 5, 5)), "bounding_box .* has no area"),
    "area too small to tell": (_item(box=(30, 5, 30.0000001, 9)), "bounding_box .* less than one pixel"),
    "three numbers": (_item(box=(1, 2, 3)), "bounding_box .* expected four numbers"),
    "five numbers": (_item(box=(1, 2, 3, 4, 5)), "bounding_box .* expected four numbers"),
    "box of strings": (_item(box=("1", "2", "3", "4")), "bounding_box .* expected four numbers"),
    "box with null": (_item(box=(1, 2, None, 4)), "bounding_box .* expected four numbers"),
    "box with true": (_item(box=(False, 2, True, 4)), "bounding_box .* expected four numbers"),
    "box an object": (_item() | {"bounding_box": {"x1": 1}}, "bounding_box .* expected four numbers"),
    "NaN": (_item(box=(1, 2, float("nan"), 4)), "bounding_box .* expected finite numbers"),
    "infinity": (_item(box=(1, 2, float("inf"), 4)), "bounding_box .* expected finite numbers"),
    "outside right": (_item(box=(10, 2, 61.5, 4)), r"bounding_box .* outside the image of 60×40"),
    "outside bottom": (_item(box=(1, 2, 3, 42)), "bounding_box .* outside the image"),
    "outside left": (_item(box=(-2, 2, 3, 4)), "bounding_box .* outside the image"),
    "outside top": (_item(box=(1, -1.5, 3, 4)), "bounding_box .* outside the image"),
    "wholly in the margin": (_item(box=(60, 2, 61, 4)), "bounding_box .* no area inside the image"),
    "huge number": (_item(box=(1, 2, 10**400, 4)), "bounding_box .* outside the image"),
    "item a list": ([1, 2], "item2 is a list, expected an object"),
    "item null": (None, "item2 is null, expected an object"),
}


@pytest.mark.parametrize(("item", "sentence"), BAD_ITEMS.values(), ids=BAD_ITEMS)
def test_bad_item_is_named_with_file_and_key(folder, item, sentence):
    folder.add("good", _item())
    folder.add("spoilt", _item(), item)
    with pytest.raises(InputError, match=rf"annos/spoilt\.json: item2.*{sentence}|annos/spoilt\.json: {sentence}"):
        folder.read()


BAD_TEXTS = {
    "empty": ("", "not valid JSON"),
    "half": ('{"item1": {"category_id": 1, "bound', "not valid JSON"),
    "not text": ("\udcff\udcfe{", "not valid JSON"),
    "number of 5000 digits": ('{"item1": ' + "9" * 5000 + "}", "not valid JSON"),
    "a list": ("[]", "the top level is a list"),
    "null": ("null", "the top level is null"),
    "a string": ('"item1"', "the top level is a string"),
    "nested too deeply": ('{"a":' * 200_000, "nested too deeply"),
    "nested lists": ('{"item1": ' + "[" * 200_000, "nested too deeply"),
    "deep box": (
        '{"item1": {"category_id": 1, "bounding_box": ' + "[" * 500 + "]" * 500 + "}}",
        "bounding_box .* expected four numbers",
    ),
    "infinite coordinate": (
        '{"item1": {"category_id": 1, "bounding_box": [0, 0, 1e999, 5]}}',
        "expected finite numbers",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), BAD_TEXTS.values(), ids=BAD_TEXTS)
def test_bad_json_is_named_with_its_file(folder, text, sentence):
    folder.add("spoilt")
    folder.annotation("spoilt").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match=rf"annos/spoilt\.json: .*{sentence}"):
        folder.read()


def test_huge_annotation_is_refused_unread(folder):
    folder.add("spoilt")
    with folder.annotation("spoilt").open("wb") as file:
        file.truncate(40_000_000)
    with pytest.raises(InputError, match=r"spoilt\.json: larger than 32 MB"):
        folder.read()


def test_image_without_annotation_is_named(three):
    three.annotation("000002").unlink()
    with pytest.raises(InputError, match=r"image/000002\.jpg: has no annotation .*annos/000002\.json; add it"):
        three.read()


def test_annotation_without_image_is_named(three):
    three.image("000002").unlink()
    with pytest.raises(InputError, match=r"annos/000002\.json: has no image .*image/000002\.jpg; add it"):
        three.read()


def test_two_images_of_one_name_are_refused(three):
    three.add("000002", suffix=".png")
    with pytest.raises(InputError, match=r"image: holds both 000002\.\w+ and 000002\.\w+; keep one"):
        three.read()


def test_image_smaller_than_a_cell_is_named(folder):
    folder.add("tiny", size=(40, 15))
    with pytest.raises(InputError, match=r"image/tiny\.jpg: 40×15 pixels.*less than one feature cell"):
        folder.read()


def test_image_of_exactly_one_cell_is_accepted(folder):
    folder.add("small", size=(16, 16))
    assert folder.read()[0].height == 16


def test_unreadable_image_is_named(three):
    three.image("000003").write_bytes(b"not an image")
    with pytest.raises(InputError, match=r"image/000003\.jpg: not an image"):
        three.read()


def test_folder_in_place_of_an_annotation_is_named(three):
    three.annotation("000003").unlink()
    three.annotation("000003").mkdir()
    with pytest.raises(InputError, match=r"annos/000003\.json: cannot be read"):
        three.read()


# What is wrong with the folder or the arguments


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no annotations that are read as .* \(it is empty\)"):
        open_samples(tmp_path, "train")
    with pytest.raises(InputError, match="nowhere: no such folder"):
        open_samples(tmp_path / "nowhere", "train")


@pytest.mark.parametrize("name", ["image", "annos"])
def test_missing_subfolder_is_named(folder, name):
    (folder.path / name).rmdir()
    with pytest.raises(InputError, match=f"train/{name}: no such folder"):
        folder.read(skip_bad=True)


def test_empty_folder_is_named(folder):
    with pytest.raises(InputError, match="train: image/ and annos/ are empty"):
        folder.read(skip_bad=True)


@pytest.mark.parametrize("limit", [0, -1])
def test_limit_below_one_is_refused(three, limit):
    with pytest.raises(InputError, match=f"limit is {limit}"):
        three.read(limit=limit)


def test_unknown_class_is_refused_with_the_names(three):
    with pytest.raises(InputError, match=r"class 'hat' is unknown; choose among: short sleeve top, .*sling dress"):
        three.read(classes=["skirt", "hat"])


@pytest.mark.parametrize("classes", [[], ["skirt", "skirt"]])
def test_no_class_or_a_class_twice_is_refused(three, classes):
    with pytest.raises(InputError, match="classes are"):
        three.read(classes=classes)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"classes": []}', '{"classes": "ab"}', '{"classes": ["a", 1]}', '{"classes": ["a", "a"]}'],
)
def test_bad_class_file_is_named(three, text):
    (three.path.parent / "classes.json").write_text(text)
    with pytest.raises(InputError, match=r"classes\.json: .*classes"):
        three.read()


# Skipping


def test_skip_bad_leaves_out_and_says_so(three):
    three.add("spoilt", _item(99))
    three.add("tiny", size=(9, 9))
    three.annotation("000002").unlink()
    samples = three.read(skip_bad=True)
    assert [sample.image_id for sample in samples] == ["000001", "000003"]
    assert len(samples.skipped) == 3
    for sentence, name in zip(samples.skipped, ["000002.jpg", "spoilt.json", "tiny.jpg"], strict=True):
        assert name in sentence


def test_nothing_is_skipped_in_a_good_folder(three):
    assert three.read(skip_bad=True).skipped == ()


# The index


def _same(one, other):
    assert len(one) == len(other)
    assert one.skipped == other.skipped
    for a, b in zip(one, other, strict=True):
        assert (a.image_id, a.image_path, a.height, a.width) == (b.image_id, b.image_path, b.height, b.width)
        np.testing.assert_array_equal(a.boxes, b.boxes)
        np.testing.assert_array_equal(a.labels, b.labels)


class Passes:
    """Counts the images that the pass over the folder looked at."""

    def __init__(self, folder, index):
        self._folder, self._index = folder, index

    def __call__(self, **arguments):
        seen = []
        samples = self._folder.read(index=self._index, progress=lambda stage, done, *_: seen.append(done), **arguments)
        return len(seen), samples


@pytest.fixture
def passes(three, tmp_path):
    return Passes(three, tmp_path / "run" / "index")


def test_index_is_reused_and_gives_the_same_samples(three, passes):
    three.add("spoilt", _item(99))
    first, built = passes(skip_bad=True)
    second, mapped = passes(skip_bad=True)
    assert (first, second) == (4, 0)
    _same(built, mapped)
    _same(mapped, three.read(skip_bad=True))
    assert len(mapped.skipped) == 1


def test_index_arrays_are_mapped_from_the_file(passes):
    _, samples = passes()
    assert all(isinstance(_root(values), np.memmap) for values in samples._index._arrays.values())


def _root(values):
    while isinstance(values.base, np.ndarray):
        values = values.base
    return values


@pytest.mark.parametrize(
    "change",
    [
        lambda three: three.add("000004"),
        lambda three: three.annotation("000002").write_text('{"item1": {"category_id": 2, "bounding_box": [0,0,9,9]}}'),
        lambda three: three.add("000002", _item(8), size=(70, 50)),
        lambda three: os.utime(three.annotation("000002"), ns=(1, 1)),
        lambda three: [three.image("000003").unlink(), three.annotation("000003").unlink()],
        lambda three: [p("000003").rename(p("000007")) for p in (three.image, three.annotation)],
        lambda three: (three.path.parent / "classes.json").write_text(
            json.dumps({"classes": list(DEEPFASHION2_CLASSES[::-1])})
        ),
    ],
    ids=["new image", "annotation", "image size", "time", "less", "renamed", "class names"],
)
def test_index_is_rebuilt_when_a_file_changes(three, passes, change):
    passes()
    change(three)
    seen, samples = passes()
    assert seen == len(samples) > 0
    _same(samples, three.read())


@pytest.mark.parametrize("arguments", [{"limit": 2}, {"classes": ["trousers"]}, {"skip_bad": True}])
def test_index_is_rebuilt_when_a_setting_changes(three, passes, arguments):
    passes()
    seen, samples = passes(**arguments)
    assert seen == len(samples) > 0
    _same(samples, three.read(**arguments))


def test_index_is_rebuilt_when_the_class_file_reorders_a_subset(three, passes):
    passes(classes=["trousers"])
    (three.path.parent / "classes.json").write_text(json.dumps({"classes": list(DEEPFASHION2_CLASSES[::-1])}))
    seen, samples = passes(classes=["trousers"])
    assert seen == 3
    assert [len(sample.labels) for sample in samples] == [0, 0, 0]


@pytest.mark.parametrize("position", [0, 17, 25, 60, 300, -100, -1])
def test_damaged_index_is_rebuilt(three, passes, position):
    passes()
    content = bytearray(passes._index.read_bytes())
    content[position] ^= 0x10
    passes._index.write_bytes(content)
    seen, samples = passes()
    assert seen == 3
    _same(samples, three.read())


@pytest.mark.parametrize("length", [0, 10, 40, 400, -8])
def test_truncated_index_is_rebuilt(three, passes, length):
    passes()
    passes._index.write_bytes(passes._index.read_bytes()[:length])
    assert passes()[0] == 3
    assert passes()[0] == 0


def test_failed_pass_leaves_no_index(three, passes):
    three.add("spoilt", _item(99))
    with pytest.raises(InputError):
        passes()
    assert not passes._index.exists()


def test_index_leaves_no_other_file(passes):
    passes()
    assert [path.name for path in passes._index.parent.iterdir()] == ["index"]


def test_index_that_cannot_be_written_is_named(three, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/index cannot be written .*index"):
        three.read(index=tmp_path / "file" / "index")


def test_index_of_images_without_items_is_read_back(folder, tmp_path):
    folder.add("a")
    for _ in range(2):
        samples = folder.read(index=tmp_path / "index")
        assert samples[0].boxes.shape == (0, 4)


def test_memory_is_a_few_bytes_an_image(folder, tmp_path):
    count = 400
    folder.add("0000", *(_item(n) for n in range(1, 14)))
    for number in range(1, count):
        os.link(folder.image("0000"), folder.image(f"{number:04}"))
        os.link(folder.annotation("0000"), folder.annotation(f"{number:04}"))
    folder.read(limit=1)
    held = {}
    for index in (None, tmp_path / "index"):
        tracemalloc.start()
        samples = folder.read(index=index)
        # the package's own: Python's table of interned strings may double at any moment
        own = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*minircnn*")])
        held[index] = sum(trace.size for trace in own.traces) / len(samples)
        tracemalloc.stop()
    in_memory, mapped = held.values()
    assert in_memory < 13 * 20 + 60  # 13 boxes and labels, name, size, ends
    assert mapped < 40


# What users write instead


OTHER_KEYS = {
    "capital": {"Item1": _item()},
    "space": {"item 1": _item()},
    "underscore": {"item_1": _item()},
    "list": {"items": [_item()]},
    "COCO": {"images": [{"id": 1}], "annotations": [{"bbox": [1, 2, 3, 4]}]},
    "labelme": {"shapes": [{"points": []}]},
    "objects": {"objects": [{"bndbox": {}}]},
    "one of two": {"item1": _item(), "Item2": _item()},
}


@pytest.mark.parametrize("content", OTHER_KEYS.values(), ids=OTHER_KEYS)
def test_items_under_keys_that_are_not_read_are_named(folder, content):
    folder.add("a", text=json.dumps(content))
    lost = [key for key in content if key != "item1"]
    with pytest.raises(InputError, match=rf'annos/a\.json: has the key "({"|".join(lost)})".* item1, item2'):
        folder.read()


@pytest.mark.parametrize("content", [{"annotations": []}, {"source": "user"}, {"item1": _item(), "labels": ["summer"]}])
def test_other_keys_are_let_pass_where_nothing_is_lost(folder, content):
    folder.add("a", text=json.dumps(content))
    assert len(folder.read()[0].labels) == ("item1" in content)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((0.2, 0.1, 0.8, 0.9), r"fractions of the image.*x times 60, y times 40"),
        ((0, 0, 1, 1), "fractions of the image"),
        ((0.0, 0.5, 0.5, 1.0), "fractions of the image"),
        ((10, 10, 10.5, 30), "less than one pixel"),
        ((10, 10, 30, 10.9), "less than one pixel"),
    ],
)
def test_fractions_in_place_of_pixels_are_named(folder, box, words):
    folder.add("a", _item(box=box))
    with pytest.raises(InputError, match=rf"a\.json: item1\.bounding_box .*{words}"):
        folder.read()


def test_a_box_of_one_pixel_is_taken(folder):
    folder.add("a", _item(box=(5, 5, 6, 6)), _item(box=(0, 0, 1, 2)))
    assert folder.read()[0].boxes.tolist() == [[5, 5, 6, 6], [0, 0, 1, 2]]


@pytest.mark.parametrize("name", ["trousers", "hat", 7, ["shorts"]])
def test_a_name_that_contradicts_its_id_is_named(folder, name):
    folder.add("a", _item(7) | {"category_name": name})
    with pytest.raises(InputError, match=r'a\.json: item1\.category_name is .* but category 7 is "shorts"'):
        folder.read()


@pytest.mark.parametrize("name", ["short sleeve top", "Short_Sleeve  top", "SHORT-SLEEVE TOP", "", None])
def test_a_name_may_be_written_otherwise_or_missing(folder, name):
    folder.add("a", _item(1) | {"category_name": name})
    assert folder.read()[0].labels.tolist() == [1]


@pytest.mark.parametrize(
    "text",
    ['{"item1": {"category_id": 1, "bounding_box": [1, 1, 9, 9]}, "item1": {"category_id": 2}}',
     '{"item1": {"category_id": 1, "bounding_box": [1, 1, 9, 9], "category_id": 2}}'],
)  # fmt: skip
def test_a_key_given_twice_is_named(folder, text):
    folder.add("a", text=text)
    with pytest.raises(InputError, match=r'a\.json: .*the key "(item1|category_id)" stands twice'):
        folder.read()


def test_two_spellings_of_one_item_are_named(folder):
    folder.add("a", text=json.dumps({"item1": _item(), "item01": _item()}))
    with pytest.raises(InputError, match="item01 and item1 are the same item"):
        folder.read()


@pytest.mark.parametrize(("image", "annotation"), [("NFD", "NFC"), ("NFC", "NFD"), ("NFD", "NFD")])
def test_names_match_whatever_their_unicode_form(folder, image, annotation):
    """macOS writes Korean and accented names in pieces (NFD), Windows and Linux whole (NFC)."""
    folder.add("a", _item(1))
    folder.add("b", _item(2))
    folder.image("a").rename(folder.image(unicodedata.normalize(image, "옷장é")))
    folder.annotation("a").rename(folder.annotation(unicodedata.normalize(annotation, "옷장é")))
    samples = folder.read()
    assert [sample.image_id for sample in samples] == ["b", "옷장é"]
    assert samples[1].image_path.exists()
    assert samples[1].labels.tolist() == [1]
    assert [sample.image_id for sample in samples.without({"옷장é"})] == ["b"]


def test_class_names_match_whatever_their_unicode_form(folder):
    names = [unicodedata.normalize("NFD", name) for name in ("모자", "신발")]
    (folder.path.parent / "classes.json").write_text(json.dumps({"classes": names}))
    folder.add("a", _item(2) | {"category_name": "신발"})
    samples = folder.read(classes=["신발"])
    assert samples.class_names == ("신발",)
    assert samples[0].labels.tolist() == [1]


@pytest.mark.parametrize("suffix", [".webp", ".bmp", ".tif", ".gif", ".jfif", ".ppm"])
def test_every_image_format_that_can_be_read_is(folder, suffix):
    folder.add("a", _item())
    with Image.open(folder.image("a")) as image:
        image.save(folder.image("a", suffix), format="JPEG" if suffix == ".jfif" else None)
    folder.image("a").unlink()
    assert folder.read()[0].image_path == folder.image("a", suffix)


def test_what_is_left_out_is_named(three):
    assert three.read().left_out == ()
    (three.path / "image" / "000009.heic").write_bytes(b"a telephone's")
    (three.path / "annos" / "000009.xml").write_bytes(b"VOC's")
    image, annotation = three.read().left_out
    assert "image: 1 left out, no image that is read: 000009.heic" in image
    assert "annos: 1 left out, no annotation that is read: 000009.xml" in annotation
    (three.path / "annos" / "000009.json").write_text("{}")
    with pytest.raises(InputError, match=r"has no image .*000009\.heic is of a kind that is not read"):
        three.read()


def test_the_index_may_be_kept_later(three, tmp_path):
    samples = three.read(index=tmp_path / "index", write_index=False)
    assert not (tmp_path / "index").exists()
    before = [(sample.image_id, sample.boxes.tolist()) for sample in samples]
    samples.keep_index()
    assert (tmp_path / "index").exists()
    assert [(sample.image_id, sample.boxes.tolist()) for sample in samples] == before


def test_a_split_of_another_name_is_told_what_is_there(folder):
    folder.add("a")
    with pytest.raises(InputError, match=r"has no validation split; hold a tenth of train out with --split 0.1"):
        open_samples(folder.path.parent, "validation")
    with pytest.raises(InputError, match=r"is not split; hold a tenth out for validation with --split 0.1"):
        open_samples(folder.path, "train")
    with pytest.raises(InputError, match=r"valdation: no such folder; .* holds train$"):
        open_samples(folder.path.parent, "valdation")


def test_images_in_deeper_folders_are_named(folder):
    (folder.path / "image" / "shop1").mkdir()
    with pytest.raises(InputError, match=r"empty of what is read \(.*image: 1 left out, no image that is read: shop1"):
        folder.read()


# The seam: a format is a reader


class OneCsv:
    """A format that the package does not know: boxes.csv with image,x1,y1,x2,y2,class, and x at the end of a crowd."""

    def __init__(self, folder):
        self.folder, self.image_folder = folder, folder
        self.own_names, self.left_out = True, ()
        rows = [line.split(",") for line in (folder / "boxes.csv").read_text().splitlines()]
        self.categories = tuple(sorted({row[5] for row in rows}))
        self.rows = {name: [row[1:] for row in rows if row[0] == name] for name in sorted({row[0] for row in rows})}
        self.entries = list(self.rows)

    def image(self, entry):
        return self.image_folder / entry

    def objects(self, entry, height, width):
        rows = self.rows[entry]
        boxes = np.array([row[:4] for row in rows], np.float32)
        return Objects(boxes, [row[4] for row in rows], np.array([row[-1] == "x" for row in rows]))

    def files(self, entry):
        return self.image(entry), self.folder / "boxes.csv"


def test_another_format_is_one_reader(tmp_path, monkeypatch):
    monkeypatch.setitem(FORMATS, "own", lambda folder: {"train": lambda: OneCsv(folder / "train")})
    (tmp_path / "train" / "deep").mkdir(parents=True)
    for name in ("a.png", "deep/b.png"):
        Image.new("RGB", (60, 40)).save(tmp_path / "train" / name)
    (tmp_path / "train" / "boxes.csv").write_text(
        "deep/b.png,1,2,30,20,hat\na.png,5,5,20,30,scarf\ndeep/b.png,8,8,40,40,hat,x\n"
    )
    for _ in range(2):  # the second comes from the index file
        samples = open_samples(tmp_path, "train", "own", index=tmp_path / "index")
        assert samples.class_names == ("hat", "scarf")
        assert [sample.image_id for sample in samples] == ["a", "deep/b"]
        assert samples[1].image_path == tmp_path / "train" / "deep" / "b.png"
        assert samples[1].boxes.tolist() == [[1, 2, 30, 20], [8, 8, 40, 40]]
        assert samples[1].ignore.tolist() == [False, True]
        assert samples[1].learned()[0].tolist() == [[1, 2, 30, 20]]
        assert samples.class_counts().tolist() == [0, 1, 1]
    assert open_samples(tmp_path, "train", "own", classes=["scarf"])[1].labels.tolist() == []
    with pytest.raises(InputError, match=r"format should be one of auto, deepfashion2, .*, own, not 'tfrecord'"):
        open_samples(tmp_path, "train", "tfrecord")
