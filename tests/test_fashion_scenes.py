"""Fashion scenes are repeatable, truthfully annotated, made of disjoint material, and the bundle is what it says."""

import json
import os
import re
import struct

import cv2
import numpy as np
import pytest
from fashion_mnist import FULL_FASHION_MNIST, write_idx

from minircnn.base.errors import InputError
from minircnn.data import open_samples, read_image
from minircnn.fashion import write_scenes
from minircnn.fashion.folders import SPLITS, outline_polygons
from minircnn.fashion.garments import Pose, draw_garment, silhouette
from minircnn.fashion.materials import (
    BUNDLED,
    CLASS_NAMES,
    Garments,
    bundled_garments,
    bundled_photographs,
    idx_garments,
)
from minircnn.fashion.scenes import MAX_HIDDEN, compose_scene


def _files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _annotations(folder):
    return [json.loads(path.read_text()) for path in sorted((folder / "annos").iterdir())]


def _items(annotation):
    return [value for key, value in annotation.items() if key.startswith("item")]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """A folder of 60 + 12 + 12 scenes, for tests that only read."""
    out = tmp_path_factory.mktemp("scenes") / "out"
    write_scenes(out, 60, 12, seed=3, test=12)
    return out


@pytest.fixture(scope="module")
def materials():
    return bundled_photographs("train"), bundled_garments("train")


@pytest.fixture(scope="module")
def composed(materials):
    """40 scenes as arrays."""
    return [compose_scene(*materials, 160, np.random.default_rng(seed)) for seed in range(40)]


# Layout and annotations


def test_scenes_have_deepfashion2s_layout(scenes):
    assert {path.name for path in scenes.iterdir()} == {"train", "validation", "test", "classes.json"}
    for split, count in zip(SPLITS, (60, 12, 12), strict=True):
        stems = [f"{number:06}" for number in range(1, count + 1)]
        assert sorted(os.listdir(scenes / split / "image")) == [f"{stem}.jpg" for stem in stems]
        assert sorted(os.listdir(scenes / split / "annos")) == [f"{stem}.json" for stem in stems]
    assert tuple(json.loads((scenes / "classes.json").read_text())["classes"]) == CLASS_NAMES


def test_scenes_without_a_test_split_have_none(tmp_path):
    write_scenes(tmp_path, 1, 0)
    assert {path.name for path in tmp_path.iterdir()} == {"train", "classes.json"}


def test_scene_is_a_jpeg_of_the_asked_size(scenes, tmp_path):
    assert read_image(scenes / "train" / "image" / "000001.jpg").shape == (160, 160, 3)
    write_scenes(tmp_path, 1, 0, size=224)
    assert read_image(tmp_path / "train" / "image" / "000001.jpg").shape == (224, 224, 3)


def test_item_has_every_field_of_deepfashion2(scenes):
    fields = {
        "segmentation", "scale", "viewpoint", "zoom_in", "landmarks", "style", "bounding_box", "category_id",
        "occlusion", "category_name",
    }  # fmt: skip
    for number, annotation in enumerate(_annotations(scenes / "train"), start=1):
        assert annotation["source"] == "shop"
        assert annotation["pair_id"] == number
        assert 1 <= len(_items(annotation)) <= 4
        for item in _items(annotation):
            assert set(item) == fields
            assert item["category_name"] == CLASS_NAMES[item["category_id"] - 1]
            assert (item["viewpoint"], item["zoom_in"], item["style"], item["landmarks"]) == (1, 1, 0, [])


def test_scale_follows_the_share_of_the_image(scenes):
    for annotation in _annotations(scenes / "train"):
        for item in _items(annotation):
            x1, y1, x2, y2 = item["bounding_box"]
            share = (x2 - x1) * (y2 - y1) / 160**2
            assert item["scale"] == (1 if share < 0.1 else 2)


def test_every_class_and_number_of_garments_occurs(scenes):
    annotations = _annotations(scenes / "train")
    assert {item["category_id"] for a in annotations for item in _items(a)} == set(range(1, 11))
    assert {len(_items(a)) for a in annotations} == {1, 2, 3, 4}


