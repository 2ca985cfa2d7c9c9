"""Random damage for every reader: only a result or one `InputError`, nothing slow, nothing large.

    python tests/fuzz.py                       list the parsers
    python tests/fuzz.py coco --runs 100000    one of them
    python tests/fuzz.py all --runs 100000     one after the other, with a table at the end

    options: --seed 0   --plain (no coverage guidance)   --keep FOLDER (what was found, one file each)

Where atheris is installed (pip install atheris) it guides the damage by which lines of the readers it reaches; without,
files are damaged by their structure alone: values of JSON, fields of text, bytes of headers. Each run has 5 seconds and
a gigabyte. What is found is shrunk and printed; what was found once is a test in tests/test_fuzz.py.
"""

import argparse
import io
import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS.parent), str(TESTS)]

SECONDS, MEMORY = 5, 2**30  # of a run
FRESH = 0.5  # of guided damage, the share that begins with a sound file and not with one that was damaged before
LARGEST = 2**16  # bytes that damage adds at most
HOSTILE = [None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 1e308, -1e-308, float("nan"), float("inf"), "",
           "a", "0", "-1", "1e999", "nan", "\x00", "\ud800", "../../x", "가" * 40, [], {}, [[]], [None], {"a": 1},
           "9" * 400]  # fmt: skip
WORDS = [b"\x00", b"\xff" * 4, b"\x7f\xff\xff\xff", b"-1", b"1e999", b"nan", b"{", b"}", b"[" * 50, b'"', b"\n", b",",
         b"\xef\xbb\xbf", b"9" * 30, b"<!DOCTYPE x>", b"&a;", b"PK\x03\x04", b"\x80\x04", b"(lp0", b"\r",
         b"\xed\xa0\x80"]  # fmt: skip


class Parser(NamedTuple):
    """A reader: sound files of its kind, and what reads one; `fix` makes damage sound again where a checksum stands."""

    seeds: Callable[[Path], list[bytes]]
    read: Callable[[bytes, Path], object]
    fix: Callable[[bytes], bytes] = bytes


# ------------------------------------------------------------------------------------------------ annotations


def picture(folder: Path, name: str = "photo 1.jpg") -> None:
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / name).is_file():
        Image.new("RGB", (96, 96), (200, 30, 90)).save(folder / name)


def walk(folder: Path, format: str, **given) -> None:
    """Open a data set and look at every sample, as training does."""
    from minircnn.data import open_samples

    samples = open_samples(folder, "all", format, **given)
    for sample in samples:
        sample.learned()
    samples.class_counts()


def annotated(format: str, name: str, *seeds: bytes | Path) -> Parser:
    """A reader of one annotation file beside one image."""

    def read(data: bytes, folder: Path) -> None:
        own = folder / format
        for number in (1, 2) if format == "coco" else (1,):  # the one real file is of two
            picture(own / "image" if format == "deepfashion2" else own, f"photo {number}.jpg")
        if format == "yolo":
            (own / "classes.txt").write_text("dress\ntop\nhat\n")
        path = own / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        try:
            walk(own, format)
        finally:
            path.unlink()

    return Parser(lambda _: [seed.read_bytes() if isinstance(seed, Path) else seed for seed in seeds], read)


REAL = TESTS / "real" / "labels"
ITEM = {"category_id": 1, "category_name": "short sleeve top", "bounding_box": [4, 5, 40, 44], "style": 1, "scale": 2,
        "segmentation": [[1, 2, 3, 4, 5, 6]], "landmarks": [1, 2, 1]}  # fmt: skip
