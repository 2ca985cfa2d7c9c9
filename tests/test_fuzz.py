"""What random damage has found (`tests/fuzz.py`), each a test of its kind; and a little of it anew."""

import json
import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minircnn.base.errors import InputError
from minircnn.data import open_samples, read_image
from minircnn.data.formats.layout import files_below
from minircnn.data.image import image_size
from minircnn.data.index import _PREAMBLE, AnnotationIndex
from minircnn.proposals import ProposalCache, ProposalSettings
from minircnn.proposals.cache import LARGEST
from minircnn.proposals.given import GivenProposals

FUZZ = Path(__file__).with_name("fuzz.py")


@pytest.fixture
def photo(tmp_path):
    Image.new("RGB", (96, 96)).save(tmp_path / "a.png")
    return tmp_path


def test_whatever_a_sentence_quotes_it_is_one_line(photo):
    (photo / "a.csv").write_bytes(b',1,2,3,4,"\n",')
    with pytest.raises(InputError) as caught:
        list(open_samples(photo, "all", "csv"))
    assert len(str(caught.value).splitlines()) == 1
    assert str(InputError("a \r\n b\u2028c  d")) == "a b c  d"  # two spaces of a file's name stay


@pytest.mark.parametrize("length", [0x7FFFFFF0, 0xFFFFFFFF])
def test_a_png_whose_block_says_that_it_is_longer_than_the_file_asks_for_no_memory(photo, length):
    content = (photo / "a.png").read_bytes()
    (photo / "a.png").write_bytes(content[:8] + struct.pack(">I", length) + content[12:])
    tracemalloc.start()
    for read in (image_size, read_image):
        with pytest.raises(InputError, match="header is damaged"):
            read(photo / "a.png")
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_a_tiff_that_lacks_strips_is_damaged_and_not_black(photo):
    Image.new("I;16", (12, 9), 700).save(photo / "b.tif")
    assert read_image(photo / "b.tif").shape == (9, 12, 3)
    content = bytearray((photo / "b.tif").read_bytes())
    place = content.index(struct.pack("<HHII", 0x101, 4, 1, 9)) + 8  # ImageLength, where one strip has 9 rows
    content[place : place + 4] = struct.pack("<I", 7_000_000)
    rows = content.index(struct.pack("<HHI", 0x116, 4, 1)) + 8
    content[rows : rows + 4] = struct.pack("<I", 9)
    (photo / "b.tif").write_bytes(content)
    with pytest.raises(InputError, match="truncated or damaged"):
        read_image(photo / "b.tif")


@pytest.mark.parametrize("group", [["x"], {"a": 1}, 3])
def test_coco_s_group_of_a_category_may_be_anything(photo, group):
    told = {
        "images": [{"id": 1, "file_name": "a.png", "height": 96, "width": 96}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [4, 5, 30, 20]}],
        "categories": [{"id": 1, "name": "dress", "supercategory": group}],
    }
    (photo / "annotations.json").write_text(json.dumps(told))
    (sample,) = open_samples(photo, "all", "coco")
    assert sample.boxes.tolist() == [[4, 5, 34, 25]]


@pytest.mark.parametrize("name", [["x"], {"a": 1}, None])
def test_coco_s_category_without_a_name_is_one_sentence(photo, name):
    told = {
        "images": [{"id": 1, "file_name": "a.png", "height": 96, "width": 96}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 2, "bbox": [4, 5, 30, 20]}],
        "categories": [{"id": 1, "name": name, "supercategory": "x"}, {"id": 2, "name": "x"}],
    }
    (photo / "annotations.json").write_text(json.dumps(told))
    with pytest.raises(InputError):
        list(open_samples(photo, "all", "coco"))


def test_a_path_in_yolo_s_settings_may_be_longer_than_any_file_s(photo):
    (photo / "data.yaml").write_text(f"train: {'a' * 300}\nval: {'a' * 300}\nnames: [dress]\n")
    with pytest.raises(InputError, match="there is no"):
        open_samples(photo, "train", "yolo")


