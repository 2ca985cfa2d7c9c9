"""Several processes at one task: the tree that gradients are added in, and runs under mpiexec to the same bits."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commands import PLAIN
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from minircnn.base.errors import InputError, NotFinite
from minircnn.base.ranks import STARTED_BY_MPI, Ranks, own_cores
from minircnn.training import summing
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.training.train import Training

MPIEXEC = Path(sys.executable).with_name("mpiexec")
needs_mpi = pytest.mark.skipif(not MPIEXEC.is_file(), reason="mpi4py and mpich are not installed: pip install .[mpi]")


def mpiexec(count, *words, wait=True, cwd=None):
    """`mpiexec -n COUNT minircnn WORDS`; to its end, or as it runs."""
    command = [str(MPIEXEC), "-n", str(count), sys.executable, "-m", "minircnn", *map(str, words)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd, env=os.environ | PLAIN
    )
    if not wait:
        return process
    out, err = process.communicate(timeout=300)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def same_bits(one, other):
    """Weights, velocities, order of two runs' last checkpoints; and their logs but for the seconds."""
    first, second = (load_file(run / "last.safetensors") for run in (one, other))
    assert set(first) == set(second)
    assert [name for name in first if first[name].tobytes() != second[name].tobytes()] == []
    logs = [[row.rpartition(",")[0] for row in (run / "log.csv").read_text().splitlines()] for run in (one, other)]
    assert logs[0] == logs[1]


def by_recursion(values):
    """The tree's sum, written once more: split off the largest power of two below the length."""
    if len(values) == 1:
        return values[0]
    cut = 1
    while 2 * cut < len(values):
        cut *= 2
    return by_recursion(values[:cut]) + by_recursion(values[cut:])


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_however_parts_are_shared_out_their_sum_has_the_same_bits(count, size, seed):
    values = np.random.default_rng(seed).standard_normal((count, 3)).astype(np.float32)
    pieces, seen = {}, []
    for rank in range(size):
        first, end = summing.own_parts(count, rank, size)
        for node in summing.branches(count, (first, end)):
            assert first <= node[0] < node[1] <= end
            pieces[node] = by_recursion(list(values[node[0] : node[1]])).copy()
            seen += range(*node)
    assert seen == list(range(count))  # each part once, in order
    assert summing.add_in_tree(pieces, (0, count)).tobytes() == by_recursion(list(values)).tobytes()


def test_equal_shares_of_a_power_of_two_are_one_branch():
    for size in (1, 2, 3, 4, 8, 64):
        for each in (1, 2, 4, 16):
            for rank in range(size):
                own = summing.own_parts(size * each, rank, size)
                assert summing.branches(size * each, own) == [own]


def test_siblings_are_what_a_node_was_split_into():
    assert summing.siblings(6, (0, 1), (1, 2))
    assert summing.siblings(6, (0, 4), (4, 6))
    assert not summing.siblings(6, (1, 2), (2, 3))
    assert not summing.siblings(6, (2, 4), (4, 6))


def test_cores_are_shared_out():
    assert [own_cores([0, 1, 2, 5, 6], place, 2) for place in (0, 1)] == [{0, 1}, {2, 5, 6}]
    assert [own_cores([3, 7], place, 4) for place in range(4)] == [{3}, {7}, {3}, {7}]


def test_one_process_alone_is_all_the_ranks():
    alone = Ranks()
    assert (alone.rank, alone.size, alone.started) == (0, 1, False)
    assert alone.together(lambda ranks, word: f"{ranks.rank} {word}", "here") == ["0 here"]
    assert alone.agree(None, 5) == [5]
    with pytest.raises(InputError, match="no"):
        alone.agree(InputError("no"))


def test_what_is_not_finite_travels_between_processes():
    import pickle

    error = pickle.loads(pickle.dumps(NotFinite("the loss is nan")))
    assert (error.fact, type(error)) == ("the loss is nan", NotFinite)


def test_the_rate_follows_the_size_of_the_minibatch_only_when_asked():
    def settings(**given):
        return TrainSettings(data="x", epochs=10, **given).resolve(640)

    usual, large = settings(), settings(images_per_step=16)
    assert usual.schedule(1600)(800) == large.schedule(400)(200) == 0.02
    scaled = settings(images_per_step=16, scale_lr=True)
    assert scaled.lr_factor() == 4
    schedule = scaled.schedule(400)
    assert schedule(200) == pytest.approx(0.08)
    assert schedule.warmup_steps == 80  # a fifth of the run, which is less than five epochs of 40 steps
    assert schedule(0) == pytest.approx(0.002)  # as without
    vgg16 = settings(backbone="vgg16", images_per_step=8, scale_lr=True, weights="none").schedule(800)
    assert vgg16(0) == pytest.approx(0.001)
    assert vgg16(400) == pytest.approx(0.004)
    assert settings(images_per_step=2, scale_lr=True).lr_factor() == 1


