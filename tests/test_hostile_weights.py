"""Damaged and hostile files of every format: one sentence or the right weights, never run, never large in memory."""

import io
import os
import pickle
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from minircnn.base.errors import InputError
from minircnn.weights.foreign import stored
from minircnn.weights.foreign.formats import read_contents
from minircnn.weights.foreign.vgg16 import read_vgg16

for package in ("torch", "h5py", "onnx"):
    pytest.importorskip(package, reason=f"{package} is not installed: pip install torch h5py onnx to write such files")
from weight_files import NARROW, WIDTHS, WRITERS, random_arrays  # noqa: E402

CHECKED = ("torch", "npz", "npz chainer", "npz turned", "npz packed")  # zip files, whose content has a checksum


def content(kind, folder, arrays=None):
    WRITERS[kind](folder / "sound.npz", arrays or random_arrays(WIDTHS))
    return (folder / "sound.npz").read_bytes()


def everything(path):
    return {name: source.array() for name, source in read_vgg16(path, NARROW).sources.items()}


ALL = pytest.mark.parametrize("kind", WRITERS)


@ALL
def test_a_file_cut_short_is_refused_or_what_is_left_is_right(kind, tmp_path):
    whole, path = content(kind, tmp_path), tmp_path / "cut"
    want, refused = everything(tmp_path / "sound.npz"), 0
    for length in np.random.default_rng(0).integers(0, len(whole), 50):
        path.write_bytes(whole[:length])
        try:
            found = everything(path)
        except InputError as error:
            assert str(path) in str(error)  # noqa: PT017 (either is right here)
            refused += 1
            continue
        for name, array in found.items():  # Caffe's layers follow each other: a cut between two leaves whole ones
            np.testing.assert_array_equal(array, want[name])
    assert refused >= 48


@ALL
def test_a_changed_byte_is_refused_or_changes_nothing_but_a_value(kind, tmp_path):
    whole, path = content(kind, tmp_path), tmp_path / "changed"
    want = everything(tmp_path / "sound.npz")
    rng = np.random.default_rng(0)
    heads = [*rng.integers(0, min(len(whole), 3000), 100), *rng.integers(0, len(whole), 100)]
    for place in heads:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ int(rng.integers(1, 256))]) + whole[place + 1 :])
        try:
            found = everything(path)
        except InputError as error:
            assert str(path) in str(error)  # noqa: PT017 (either is right here)
            assert "\n" not in str(error)  # noqa: PT017
            continue
        changed = 0
        for name, array in found.items():
            assert array.shape == want[name].shape
            changed += int((array != want[name]).sum())
        assert changed <= (0 if kind in CHECKED else 1)


@ALL
def test_a_value_that_is_not_finite_is_refused(kind, tmp_path):
    for bad in (np.nan, np.inf):
        arrays = random_arrays(WIDTHS)
        arrays["fc7"][0][3, 4] = bad
        content(kind, tmp_path, arrays)
        with pytest.raises(InputError, match="not finite"):
            everything(tmp_path / "sound.npz")


@ALL
def test_wrong_sizes_are_refused_before_anything_is_read(kind, tmp_path):
    arrays = random_arrays((4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17))
    content(kind, tmp_path, arrays)
    with pytest.raises(InputError, match="is no VGG16"):
        everything(tmp_path / "sound.npz")


@ALL
def test_links_lead_to_the_file_and_loops_nowhere(kind, tmp_path):
    content(kind, tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "sound.npz")
    assert len(everything(tmp_path / "link")) == 32
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError, match="loop"):
        everything(tmp_path / "loop")


@pytest.mark.parametrize("what", ["folder", "empty", "fifo", "absent"])
def test_what_is_no_file_is_one_sentence(what, tmp_path):
    path = tmp_path / "a"
    if what == "folder":
        path.mkdir()
    elif what == "empty":
        path.touch()
    elif what == "fifo":
        os.mkfifo(path)
    with pytest.raises(InputError, match=r"a is (no file|not there|empty)"):
        read_contents(path)


class Harmful:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (Path(self.target),)


def test_pickles_in_numpys_files_are_never_run(tmp_path):
    target = tmp_path / "touched"
    objects = np.array([Harmful(target)], dtype=object)
    np.savez(tmp_path / "a.npz", conv1_1_W=objects)
    np.save(tmp_path / "b.npy", objects)
    (tmp_path / "c.pkl").write_bytes(pickle.dumps(Harmful(target)))
    for name in ("a.npz", "b.npy", "c.pkl"):
        with pytest.raises(InputError, match=name):
            everything(tmp_path / name)
    assert not target.exists()


def test_a_pickle_that_asks_for_room_gets_none(tmp_path):
    bomb = b"\x80\x02}r" + (0x7FFFFFFF).to_bytes(4, "little") + b"."
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("a/data.pkl", bomb)
    with pytest.raises(InputError, match="asks for room"):
        read_contents(tmp_path / "a.pth")