NAMED = {"category_id": 13, "category_name": "sling dress"}
DEEPFASHION2 = json.dumps(
    {"source": "user", "pair_id": 7, "item1": ITEM, "item2": ITEM | {"category_id": 13, "category_name": "sling dress"}}
).encode()
COCO = json.dumps(
    {
        "images": [{"id": 1, "file_name": "photo 1.jpg", "height": 96, "width": 96}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 3, "bbox": [4, 5, 30, 20], "iscrowd": 0, "area": 600},
            {"id": 2, "image_id": 1, "category_id": 3, "bbox": [1.5, 2, 3, 4], "segmentation": [[1, 1, 5, 1, 5, 5]]},
        ],
        "categories": [{"id": 3, "name": "dress", "supercategory": "clothes"}],
    }
).encode()
CSV = b'image,x1,y1,x2,y2,class\nphoto 1.jpg,4,5,40,44,dress\nphoto 1.jpg,1.5,2,3,4,"a, b"\n'
YOLO = b"0 0.5 0.5 0.25 0.5\n1 0.1 0.2 0.1 0.1 0.2 0.2 0.1 0.2\n"
YAML = b'path: .\ntrain: images/train\nval: images/val\nnames:\n  0: dress\n  1: top\n  2: "x"\nnc: 3\n'


def read_yaml(data: bytes, folder: Path) -> None:
    from minircnn.data import open_samples

    own = folder / "yaml"
    for split in ("train", "val"):
        picture(own / "images" / split)
        (own / "labels" / split).mkdir(exist_ok=True, parents=True)
        (own / "labels" / split / "photo 1.txt").write_bytes(b"0 0.5 0.5 0.25 0.5\n")
    (own / "data.yaml").write_bytes(data)
    list(open_samples(own, "train", "yolo"))


def read_list(data: bytes, folder: Path) -> None:
    own = folder / "list"
    picture(own)
    (own / "a.csv").write_bytes(CSV)
    (folder / "list.txt").write_bytes(data)
    from minircnn.data import open_samples

    list(open_samples(own / "a.csv", str(folder / "list.txt")))


def told_by_itself(data: bytes, folder: Path) -> None:
    """A file whose format nobody named."""
    from minircnn.data import open_samples

    own = folder / "auto"
    picture(own)
    for name in ("a.json", "a.csv", "photo 1.txt", "photo 1.xml", "data.yaml"):
        (own / name).unlink(missing_ok=True)
    start = data.lstrip()[:1]
    name = {b"{": "a.json", b"[": "a.json", b"<": "photo 1.xml"}.get(start, "a.csv" if b"," in data else "photo 1.txt")
    (own / name).write_bytes(data)
    (own / "classes.txt").write_text("dress\na, b\nhat\nAnkle boot\n모자\nT-shirt/top\n")
    list(open_samples(own, "all"))


# ---------------------------------------------------------------------------------------------------- images


def images(_: Path) -> list[bytes]:
    import numpy as np
    from PIL import Image

    rng, found = np.random.default_rng(0), []
    pixels = Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind, given in (("JPEG", {"exif": exif}), ("JPEG", {"progressive": True}), ("PNG", {"exif": exif}), ("BMP", {}),
                        ("WEBP", {"lossless": True}), ("WEBP", {}), ("TIFF", {"compression": "tiff_lzw"}), ("TIFF", {}),
                        ("GIF", {}), ("PPM", {})):  # fmt: skip
        content = io.BytesIO()
        pixels.save(content, kind, **given)
        found.append(content.getvalue())
    for mode in ("L", "P", "RGBA", "1", "I;16", "CMYK"):
        content = io.BytesIO()
        pixels.convert("L" if mode == "I;16" else mode).convert(mode).save(content, "TIFF")
        found.append(content.getvalue())
    return found


def read_picture(data: bytes, folder: Path) -> None:
    from minircnn.base.errors import InputError
    from minircnn.data.image import decode_image, image_size

    path = folder / "picture"
    path.write_bytes(data)
    try:
        size = image_size(path)
    except InputError:
        size = None
    pixels = decode_image(data, path)
    assert size is None or pixels.shape == (*size, 3), (size, pixels.shape)
    assert pixels.dtype == "uint8"


# --------------------------------------------------------------------------------------------------- weights


def written(kind: str) -> Callable[[Path], list[bytes]]:
    def seeds(folder: Path) -> list[bytes]:
        from weight_files import WIDTHS, WRITERS, random_arrays

        WRITERS[kind](folder / "sound.npz", random_arrays(WIDTHS))
        return [(folder / "sound.npz").read_bytes()]

    return seeds