@pytest.fixture(scope="module")
def tree_run(scenes, tmp_path_factory):
    """Six steps of four images, added in the tree by this process."""
    folder = tmp_path_factory.mktemp("ranks") / "run"
    training = Training.start(RunFolder(folder), tree_settings(scenes))
    training.run()
    return folder


def tree_settings(scenes, **given):
    return TrainSettings(
        data=str(scenes), epochs=3, proposals_folder=str(scenes / "proposals"), sum="tree", validations=1, **given
    )


def flags(scenes, run):
    return ("train", "--data", scenes, "--out", run, "--epochs", 3, "--proposals", scenes / "proposals",
            "--validations", 1)  # fmt: skip


def test_a_gradient_added_in_the_tree_is_the_minibatch_s(scenes, tmp_path, monkeypatch):
    training = Training.start(RunFolder(tmp_path / "run"), tree_settings(scenes, flip=0.0))
    steps, found = training.steps, []
    monkeypatch.setattr(steps.optimiser, "move", lambda name, gradient, lr, part: found.append((name, gradient.copy())))
    steps.model.train()
    for layer in steps.model.after.values():
        if hasattr(layer, "rate"):
            layer.rate = 0.0  # a mask of the minibatch is not that of its images
    images = [0, 3, 5]
    steps.next_images = lambda: images
    rois = [len(steps.part(0, place, [image])[0].labels) for place, image in enumerate(images)]
    assert len(set(rois)) == 1  # of as many RoIs each, the mean of means is the mean
    steps.learn(0.1)
    drawn = [steps.part(0, place, [image])[0] for place, image in enumerate(images)]
    whole = steps.batch_of(images, np.random.default_rng(0))
    regions = [np.insert(batch.rois[:, 1:], 0, place, axis=1) for place, batch in enumerate(drawn)]
    batch = type(whole)(
        whole.images, np.concatenate(regions), np.concatenate([one.labels for one in drawn]),
        np.concatenate([one.targets for one in drawn]), whole.image_ids,
    )  # fmt: skip
    steps.model.losses(batch)
    steps.model.backward()
    flat = {name: parameter.grad.reshape(-1) for name, parameter in steps.optimiser.parameters.items()}
    assert {name for name, _ in found} == set(flat)
    for name, gradient in found:
        scale = np.abs(flat[name]).max()
        np.testing.assert_allclose(gradient, flat[name], rtol=0, atol=1e-5 * scale, err_msg=name)


def test_only_where_mpiexec_started_it_a_process_looks_for_others(monkeypatch):
    from minircnn.base import ranks

    monkeypatch.setattr(ranks, "_ranks", Ranks())
    for name in STARTED_BY_MPI:
        monkeypatch.delenv(name, raising=False)
    assert ranks.join_ranks().size == 1
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setitem(sys.modules, "mpi4py", None)  # as where it is not installed
    with pytest.raises(InputError, match="pip install mpi4py mpich"):
        ranks.join_ranks()
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")  # srun's one process needs nobody
    assert ranks.join_ranks().size == 1
    assert not ranks.ranks().started


@needs_mpi
def test_two_ranks_give_the_bits_of_one_process(scenes, tree_run, tmp_path):
    done = mpiexec(2, *flags(scenes, tmp_path / "two"))
    assert done.returncode == 0, done.stderr
    same_bits(tree_run, tmp_path / "two")
    assert "mpiexec" not in done.stderr