def test_zip_bombs_are_refused(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (3, 3, 3, 4)})
    packed = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(tmp_path / "a.npz", "w", packed) as archive:
        archive.writestr("conv1_1_W.npy", header.getvalue() + bytes(100_000_000))
    with zipfile.ZipFile(tmp_path / "b.keras", "w", packed) as archive:
        archive.writestr("model.weights.h5", bytes(100_000_000))
    with zipfile.ZipFile(tmp_path / "c.pth", "w", packed) as archive:
        archive.writestr("a/data.pkl", bytes(100_000_000))
    tracemalloc.start()
    for name, words in (("a.npz", "unpack to"), ("b.keras", "compressed"), ("c.pth", "compressed")):
        with pytest.raises(InputError, match=words):
            read_contents(tmp_path / name)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_keras_arrays_that_lie_elsewhere_are_missing(tmp_path):
    import h5py

    content("keras 1", tmp_path)
    secret = tmp_path / "secret"
    secret.write_bytes(np.ones(1000, np.float32).tobytes())
    with h5py.File(tmp_path / "sound.npz", "r+") as file:
        group = file["block1_conv1"]
        del group["block1_conv1_b_1:0"]
        group.create_dataset("block1_conv1_b_1:0", (4,), "f4", external=[(str(secret), 0, 16)])
    with pytest.raises(InputError, match="is missing"):
        everything(tmp_path / "sound.npz")
    with h5py.File(tmp_path / "sound.npz", "r+") as file:
        del file["block1_conv1"]["block1_conv1_b_1:0"]
        file["block1_conv1"]["block1_conv1_b_1:0"] = h5py.ExternalLink(str(secret), "/a")
    with pytest.raises(InputError, match="is missing"):
        everything(tmp_path / "sound.npz")


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "link", "absent", "short", "beside"])
def test_onnx_values_are_read_beside_the_graph_and_nowhere_else(location, tmp_path):
    import onnx

    folder = tmp_path / "model"
    folder.mkdir()
    content("onnx", folder)
    model = onnx.load(folder / "sound.npz")
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "w14")  # fc7
    raw = tensor.raw_data
    for name in ("beside", "../secret"):
        (folder / name).write_bytes(b"head" + raw)
    (folder / "short").write_bytes(raw)
    (folder / "link").symlink_to(tmp_path / "secret")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "4"), ("length", str(len(raw)))):
        tensor.external_data.add(key=key, value=value)
    (folder / "a.onnx").write_bytes(model.SerializeToString())
    if location == "beside":
        found, want = everything(folder / "a.onnx"), everything(folder / "sound.npz")
        np.testing.assert_array_equal(found["fc7.weight"], want["fc7.weight"])
        return
    with pytest.raises(InputError, match="its values are"):
        everything(folder / "a.onnx")


def test_without_h5py_a_keras_file_is_one_sentence(tmp_path):
    content("keras 1", tmp_path)
    program = (
        "import sys; sys.modules['h5py'] = None\n"
        "from minircnn.weights.foreign.formats import read_contents; from minircnn.base.errors import InputError\n"
        "try: read_contents(sys.argv[1])\n"
        "except InputError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "sound.npz"], capture_output=True, text=True)
    assert "pip install 'minircnn[keras]'" in done.stdout


def test_a_compressed_keras_file_says_so(tmp_path):
    import h5py

    with h5py.File(tmp_path / "a.h5", "w") as file:
        group = file.create_group("block1_conv1")
        group.create_dataset("block1_conv1_W_1:0", data=np.zeros((3, 3, 3, 4), np.float32), compression="gzip")
    with pytest.raises(InputError, match="compressed, in pieces"):
        read_contents(tmp_path / "a.h5")


def test_a_double_too_large_for_float32_is_refused(tmp_path):
    arrays = random_arrays(WIDTHS)
    arrays["fc7"] = arrays["fc7"][0].astype(np.float64), arrays["fc7"][1]
    arrays["fc7"][0][3, 4] = 1e300
    content("npz chainer", tmp_path, arrays)
    with pytest.raises(InputError, match="not finite"):
        everything(tmp_path / "sound.npz")


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (3, 2, 1, 0), (1, 3, 0, 2)])
def test_arrays_in_any_order_of_axes_come_block_by_block(axes, tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(stored, "BLOCK", 500)
    whole = torch.arange(7 * 5 * 11 * 3, dtype=torch.float32).reshape(7, 5, 11, 3).permute(axes)
    torch.save({"a": whole, "gaps": whole[:, 1:3, ::2], "one": torch.tensor(4.0)}, tmp_path / "a.pth")
    found = read_contents(tmp_path / "a.pth").tensors
    assert max(values.nbytes for _, values in found["a"].blocks()) <= 700
    np.testing.assert_array_equal(found["a"].array(), whole.numpy())
    np.testing.assert_array_equal(found["gaps"].array(), whole[:, 1:3, ::2].numpy())
    assert found["one"].array() == 4
    size = whole.shape[1]
    split = found["a"].reshaped((*whole.shape[:1], size, 1, *whole.shape[2:]))
    np.testing.assert_array_equal(split.array()[:, :, 0], whole.numpy())
    with pytest.raises(ValueError, match="is no"):
        found["a"].reshaped((2, 3))
