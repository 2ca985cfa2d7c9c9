"""The folder that `minircnn detect` fills: going on in it, other images beside, another model, a full disk."""

import errno
import json
import os

import numpy as np
import pytest
from PIL import Image

from minircnn.base import files
from minircnn.base.errors import InputError
from minircnn.data import read_image
from minircnn.detection import Detections
from minircnn.tasks.images import list_images
from minircnn.tasks.picture_folder import PictureFolder

FOUND = Detections(
    np.array([[1, 2, 30, 40], [5, 5, 9, 9]], np.float32), np.array([1, 2]), np.array([0.9, 0.2], np.float32)
)


@pytest.fixture
def photographs(tmp_path, rng):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in "abcde":
        Image.fromarray(rng.integers(0, 256, (48, 56, 3), dtype=np.uint8)).save(folder / f"{name}.png")
    return folder


def opened(out, images, model="one", score=0.5):
    return PictureFolder(out, list_images(images, out)[0], ("hat", "scarf"), {"model": model}, score)


def do(folder, most=99):
    """What `detect` does, with a detector that always finds the same."""
    for path in folder.remaining[:most]:
        image = read_image(path)
        folder.add(path, folder.draw(path, image, FOUND.above(folder.score)), image.shape[:2], FOUND)


def lists(out):
    """File name -> its id, picture and number of detections; ids and pictures are checked to be nobody else's."""
    images = json.loads((out / "images.json").read_text())["images"]
    results = json.loads((out / "detections.json").read_text())
    assert len({row["id"] for row in images}) == len({row["picture"] for row in images}) == len(images)
    assert {row["image_id"] for row in results} == {row["id"] for row in images}
    return {
        os.path.basename(row["file_name"]): (
            row["id"], row["picture"], sum(result["image_id"] == row["id"] for result in results),
        )
        for row in images
    }  # fmt: skip


def test_the_same_command_goes_on_where_it_stopped(photographs, tmp_path):
    out, remaining = tmp_path / "found", []
    for _ in range(4):
        folder = opened(out, [photographs])
        remaining.append(len(folder.remaining))
        do(folder, most=2)
        folder.write_lists()
    assert remaining == [5, 3, 1, 0]
    assert lists(out) == {f"{name}.png": (n, f"000{n}-{name}.jpg", 2) for n, name in enumerate("abcde", start=1)}
    assert folder.notes == [f"5 of 5 pictures are in {out} already, of these images by this model"]
    assert [words for _, words in folder.lines()] == ["hat 0.90"] * 5


def test_further_images_join_the_lists_and_drop_no_entry(photographs, tmp_path):
    out = tmp_path / "found"
    for images in ([photographs / "b.png", photographs / "d.png"], [photographs], [photographs / "c.png"]):
        folder = opened(out, images)
        do(folder)
        folder.write_lists()
        assert folder.count == len(folder.images)
    assert sorted(lists(out)) == ["a.png", "b.png", "c.png", "d.png", "e.png"]
    assert lists(out)["d.png"] == (2, "0002-d.jpg", 2)
    other = tmp_path / "other"
    other.mkdir()
    (photographs / "a.png").rename(other / "a.png")
    Image.new("RGB", (60, 50)).save(photographs / "z.png")
    for path in (photographs / "z.png", other / "a.png"):
        folder = opened(out, [path])
        do(folder)
        folder.write_lists()
    assert len(json.loads((out / "images.json").read_text())["images"]) == 7  # two of the name a.png


def test_what_has_changed_is_done_again(photographs, tmp_path):
    out = tmp_path / "found"
    do(folder := opened(out, [photographs]))
    folder.write_lists()
    Image.new("RGB", (90, 50)).save(photographs / "b.png")  # another image
    (out / "0004-d.jpg").unlink()  # a picture that is lost
    results = json.loads((out / "detections.json").read_text())
    assert [path.name for path in opened(out, [photographs]).remaining] == ["b.png", "d.png"]
    (out / "detections.json").write_text(json.dumps(results[1:]))  # somebody's own work
    with pytest.raises(InputError, match=r"detections\.json is there already and was not made by"):
        opened(out, [photographs])