def read_weights(data: bytes, folder: Path) -> None:
    from weight_files import NARROW

    from minircnn.weights.foreign.vgg16 import read_vgg16

    path = folder / "weights"
    path.write_bytes(data)
    for source in read_vgg16(path, NARROW).sources.values():
        source.array()


def own_file(kind: str) -> Callable[[Path], list[bytes]]:
    def seeds(folder: Path) -> list[bytes]:
        if kind == "backbone":
            from minircnn.weights.backbone_file import shipped_backbone

            return [shipped_backbone("vgg_small").read_bytes()]
        from minircnn.explain.photograph import DETECTOR

        return [DETECTOR.read_bytes()]

    return seeds


def read_model(data: bytes, folder: Path) -> None:
    from minircnn.weights.model_file import load_model

    path = folder / "model.safetensors"
    path.write_bytes(data)
    load_model(path)


def read_backbone_file(data: bytes, folder: Path) -> None:
    from minircnn.weights.backbone_file import read_backbone

    path = folder / "backbone.safetensors"
    path.write_bytes(data)
    read_backbone(path)


def resum(data: bytes) -> bytes:
    """The checksum of a file of this project made right again, where it can be: the damage behind it is to be met."""
    try:
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + length])
        from minircnn.weights.foreign.safetensors_file import read_safetensors_file
        from minircnn.weights.model_file import CHECKSUM_KEY, OWN_KEY, _checksum

        with tempfile.NamedTemporaryFile(dir=tempfile.gettempdir()) as file:
            file.write(data)
            file.flush()
            stored, metadata = read_safetensors_file(file.name)
            tensors = {name: array.array() for name, array in stored.items()}
        header["__metadata__"][CHECKSUM_KEY] = _checksum(tensors, metadata[OWN_KEY])
    except Exception:
        return data
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + data[8 + length :]


# ------------------------------------------------------------------------------------------- the project's own


def boxes(_: Path) -> list[bytes]:
    import numpy as np

    return [zlib.compress(np.arange(4 * n, dtype="<f4").tobytes()) for n in (0, 1, 40)]


def read_boxes(data: bytes, folder: Path) -> None:
    from minircnn.proposals.cache import _load

    path = folder / "a.boxes"
    path.write_bytes(data)
    found = _load(path)
    assert found is None or found.shape[1] == 4


def repack(data: bytes) -> bytes:
    """Half of the damage behind the compression."""
    return zlib.compress(data) if data and data[0] % 2 else data


def given_regions(_: Path) -> list[bytes]:
    import numpy as np

    content = io.BytesIO()
    np.save(content, np.array([[1, 2, 30, 40], [5.5, 6, 7, 8]], np.float32))
    return [content.getvalue(), b"x1,y1,x2,y2,score\n1,2,30,40,0.5\n5.5,6,7,8,0.1\n"]


def read_given(data: bytes, folder: Path) -> None:
    from minircnn.proposals.given import GivenProposals

    own = folder / "given"
    own.mkdir(exist_ok=True)
    for ending in (".npy", ".csv"):
        (own / f"a{ending}").unlink(missing_ok=True)
    (own / ("a.npy" if data[:1] == b"\x93" else "a.csv")).write_bytes(data)
    GivenProposals(own).of(["a"], Path("a.jpg"), 48, 64)


def indices(folder: Path) -> list[bytes]:
    from minircnn.data import open_samples

    own = folder / "index data"
    picture(own)
    (own / "a.csv").write_bytes(CSV)
    open_samples(own, "all", "csv", index=folder / "index")
    return [(folder / "index").read_bytes()]


def read_index(data: bytes, folder: Path) -> None:
    from minircnn.data.index import _MAGIC, _PREAMBLE, AnnotationIndex

    path = folder / "an index"
    path.unlink(missing_ok=True)  # one that is mapped is not written over
    path.write_bytes(data)
    try:
        head = json.loads(data[_PREAMBLE.size :][: _PREAMBLE.unpack(data[: _PREAMBLE.size])[1]])
        state = head["fingerprint"] if isinstance(head["fingerprint"], str) else ""
    except Exception:
        state = ""
    assert _MAGIC
    found = AnnotationIndex.load(path, state)
    for row in range(len(found)) if found else ():
        found.name(row), found.size(row), found.items(row)