def test_what_nobody_may_look_at_is_passed_by(photo, monkeypatch):
    own = Path.is_dir

    def refused(path):
        if path.name == "cwd":
            raise PermissionError(13, "Permission denied", str(path))
        return own(path)

    (photo / "cwd").mkdir()
    monkeypatch.setattr(Path, "is_dir", refused)
    assert [path.name for path in files_below(photo, (".png",))] == ["a.png"]


@pytest.mark.parametrize("header", [
    "{'descr': '<f4', 'fortran_order': False, 'shap4), }",
    "{'descr': '<,f4', 'fortran_order': False, 'shape': (2, 4), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, False,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2000000000, 4), }"])  # fmt: skip
def test_a_damaged_array_of_regions_is_one_sentence(tmp_path, header):
    text = f"{header:<117}\n".encode()
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(32))
    with pytest.raises(InputError, match=r"a\.npy is no array of numbers"):
        GivenProposals(tmp_path).of(["a"], Path("a.jpg"), 48, 64)


@pytest.mark.parametrize("change", [
    {"shapes": [1]}, {"words": ["a"]}, {"sizes": [1, 4]}, {"sizes": [2, 1]}, {"item_ends": ["a"]}, {"item_ends": [2]},
    {"boxes": [1, 8]}, {"words": None}])  # fmt: skip
def test_an_index_that_is_not_what_it_says_counts_as_none(photo, change):
    (photo / "a.csv").write_text("image,x1,y1,x2,y2,class\na.png,4,5,40,44,dress\na.png,1,2,3,4,top\n")
    open_samples(photo, "all", "csv", index=photo / "index")
    content = (photo / "index").read_bytes()
    magic, length, _ = _PREAMBLE.unpack(content[: _PREAMBLE.size])
    header = json.loads(content[_PREAMBLE.size : _PREAMBLE.size + length])
    assert AnnotationIndex.load(photo / "index", header["fingerprint"]) is not None
    ((key, value),) = change.items()
    (header if key in header else header["shapes"])[key] = value
    head = json.dumps(header).encode()
    rest = head + b" " * (-len(head) % 8) + content[_PREAMBLE.size + length :]
    (photo / "other").write_bytes(_PREAMBLE.pack(magic, len(head) + -len(head) % 8, zlib.crc32(rest)) + rest)
    assert AnnotationIndex.load(photo / "other", header["fingerprint"]) is None


@pytest.mark.parametrize("content", [
    zlib.compress(bytes(20)), zlib.compress(bytes(LARGEST + 16)), zlib.compress(bytes(32))[:-2], b""])  # fmt: skip
def test_proposals_that_are_none_are_computed_anew(photo, content, monkeypatch):
    from minircnn.proposals import cache

    monkeypatch.setattr(cache, "propose", lambda image, settings: np.array([[1, 2, 3, 4]], np.float32))
    (photo / "a.csv").write_text("image,x1,y1,x2,y2,class\na.png,4,5,40,44,dress\n")
    (sample,) = open_samples(photo, "all", "csv")
    kept = ProposalCache(photo / "cache", ProposalSettings())
    kept.get(sample)
    (path,) = (photo / "cache").rglob("*.boxes")
    path.write_bytes(content)
    assert kept.get(sample).tolist() == [[1, 2, 3, 4]]
    assert path.read_bytes() != content


@pytest.mark.slow
def test_a_little_random_damage_anew():
    pytest.importorskip("torch", reason="PyTorch writes the sound files: pip install torch")
    pytest.importorskip("h5py", reason="h5py writes the sound files: pip install h5py")
    done = subprocess.run(
        [sys.executable, FUZZ, "all", "--runs", "300", "--plain", "--seed", "7"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kills", "clock"])
def test_a_few_violent_ends(name):
    tool = Path(__file__).with_name("survive.py")
    ends = ["--ends", "4", "--ranks", "1"]
    done = subprocess.run([sys.executable, tool, name, *ends], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
