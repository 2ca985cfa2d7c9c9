"""The commands as a person types them: what works leaves its files, what cannot work is one sentence and exit 2."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
from commands import assert_one_sentence, minircnn, python, start
from PIL import Image

from minircnn.base.errors import InputError
from minircnn.models import FastRCNN, vgg_small
from minircnn.weights.model_file import save_model


def test_help_names_the_commands():
    text = minircnn("--help").stdout
    for command in ("demo", "train", "pretrain", "eval", "detect", "proposals", "data", "gradcheck", "bench"):
        assert command in text
        assert "Example: minircnn" in minircnn(command, *(["scenes"] if command == "data" else []), "--help").stdout


def test_train_eval_and_detect_from_the_command_line(scenes, tmp_path):
    done = minircnn("train", "--data", scenes, "--out", tmp_path / "run", "--epochs", 0.5)
    assert done.returncode == 0, done.stderr
    assert "mAP50" in done.stdout
    again = minircnn("train", "--resume", tmp_path / "run")  # a finished run is measured again
    assert again.returncode == 0, again.stderr

    done = minircnn("eval", tmp_path / "run", "--data", scenes, "--json", tmp_path / "figures.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "figures.json").read_text())["images"] == 4

    done = minircnn("detect", tmp_path / "run", scenes / "train" / "image", "--out", tmp_path / "found", "--score", 0.1)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "found" / "detections.json").read_text())
    assert all({"image_id", "category_id", "category_name", "bbox", "score"} == result.keys() for result in results)
    assert len(list((tmp_path / "found").glob("*.jpg"))) == 8


def test_proposals_and_scenes_from_the_command_line(tmp_path):
    assert minircnn("data", "scenes", "--out", tmp_path / "s", "--images", 3, "--size", 96).returncode == 0
    done = minircnn("proposals", "--data", tmp_path / "s", "--out", tmp_path / "p", "--workers", 1)
    assert "3 images" in done.stdout
    assert "recall" in done.stdout


def test_eval_on_other_classes_says_which(scenes, tmp_path):
    for names in (("Bag", "hat"), ("Bag", "Coat")):
        save_model(tmp_path / "m.safetensors", FastRCNN(vgg_small(), 2, np.random.default_rng(0), names))
        done = minircnn("eval", str(tmp_path / "m.safetensors"), "--data", str(scenes))
        if "hat" in names:
            assert done.returncode == 2
            assert f"m.safetensors finds hat, not among the classes of {scenes} (T-shirt/top, Trouser, " in done.stderr
        else:
            assert done.returncode == 0
            assert "m.safetensors was not taught T-shirt/top, Trouser, Pullover, Dress, Sandal, " in done.stdout


def test_eval_of_data_that_is_not_there_says_so(tmp_path):
    save_model(tmp_path / "m.safetensors", FastRCNN(vgg_small(), 1, np.random.default_rng(0), ("hat",)))
    done = minircnn("eval", str(tmp_path / "m.safetensors"), "--data", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert "no such folder" in done.stderr


def break_folder(scenes, tmp_path, kind):
    """A copy of the scenes with one thing wrong; gives what the sentence should name."""
    data = tmp_path / "data"
    shutil.copytree(scenes, data)
    image, annotation = data / "train/image/000002.jpg", data / "train/annos/000002.json"
    content = json.loads(annotation.read_text())
    if kind == "truncated JPEG":
        image.write_bytes(image.read_bytes()[:1500])
        return data, image
    if kind == "image without annotation":
        annotation.unlink()
        return data, "000002"
    if kind == "annotation without image":
        image.unlink()
        return data, "000002"
    if kind == "broken JSON":
        annotation.write_text("{")
        return data, annotation
    if kind == "missing key":
        del content["item1"]["bounding_box"]
    elif kind == "class out of range":
        content["item1"]["category_id"] = 99
    elif kind == "box without area":
        content["item1"]["bounding_box"] = [10, 10, 10, 40]
    elif kind == "box outside":
        content["item1"]["bounding_box"] = [10, 10, 500, 40]
    elif kind == "box of NaN":
        content["item1"]["bounding_box"] = [10, 10, float("nan"), 40]
    annotation.write_text(json.dumps(content))
    return data, annotation


@pytest.mark.parametrize(
    "kind",
    [
        "truncated JPEG", "image without annotation", "annotation without image", "broken JSON", "missing key",
        "class out of range", "box without area", "box outside", "box of NaN",
    ],
)  # fmt: skip
def test_a_bad_file_stops_training_with_one_sentence(scenes, tmp_path, kind):
    data, named = break_folder(scenes, tmp_path, kind)
    assert_one_sentence(minircnn("train", "--data", data, "--out", tmp_path / "run", "--epochs", 1), named)


def test_skip_bad_goes_on_and_says_what_was_skipped(scenes, tmp_path):
    data, image = break_folder(scenes, tmp_path, "truncated JPEG")
    done = minircnn("train", "--data", data, "--out", tmp_path / "run", "--epochs", 0.5, "--skip-bad")
    assert done.returncode == 0, done.stderr
    assert f"skipped: {image}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["train"], "--data DIR"),
        (["train", "--data", "nowhere", "--out", "run"], "nowhere"),
        (["train", "--data", "nowhere", "--out", "run", "--backbone", "resnet"], "should be one of vgg16, vgg_small"),
        (["train", "--data", "nowhere", "--out", "run", "--epochs", "0"], "epochs should be above 0"),
        (["train", "--resume", "nowhere"], "nowhere"),
        (["train", "--resume", __file__], "is a file; give --resume the run's folder"),
        (["train", "--resume", "nowhere", "--out", "x"], "leave out --out"),
        (["train", "--resume", "nowhere", "--lr", "1", "--skip-bad"], "leave out --lr, --skip-bad"),
        (["train", "--data", "nowhere", "--out", "run", "--epochs", "inf"], "epochs should be above 0"),
        (["train", "--data", "nowhere", "--out", "run", "--seed", "-1"], "seed should be at least 0"),
        (["train", "--data", "nowhere", "--out", "run", "--rois-per-image", "2"], "give at least 4"),
        (["train", "--data", "x" * 300, "--out", "run"], "File name too long"),
        (["train", "--data", ".", "--out", "x" * 300], "File name too long"),
        (["train", "--dat", "x"], "No such option: --dat"),
        (["nonsense"], "No such command"),
        (["detect", "nowhere", "x.jpg", "--out", "found", "--score", "2"], "--score"),
        (["detect", "nowhere", "x.jpg", "--out", "found", "--score", "best"], "a number from 0 to 1, or auto"),
        (["detect", "x" * 300, "x.jpg", "--out", "found"], "File name too long"),
        (["data", "scenes", "--out", "s", "--size", "1000000"], "size is 1000000"),
        (["data", "scenes", "--out", "s", "--images", "many"], "--images"),
        (["data", "scenes", "--out", "s", "--seed", "-1"], "seed is -1"),
        (["gradcheck", "--json", "."], "is a folder"),
        (["gradcheck", "--seed", "-1"], "--seed"),
        (["eval", "nowhere", "--data", "x"], "nowhere"),
        (["detect", "nowhere", "x.jpg", "--out", "found"], "nowhere"),
        (["data", "scenes", "--out", "s", "--images", "0"], "images"),
        (["proposals", "--data", "nowhere", "--out", "p"], "nowhere"),
        (["proposals", "--data", "nowhere", "--out", "p", "--mode", "slow"], "fast or quality"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments_are_one_sentence(arguments, part, tmp_path):
    assert_one_sentence(minircnn(*arguments, cwd=tmp_path), part)


def test_detect_refuses_what_is_no_image(model_file, tmp_path):
    (tmp_path / "text.jpg").write_text("no image")
    assert_one_sentence(minircnn("detect", model_file, tmp_path / "text.jpg", "--out", tmp_path / "o"), "text.jpg")
    (tmp_path / "empty").mkdir()
    assert_one_sentence(
        minircnn("detect", model_file, tmp_path / "empty", "--out", tmp_path / "o"), "holds no image that can be read"
    )


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16", "P"])
def test_detect_takes_grey_transparent_and_sixteen_bit_images(model_file, mode, tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (60, 70))
    if mode == "I;16":
        Image.fromarray((values * 257).astype(np.uint16)).save(tmp_path / "image.png")
    else:
        Image.fromarray(values.astype(np.uint8)).convert(mode).save(tmp_path / "image.png")
    done = minircnn("detect", model_file, tmp_path / "image.png", "--out", tmp_path / "o", "--score", 0.05)
    assert done.returncode == 0, done.stderr


def test_the_version_is_printed():
    assert minircnn("--version").stdout == "minircnn 0.1.0\n"


# detect: many files, and nothing written over


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a.jpg", "b.webp", "c.jfif", "d.bmp"):
        pixels = rng.integers(0, 256, (60, 70, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name, format="JPEG" if name.endswith("jfif") else None)
    return folder


def test_detect_goes_on_past_bad_images_and_lists_them_at_the_end(model_file, photographs, tmp_path):
    (photographs / "b.webp").write_bytes((photographs / "b.webp").read_bytes()[:300])
    (photographs / "notes.txt").write_text("no image")
    (photographs / "deeper" / ".thumbnails").mkdir(parents=True)
    (photographs / "deeper" / "a.jpg").write_bytes((photographs / "a.jpg").read_bytes())
    (photographs / "again").symlink_to("deeper")
    (photographs / "broken link.jpg").symlink_to("nowhere.jpg")
    (photographs / "no suffix").write_bytes((photographs / "a.jpg").read_bytes())
    done = minircnn("detect", model_file, photographs, tmp_path / "not there.jpg", "--out", tmp_path / "found")
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 2
    assert all(line.startswith("error: ") for line in lines)
    assert "not there.jpg is not there" in lines[0]
    assert "b.webp" in lines[1]
    assert "left out: " + str(photographs / "notes.txt") in done.stdout
    assert "left out: " + str(photographs / "broken link.jpg") in done.stdout
    assert f"left out: {photographs / 'again'} (a linked folder)" in done.stdout
    assert f"left out: {photographs / 'deeper' / '.thumbnails'} (a hidden folder)" in done.stdout
    drawn = sorted(path.relative_to(tmp_path / "found").as_posix() for path in (tmp_path / "found").rglob("*.jpg"))
    assert drawn == ["0001-a.jpg", "0003-c.jpg", "0004-d.jpg", "0005-no suffix.jpg", "deeper/0006-a.jpg"]
    listed = json.loads((tmp_path / "found" / "images.json").read_text())
    assert [row["id"] for row in listed["images"]] == [1, 3, 4, 5, 6]


def test_cocos_own_loader_takes_what_detect_writes(photographs, tmp_path):
    from faster_coco_eval import COCO

    sure = FastRCNN(vgg_small(), 2, np.random.default_rng(0), ("hat", "scarf"))
    sure.head.cls_score.bias.value[:] = [0, 5, 0]
    save_model(tmp_path / "sure.safetensors", sure)
    out = tmp_path / "found"
    assert minircnn("detect", tmp_path / "sure.safetensors", photographs, "--out", out).returncode == 0
    truth = COCO(str(out / "images.json"))
    found = truth.loadRes(str(out / "detections.json"))
    assert found.getImgIds() == [1, 2, 3, 4]
    assert truth.loadImgs([1])[0]["file_name"].endswith("a.jpg")
    assert {row["category_id"] for row in found.dataset["annotations"]} == {1}
    assert truth.cats[1]["name"] == "hat"
    assert all(min(row["bbox"][2:]) > 0 for row in found.dataset["annotations"])


def test_detect_writes_over_no_input(model_file, photographs):
    before = {path.name: path.read_bytes() for path in photographs.iterdir()}
    done = minircnn("detect", model_file, "a.jpg", "--out", ".", cwd=photographs)
    assert_one_sentence(done, "a.jpg is one of the images and would be written over")
    assert {path.name: path.read_bytes() for path in photographs.iterdir()} == before


@pytest.mark.parametrize("name", ["0002-b.jpg", "images.json", "detections.json"])
def test_detect_writes_over_nothing_that_it_did_not_make(model_file, photographs, tmp_path, name):
    out = tmp_path / "found"
    command = ["detect", model_file, photographs, "--out", out]
    assert minircnn(*command).returncode == 0
    assert minircnn(*command).returncode == 0  # its own files it may
    (out / name).write_bytes((photographs / "a.jpg").read_bytes())
    assert_one_sentence(minircnn(*command), f"{name} is there already and was not made by minircnn detect")
    assert (out / name).read_bytes() == (photographs / "a.jpg").read_bytes()


def test_pictures_drawn_among_the_images_are_not_looked_at_again(model_file, photographs):
    for _ in range(2):
        done = minircnn("detect", model_file, photographs, "--out", photographs)
        assert done.returncode == 0
        assert "4 of 4 pictures" in done.stdout
    assert "left out: " + str(photographs / "0001-a.jpg") + " (drawn by minircnn detect)" in done.stdout


def test_names_too_long_for_a_prefix_are_cut(model_file, photographs, tmp_path):
    (photographs / "a.jpg").rename(photographs / ("가" * 83 + "b.jpg"))
    assert minircnn("detect", model_file, photographs, "--out", tmp_path / "found").returncode == 0
    assert len(list((tmp_path / "found").glob("*.jpg"))) == 4


# Consoles and pipes


def in_bytes(*words):
    process = start(*words)
    output, errors = process.communicate(timeout=300)
    return subprocess.CompletedProcess(words, process.returncode, output, errors)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp949", "cp1252", "ascii"])
def test_output_survives_any_console(scenes, tmp_path, encoding, monkeypatch):
    """A dash, a Korean class name, a file name that is no UTF-8: none of them stops a command."""
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    save_model(tmp_path / "m.safetensors", FastRCNN(vgg_small(), 1, np.random.default_rng(0), ("모자 – ²",)))
    photograph = tmp_path / (os.fsdecode(b"\xc7\xd1[bold]") + ".jpg")
    Image.new("RGB", (60, 50)).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").rename(photograph)
    done = in_bytes("detect", tmp_path / "m.safetensors", photograph, "--out", tmp_path / "found", "--score", 0)
    assert done.returncode == 0, done.stderr
    assert b"\\xc7\\xd1[bold].jpg" in done.stdout
    assert ("모자" if encoding == "cp949" else "\\ubaa8\\uc790").encode(encoding) in done.stdout
    assert json.loads((tmp_path / "found" / "images.json").read_text())["images"][0]["id"] == 1
    done = in_bytes("detect", tmp_path / "m.safetensors", tmp_path / "없다–.jpg", "--out", tmp_path / "found")
    assert done.returncode == 2
    assert b"error: " in done.stderr
    assert in_bytes("train", "--help").returncode == 0


def test_figures_are_written_before_they_are_printed(model_file, scenes, tmp_path):
    """Whoever reads the output may have gone."""
    command = [sys.executable, "-m", "minircnn", "eval", str(model_file), "--data", str(scenes)]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*command, "--json", str(tmp_path / "e.json")], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert b"Traceback" not in done.stderr
    figures = json.loads((tmp_path / "e.json").read_text(), parse_constant=pytest.fail)
    assert figures["made_by"] == "minircnn eval"


def test_figures_are_written_over_their_own_kind_only(scenes, tmp_path):
    command = ["proposals", "--data", scenes, "--out", tmp_path / "p", "--workers", "1", "--json", tmp_path / "f.json"]
    for _ in range(2):
        assert minircnn(*command).returncode == 0
    (tmp_path / "f.json").write_text('{"my": "notes"}')
    assert_one_sentence(minircnn(*command), "f.json is there already and was not written by minircnn")


def test_figures_of_a_data_set_without_a_garment_are_null_and_not_nan(model_file, scenes, tmp_path):
    shutil.copytree(scenes, tmp_path / "data")
    for path in (tmp_path / "data" / "validation" / "annos").iterdir():
        path.write_text("{}")
    done = minircnn("eval", model_file, "--data", tmp_path / "data", "--json", tmp_path / "e.json")
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "e.json").read_text(), parse_constant=pytest.fail)
    assert figures["proposal_recall50"] is None
    assert "nan" not in done.stdout


# Ctrl-C


def interrupted(*arguments, at, cwd):
    """Start a command, send Ctrl-C once it prints `at`; gives exit code and output."""
    # Whoever runs the suite in a shell's background has Ctrl-C ignored, and children inherit that
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = start(*arguments, cwd=cwd, stderr=subprocess.STDOUT, text=True, preexec_fn=listen)
    seen = ""
    while at not in seen and (line := process.stdout.readline()):
        seen += line
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=100)
    return process.returncode, seen + rest


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_ctrl_c_says_what_is_saved_and_the_command_that_goes_on(scenes, tmp_path):
    start = ["train", "--data", scenes, "--out", "my run", "--epochs", 10, "--images-per-step", 2]
    code, output = interrupted(*start, at="reading validation", cwd=tmp_path)
    assert code == 130
    assert output.strip().splitlines()[-1].startswith("stopped; ")
    go_on = shlex.split(output.strip().splitlines()[-1].split("Go on with: ")[1])
    assert go_on[1:] in ([str(word) for word in start], ["train", "--resume", "my run"])
    code, output = interrupted(*go_on[1:], at="training: 40/40", cwd=tmp_path)
    assert code == 130, output
    assert output.strip().endswith("Go on with: minircnn train --resume 'my run'")
    assert minircnn("train", "--resume", "my run", cwd=tmp_path).returncode == 0


def test_one_process_a_run_folder(finished_run, tmp_path):
    from minircnn.training.run_folder import RunFolder

    shutil.copytree(finished_run, tmp_path / "run")
    with RunFolder(tmp_path / "run").claimed():
        done = python("-m", "minircnn", "train", "--resume", tmp_path / "run", "--epochs", 4)
    assert_one_sentence(done, tmp_path / "run", f"is in use by another minircnn process (number {os.getpid()})")


# The demo's own folder


def test_a_demo_takes_no_other_runs_folder(finished_run, tmp_path):
    shutil.copytree(finished_run, tmp_path / "run")
    before = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert_one_sentence(minircnn("demo", "--quick", "--out", tmp_path / "run"), "holds a run that is no demo")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    assert_one_sentence(minircnn("demo", "--quick", "--out", tmp_path / "mine"), "holds other files (thesis.txt)")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == before


@pytest.fixture
def tiny_demo(monkeypatch):
    """`run_demo` on a handful of scenes."""
    from minircnn.tasks import demo

    monkeypatch.setattr(demo, "QUICK", demo.DemoSize(train=4, validation=2, test=2, epochs=1))
    return lambda out, **given: demo.run_demo(out, True, 0, lambda *_: None, **given)


@pytest.mark.slow
def test_a_demo_that_compares_leaves_both_runs_in_one_report(tiny_demo, tmp_path):
    metrics = tiny_demo(tmp_path / "demo", compare=True)
    assert "comes with minircnn" in metrics["started_from"]
    assert metrics["data"]["split"] == "test"
    assert metrics["images"] == metrics["rival"]["images"] == 2
    assert metrics["rival"]["started_from"] == "random weights"
    assert [row["step"] for row in metrics["history"]] == [row["step"] for row in metrics["rival"]["history"]]
    assert metrics["ms_per_image"]["images"] == 2
    page = (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    assert "Two starts" in page
    assert not (tmp_path / "demo" / "from-random" / "proposals").exists()  # they are shared
    again = tiny_demo(tmp_path / "demo", compare=True)  # a finished demo is measured again
    assert again["mAP50"] == metrics["mAP50"]
    assert again["rival"]["mAP50"] == metrics["rival"]["mAP50"]


@pytest.mark.slow
def test_a_demo_goes_on_only_from_its_own_start(tiny_demo, tmp_path):
    metrics = tiny_demo(tmp_path / "demo", weights="none")
    assert metrics["started_from"] == "random weights"
    assert "rival" not in metrics
    with pytest.raises(InputError, match="a demo of another size, seed, start or model"):
        tiny_demo(tmp_path / "demo")
    with pytest.raises(InputError, match="leave out --weights none"):
        tiny_demo(tmp_path / "other", weights="none", compare=True)
    assert not (tmp_path / "other").exists()


# Pretraining


@pytest.mark.slow
def test_pretrain_from_the_command_line_and_a_run_that_begins_with_it(scenes, tmp_path, monkeypatch):
    monkeypatch.setattr("minircnn.tasks.pretrain.TEST_CROPS", 33)
    out = tmp_path / "new" / "own.safetensors"
    done = minircnn("pretrain", "--crops", 64, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "top-1 0." in done.stdout
    assert [path.name for path in out.parent.iterdir()] == ["own.safetensors"]
    about = minircnn("weights", "info", out)
    assert "minircnn's, a backbone" in about.stdout
    assert "command: minircnn pretrain --crops 64 --seed 0" in about.stdout
    done = minircnn("train", "--data", scenes, "--out", tmp_path / "run", "--epochs", 0.5, "--weights", out)
    assert done.returncode == 0, done.stderr
    assert "own.safetensors" in json.loads((tmp_path / "run" / "metrics.json").read_text())["started_from"]
    assert_one_sentence(minircnn("eval", out, "--data", scenes), "is a backbone alone, no detector")


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--fashion-mnist", "nowhere"], "train-images-idx3-ubyte: no such file, plain or .gz"),
        (["--out", "a.pth"], "--out should end in .safetensors, not 'a.pth'"),
        (["--out", "there.safetensors"], "there.safetensors is there already; choose another --out"),
        (["--out", "there.safetensors/b.safetensors"], "cannot be made"),
        (["--minutes", "0"], "--minutes should be above 0"),
        (["--minutes", "nan"], "--minutes should be above 0"),
        (["--crops", "5"], "--crops should be 32 to 1,000,000,000, not 5"),
        (["--seed", "-1"], "--seed should be at least 0"),
    ],
)
def test_a_pretraining_that_cannot_be_is_one_sentence(tmp_path, flags, sentence):
    (tmp_path / "there.safetensors").write_text("mine")
    assert_one_sentence(minircnn("pretrain", *flags, cwd=tmp_path), sentence)
    assert [path.name for path in tmp_path.iterdir()] == ["there.safetensors"]
    assert (tmp_path / "there.safetensors").read_text() == "mine"


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_stopped_pretraining_says_how_to_go_on(tmp_path):
    unfinished, out = tmp_path / "a.safetensors.unfinished", str(tmp_path / "a.safetensors")
    with start("pretrain", "--crops", 3200000, "--out", out, text=True, stderr=None) as process:
        for line in process.stdout:
            if line.startswith("preparing kernels: 1/1"):
                break
        time.sleep(4)  # into the steps
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert process.returncode == 130
    assert f"what is done is in {unfinished}. Go on with: minircnn pretrain --crops 3200000 --out" in rest
    assert [path.name for path in tmp_path.iterdir()] == [unfinished.name]


# Weights


def test_weights_that_are_a_page_or_a_pointer_are_named_for_what_they_are(tmp_path):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"4d7a" * 16 + b"\nsize 553433881\n"
    page = b"\n<!DOCTYPE html><html><title>Sign in</title></html>"
    cases = {
        "pointer": (pointer, "Git LFS"),
        "page": (page, "web page"),
        "array": (b"\x93NUMPY\x01\x00", "numpy.savez"),
    }
    for name, (content, words) in cases.items():
        path = tmp_path / f"{name}.pth"
        path.write_bytes(content + bytes(100))
        out = str(tmp_path / "o.safetensors")
        done = minircnn("weights", "convert", path, "--out", out)
        assert_one_sentence(done, words)


# Where the package lies in a place that nobody may write to


@pytest.mark.skipif(os.name == "nt" or shutil.which("setpriv") is None, reason="needs util-linux's setpriv")
def test_a_package_that_cannot_hold_compiled_kernels_works(tmp_path):
    import minircnn

    copy = tmp_path / "site" / "minircnn"
    ignored = shutil.ignore_patterns("__pycache__", "bundled")
    shutil.copytree(os.path.dirname(minircnn.__file__), copy, ignore=ignored)
    folders = [tmp_path / "site", *(path for path in (tmp_path / "site").rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    code = (
        "import minircnn, numpy as np; from minircnn import smooth_l1; from minircnn.kernels import KEPT; "
        "print(KEPT, smooth_l1(np.zeros((1, 8)), np.ones((1, 4)), np.array([1]))[0], minircnn.__file__)"
    )
    drop = "-dac_override,-dac_read_search,-fowner"  # root obeys permissions too
    as_user = ["setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}"] if os.getuid() == 0 else []
    nowhere = {"HOME": "/proc/none", "XDG_CACHE_HOME": "/proc/none"}
    environment = os.environ | nowhere | {"PYTHONPATH": str(tmp_path / "site")}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run(
        [*as_user, sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    for folder in folders:
        folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:2] == ["False", "2.0"]
    assert str(copy) in done.stdout