def resum_index(data: bytes) -> bytes:
    from minircnn.data.index import _PREAMBLE

    if len(data) < _PREAMBLE.size:
        return data
    magic, length, _ = _PREAMBLE.unpack(data[: _PREAMBLE.size])
    return _PREAMBLE.pack(magic, length, zlib.crc32(data[_PREAMBLE.size :])) + data[_PREAMBLE.size :]


LOG = (
    b"step,epoch,lr,loss,loss_cls,loss_bbox,foreground,seconds\n"
    b"20,1.66667,0.02,1.99543,1.6312,0.364236,0.240642,1.71455\n40,3.33333,0.002,1.15035,0.789158,0.361191,0.2,3.2\n"
)


def read_a_log(data: bytes, folder: Path) -> None:
    from minircnn.report.page import read_log
    from minircnn.training.run_folder import RunFolder

    run = RunFolder(folder / "log run")
    run.path.mkdir(exist_ok=True)
    run.log.write_bytes(data)
    try:
        read_log(run.log)
    finally:
        columns = ("step", "epoch", "lr", "loss", "loss_cls", "loss_bbox", "foreground", "seconds")
        run.start_log(columns, steps_kept=30)
        read_log(run.log)  # what is left of it is sound


def settings(_: Path) -> list[bytes]:
    from minircnn.training.settings import TrainSettings

    several = ({}, {"model": "faster"}, {"backbone": "vgg16", "classes": ("a", "b"), "weights": "none"})
    return [json.dumps(TrainSettings(data="x", **given).resolve(100).to_dict()).encode() for given in several]


def read_settings(data: bytes, folder: Path) -> None:
    from minircnn.training.run_folder import RunFolder

    run = RunFolder(folder / "settings run")
    run.path.mkdir(exist_ok=True)
    run.last.touch()
    run.settings.write_bytes(data)
    found = run.read_settings()
    found.resolve(100).schedule(found.resolve(100).steps(100))(0)


PARSERS = {
    "deepfashion2": annotated("deepfashion2", "annos/photo 1.json", DEEPFASHION2),
    "coco": annotated("coco", "annotations.json", COCO, REAL / "supervision-coco" / "annotations.json"),
    "voc": annotated("voc", "photo 1.xml", REAL / "supervision-voc" / "annotations" / "photo 1.xml",
                     REAL / "labelimg-voc" / "photo 1.xml"),
    "yolo": annotated("yolo", "photo 1.txt", YOLO, REAL / "labelimg-yolo" / "photo 1.txt"),
    "yolo settings": Parser(lambda _: [YAML, YAML.replace(b"path: .\n", b"")], read_yaml),
    "csv": annotated("csv", "annotations.csv", CSV, CSV.replace(b",", b";")),
    "labelme": annotated("labelme", "photo 1.json", REAL / "labelme" / "photo 1.json"),
    "lists of images": Parser(lambda _: [b"photo 1.jpg\n./photo 1.jpg\r\n"], read_list),
    "told by itself": Parser(lambda _: [COCO, CSV, YOLO, (REAL / "labelme" / "photo 1.json").read_bytes(),
                                        (REAL / "labelimg-voc" / "photo 1.xml").read_bytes()], told_by_itself),
    "images": Parser(images, read_picture),
    **{f"weights {kind}": Parser(written(kind), read_weights) for kind in (
        "caffe", "caffe old", "keras 2", "onnx", "npz", "npz packed", "torch", "torch legacy", "safetensors")},
    "models": Parser(own_file("model"), read_model, resum),
    "backbones": Parser(own_file("backbone"), read_backbone_file, resum),
    "proposals": Parser(boxes, read_boxes, repack),
    "given proposals": Parser(given_regions, read_given),
    "indices": Parser(indices, read_index, resum_index),
    "logs": Parser(lambda _: [LOG], read_a_log),
    "settings": Parser(settings, read_settings),
}  # fmt: skip