def test_occlusion_and_polygons_are_those_of_the_visible_mask(scenes, materials):
    for number, annotation in enumerate(_annotations(scenes / "train")[:20], start=1):
        rng = np.random.default_rng([3, SPLITS.index("train"), number])  # what write_scenes makes of its seed
        _, items = compose_scene(*materials, 160, rng)
        for item, written in zip(items, _items(annotation), strict=True):
            drawn = np.zeros((160, 160), np.uint8)
            assert written["occlusion"] == (1 if item.hidden < 0.2 else 2)
            polygons = [np.array(polygon).reshape(-1, 2) for polygon in written["segmentation"]]
            cv2.fillPoly(drawn, polygons, 1)
            parts = cv2.connectedComponents(item.visible.astype(np.uint8))[0] - 1
            assert 1 <= len(polygons) <= parts
            assert (drawn[item.visible] == 1).mean() > 0.97  # specks of one or two pixels have no outline
            x1, y1, x2, y2 = written["bounding_box"]
            assert all((p >= (x1, y1)).all() and (p < (x2, y2)).all() for p in polygons)


def test_outline_polygons_leave_holes_and_specks_out():
    visible = np.zeros((40, 40), bool)
    visible[5:20, 5:30] = True
    visible[8:12, 10:20] = False  # a smaller garment in the middle of this one
    visible[30, 30] = True
    assert outline_polygons(visible) == [[5, 5, 5, 19, 29, 19, 29, 5]]


def test_box_is_tight_around_the_whole_garment(composed):
    whole = 0
    for _, items in composed:
        for item in items:
            rows, columns = np.flatnonzero(item.visible.any(1)), np.flatnonzero(item.visible.any(0))
            tight = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
            if item.hidden == 0:
                whole += 1
                assert item.box == tight
            else:
                assert item.box[0] <= tight[0]
                assert item.box[1] <= tight[1]
                assert item.box[2] >= tight[2]
                assert item.box[3] >= tight[3]
    assert whole > 40


def test_garments_are_inside_and_not_hidden_too_much(composed):
    hidden = [item.hidden for _, items in composed for item in items]
    assert max(hidden) <= MAX_HIDDEN
    assert max(hidden) > 0.1  # some garments do hide others
    for _, items in composed:
        for item in items:
            x1, y1, x2, y2 = item.box
            assert 0 <= x1 < x2 <= 160
            assert 0 <= y1 < y2 <= 160


def test_visible_parts_do_not_overlap(composed):
    for _, items in composed:
        assert np.sum([item.visible for item in items], axis=0).max() == 1


def test_long_side_of_garments_spans_the_range(composed):
    sides = [max(x2 - x1, y2 - y1) for _, items in composed for x1, y1, x2, y2 in (item.box for item in items)]
    assert 33 <= min(sides) < 50
    assert 75 < max(sides) <= 115  # a garment as wide as long grows when it is turned


def test_garments_show_in_the_image(materials):
    """The same scene with and without its garments differs inside the masks and nowhere far from them."""
    photographs = [np.full((320, 320, 3), 128, np.uint8)]
    image, items = compose_scene(photographs, materials[1], 160, np.random.default_rng(5))
    covered = np.any([item.visible for item in items], axis=0)
    away = cv2.dilate(covered.astype(np.uint8), np.ones((5, 5))) == 0
    ground = np.median(image[away], axis=0)
    difference = np.abs(image.astype(float) - ground).max(axis=2)
    assert difference[away].mean() < 12  # the noise
    assert difference[covered].mean() > 40


# Repeatability


def test_same_seed_gives_the_same_bytes(scenes, tmp_path):
    write_scenes(tmp_path / "again", 60, 12, seed=3, test=12)
    assert _files(tmp_path / "again") == _files(scenes)


def test_other_seed_gives_other_scenes(scenes, tmp_path):
    write_scenes(tmp_path, 2, 0, seed=4)
    assert (tmp_path / "train/image/000001.jpg").read_bytes() != (scenes / "train/image/000001.jpg").read_bytes()


def test_scene_does_not_depend_on_how_many_are_written(scenes, tmp_path):
    write_scenes(tmp_path, 5, 2, seed=3)
    few, many = _files(tmp_path), _files(scenes)
    assert len(few) == 2 * 7 + 1
    assert few == {name: many[name] for name in few}


def test_splits_and_numbers_have_scenes_of_their_own(scenes):
    contents = [content for name, content in _files(scenes).items() if name.endswith(".jpg")]
    assert len(set(contents)) == 84


