"""Proposals come in one order, keep to their settings, and are cached without ever being stale."""

import os
import signal
import subprocess
import sys
import time
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minircnn.base.errors import InputError
from minircnn.data.sample import Sample
from minircnn.proposals import cache as proposal_cache
from minircnn.proposals.cache import ProposalCache
from minircnn.proposals.selective_search import ProposalSettings, proposal_recall, propose

SETTINGS = ProposalSettings()


def _picture(seed=0, height=96, width=128):
    """Coloured rectangles with noise."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 120.0) + rng.normal(0, 4, (height, width, 3))
    for _ in range(4):
        x, y = rng.integers(0, width - 40), rng.integers(0, height - 40)
        w, h = rng.integers(20, 40, 2)
        image[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    return np.clip(image, 0, 255).astype(np.uint8)


def _sample(folder, name="a", seed=0):
    path = folder / f"{name}.png"
    Image.fromarray(_picture(seed)).save(path)
    return Sample(name, path, 96, 128, np.zeros((0, 4), np.float32), np.zeros(0, np.int64))


def _files(folder):
    return sorted(path for path in Path(folder).rglob("*.boxes") if path.is_file())


# The search


def test_proposals_are_sorted_unique_float32_boxes_inside_the_image():
    boxes = propose(_picture(), SETTINGS)
    assert boxes.dtype == np.float32
    assert len(boxes) > 10
    np.testing.assert_array_equal(boxes, np.unique(boxes, axis=0))  # sorted by x1, then y1, x2, y2
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= (128, 96)).all()
    assert (boxes[:, 2:] - boxes[:, :2] >= SETTINGS.min_side).all()


@pytest.mark.parametrize("mode", ["fast", "quality"])
def test_proposals_repeat_bit_for_bit(mode):
    settings = ProposalSettings(mode=mode)
    first = propose(_picture(), settings)
    for _ in range(3):
        np.testing.assert_array_equal(propose(_picture(), settings), first)


def test_proposals_reach_the_far_edges():
    """x2 = x + w: the box of the whole image ends at its width, not at its last pixel."""
    assert (propose(_picture(), SETTINGS) == (0, 0, 128, 96)).all(axis=1).any()


def test_proposals_find_a_rectangle():
    image = np.full((100, 100, 3), 60, np.uint8)
    image[30:70, 20:80] = (200, 40, 40)
    assert proposal_recall([(propose(image, SETTINGS), np.array([[20, 30, 80, 70.0]]))], (0.9,)) == {0.9: 1.0}


def test_quality_finds_more_than_fast():
    image = _picture()
    assert len(propose(image, ProposalSettings(mode="quality"))) > len(propose(image, SETTINGS))


def test_channels_are_given_in_opencv_s_order(monkeypatch):
    """Red and blue weigh differently, so a swap would be unseen but wrong."""
    given = []
    search = types.SimpleNamespace(
        setBaseImage=given.append,
        switchToSelectiveSearchFast=lambda *_: None,
        process=lambda: np.zeros((0, 4), np.int32),
    )
    segmentation = types.SimpleNamespace(createSelectiveSearchSegmentation=lambda: search)
    fake = types.SimpleNamespace(ximgproc=types.SimpleNamespace(segmentation=segmentation))
    monkeypatch.setattr("minircnn.proposals.selective_search.opencv", lambda: fake)
    image = _picture()
    assert propose(image, SETTINGS).shape == (0, 4)
    np.testing.assert_array_equal(given[0][:, :, 2], image[:, :, 0])


def test_large_image_is_searched_small_and_mapped_back():
    """The same picture, doubled and halved again before the search, has the same proposals, doubled."""
    small = _picture(1, 60, 90)
    large = np.repeat(np.repeat(small, 2, axis=0), 2, axis=1)
    settings = replace(SETTINGS, max_image_side=90, min_side=0)
    np.testing.assert_array_equal(propose(large, settings), 2 * propose(small, settings))


def test_min_side_is_measured_in_pixels_of_the_image_given():
    large = np.repeat(np.repeat(_picture(1, 60, 90), 2, axis=0), 2, axis=1)
    boxes = propose(large, replace(SETTINGS, max_image_side=90, min_side=0))
    kept = propose(large, replace(SETTINGS, max_image_side=90, min_side=40))
    sides = boxes[:, 2:] - boxes[:, :2]
    np.testing.assert_array_equal(kept, boxes[sides.min(axis=1) >= 40])
    assert 0 < len(kept) < len(boxes)


def test_limit_keeps_sizes_evenly():
    every = propose(_picture(), replace(SETTINGS, min_side=0))
    few = propose(_picture(), replace(SETTINGS, min_side=0, limit=9))
    areas = np.sort(np.prod(every[:, 2:] - every[:, :2], axis=1))
    kept = np.sort(np.prod(few[:, 2:] - few[:, :2], axis=1))
    assert len(few) == 9
    np.testing.assert_array_equal(few, np.unique(few, axis=0))
    np.testing.assert_array_equal(kept, areas[np.linspace(0, len(every) - 1, 9).round().astype(int)])


@pytest.mark.parametrize("shape", [(1, 1), (1, 60), (8, 8)])
def test_image_smaller_than_a_box_has_no_proposals(shape):
    boxes = propose(np.zeros((*shape, 3), np.uint8), SETTINGS)
    assert boxes.shape == (0, 4)
    assert boxes.dtype == np.float32


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((50, 50), np.uint8),
        np.zeros((50, 50, 1), np.uint8),
        np.zeros((50, 50, 4), np.uint8),
        np.zeros((50, 50, 3), np.float32),
        np.zeros((50, 50, 3), np.uint16),
        np.zeros((0, 50, 3), np.uint8),
    ],
    ids=["grey", "one channel", "alpha", "float", "16-bit", "empty"],
)
def test_other_arrays_are_refused(image):
    with pytest.raises(InputError, match="uint8"):
        propose(image, SETTINGS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "best"},
        {"limit": 0},
        {"min_side": -1},
        {"min_side": float("nan")},
        {"max_image_side": 3},
        {"base_k": 0},
    ],
)
def test_settings_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        ProposalSettings(**wrong)


@pytest.mark.parametrize("module", [types.ModuleType("cv2"), None], ids=["without contrib", "cannot be imported"])
def test_damaged_opencv_is_named_with_its_remedy(monkeypatch, tmp_path, module):
    monkeypatch.setitem(sys.modules, "cv2", module)
    for use in (lambda: propose(_picture(), SETTINGS), lambda: ProposalCache(tmp_path, SETTINGS)):
        with pytest.raises(InputError, match=r"pip uninstall -y opencv-python .*pip install opencv-contrib-python"):
            use()


# Recall


def test_recall_counts_reached_truths_over_all_images():
    truth = np.array([[0, 0, 10, 10], [20, 20, 40, 40.0]])
    pairs = [
        (np.array([[0, 0, 10, 6.0], [0, 0, 5, 5]]), truth),  # IoU 0.6 with the first, 0 with the second
        (np.array([[20, 20, 40, 36.0]]), truth[1:]),  # 0.8
        (np.zeros((0, 4)), truth[:1]),  # nothing proposed
        (np.array([[0, 0, 9, 9.0]]), np.zeros((0, 4))),  # nothing true
    ]
    assert proposal_recall(pairs) == {0.5: 0.5, 0.7: 0.25}


def test_recall_includes_its_threshold():
    assert proposal_recall([(np.array([[0, 0, 10, 5.0]]), np.array([[0, 0, 10, 10.0]]))], (0.5,)) == {0.5: 1.0}


def test_recall_without_truth_is_undefined():
    assert np.isnan(proposal_recall([], (0.5,))[0.5])


# The cache


def test_cache_gives_what_the_search_gives_and_then_does_not_search(tmp_path, monkeypatch):
    sample = _sample(tmp_path)
    cache = ProposalCache(tmp_path / "cache", SETTINGS)
    first = cache.get(sample)
    np.testing.assert_array_equal(first, propose(_picture(), SETTINGS))
    monkeypatch.setattr(proposal_cache, "propose", lambda *_: pytest.fail("searched again"))
    again = ProposalCache(tmp_path / "cache", SETTINGS).get(sample)
    np.testing.assert_array_equal(again, first)
    assert again.dtype == np.float32
    assert again.flags.writeable


def test_cache_is_exact_for_fractions(tmp_path):
    settings = replace(SETTINGS, max_image_side=50)  # 128 / 50 leaves fractions of a pixel
    sample = _sample(tmp_path)
    cache = ProposalCache(tmp_path / "cache", settings)
    first = cache.get(sample)
    assert (first % 1 != 0).any()
    np.testing.assert_array_equal(cache.get(sample), first)


def test_cache_keeps_an_image_without_proposals(tmp_path, monkeypatch):
    settings = replace(SETTINGS, min_side=1000)
    sample = _sample(tmp_path)
    cache = ProposalCache(tmp_path / "cache", settings)
    assert cache.get(sample).shape == (0, 4)
    monkeypatch.setattr(proposal_cache, "propose", lambda *_: pytest.fail("searched again"))
    assert cache.get(sample).shape == (0, 4)


def test_changed_image_is_searched_again(tmp_path):
    cache = ProposalCache(tmp_path / "cache", SETTINGS)
    before = cache.get(_sample(tmp_path, seed=0))
    after = cache.get(_sample(tmp_path, seed=1))
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after, propose(_picture(1), SETTINGS))


@pytest.mark.parametrize(
    "change", [{"mode": "quality"}, {"base_k": 200}, {"min_side": 20.0}, {"max_image_side": 64}, {"limit": 5}]
)
def test_changed_settings_are_searched_again(tmp_path, change):
    sample, changed = _sample(tmp_path), replace(SETTINGS, **change)
    ProposalCache(tmp_path / "cache", SETTINGS).get(sample)
    found = ProposalCache(tmp_path / "cache", changed).get(sample)
    np.testing.assert_array_equal(found, propose(_picture(), changed))
    assert len(_files(tmp_path / "cache")) == 2


@pytest.mark.parametrize("damage", [lambda b: b[:-5], lambda b: b"", lambda b: b[:20] + bytes([b[20] ^ 8]) + b[21:]])
def test_damaged_entry_is_computed_again(tmp_path, damage):
    sample = _sample(tmp_path)
    cache = ProposalCache(tmp_path / "cache", SETTINGS)
    first = cache.get(sample)
    (entry,) = _files(tmp_path / "cache")
    whole = entry.read_bytes()
    entry.write_bytes(damage(whole))
    np.testing.assert_array_equal(cache.get(sample), first)
    assert entry.read_bytes() == whole


def test_fill_computes_what_is_missing_and_counts_all(tmp_path, monkeypatch):
    samples = [_sample(tmp_path, f"{i}", seed=i) for i in range(3)]
    cache = ProposalCache(tmp_path / "cache", SETTINGS)
    cache.get(samples[1])
    searched, steps = [], []
    monkeypatch.setattr(proposal_cache, "propose", lambda *given: searched.append(1) or propose(*given))
    assert cache.fill(samples, workers=1, progress=lambda *step: steps.append(step[:3])) == []
    assert len(searched) == 2
    assert steps == [("proposals", n, 3) for n in (1, 2, 3)]
    assert len(_files(tmp_path / "cache")) == 3


def test_proposals_of_other_settings_are_named(tmp_path):
    samples = [_sample(tmp_path, "0", seed=0)]
    quality = ProposalCache(tmp_path / "cache", replace(SETTINGS, mode="quality"))
    quality.fill(samples, workers=1)
    fast = ProposalCache(tmp_path / "cache", SETTINGS)
    fast.fill(samples, workers=1)
    assert quality.notes == []
    assert fast.notes == [f"{tmp_path / 'cache'} holds proposals of mode quality, not fast: those are not used here"]
    again = ProposalCache(tmp_path / "cache", SETTINGS)
    again.fill(samples, workers=1)
    assert again.notes == []


def test_a_whole_cache_that_may_only_be_read_serves(tmp_path, monkeypatch):
    samples = [_sample(tmp_path, "0", seed=0)]
    ProposalCache(tmp_path / "cache", SETTINGS).fill(samples, workers=1)
    for path in (tmp_path / "cache").glob("settings-*.json"):
        path.unlink()

    def refuse(path, *_):
        raise InputError(f"{path} cannot be written (Read-only file system)")

    for name in ("write_json", "write_bytes"):
        monkeypatch.setattr(proposal_cache, name, refuse)
    assert ProposalCache(tmp_path / "cache", SETTINGS).fill(samples, workers=1) == []


def test_fill_with_processes_equals_fill_without(tmp_path):
    samples = [_sample(tmp_path, f"{i}", seed=i) for i in range(4)]
    (tmp_path / "1.png").write_bytes(b"no image")
    alone, pooled = (ProposalCache(tmp_path / name, SETTINGS) for name in ("alone", "pooled"))
    steps = []
    failed = alone.fill(samples, workers=1, skip_bad=True)
    assert pooled.fill(samples, workers=2, skip_bad=True, progress=lambda *step: steps.append(step[:3])) == failed
    assert [image_id for image_id, _ in failed] == ["1"]
    assert steps == [("proposals", n, 4) for n in (1, 2, 3, 4)]
    stored = [{path.name: path.read_bytes() for path in _files(cache.folder)} for cache in (alone, pooled)]
    assert len(stored[0]) == 3
    assert stored[0] == stored[1]


def test_full_cache_starts_no_process(tmp_path, monkeypatch):
    samples = [_sample(tmp_path, f"{i}", seed=i) for i in range(2)]
    cache = ProposalCache(tmp_path / "cache", SETTINGS)
    cache.fill(samples, workers=1)
    monkeypatch.setattr(ProposalCache, "_in_processes", lambda *_: pytest.fail("started processes"))
    assert cache.fill(samples, workers=2) == []


@pytest.mark.parametrize("content", [b"no image", None], ids=["broken", "missing"])
def test_fill_stops_at_a_bad_image_or_skips_it(tmp_path, content):
    samples = [_sample(tmp_path, f"{i}", seed=i) for i in range(3)]
    samples[1].image_path.unlink()
    if content is not None:
        samples[1].image_path.write_bytes(content)
    cache = ProposalCache(tmp_path / "cache", SETTINGS)
    with pytest.raises(InputError, match=r"1\.png"):
        cache.fill(samples, workers=1)
    ((image_id, sentence),) = cache.fill(samples, workers=1, skip_bad=True)
    assert image_id == "1"
    assert str(samples[1].image_path) in sentence


def test_cache_that_cannot_be_written_is_an_error_even_when_skipping(tmp_path):
    sample = _sample(tmp_path)
    (tmp_path / "cache").write_text("a file where the folder should be")
    cache = ProposalCache(tmp_path / "cache", SETTINGS)
    with pytest.raises(InputError, match="cannot be written"):
        cache.get(sample)
    with pytest.raises(InputError, match="cannot be written"):
        cache.fill([sample], workers=1, skip_bad=True)


def test_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(self, content):
        self.touch()
        raise OSError(28, "No space left on device")

    sample = _sample(tmp_path)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left on device"):
        ProposalCache(tmp_path / "cache", SETTINGS).get(sample)
    assert _files(tmp_path / "cache") == []


def test_script_without_a_main_guard_ends_with_a_sentence(tmp_path):
    """Spawned workers import the script again: without the guard that must not go on for ever."""
    _sample(tmp_path)
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\n"
        "from pathlib import Path\n"
        "from minircnn.data.sample import Sample\n"
        "from minircnn.proposals.cache import ProposalCache\n"
        "from minircnn.proposals.selective_search import ProposalSettings\n"
        f"sample = Sample('a', Path({str(tmp_path / 'a.png')!r}), 96, 128, np.zeros((0, 4)), np.zeros(0, int))\n"
        f"ProposalCache({str(tmp_path / 'cache')!r}, ProposalSettings()).fill([sample, sample], workers=2)\n"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    # Python's own resource tracker may add, after the end, that the children left semaphores behind
    said = [line for line in done.stderr.splitlines() if "resource_tracker" not in line]
    assert "InputError" in said[-1]
    assert "__main__" in said[-1]


@pytest.mark.parametrize("workers", [0, -3, 100_000])
def test_numbers_of_workers_that_cannot_be_meant_are_refused(tmp_path, workers):
    with pytest.raises(InputError, match=f"workers should be 1 to 61 processes, not {workers}"):
        ProposalCache(tmp_path / "cache", SETTINGS).fill([_sample(tmp_path)], workers=workers)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks Linux which processes are there")
def test_workers_end_with_their_parent(tmp_path):
    """Even one that is killed, and so tells nobody."""
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, time, multiprocessing as mp\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from minircnn.proposals.cache import _start_worker\n"
        "import os\n"
        "if __name__ == '__main__':\n"
        "    pool = ProcessPoolExecutor(1, mp.get_context('spawn'), initializer=_start_worker)\n"
        "    print(pool.submit(os.getpid).result(), flush=True)\n"
        "    time.sleep(100)\n",
        encoding="utf-8",
    )
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    worker = Path("/proc", parent.stdout.readline().strip())
    assert worker.is_dir()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    for _ in range(100):
        if not worker.is_dir() or "Z" in (worker / "stat").read_text().rpartition(")")[2].split()[0]:
            return
        time.sleep(0.1)
    os.kill(int(worker.name), signal.SIGKILL)
    pytest.fail("the worker lives on")