# ------------------------------------------------------------------------------------------------------ damage


def damaged(data: bytes, chance: random.Random) -> bytes:
    """The data with a few changes: of its structure, where it is JSON or lines of text, or of its bytes."""
    for _ in range(1 + int(chance.expovariate(0.7))):
        way = chance.random()
        data = _of_structure(data, chance) if way < 0.45 else _of_bytes(data, chance)
    return data


def _of_structure(data: bytes, chance: random.Random) -> bytes:
    start = data.lstrip()[:1]
    if start in (b"{", b"["):
        try:
            return json.dumps(_of_json(json.loads(data), chance)).encode("utf-8", "surrogatepass")
        except (ValueError, RecursionError):
            return _of_bytes(data, chance)
    if len(data) > 8 and data[8:9] == b"{":  # a header of JSON behind its length
        length = struct.unpack("<Q", data[:8])[0]
        try:
            head = json.dumps(_of_json(json.loads(data[8 : 8 + length]), chance)).encode("utf-8", "surrogatepass")
            return struct.pack("<Q", len(head)) + head + data[8 + length :]
        except (ValueError, RecursionError):
            return _of_bytes(data, chance)
    for separator in chance.sample([b"\n", b",", b" ", b">", b":"], 5):
        parts = data.split(separator)
        if len(parts) > 2 and len(data) < 10_000:
            place = chance.randrange(len(parts))
            way = chance.randrange(4)
            if way == 0:
                del parts[place]
            elif way == 1:
                parts.insert(place, chance.choice(parts))
            elif way == 2:
                parts[place] = str(chance.choice(HOSTILE)).encode("utf-8", "surrogatepass")
            else:
                other = chance.randrange(len(parts))
                parts[place], parts[other] = parts[other], parts[place]
            return separator.join(parts)
    return _of_bytes(data, chance)


def _of_json(tree: object, chance: random.Random) -> object:
    """A value somewhere in it replaced, left out, doubled, wrapped, or moved."""
    places = list(_places(tree))
    if not places:
        return chance.choice(HOSTILE)
    holder, key = chance.choice(places)
    way = chance.randrange(8)
    if way == 0:
        del holder[key]
    elif way == 1 and isinstance(holder, list):
        holder.insert(key, holder[key])
    elif way == 2:
        holder[key] = [holder[key]]
    elif way == 3:
        other, place = chance.choice(places)
        if place in other if isinstance(other, dict) else place < len(other):
            holder[key] = json.loads(json.dumps(other[place]))
    elif way == 4 and isinstance(holder, dict):
        holder[str(chance.choice(HOSTILE))] = holder.pop(key)
    elif way == 5 and isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
        holder[key] = holder[key] * chance.choice([-1, 0, 0.5, 2, 1e6, 10**20]) + chance.choice([0, 1, -1])
    elif way == 6 and isinstance(holder[key], str) and chance.random() < 0.5:
        try:  # JSON within JSON, as a model file's description
            holder[key] = json.dumps(_of_json(json.loads(holder[key]), chance))
        except ValueError:
            holder[key] = holder[key][: chance.randrange(len(holder[key]) + 1)]
    else:
        holder[key] = chance.choice(HOSTILE)
    return tree


def _places(tree: object):
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield tree, key
            yield from _places(value)


def _of_bytes(data: bytes, chance: random.Random) -> bytes:
    content = bytearray(data)
    reach = min(len(content), 4096) if chance.random() < 0.7 else len(content)  # heads say most
    place, way = chance.randrange(reach + 1), chance.randrange(7)
    if way == 0 and content:
        content[min(place, len(content) - 1)] ^= 1 << chance.randrange(8)
    elif way == 1 and content:
        content[min(place, len(content) - 1)] = chance.randrange(256)
    elif way == 2:
        content[place:place] = chance.choice(WORDS)
    elif way == 3:
        del content[place : place + chance.choice([1, 2, 4, 64, 1000])]
    elif way == 4:
        del content[place:]
    elif way == 5 and len(content) > 8:
        content[place : place + 4] = struct.pack("<I", chance.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x10000]))
    else:
        other = chance.randrange(len(content) + 1)
        content[place:place] = content[other : other + chance.choice([1, 8, 100])]
    return bytes(content[: len(data) + LARGEST])


