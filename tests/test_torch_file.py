"""`.pth` files without PyTorch: what PyTorch wrote comes back, and nothing that stands in a file is ever run."""

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from minircnn.base.errors import InputError
from minircnn.weights.foreign.formats import is_foreign
from minircnn.weights.foreign.torch_file import read_torch_file

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch to compare with it")


def written(torch, folder, content, zipped):
    path = folder / "a.pth"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


def tensors_of_every_kind(torch):
    large = torch.arange(42.0).reshape(6, 7)
    return {
        "features.0.weight": torch.randn(4, 3, 3, 3),
        "features.0.bias": torch.nn.Parameter(torch.randn(4)),
        "transposed": torch.randn(3, 5).t(),
        "every second": torch.randn(10)[::2],
        "part of another": large[2:4, 1:3],
        "another": large,
        "double": torch.randn(3).double(),
        "half": torch.randn(3).half(),
        "brain": torch.randn(5).bfloat16(),
        "count": torch.tensor(3),
        "empty": torch.zeros(0, 4),
    }


@FORMATS
def test_what_pytorch_wrote_comes_back(zipped, torch, tmp_path):
    tensors = tensors_of_every_kind(torch)
    for content in (tensors, {"state_dict": tensors, "epoch": 3}):
        path = written(torch, tmp_path, content, zipped)
        assert is_foreign(path)
        found = read_torch_file(path)[0]
        assert list(found) == list(tensors)
        for name, tensor in tensors.items():
            np.testing.assert_array_equal(found[name].array(), tensor.detach().float().numpy(), err_msg=name)


@FORMATS
def test_a_whole_model_is_refused_by_the_name_it_asks_for(zipped, torch, tmp_path):
    path = written(torch, tmp_path, torch.nn.Linear(2, 3), zipped)
    with pytest.raises(InputError, match=r"refused: it names torch.nn.modules.linear.Linear"):
        read_torch_file(path)[0]


@FORMATS
def test_a_file_cut_short_or_changed_is_one_sentence_or_read_right(zipped, torch, tmp_path):
    content = written(torch, tmp_path, tensors_of_every_kind(torch), zipped).read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "b.pth"
    damaged = [content[:cut] for cut in rng.integers(0, len(content), 50)]
    for place in rng.integers(0, len(content), 200):
        damaged.append(content[:place] + bytes([content[place] ^ (1 << int(rng.integers(8)))]) + content[place + 1 :])
    refused = 0
    for variant in damaged:
        path.write_bytes(variant)
        try:
            found = {name: stored.array() for name, stored in read_torch_file(path)[0].items()}
        except InputError as error:
            assert str(path) in str(error)  # noqa: PT017 (either is right here)
            refused += 1
        else:
            assert sum(array.size for array in found.values()) < 1000
    assert refused >= 50


def test_a_part_of_a_storage_is_held_to_the_checksum_of_all_of_it(torch, tmp_path):
    values = torch.arange(1e6)
    path = written(torch, tmp_path, {"first": values[:100], "rest": values[100:]}, True)
    whole = path.read_bytes()
    place = whole.index(np.float32(50).tobytes() + np.float32(51).tobytes())
    path.write_bytes(whole[:place] + b"\x07" + whole[place + 1 :])
    with pytest.raises(InputError, match="CRC"):
        read_torch_file(path)[0]["first"].array()


class Harmful:
    """What a pickle can do: `__reduce__` names any function, and loading calls it."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (Path(self.target),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_run_something_is_refused_and_never_runs(zipped, tmp_path):
    target, path = tmp_path / "touched", tmp_path / "a.pth"
    harmful = pickle.dumps({"weight": Harmful(target)}, protocol=2)
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/data.pkl", harmful)
    else:
        path.write_bytes(b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {})) + harmful)
    with pytest.raises(InputError, match="refused: it names"):
        read_torch_file(path)[0]
    assert not target.exists()
    pickle.loads(harmful)  # the same, read as everybody does
    assert target.exists()


def test_a_compressed_entry_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", b"0" * 10_000_000)
    with pytest.raises(InputError, match="compressed"):
        read_torch_file(tmp_path / "a.pth")[0]


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04", b"\x80\x02", b"words", pickle.dumps({"a": 1}), pickle.dumps([1])]
)
def test_other_files_are_one_sentence(content, tmp_path):
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.pth"):
        read_torch_file(tmp_path / "a.pth")[0]
    with pytest.raises(InputError, match="cannot be read"):
        read_torch_file(tmp_path / "none.pth")[0]