def test_interrupted_folder_is_completed(scenes, tmp_path):
    def stop(stage, done, total, words):
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_scenes(tmp_path, 60, 12, seed=3, test=12, progress=stop)
    (tmp_path / "train/annos/000007.json").unlink()
    kept = (tmp_path / "train/image/000003.jpg").stat().st_mtime_ns
    write_scenes(tmp_path, 60, 12, seed=3, test=12)
    assert _files(tmp_path) == _files(scenes)
    assert (tmp_path / "train/image/000003.jpg").stat().st_mtime_ns == kept


def test_folder_is_extended(scenes, tmp_path):
    write_scenes(tmp_path, 10, 1, seed=3)
    write_scenes(tmp_path, 60, 12, seed=3, test=12)
    assert _files(tmp_path) == _files(scenes)


def test_progress_counts_all_splits(tmp_path):
    steps = []
    write_scenes(tmp_path, 2, 1, test=1, progress=lambda *step: steps.append(step[:3]))
    assert steps == [("scenes", n, 4) for n in (1, 2, 3, 4)]


# Disjoint material


def test_bundled_garments_are_counted_as_promised():
    for split, count in (("train", 500), ("test", 100)):
        garments = bundled_garments(split)
        assert garments.images.shape == (10 * count, 28, 28)
        assert garments.images.dtype == np.uint8
        assert [len(members) for members in garments.by_class] == [count] * 10


def test_no_garment_is_in_two_splits():
    train = bundled_garments("train").images
    validation, test = (part.images for part in bundled_garments("test").split_fifth())
    assert (len(validation), len(test)) == (200, 800)
    seen = [{image.tobytes() for image in images} for images in (train, validation, test)]
    assert not seen[0] & seen[1]
    assert not seen[0] & seen[2]
    assert not seen[1] & seen[2]


def test_split_fifth_takes_a_fifth_of_each_class():
    validation, test = bundled_garments("test").split_fifth()
    assert [len(members) for members in validation.by_class] == [20] * 10
    assert [len(members) for members in test.by_class] == [80] * 10
    assert validation.labels[validation.by_class[7]].tolist() == [7] * 20


def test_photographs_of_training_and_test_differ():
    train, test = bundled_photographs("train"), bundled_photographs("test")
    assert len(train) == 11
    assert len(test) == 5
    assert not {photograph.tobytes() for photograph in train} & {photograph.tobytes() for photograph in test}
    assert all(min(photograph.shape[:2]) >= 300 for photograph in train + test)


def test_splits_use_their_own_material(monkeypatch, tmp_path):
    used = {}

    def record(photographs, garments, size, rng):
        used.setdefault(len(used), (photographs, garments))
        return compose_scene(photographs, garments, size, rng)

    monkeypatch.setattr("minircnn.fashion.folders.compose_scene", record)
    write_scenes(tmp_path, 1, 1, test=1)
    (_, train), (validation_photographs, validation), (test_photographs, test) = used.values()
    assert [len(garments.images) for garments in (train, validation, test)] == [5000, 200, 800]
    assert [len(used[split][0]) for split in range(3)] == [11, 5, 5]
    assert validation_photographs is test_photographs


def test_bundle_is_small_and_every_file_has_its_licence():
    files = [path for path in BUNDLED.iterdir() if path.name != "LICENCES.md"]
    assert sum(path.stat().st_size for path in files) < 3_000_000
    licences = (BUNDLED / "LICENCES.md").read_text()
    for path in files:
        assert re.match(r"garments_(train|test)_\d_\w+\.webp", path.name) or f"`{path.name}`" in licences


@pytest.mark.skipif(not os.path.isdir(FULL_FASHION_MNIST), reason="Debian's dataset-fashion-mnist is not installed")
@pytest.mark.parametrize("split", ["train", "test"])
def test_bundled_garments_are_the_originals_bit_for_bit(split):
    whole, chosen = idx_garments(FULL_FASHION_MNIST, split), bundled_garments(split)
    for all_members, members in zip(whole.by_class, chosen.by_class, strict=True):
        originals = {image.tobytes() for image in whole.images[all_members]}
        assert all(image.tobytes() in originals for image in chosen.images[members])


# Garments


def _ring():
    """A ring of cloth, a speck beside it and a faint shadow."""
    garment = np.zeros((28, 28), np.uint8)
    garment[5:20, 6:22] = 200
    garment[9:14, 10:16] = 0
    garment[25, 25] = 90
    garment[2, 2:20] = 3
    return garment