# --------------------------------------------------------------------------------------------------------- runs


class TooLong(BaseException):
    """A run of more than `SECONDS`."""


taken = 0  # files that were read, and not refused


def one_run(parser: Parser, data: bytes, folder: Path) -> str:
    """Read → what was wrong with that in words, none where it gave a result or one InputError."""
    global taken
    from minircnn.base.errors import InputError

    def stop(*_: object) -> None:
        raise TooLong

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        parser.read(data, folder)
        taken += 1
    except InputError as error:
        if "\n" in str(error) or not str(error).strip():
            return f"not one sentence: {error!r}"
    except TooLong:
        return f"more than {SECONDS} s"
    except MemoryError:
        return f"more than {MEMORY >> 20} MB: {_where()}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:100]}: {_where()}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return ""


def _where() -> str:
    """The innermost line of this project that the error came through."""
    frames = [frame for frame in traceback.extract_tb(sys.exc_info()[2]) if "minircnn/" in frame.filename]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"


def shrunk(parser: Parser, data: bytes, words: str, folder: Path) -> bytes:
    """A smaller file with the same fault: halves, quarters, … left out, for a few seconds."""
    end, step = time.monotonic() + 10, len(data) // 2
    while step and time.monotonic() < end:
        for place in range(0, len(data), step):
            less = data[:place] + data[place + step :]
            if one_run(parser, less, folder).split(":")[0] == words.split(":")[0]:
                data = less
                break
        else:
            step //= 2
    return data


