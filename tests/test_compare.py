"""`minircnn compare`: four systems on a handful of scenes, what is finished is kept, and the same figures twice."""

import json
import os
import signal
import time

import pytest
from commands import assert_one_sentence, minircnn, start

from minircnn.base.errors import InputError
from minircnn.base.progress import silent
from minircnn.data import open_samples
from minircnn.models.sppnet import SPPNet
from minircnn.report.road import verdicts
from minircnn.tasks.budget import Budget
from minircnn.tasks.compare import run as task
from minircnn.tasks.compare.run import SYSTEMS, compare
from minircnn.tasks.compare.systems import Ground, run_system
from minircnn.training.checkpoint import stored_step
from minircnn.weights.model_file import load_model

SIZE = Budget(train=20, test=2, epochs=0.2)  # two steps; every class has a box


@pytest.fixture
def in_process(monkeypatch):
    """Without a process for each system, which takes seconds to begin; the systems that ran."""
    ran = []

    def apart(name, *given):
        ran.append(name)
        run_system(name, *given)

    monkeypatch.setattr(task, "_apart", apart)
    return ran


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("compare") / "out"


def test_systems_leave_their_figures_and_are_not_run_again(folder, in_process):
    found = compare(folder, ("spp", "fast"), SIZE, 0, silent)
    assert in_process == ["spp", "fast"]
    (spp,), (fast,) = found["spp"], found["fast"]
    assert set(spp["seconds"]) == {"fine-tuning", "features", "SVMs and boxes"}
    assert set(fast["seconds"]) == {"one stage"}
    assert spp["disk"] > 1e6
    assert fast["disk"] == 0
    for row in (spp, fast):
        assert row["images_seen"] == 4
        assert 0 <= row["mAP50"] <= 1
        assert all(row["ms_per_image"][part] > 0 for part in ("proposals", "network", "post_processing"))
    stored = load_model(folder / "spp" / "seed-0" / "model.safetensors")
    assert isinstance(stored, SPPNet)
    assert stored.linear is not None
    again = compare(folder, ("spp", "fast"), SIZE, 0, silent)
    assert again == found
    assert in_process == ["spp", "fast"]
    (folder / "fast" / "seed-0" / "result.json").unlink()
    again = compare(folder, ("fast",), SIZE, 0, silent)
    assert in_process[2:] == ["fast"]
    assert [again["fast"][0][key] for key in ("mAP50", "AP", "recall50")] == [
        fast[key] for key in ("mAP50", "AP", "recall50")
    ]


def test_windows_of_background_are_those_of_the_paper(tmp_path):
    """R-CNN's: whatever overlaps by less than half; SPPnet's and Fast R-CNN's: from 0.1 to 0.5."""
    ground = Ground(tmp_path, str(tmp_path / "scenes"), "test", 1)
    lows = {name: ground.settings(name, 0).roi_sampling.background_iou_low for name in SYSTEMS[:3]}
    assert lows == {"rcnn": 0.0, "spp": 0.1, "fast": 0.1}


@pytest.mark.slow
def test_images_of_ones_own_are_measured_on_what_they_are_split_into(scenes, tmp_path, in_process, monkeypatch):
    whole, photos, told = tmp_path / "whole", tmp_path / "photos", []
    for source, folder in ((scenes, whole), (scenes / "train", photos)):
        assert minircnn("data", "convert", source, "--to", "voc", "--out", folder).returncode == 0
    (whole / "classes.txt").unlink()  # as most tools leave such folders
    monkeypatch.setattr(task, "write_compare_page", lambda *given: told.append(given[2:4]))
    found = compare(tmp_path / "a", ("fast",), SIZE, 0, silent, seeds=2, data=whole)
    assert [row["images"] for row in found["fast"]] == [4, 4]  # its validation split, for it has no test split
    assert in_process == ["fast", "fast"]
    ((shown, names),) = told  # detections count in the classes of the training images, of which these show fewer
    assert names == load_model(tmp_path / "a" / "fast" / "seed-0" / "model.safetensors").class_names
    assert len(shown) == 2
    assert open_samples(whole, "validation").class_names != names
    words = ("compare", "--quick", "--systems", "fast", "--data", photos, "--out", tmp_path / "c")
    assert_one_sentence(minircnn(*words), "is not split; hold a tenth out for validation with --split 0.1")
    assert not (tmp_path / "c").exists()
    found = compare(tmp_path / "c", ("fast",), SIZE, 0, silent, data=photos, held_out=0.25)
    assert found["fast"][0]["images"] == 2
    words = ("compare", "--quick", "--systems", "fast", "--out", tmp_path / "b")
    assert_one_sentence(minircnn(*words, "--split", 0.2), "--split is of --data")
    assert not (tmp_path / "b").exists()


