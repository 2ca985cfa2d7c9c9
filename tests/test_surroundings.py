"""What a program meets outside: no streams, a notebook's backend, no libGL, SIGTERM, drives that refuse things."""

import errno
import importlib.metadata
import json
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from commands import python, start
from PIL import Image

from minircnn import FastRCNN, detect, load_model, save_model, vgg_small
from minircnn.base.errors import InputError
from minircnn.base.files import write_bytes
from minircnn.bench.measure import Row
from minircnn.bench.show import check_plot, save_plot
from minircnn.boxes import decode_boxes, iou_matrix, nms
from minircnn.data import open_samples
from minircnn.losses import smooth_l1, softmax, softmax_cross_entropy
from minircnn.proposals import ProposalCache, ProposalSettings, cache
from minircnn.tasks.finish import finish_run
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.training.train import Training
from minircnn.weights.foreign import safetensors_file
from minircnn.weights.foreign.protobuf import mapped

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def sure(tmp_path_factory):
    """A detector that finds something everywhere, so that boxes are drawn; and two images."""
    folder = tmp_path_factory.mktemp("sure")
    model = FastRCNN(vgg_small(), 2, np.random.default_rng(0), ("a", "b"))
    model.head.cls_score.bias.value[1] += 8
    save_model(folder / "m.safetensors", model)
    rng = np.random.default_rng(0)
    for name in "ab":
        Image.fromarray(rng.integers(0, 255, (64, 96, 3), np.uint8)).save(folder / f"{name}.png")
    return folder


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-"], ids=["stdout", "both"])
@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_a_program_without_streams_does_its_work(closed, sure, tmp_path):
    command = f"{sys.executable} -m minircnn detect {sure}/m.safetensors {sure}/a.png --out {tmp_path}/out {closed}"
    assert subprocess.run(command, shell=True, capture_output=True).returncode == 0
    assert (tmp_path / "out" / "detections.json").exists()


def test_a_notebooks_drawing_backend_hinders_nobody(sure, tmp_path):
    words = ["-m", "minircnn", "detect", sure / "m.safetensors", sure / "a.png", "--out", tmp_path / "out"]
    done = python(*words, MPLBACKEND="module://not_installed.backend_inline")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "detections.json").read_text())