@needs_mpi
@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 3, 4, 5])
def test_any_number_of_ranks_gives_the_bits_of_one_process(scenes, tree_run, tmp_path, count):
    done = mpiexec(count, *flags(scenes, tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    same_bits(tree_run, tmp_path / "run")
    assert ("nothing to compute" in done.stdout) == (count > 4)


@needs_mpi
@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_ranks(scenes, tree_run, tmp_path):
    run = tmp_path / "run"
    process = mpiexec(2, *flags(scenes, run), wait=False)
    while process.poll() is None and not (run / "last.safetensors").is_file():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    if process.returncode != 0:  # else it was done already
        assert process.returncode == 130
        assert f"Go on with: mpiexec -n 2 minircnn train --resume {run}" in out
        assert mpiexec(4, "train", "--resume", run).returncode == 0
    same_bits(tree_run, run)


@needs_mpi
@pytest.mark.slow
def test_faster_rcnn_by_two_ranks(scenes, tmp_path):
    for count in (1, 2):
        words = ("train", "--data", scenes, "--out", tmp_path / str(count), "--model", "faster", "--epochs", 2)
        assert mpiexec(count, *words).returncode == 0
    same_bits(tmp_path / "1", tmp_path / "2")


JOIN = """
import sys
from minircnn.base.errors import InputError
from minircnn.base.ranks import join_ranks, ranks
if join_ranks().rank:
    ranks().serve()
    sys.exit()
"""
CROPS = """
import numpy as np
from minircnn.fashion.crops import CropMaterial
from minircnn.tasks.pretrain import CropSteps, PretrainSettings
steps = CropSteps(CropMaterial.training(None), PretrainSettings("bundled", 3200, 0, sys.argv[1]))
losses = [steps.take()["loss"] for _ in range(int(sys.argv[3]))]
np.savez(sys.argv[2], losses=losses, **steps.tensors())
ranks().end(0)
"""
REFUSED = """
from minircnn.training.run_folder import RunFolder
from minircnn.training.settings import TrainSettings
from minircnn.training.train import Training
steps = Training.start(RunFolder(sys.argv[2]), TrainSettings(sys.argv[1], sum="tree", epochs=3)).steps
def refuse(batch):
    raise InputError("the disk is full")
steps.seen = refuse
try:
    steps.take()
except InputError as error:
    print("told:", error, "at step", steps.step)
steps.seen = None
steps.take()
print("went on to step", steps.step)
ranks().end(0)
"""


def program(count, text, *words):
    """A program of its own by so many ranks, or by none → what it printed."""
    start = [str(MPIEXEC), "-n", str(count)] if count else []
    done = subprocess.run([*start, sys.executable, "-c", JOIN + text, *map(str, words)], capture_output=True, text=True,
                          timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_mpi
@pytest.mark.slow
def test_crops_are_added_in_the_tree_to_the_same_bits_and_by_mpi_to_the_same_numbers(tmp_path):
    """Nothing is drawn in pretraining but the crops, so all ways to add must come to the same.

    After one step; in a later one the winner of a cell changes for the last digit.
    """
    ways = {"tree": (0, "tree"), "tree 2": (2, "tree"), "tree 3": (3, "tree"), "plain": (0, "plain"),
            "plain 2": (2, "plain"), "plain 5": (5, "plain")}  # fmt: skip
    found = {}
    for way, (count, sum) in ways.items():
        program(count, CROPS, sum, tmp_path / f"{way}.npz", 1)
        found[way] = dict(np.load(tmp_path / f"{way}.npz"))
    for way in ("tree 2", "tree 3"):
        assert [name for name, array in found["tree"].items() if found[way][name].tobytes() != array.tobytes()] == []
    for way in ("tree", "plain 2", "plain 5"):
        for name, array in found["plain"].items():
            atol = 3e-5 * np.abs(array).max()
            np.testing.assert_allclose(found[way][name], array, rtol=0, atol=atol, err_msg=f"{way} {name}")
    assert all(np.abs(array).max() > 0 for name, array in found["plain"].items() if name.startswith("velocity."))


@needs_mpi
@pytest.mark.slow
def test_what_one_rank_meets_amid_a_step_ends_it_on_all(scenes, tmp_path):
    """Rank 0 alone draws the first minibatches, and a full disk refuses the picture."""
    said = program(2, REFUSED, scenes, tmp_path / "run")
    assert said.splitlines()[-2:] == ["told: the disk is full at step 0", "went on to step 1"]


@needs_mpi
@pytest.mark.slow
def test_evaluation_and_proposals_by_three_ranks(scenes, finished_run, tmp_path):
    measured = []
    for count in (1, 3):
        out = tmp_path / f"{count}.json"
        words = ("eval", finished_run, "--data", scenes, "--proposals", tmp_path / f"cache{count}", "--json", out)
        assert mpiexec(count, *words).returncode == 0
        measured.append(json.loads(out.read_text()))
        measured[-1].pop("seconds_per_image")
        measured[-1].pop("command", None)
    assert measured[0] == measured[1]
    assert measured[0]["AP"] is not None
    caches = [sorted(p.relative_to(tmp_path / f"cache{n}") for p in (tmp_path / f"cache{n}").rglob("*.boxes"))
              for n in (1, 3)]  # fmt: skip
    assert caches[0] == caches[1]
    assert len(caches[0]) == 4


@needs_mpi
@pytest.mark.slow
def test_what_is_wrong_on_another_rank_is_one_sentence(scenes, tmp_path):
    data = shutil.copytree(scenes, tmp_path / "data", ignore=shutil.ignore_patterns("proposals"))
    image = sorted((data / "train" / "image").iterdir())[1]  # rank 1's
    image.write_bytes(image.read_bytes()[:3000])
    done = mpiexec(2, "proposals", "--data", data, "--out", tmp_path / "cache")
    assert done.returncode == 2
    assert len(re.findall("^error: ", done.stderr, re.M)) == 1
    assert image.name in done.stderr
    done = mpiexec(2, "detect", "x")
    assert done.returncode == 2
    assert "leave out mpiexec" in done.stderr


@needs_mpi
@pytest.mark.slow
def test_an_image_that_vanishes_in_a_run_ends_it_on_all_ranks(scenes, tmp_path):
    data, run = shutil.copytree(scenes, tmp_path / "data"), tmp_path / "run"
    words = ("train", "--data", data, "--out", run, "--epochs", 2000, "--proposals", data / "proposals")
    process = mpiexec(2, *words, wait=False)
    while process.poll() is None and not (run / "last.safetensors").is_file():
        time.sleep(0.02)
    sorted((data / "train" / "image").iterdir())[5].unlink()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert len(re.findall("^error: ", err, re.M)) == 1
    assert "cannot be read" in err
    assert (run / "last.safetensors").is_file()