def fuzz(name: str, runs: int, seed: int, keep: Path | None) -> dict:
    """Damage and read so many times, in this process → what was found."""
    parser, chance = PARSERS[name], random.Random(f"{name} {seed}")
    found: dict[str, bytes] = {}
    began, slowest, peak, before = time.monotonic(), 0.0, 0, taken
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as scratch:
        folder = Path(scratch)
        seeds = parser.seeds(folder)
        for sound in seeds:
            if words := one_run(parser, sound, folder):
                raise SystemExit(f"{name}: a sound file is refused: {words}")
            try:
                parser.read(sound, folder)
            except ValueError as error:
                raise SystemExit(f"{name}: a sound file is refused: {error}") from None
        used = _peak()
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY, resource.RLIM_INFINITY))
        for _ in range(runs):
            data = damaged(chance.choice(seeds), chance)
            if chance.random() < 0.8:
                data = parser.fix(data)
            at = time.monotonic()
            words = one_run(parser, data, folder)
            slowest = max(slowest, time.monotonic() - at)
            if words and (kind := words if len(words) < 200 else words[:200]) not in found and len(found) < 50:
                found[kind] = shrunk(parser, data, words, folder) if not words.startswith("more than") else data
        peak = _peak() - used
    for number, (words, data) in enumerate(found.items()):
        print(f"{name}: {words}\n    {data[:300]!r}{'…' if len(data) > 300 else ''}", flush=True)
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{name} {number}").write_bytes(data)
    return {"parser": name, "runs": runs, "found": len(found), "seconds": time.monotonic() - began, "slowest": slowest,
            "taken": taken - before, "memory": peak / 2**20}  # fmt: skip


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def guided(name: str, runs: int, seed: int, keep: Path | None) -> None:
    """The same by atheris, which ends this process; what is found is printed and it goes on."""
    import atheris

    with atheris.instrument_imports(include=["minircnn"]):
        import minircnn.data
        import minircnn.proposals.given
        import minircnn.training.run_folder
        import minircnn.weights.model_file  # noqa: F401
    parser, chance = PARSERS[name], random.Random(f"{name} {seed}")
    scratch = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    folder, corpus = Path(scratch), Path(scratch) / "corpus"
    corpus.mkdir()
    largest = 0
    seeds = parser.seeds(folder)
    for number, sound in enumerate(seeds):
        (corpus / str(number)).write_bytes(sound)
        largest = max(largest, len(sound))
    found: dict[str, bytes] = {}
    state = {"runs": 0, "slowest": 0.0}
    before = taken
    began = time.monotonic()

    def test(data: bytes) -> None:
        at = time.monotonic()
        words = one_run(parser, data, folder)
        state["runs"] += 1
        state["slowest"] = max(state["slowest"], time.monotonic() - at)
        if words and words not in found and len(found) < 50:
            found[words] = data
            print(f"{name}: {words}\n    {data[:300]!r}", flush=True)
            if keep:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{name} {len(found)}").write_bytes(data)
        if state["runs"] == runs:
            summary = {"parser": name, "runs": runs, "found": len(found), "seconds": time.monotonic() - began}
            summary |= {"slowest": state["slowest"], "taken": taken - before, "memory": (_peak() - used) / 2**20}
            print(json.dumps(summary), flush=True)
            shutil.rmtree(scratch, ignore_errors=True)
            os._exit(0)

    def mutate(data: bytes, most: int, _: int) -> bytes:
        if chance.random() < FRESH:  # damage on damage is soon refused at the first line
            data = chance.choice(seeds)
        data = atheris.Mutate(data, most) if chance.random() < 0.4 else damaged(data, chance)
        return (parser.fix(data) if chance.random() < 0.8 else data)[:most]

    for sound in seeds:  # what is imported and compiled at the first time is no run's time
        one_run(parser, sound, folder)
        parser.read(sound, folder)
        if words := one_run(parser, sound, folder):
            raise SystemExit(f"{name}: a sound file is refused: {words}")
    used = _peak()
    words = [sys.argv[0], f"-seed={seed + 1}", f"-max_len={largest + 2**12}", "-rss_limit_mb=0", "-verbosity=0",
             "-mutate_depth=1",
             f"-artifact_prefix={scratch}/",
             f"-timeout={2 * SECONDS}", str(corpus)]  # fmt: skip
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY, resource.RLIM_INFINITY))
    atheris.Setup(words, test, custom_mutator=mutate, internal_libfuzzer=True)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", choices=[*PARSERS, "all"])
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--json", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.name is None:
        print(*PARSERS, sep="\n")
        return
    names, rows = [*PARSERS] if given.name == "all" else [given.name], []
    for name in names:  # each in a process of its own: a limit of memory is for good
        command = [sys.executable, str(TESTS / "fuzz.py"), name, "--runs", str(given.runs), "--seed", str(given.seed)]
        if given.json:
            if given.plain or not _has_atheris():
                print(json.dumps(fuzz(name, given.runs, given.seed, given.keep)), flush=True)
            else:
                guided(name, given.runs, given.seed, given.keep)
            return
        command += ["--json"] + ["--plain"] * given.plain + (["--keep", str(given.keep)] if given.keep else [])
        said = tempfile.TemporaryFile("w+")  # noqa: SIM115 (what libFuzzer and C libraries say of it)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True)
        last = ""
        for line in process.stdout:
            if line.startswith('{"parser"'):
                last = line
            else:
                print(line, end="", flush=True)
        row = json.loads(last) if process.wait() == 0 and last else {"parser": name, "ended": process.returncode}
        if "found" not in row:
            said.seek(0)
            print(said.read()[-2000:])
        rows.append(row)
        print(_row(row), flush=True)
    if len(rows) > 1:
        print("\n" + "\n".join(_row(row) for row in rows))
    sys.exit(any(row.get("found", 1) for row in rows))


def _row(row: dict) -> str:
    if "found" not in row:
        return f"{row['parser']:20} ended with {row['ended']}"
    share = row["taken"] / row["runs"]
    return (f"{row['parser']:20} {row['runs']:9,} runs, {share:4.0%} taken, {row['found']} found, "
            f"{row['seconds']:4.0f} s, slowest {1000 * row['slowest']:4.0f} ms, "
            f"memory +{row['memory']:.0f} MB")  # fmt: skip


def _has_atheris() -> bool:
    try:
        import atheris  # noqa: F401
    except ImportError:
        return False
    return True


if __name__ == "__main__":
    main()