def test_without_libgl_what_needs_opencv_is_one_sentence_and_the_rest_works(sure, tmp_path):
    (tmp_path / "cv2").mkdir()
    (tmp_path / "cv2" / "__init__.py").write_text('raise ImportError("libGL.so.1: cannot open shared object file")')
    for words, code in (
        (["detect", sure / "m.safetensors", sure / "a.png", "--out", tmp_path / "out"], 2),
        (["data", "scenes", "--out", tmp_path / "s", "--images", 2], 2),
        (["weights", "info", sure / "m.safetensors"], 0),
    ):
        done = python("-m", "minircnn", *words, PYTHONPATH=str(tmp_path))
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        assert ("opencv-contrib-python-headless" in done.stderr) == (code == 2)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to catch")
def test_detection_that_is_terminated_keeps_its_lists(sure, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for number in range(40):
        Image.fromarray(rng.integers(0, 255, (300, 400, 3), np.uint8)).save(tmp_path / "in" / f"{number:02d}.png")
    process = start("detect", sure / "m.safetensors", tmp_path / "in", "--out", tmp_path / "out")
    while process.poll() is None and len(list(tmp_path.glob("out/*.jpg"))) < 2:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert b"Go on with: minircnn detect" in output
    drawn = len(list(tmp_path.glob("out/*.jpg")))
    listed = json.loads((tmp_path / "out" / "images.json").read_text())["images"]
    assert drawn - 1 <= len(listed) <= drawn < 40


def test_a_folder_of_the_packages_name_does_not_hide_an_editable_install(tmp_path):
    (tmp_path / "minircnn").mkdir()
    done = python("-c", "import minircnn; print(minircnn.__version__)", cwd=tmp_path)
    assert done.stdout.strip()[0].isdigit(), done.stderr


def test_the_public_names_are_shown_before_they_are_loaded():
    done = python(
        "-c", "import minircnn, sys; print(set(minircnn.__all__) <= set(dir(minircnn)), 'numba' in sys.modules)"
    )
    assert done.stdout.split() == ["True", "False"]


def test_a_drive_that_refuses_modes_is_written_to(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refuse)
    save_model(tmp_path / "a.safetensors", FastRCNN(vgg_small(), 2, np.random.default_rng(0)))
    write_bytes(tmp_path / "a.json", b"{}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.safetensors"]


def test_a_drive_that_maps_no_files_is_read(sure, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr(mmap, "mmap", refuse)
    monkeypatch.setattr(safetensors_file, "safe_open", refuse)
    (tmp_path / "a").write_bytes(b"content")
    with mapped(tmp_path / "a") as data:
        assert data[2:5] == b"nte"
    assert load_model(sure / "m.safetensors").class_names == ("a", "b")
    (tmp_path / "b.safetensors").write_bytes((sure / "m.safetensors").read_bytes()[:-100])
    with pytest.raises(InputError, match="damaged"):
        load_model(tmp_path / "b.safetensors")


def test_threads_that_store_one_file_leave_it_whole(tmp_path):
    contents = [bytes([n]) * 100_000 for n in range(8)]
    path = tmp_path / "entry"

    def store(n):
        for _ in range(30):
            write_bytes(path, contents[n])
            assert path.read_bytes() in contents

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(store, range(8)))
    assert [entry.name for entry in tmp_path.iterdir()] == ["entry"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_proposals_count_the_cores_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert cache.usable_cores() == 1


def test_where_processes_share_nothing_proposals_are_computed_one_after_another(scenes, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.ENOSYS, "Function not implemented")  # what a system without semaphores says

    monkeypatch.setattr(cache, "ProcessPoolExecutor", refuse)
    proposals = ProposalCache(tmp_path / "p", ProposalSettings())
    assert proposals.fill(open_samples(scenes, "train"), workers=2) == []
    assert len(list(tmp_path.rglob("*.boxes"))) == 8


def test_proposals_serve_a_program_from_standard_input(scenes, tmp_path):
    program = f"""
from minircnn.data import open_samples
from minircnn.proposals import ProposalCache, ProposalSettings
print(ProposalCache(r"{tmp_path}/p", ProposalSettings()).fill(open_samples(r"{scenes}", "train"), workers=2))
"""
    done = subprocess.run([sys.executable, "-"], input=program, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_strict_program_around_detects_all_the_same(sure, rng):
    model = load_model(sure / "m.safetensors")
    model.head.cls_score.weight.value *= 3000  # scores further apart than exp can show
    image = rng.integers(0, 255, (64, 96, 3), np.uint8)
    boxes = np.array([[4, 4, 40, 50], [10, 20, 70, 60]], np.float32)
    want = detect(model, image, boxes)
    with np.errstate(all="raise"):
        found = detect(model, image, boxes)
        softmax(np.array([[0, -500]], np.float32))
        decode_boxes(boxes, np.full((2, 4), -200, np.float32))
    np.testing.assert_array_equal(found.scores, want.scores)


@pytest.mark.parametrize(
    "thing",
    [[[0.0] * 8], None, "a.jpg", Path("a.jpg"), Image.new("RGB", (8, 8))],
    ids=lambda thing: type(thing).__name__,
)
def test_what_is_no_array_is_told(thing, sure):
    model, labels = load_model(sure / "m.safetensors"), np.array([1])
    boxes, scores = np.zeros((1, 4), np.float32), np.zeros(1, np.float32)
    calls = [
        lambda: detect(model, thing),
        lambda: softmax_cross_entropy(thing, labels),
        lambda: softmax_cross_entropy(np.zeros((1, 3), np.float32), thing),
        lambda: smooth_l1(thing, boxes, labels),
        lambda: smooth_l1(np.zeros((1, 8), np.float32), thing, labels),
        lambda: iou_matrix(thing, boxes),
        lambda: nms(thing, scores, 0.5),
        lambda: nms(boxes, thing, 0.5),
        lambda: decode_boxes(boxes, thing),
    ]
    for call in calls:
        with pytest.raises(ValueError, match=rf"NumPy array.* not {type(thing).__name__}"):
            call()


@pytest.mark.parametrize("names", [("a", "b"), tuple("abcd"), ("a", "a", "b"), (1, 2, 3), "abc"])
def test_names_that_do_not_fit_the_classes_are_refused_before_anything_is_trained(names):
    with pytest.raises(ValueError, match="class_names should be"):
        FastRCNN(vgg_small(), 3, np.random.default_rng(0), names)


def test_a_chart_is_drawn_over_benchs_own_files_alone(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
    (tmp_path / "notes.svg").write_text("<svg/>")
    for name in ("photo.png", "notes.svg"):
        with pytest.raises(InputError, match="was not written by minircnn bench"):
            check_plot(tmp_path / name)
    row = Row("conv", 1.0, {"torch": 2.0}, 2.0, None, None, None, "")
    for name in ("a.png", "a.svg", "a.pdf"):
        check_plot(tmp_path / name)
        save_plot(tmp_path / name, [row], "title")
        check_plot(tmp_path / name)
    with pytest.raises(InputError, match="should end in"):
        check_plot(tmp_path / "a.jpg")


@pytest.mark.slow
def test_best_weights_that_were_moved_away_are_written_again_by_the_next_validation(scenes, tmp_path):
    settings = TrainSettings(data=str(scenes), epochs=1, images_per_step=2, validation_images=1)
    run = RunFolder(tmp_path / "run")
    Training.start(run, settings).run()
    run.best.rename(tmp_path / "mine.safetensors")
    training = Training.resume(run)  # at its end
    assert any("best.safetensors is not there any more" in note for note in training.notes)
    training.run()
    metrics = finish_run(training, training.data.validation, "validation", lambda *_: None)
    assert "moved away" in metrics["weights"]
    assert run.best.is_file()
    run.best.unlink()
    training = Training.resume(run, epochs=2)
    training.history[0]["AP"] = 0.999
    training.run()
    assert run.best.is_file()


def test_termination_outside_the_main_thread_is_left_to_the_program():
    from minircnn.cli.console import on_interrupt

    before, problems = signal.getsignal(signal.SIGTERM), []

    def work():
        try:
            with on_interrupt("nothing"):
                problems.append(signal.getsignal(signal.SIGTERM) is not before)
        except ValueError as error:
            problems.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert problems == [False]


def test_columns_line_up_beside_names_in_hangul():
    from minircnn.cli.figures import padded

    assert padded("앵클부츠", 12) == "앵클부츠    "
    assert padded("Ankle boot", 12) == "Ankle boot  "
    assert padded("ｆｕｌｌ", 4) == "ｆｕｌｌ"


def test_an_editable_install_keeps_its_types():
    """As a path; type checkers do not follow the import hook that setuptools would else leave."""
    installed = importlib.metadata.distributions(name="minircnn")
    files = [file for distribution in installed for file in distribution.files or []]
    paths = [file.locate() for file in files if file.name.endswith(".pth")]
    if not paths:
        pytest.skip("installed as a copy")
    (folder,) = Path(paths[0]).read_text(encoding="utf-8").split("\n")[:1]
    assert (Path(folder) / "minircnn" / "py.typed").is_file()