@pytest.mark.parametrize("change", [{"model": "two"}, {"score": 0.1}])
def test_another_model_does_its_images_again_and_drops_no_entry(photographs, tmp_path, change):
    out = tmp_path / "found"
    do(folder := opened(out, [photographs]))
    folder.write_lists()
    images = [photographs / "b.png", photographs / "d.png"]
    folder = opened(out, images, **change)
    assert folder.remaining == images
    assert folder.notes == [f"2 pictures in {out} are done again: of another model or --score, or a changed image"]
    do(folder, most=1)
    folder.write_lists()  # stopped half-way
    assert sorted(lists(out)) == ["a.png", "b.png", "c.png", "d.png", "e.png"]
    assert opened(out, images, **change).remaining == images[1:]
    assert len(opened(out, [photographs]).remaining) == 1  # b.png, which the other model has done meanwhile


def test_a_model_of_other_classes_is_refused_and_nothing_lost(photographs, tmp_path):
    out = tmp_path / "found"
    do(folder := opened(out, [photographs]))
    folder.write_lists()
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(
        InputError, match=r"lists pictures of a model of other classes \(hat, …\); choose another --out"
    ):
        PictureFolder(out, list_images([photographs], out)[0], ("coat",), {"model": "one"})
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_pictures_that_were_taken_away_keep_their_entries(photographs, tmp_path):
    out = tmp_path / "found"
    do(folder := opened(out, [photographs]))
    folder.write_lists()
    (out / "0001-a.jpg").unlink()
    folder = opened(out, [photographs / "e.png"])
    folder.write_lists()
    assert sorted(lists(out)) == ["a.png", "b.png", "c.png", "d.png", "e.png"]
    assert [path.name for path in opened(out, [photographs]).remaining] == ["a.png"]


def test_a_process_that_ends_between_the_two_lists_costs_only_what_was_new(photographs, tmp_path, monkeypatch):
    out = tmp_path / "found"
    do(folder := opened(out, [photographs]), most=2)
    folder.write_lists()
    do(folder, most=4)
    monkeypatch.setattr("minircnn.tasks.picture_folder.write_bytes", only_to("images.json"))
    with pytest.raises(KeyboardInterrupt):
        folder.write_lists()
    monkeypatch.undo()
    assert [path.name for path in opened(out, [photographs]).remaining] == ["c.png", "d.png", "e.png"]


def only_to(name):
    def write(path, content, remedy):
        if path.name != name:
            raise KeyboardInterrupt
        files.write_bytes(path, content, remedy)

    return write


def test_a_full_disk_leaves_the_lists(photographs, tmp_path, monkeypatch):
    """Pictures are taken away until there is room for the lists that say what is there."""
    out = tmp_path / "found"
    do(folder := opened(out, [photographs]))
    room = sum(path.stat().st_size for path in out.iterdir()) + 1200

    def refuse(path, content, remedy):
        if sum(other.stat().st_size for other in out.iterdir()) + len(content) > room:
            monkeypatch.setattr("pathlib.Path.write_bytes", full)
            try:
                files.write_bytes(path, content, remedy)
            finally:
                monkeypatch.setattr("pathlib.Path.write_bytes", write_bytes)
        files.write_bytes(path, content, remedy)

    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    write_bytes = type(out).write_bytes
    monkeypatch.setattr("minircnn.tasks.picture_folder.write_bytes", refuse)
    folder.write_lists()
    kept = lists(out)
    assert 1 <= len(kept) < 5
    assert sorted(picture for _, picture, _ in kept.values()) == sorted(path.name for path in out.glob("*.jpg"))
    assert not list(out.glob("*.partial"))
    assert len(opened(out, [photographs]).remaining) == 5 - len(kept)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_pipes_and_devices_are_refused(tmp_path):
    """A pipe would be waited for, a device might never end."""
    os.mkfifo(tmp_path / "pipe.jpg")
    for path in (tmp_path / "pipe.jpg", "/dev/zero"):
        with pytest.raises(InputError, match="a pipe, a device or a socket, not a file"):
            read_image(path)