def test_silhouette_fills_holes_and_drops_specks():
    expected = np.zeros((28, 28), np.uint8)
    expected[5:20, 6:22] = 1
    np.testing.assert_array_equal(silhouette(_ring()), expected)


def test_silhouette_keeps_gaps_that_are_open_to_the_outside():
    garment = _ring()
    garment[9:20, 10:16] = 0
    assert silhouette(garment)[15, 12] == 0


@pytest.mark.parametrize("pixels", [0, 5])
def test_hardly_visible_garment_is_not_drawn(pixels):
    garment = np.zeros((28, 28), np.uint8)
    garment[10, :pixels] = 255
    assert not silhouette(garment).any()
    assert draw_garment(garment, _pose()) is None


def _pose(long_side=64.0, degrees=0.0, mirrored=False, tint=(255, 255, 255), contrast=1.0):
    return Pose(long_side, degrees, mirrored, np.array(tint, np.float32), contrast)


@pytest.mark.parametrize("long_side", [36, 64, 90])
def test_cutout_has_the_asked_size_and_touches_its_sides(long_side):
    cutout = draw_garment(_ring(), _pose(long_side))
    height, width = cutout.mask.shape
    assert abs(width - long_side) <= 2
    assert abs(height - long_side * 15 / 16) <= 2
    assert all(side.any() for side in (cutout.mask[0], cutout.mask[-1], cutout.mask[:, 0], cutout.mask[:, -1]))


def test_cutout_is_antialiased_without_dark_fringe():
    cutout = draw_garment(np.pad(np.full((16, 16), 180, np.uint8), 6), _pose(64, degrees=7, tint=(255, 128, 0)))
    edge = (cutout.alpha > 0.05) & (cutout.alpha < 0.95)
    assert edge.sum() > 60
    np.testing.assert_allclose(cutout.colour[edge], cutout.colour[32, 32] * np.ones((edge.sum(), 1)), atol=6)


def test_cutout_is_mirrored():
    garment = _ring()
    garment[5:10, 6:12] = 0
    plain, mirrored = draw_garment(garment, _pose()), draw_garment(garment, _pose(mirrored=True))
    assert plain.mask.shape == mirrored.mask.shape
    assert (plain.mask != mirrored.mask[:, ::-1]).mean() < 0.02
    assert (plain.mask != mirrored.mask).mean() > 0.1


def test_cutout_turns_clockwise_with_positive_degrees():
    bar = np.zeros((28, 28), np.uint8)
    bar[12:16, 2:26] = 200
    drift = pytest.approx(64 * np.sin(np.deg2rad(15)), abs=3)
    lying = draw_garment(bar, _pose(degrees=15)).mask
    assert np.flatnonzero(lying[:, -3]).mean() - np.flatnonzero(lying[:, 2]).mean() == drift
    standing = draw_garment(bar.T.copy(), _pose(degrees=15)).mask
    assert np.flatnonzero(standing[2]).mean() - np.flatnonzero(standing[-3]).mean() == drift


def test_tint_colours_and_keeps_the_shading():
    garment = np.pad(np.full((16, 16), 250, np.uint8), 6)
    garment[14:22, 6:22] = 100
    colour = draw_garment(garment, _pose(tint=(200, 100, 50))).colour
    light, dark = colour[12, 32], colour[50, 32]
    np.testing.assert_allclose(light / light[0], (1, 0.5, 0.25), rtol=1e-3)
    np.testing.assert_allclose(dark / dark[0], (1, 0.5, 0.25), rtol=1e-3)
    assert light[0] > 190
    assert dark[0] < 110


# Wrong arguments and files


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"images": 0}, "images is 0; .* at least 1"),
        ({"images": -3}, "images is -3"),
        ({"images": 1.5}, "images is 1.5"),
        ({"validation": -1}, "validation is -1"),
        ({"test": -1}, "test is -1"),
        ({"size": 95}, "size is 95; .* at least 96"),
        ({"seed": -1}, "seed is -1"),
        ({"fashion_mnist": "/nowhere"}, "train-images-idx3-ubyte: no such file"),
    ],
    ids=str,
)
def test_wrong_argument_is_named_and_nothing_written(tmp_path, arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        write_scenes(tmp_path / "out", **{"images": 1, "validation": 0, **arguments})
    assert not (tmp_path / "out").exists()


def test_smallest_size_works(tmp_path):
    write_scenes(tmp_path, 5, 0, size=96)
    assert len(open_samples(tmp_path, "train")) == 5


def test_folder_that_holds_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="already there and not a folder of fashion scenes"):
        write_scenes(tmp_path, 1, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="out: already there"):
        write_scenes(tmp_path / "out", 1, 0)