def test_a_class_that_no_svm_could_learn_is_told_before_anything(scenes, tmp_path, in_process):
    """Eight scenes do not have all ten classes."""
    with pytest.raises(InputError, match=r"no training image has a box of .*, so SPPnet's SVM for it has nothing"):
        compare(tmp_path / "a", ("spp", "fast"), SIZE, 0, silent, data=scenes)
    assert not (tmp_path / "a").exists()
    assert in_process == []


@pytest.mark.slow
def test_a_comparison_is_the_same_twice(tmp_path, in_process):
    one, other = (compare(tmp_path / name, SYSTEMS, SIZE, 0, silent) for name in "ab")
    for name in SYSTEMS:
        for key in ("mAP50", "mAP75", "AP", "recall50", "images_seen", "disk"):
            assert one[name][0][key] == other[name][0][key], (name, key)


def test_wrong_systems_and_folders_are_one_sentence(folder, tmp_path):
    assert_one_sentence(
        minircnn("compare", "--systems", "rcnn,yolo", "--out", tmp_path / "a"), "--systems yolo: give one or several of"
    )
    assert not (tmp_path / "a").exists()
    (tmp_path / "notes.txt").write_text("mine")
    assert_one_sentence(minircnn("compare", "--quick", "--out", tmp_path), "holds something else")
    assert_one_sentence(minircnn("compare", "--quick", "--out", folder), "of another size, seed or data")


def test_the_table_has_a_row_for_each_and_the_papers_figures(folder, in_process, monkeypatch, tmp_path):
    monkeypatch.setattr(task, "QUICK", SIZE)
    done = minircnn("compare", "--quick", "--systems", "fast,spp", "--out", folder, "--json", tmp_path / "c.json")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines if line.startswith(("Fast R-CNN  ", "SPPnet  "))] == [
        "Fast R-CNN", "SPPnet",
    ]  # fmt: skip
    assert any(line.startswith("Fast R-CNN  ") and line.endswith("66.9  9.5     0.32") for line in lines)
    assert set(json.loads((tmp_path / "c.json").read_text())["systems"]) == {"fast", "spp"}
    page = (folder / "compare.html").read_text(encoding="utf-8")
    assert f"page: {folder / 'compare.html'}" in lines
    for words in ("Fast R-CNN → SPPnet", "spatial pyramid of 50 bins", "<td>66.9<br>9.5 h<br>0.32 s</td>"):
        assert words in page
    assert page.count("data:image/jpeg") == 4  # two systems on two images
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def row(network, mAP50, proposals=100.0):
    parts = {"proposals": proposals, "network": network, "post_processing": 0.0, "images": 4}
    return {"ms_per_image": parts, "mAP50": mAP50, "seconds": {}}


def test_what_the_road_claims_is_what_its_figures_say():
    found = {
        "rcnn": [row(1000, 0.5)],
        "fast": [row(50, 0.4), row(50, 0.5)],
        "faster": [row(40, 0.6, 10.0), row(40, 0.7, 10.0)],
    }
    assert [(kind, values.get("times", values.get("less"))) for kind, values in verdicts(found)] == [
        ("network", "20"), ("whole", "3.0"), ("below", "0.050"), ("not.below", "-0.200"),
    ]  # fmt: skip
    assert verdicts(found)[2][1]["spread"] == "0.100"
    assert verdicts({"rcnn": found["rcnn"], "fast": found["fast"][:1]})[1][0] == "below.one"
    assert verdicts({"spp": [row(1, 0.1)]}) == []


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_leaves_a_checkpoint_inside_the_fine_tuning(tmp_path):
    """Both processes get it there; the one that trains must hear it once."""
    process = start("compare", "--quick", "--systems", "rcnn", "--out", tmp_path / "out", start_new_session=True)
    for line in process.stdout:
        if line.startswith(b"R-CNN, proposals validation"):
            break
    time.sleep(8)  # some steps
    os.killpg(process.pid, signal.SIGINT)
    said = b"".join(process.communicate(timeout=60))
    assert process.returncode == 130, said
    assert f"what is finished is in {tmp_path / 'out'}. Go on with: minircnn compare" in said.decode()
    assert b"Traceback" not in said
    step = stored_step(tmp_path / "out" / "rcnn" / "seed-0" / "fine-tuning.safetensors")
    assert 0 < step < 48