@pytest.mark.parametrize("change", [{"seed": 1}, {"size": 128}])
def test_folder_of_other_settings_is_refused(tmp_path, change):
    write_scenes(tmp_path, 1, 0)
    with pytest.raises(InputError, match=r"classes\.json: written with other settings"):
        write_scenes(tmp_path, 1, 0, **change)


def test_folder_of_more_scenes_is_refused(tmp_path):
    write_scenes(tmp_path, 3, 1)
    with pytest.raises(InputError, match="train: holds more than 2 scenes"):
        write_scenes(tmp_path, 2, 1)


def test_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file.* cannot be written"):
        write_scenes(tmp_path / "file" / "out", 1, 0)


def test_full_disk_is_named_and_leaves_no_half_file(tmp_path, monkeypatch):
    write_scenes(tmp_path, 1, 0)

    def full(path, content):
        with open(path, "wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(InputError, match=r"000002\.jpg.*cannot be written .No space left on device"):
        write_scenes(tmp_path, 2, 0)
    assert sorted(os.listdir(tmp_path / "train" / "image")) == ["000001.jpg"]


# Fashion-MNIST's own files


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gz"])
def test_scenes_of_idx_files_are_written(tmp_path, compress):
    write_idx(tmp_path, compress=compress)
    write_scenes(tmp_path / "out", 2, 1, fashion_mnist=tmp_path)
    assert len(open_samples(tmp_path / "out", "train")) == 2
    with pytest.raises(InputError, match="other settings"):
        write_scenes(tmp_path / "out", 2, 1)


def test_idx_garments_keep_pixels_and_labels(tmp_path):
    write_idx(tmp_path)
    garments = idx_garments(tmp_path, "train")
    assert isinstance(garments, Garments)
    assert garments.labels.tolist() == [number % 10 for number in range(50)]
    assert garments.images[0, 4:24, 4:24].min() >= 100
    assert garments.images[0, 0].max() == 0


IDX_FAULTS = {
    "missing labels": ("train-labels-idx1-ubyte", None, "train-labels-idx1-ubyte: no such file"),
    "wrong magic": (
        "t10k-images-idx3-ubyte",
        lambda data: b"\0\0\x08\x01" + data[4:],
        "magic number 2049, expected 2051",
    ),
    "empty": ("train-images-idx3-ubyte", lambda data: b"", "magic number 0"),
    "truncated": ("train-images-idx3-ubyte", lambda data: data[:-1], r"its header promises \(50, 28, 28\)"),
    "longer": ("train-images-idx3-ubyte", lambda data: data + b"0", "its header promises"),
    "other side": (
        "train-images-idx3-ubyte",
        lambda data: data[:8] + struct.pack(">2i", 14, 56) + data[16:],
        r"images are \(14, 56\)",
    ),
    "fewer labels": (
        "train-labels-idx1-ubyte",
        lambda data: data[:4] + struct.pack(">i", 49) + data[8:-1],
        "49 labels for 50 images",
    ),
    "label 10": ("train-labels-idx1-ubyte", lambda data: data[:-1] + b"\x0a", r"expected labels 0\.\.9"),
    "class missing": ("train-labels-idx1-ubyte", lambda data: data[:8] + bytes(50), r"expected labels 0\.\.9"),
}


@pytest.mark.parametrize(("name", "spoil", "sentence"), IDX_FAULTS.values(), ids=IDX_FAULTS)
def test_bad_idx_file_is_named(tmp_path, name, spoil, sentence):
    write_idx(tmp_path)
    path = tmp_path / name
    if spoil is None:
        path.unlink()
    else:
        path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(InputError, match=f"{name}.*{sentence}|{sentence}"):
        write_scenes(tmp_path / "out", 1, 0, fashion_mnist=tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("spoil", [lambda data: data[:-500], lambda data: b"not gzip at all", lambda data: b""])
def test_damaged_gz_file_is_named(tmp_path, spoil):
    write_idx(tmp_path, compress=True)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte\.gz: "):
        idx_garments(tmp_path, "train")
