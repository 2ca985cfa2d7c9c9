"""Whether a run survives what machines do to it: each name is a trial, and prints a figure.

    python tests/survive.py kills       kill -9 at random moments of training, proposals, pretraining and evaluation, by
                                        one and by two ranks: begun again, do they end with the same bits?
    python tests/survive.py full        a disk that is full, at each write of a training
    python tests/survive.py vanish      images, annotations and proposals that vanish or change while a run reads them
    python tests/survive.py shared      two runs on one folder of proposals at once
    python tests/survive.py clock       files from tomorrow or long ago, as a clock that is set leaves them
    python tests/survive.py readonly    folders that may only be read
    python tests/survive.py memory      10,000 steps: does memory grow?
    python tests/survive.py detections  1,000 detections: does memory grow?

    options: --ends 200 (of kills)  --task training (kills of this alone)  --ranks 1 (alone)  --seed 0
             --count 1000 (of detections)

What is killed is begun again with the same command until it comes to its end, and its end is compared with that of a
run that nobody disturbed. A disk of its own (tmpfs) and a folder mounted read-only need root; without, those two say
that they were skipped.
"""

import argparse
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

TOOL = Path(__file__).resolve()
TASKS = ("training", "proposals", "pretraining", "evaluation")
UNLOOKED = "SURVIVE_UNLOOKED"  # in a child's environment
LONGEST = 120  # seconds of one begun run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    trials = {"kills": kills, "full": full, "vanish": vanish, "shared": shared, "clock": clock, "readonly": readonly,
              "memory": memory, "detections": detections}  # fmt: skip
    parser.add_argument("name", choices=[*trials, "child"])
    parser.add_argument("--ends", type=int, default=200)
    parser.add_argument("--task", choices=TASKS)
    parser.add_argument("--ranks", type=int, choices=(1, 2))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--child", nargs=2, metavar=("TASK", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.name == "child":
        sys.exit(child(given.child[0], Path(given.child[1])))
    with tempfile.TemporaryDirectory(prefix="survive ") as folder:  # with a space, as on many a disk
        sys.exit(trials[given.name](given, Path(folder)))


# ---------------------------------------------------------------------------------------------- what is disturbed


def child(task: str, folder: Path) -> int:
    """Begin a task in `folder`, or go on with it: a tiny one, with a checkpoint every few steps."""
    from unittest import mock

    from minircnn import cli
    from minircnn.tasks import pretrain
    from minircnn.training import loop, train

    scenes, run = folder.parent / "scenes", folder / "run"
    again = (run / "last.safetensors").is_file() or (run / "previous.safetensors").is_file()
    words = {
        "training": ["train", "--resume", run]
        if again
        else ["train", "--data", scenes, "--out", run, "--epochs", 15, "--proposals", scenes / "proposals",
              "--validations", 2, "--sum", "tree", "--images-per-step", 4],
        "proposals": ["proposals", "--data", scenes, "--out", folder / "cache", "--workers", 1],
        "pretraining": ["pretrain", "--crops", 320, "--out", folder / "backbone.safetensors", "--sum", "tree"],
        "evaluation": ["eval", folder.parent / "model.safetensors", "--data", scenes, "--split", "train", "--proposals",
                       folder / "cache", "--json", folder / "figures.json"],
    }[task]  # fmt: skip
    own_take = loop.take_steps

    def take(steps, after, save, every_seconds, *rest):  # a checkpoint every tenth of a second, not every five minutes
        own_take(steps, after, save, 0.1, *rest)

    with (
        mock.patch.object(sys, "argv", ["minircnn", *map(str, words)]),
        mock.patch.object(train, "take_steps", take),
        mock.patch.object(train, "LOG_EVERY", 4),
        mock.patch.object(train, "check_room", (lambda *_: None) if UNLOOKED in os.environ else train.check_room),
        mock.patch.object(pretrain, "take_steps", take),
        mock.patch.object(pretrain, "TEST_CROPS", 22),
    ):
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
    return 0


def command(task: str, folder: Path, count: int) -> list[str]:
    start = [str(Path(sys.executable).with_name("mpiexec")), "-n", str(count)] if count > 1 else []
    return [*start, sys.executable, str(TOOL), "child", "--child", task, str(folder)]


def begin(task: str, folder: Path, count: int = 1, unlooked: bool = False) -> subprocess.Popen:
    """Begin or go on, in a process group of its own; `unlooked` without asking first whether the disk has room."""
    folder.mkdir(exist_ok=True)
    env = os.environ | ({"NUMBA_NUM_THREADS": "1"} if count == 1 else {}) | ({UNLOOKED: "1"} if unlooked else {})
    return subprocess.Popen(
        command(task, folder, count), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
        start_new_session=True,
    )  # fmt: skip


def end_of(process: subprocess.Popen) -> tuple[int, str]:
    """Its exit code and what it said, once it is over."""
    out, err = process.communicate(timeout=LONGEST)
    return process.returncode, out + err


def outcome(task: str, folder: Path) -> dict[str, bytes]:
    """What a task has come to, less what is a matter of time: seconds and dates."""
    from safetensors.numpy import load_file

    found: dict[str, bytes] = {}
    if task == "training":
        for name in ("last", "best"):
            for key, array in load_file(folder / "run" / f"{name}.safetensors").items():
                found[f"{name} {key}"] = array.tobytes()
        rows = (folder / "run" / "log.csv").read_text().splitlines()
        found["log"] = "\n".join(row.rpartition(",")[0] for row in rows).encode()
        metrics = json.loads((folder / "run" / "metrics.json").read_text())
        kept = ("AP", "mAP50", "per_class", "steps", "history", "proposal_recall50")
        found["metrics"] = json.dumps([metrics.get(key) for key in kept]).encode()
        found["report"] = str((folder / "run" / "report.html").stat().st_size > 10_000).encode()
    elif task == "pretraining":
        found = {key: array.tobytes() for key, array in load_file(folder / "backbone.safetensors").items()}
        found["left"] = str(sorted(path.name for path in folder.glob("*.unfinished"))).encode()
    if task in ("proposals", "evaluation"):
        cache = folder / "cache"
        found |= {str(path.relative_to(cache)): path.read_bytes() for path in sorted(cache.rglob("*.boxes"))}
    if task == "evaluation":
        figures = json.loads((folder / "figures.json").read_text())
        found["figures"] = json.dumps({k: v for k, v in figures.items() if k in ("AP", "mAP50", "per_class")}).encode()
    return found


def unlike(right: dict[str, bytes], folder: Path, task: str = "training") -> str:
    """What differs from a run that nobody disturbed, in words; none where nothing does."""
    found = outcome(task, folder)
    return ", ".join(sorted(name for name in {*found, *right} if found.get(name) != right.get(name)))


def sentence(code: int, said: str) -> str:
    """What is wrong with an end that should be one sentence, in words."""
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    return "" if code == 2 and len(errors) == 1 and "Traceback" not in said else f"code {code}, {said[-400:]}"


def went_on(right: dict[str, bytes], folder: Path) -> str:
    """Begin again, or go on, to the end → what is wrong with that, in words."""
    code, said = end_of(begin("training", folder))
    return f"code {code}, {said[-400:]}" if code else unlike(right, folder)


def told_of(bad: list[str], words: str) -> int:
    print(*bad, *[words], sep="\n")
    return int(bool(bad))


def prepare(folder: Path) -> None:
    """Scenes with proposals, and a model, beside the folders of the tasks."""
    import numpy as np

    from minircnn.data import open_samples
    from minircnn.fashion import write_scenes
    from minircnn.fashion.materials import CLASS_NAMES
    from minircnn.models import FastRCNN, vgg_small
    from minircnn.proposals import ProposalCache, ProposalSettings
    from minircnn.weights.model_file import save_model

    scenes = folder / "scenes"
    write_scenes(scenes, 8, 4, size=96)
    for split in ("train", "validation"):
        ProposalCache(scenes / "proposals", ProposalSettings()).fill(open_samples(scenes, split))
    save_model(folder / "model.safetensors", FastRCNN(vgg_small(), 10, np.random.default_rng(0), CLASS_NAMES))


# --------------------------------------------------------------------------------------------------------- trials


def kills(given: argparse.Namespace, folder: Path) -> int:
    """Kill, begin again, compare."""
    prepare(folder)
    ways = [(task, count) for task in TASKS for count in (1, 2)
            if given.task in (None, task) and given.ranks in (None, count)]  # fmt: skip
    good, done = 0, 0
    for number, (task, count) in enumerate(ways):
        ends = given.ends * (number + 1) // len(ways) - given.ends * number // len(ways)
        undisturbed = folder / f"{task} {count}"
        end_of(begin(task, folder / f"{task} {count} first", count))  # kernels and files are at hand afterwards
        began = time.perf_counter()
        code, said = end_of(begin(task, undisturbed, count))
        whole = time.perf_counter() - began
        if code:
            print(said)
            return 1
        right = outcome(task, undisturbed)
        numbers = [given.seed * 100_000 + number * 1000 + trial for trial in range(ends)]
        with ThreadPoolExecutor(2 if count == 1 else 1) as pool:  # one core each
            found = list(
                pool.map(lambda n, t=task, c=count, w=whole, r=right: kill_one(n, t, folder, c, w, r), numbers)
            )
        same = sum(not word for word, _ in found)
        good, done = good + same, done + len(found)
        print(f"{task:12} by {count} rank{'s' * (count > 1)}: {same} of {len(found)} the same, killed "
              f"{sum(times for _, times in found)} times; {whole:.1f} s undisturbed", flush=True)  # fmt: skip
        for word in sorted({word for word, _ in found if word}):
            print(f"    {word}", flush=True)
    print(f"{good} of {done} violent ends: the same bits, and a log without gap or double")
    return int(good != done)


def kill_one(number: int, task: str, folder: Path, count: int, whole: float, right: dict) -> tuple[str, int]:
    """One or more violent ends, and what came of it in words: none where it is well; and how often it was killed."""
    chance, own, killed = random.Random(number), folder / f"{task} {count} {number}", 0
    while True:
        process = begin(task, own, count)
        if not killed or chance.random() < 0.3:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.uniform(0.2, 1.0) * whole)
            if process.poll() is None:
                kill(process, chance, count)
                killed += 1
                process.communicate()
                continue
            if not killed:  # it was faster: once more from the beginning
                process.communicate()
                shutil.rmtree(own)
                continue
        code, said = end_of(process)
        if code and not (task == "pretraining" and "is there already" in said):  # it was done, but for the last words
            return f"number {number} ended with {code}: {said[-500:]}", killed
        break
    wrong = unlike(right, own, task)
    shutil.rmtree(own)
    return f"number {number}: {wrong}" if wrong else "", killed


def kill(process: subprocess.Popen, chance: random.Random, count: int) -> None:
    """All at once, as a power cut; or, of several ranks, one of them, and the others must end as well."""
    ranks = children(process.pid) if count > 1 else []
    if ranks and chance.random() < 0.5:
        with contextlib.suppress(ProcessLookupError):
            os.kill(chance.choice(ranks), signal.SIGKILL)
        process.wait(30)
        return
    for pid in [process.pid, *ranks]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in ranks:  # their lock is theirs until they are gone
        while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
            time.sleep(0.01)


def children(pid: int) -> list[int]:
    """The ranks that an mpiexec has started, by way of its proxy."""
    found, ahead = [], [pid]
    while ahead:
        parent = ahead.pop()
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                below = [int(word) for word in (task / "children").read_text().split()]
                ahead += below
                found += below
    return [one for one in found if b"child" in _line(one)]


def _line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A disk of so many bytes."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def may_mount() -> bool:
    if os.name != "posix" or os.geteuid() != 0 or not shutil.which("mount"):
        print("skipped: a disk of its own needs root and mount")
        return False
    return True


def full(given: argparse.Namespace, folder: Path) -> int:
    """A disk of ever more room, and nobody who looks at that before: each write in turn is the one that is refused."""
    if not may_mount():
        return 0
    prepare(folder)
    end_of(begin("training", folder / "whole"))
    right, bad, ended, sentences = outcome("training", folder / "whole"), [], 0, set()
    most = sum(path.stat().st_size for path in (folder / "whole").rglob("*") if path.is_file())
    sizes = sorted({*range(8_000, 400_000, 40_000), *(int(most * share / 30) for share in range(1, 46))})
    for size in sizes:
        with small_disk(folder / "disk", size) as disk:
            code, said = end_of(begin("training", disk, unlooked=True))
            if code:
                ended += 1
                sentences.add(re.sub(r".*/disk/|[0-9.]+ ", "", said.partition("error: ")[2]).partition(" (")[0])
                wrong = sentence(code, said)
                subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
                wrong = wrong or went_on(right, disk)
            else:
                wrong = unlike(right, disk)
            bad += [f"{size} bytes: {wrong}"] if wrong else []
    print("refused:", *sorted(sentences), sep="\n    ")
    return told_of(bad, f"{len(sizes)} sizes of a disk, {ended} too small: {len(sizes) - len(bad)} came to the same "
                        "bits, those after one sentence and with room")  # fmt: skip


def vanish(given: argparse.Namespace, folder: Path) -> int:
    """Take a file away, or change it, amid a run: one sentence; brought back, the run goes on to the same bits."""
    prepare(folder)
    scenes = folder / "scenes"
    end_of(begin("training", folder / "whole"))
    right, bad, chance = outcome("training", folder / "whole"), [], random.Random(given.seed)
    files = [path for path in sorted(scenes.rglob("*")) if path.is_file() and "settings" not in path.name]
    trials, ended = 30, 0
    for trial in range(trials):
        own, path = folder / f"run {trial}", chance.choice(files)
        content, process = path.read_bytes(), begin_to_learn(own)
        time.sleep(chance.uniform(0, 1.5))
        damage = chance.choice(["vanishes", "is cut", "is other bytes"])
        if damage == "vanishes":
            path.unlink()
        else:
            path.write_bytes(content[: len(content) // 2] if damage == "is cut" else bytes(reversed(content)))
        code, said = end_of(process)
        path.write_bytes(content)
        ended += code != 0
        wrong = sentence(code, said) or went_on(right, own) if code else unlike(right, own)
        bad += [f"{path.relative_to(scenes)} {damage}: {wrong}"] if wrong else []
    return told_of(bad, f"{trials} files that vanish or change: {trials - ended} runs went on, {ended} ended in one "
                        f"sentence and went on afterwards; {trials - len(bad)} came to the same bits")  # fmt: skip


def begin_to_learn(folder: Path) -> subprocess.Popen:
    """Begin a training and wait for its first checkpoint."""
    process = begin("training", folder)
    while process.poll() is None and not (folder / "run" / "last.safetensors").is_file():
        time.sleep(0.005)
    return process


def shared(given: argparse.Namespace, folder: Path) -> int:
    """Three trainings at once on one folder of proposals that is empty, and one of them is killed."""
    prepare(folder)
    end_of(begin("training", folder / "whole"))
    right, bad, trials = outcome("training", folder / "whole"), [], 5
    proposals = folder / "scenes" / "proposals"
    kept = {path.name: path.read_bytes() for path in proposals.rglob("*.boxes")}
    for trial in range(trials):
        shutil.rmtree(proposals)
        three = [begin("training", folder / f"{trial} {name}") for name in "abc"]
        time.sleep(random.Random(trial).uniform(1, 3))
        three[2].kill()
        three[2].communicate()
        for name, process in zip("ab", three, strict=False):
            code, said = end_of(process)
            wrong = f"code {code}, {said[-300:]}" if code else unlike(right, folder / f"{trial} {name}")
            bad += [f"trial {trial} {name}: {wrong}"] if wrong else []
        if {path.name: path.read_bytes() for path in proposals.rglob("*.boxes")} != kept:
            bad.append(f"trial {trial}: the proposals differ")
    return told_of(bad, f"{2 * trials} runs, two at a time and a third that is killed, on one folder of proposals: "
                        f"{2 * trials - len(bad)} came to the same bits")  # fmt: skip


def clock(given: argparse.Namespace, folder: Path) -> int:
    """Between a run's beginning and its going on all files are dated ahead or back, as a clock that is set leaves them.

    The system's own clock is left alone.
    """
    prepare(folder)
    end_of(begin("training", folder / "whole"))
    right, bad, trials = outcome("training", folder / "whole"), [], 6
    for trial in range(trials):
        own = folder / f"run {trial}"
        process = begin_to_learn(own)
        process.kill()
        process.communicate()
        away = (-1) ** trial * 10 ** (3 + trial)  # an hour to years, ahead and behind
        for path in [*own.rglob("*"), *(folder / "scenes").rglob("*")]:
            os.utime(path, (time.time() + away,) * 2)
        if wrong := went_on(right, own):
            bad.append(f"{away:+} s: {wrong}")
    return told_of(bad, f"{trials} runs whose files were dated away between their beginning and their end: "
                        f"{trials - len(bad)} came to the same bits")  # fmt: skip


def readonly(given: argparse.Namespace, folder: Path) -> int:
    """Data that may only be read serves; a place that may only be read is refused in one sentence before the work."""
    if not may_mount():
        return 0
    prepare(folder)
    end_of(begin("training", folder / "whole"))
    right, wrong = outcome("training", folder / "whole"), {}
    with mounted_readonly(folder / "scenes"):
        wrong["training on data that may only be read"] = went_on(right, folder / "a")
        for task in ("evaluation", "proposals"):
            code, said = end_of(begin(task, folder / "b"))
            wrong[f"{task} of data that may only be read"] = said[-300:] if code else ""
    (folder / "c").mkdir()
    with mounted_readonly(folder / "c"):
        for task in TASKS:
            wrong[f"{task} into a folder that may only be read"] = sentence(*end_of(begin(task, folder / "c")))
    with mounted_readonly(folder / "a"):
        wrong["a finished run, gone on with"] = sentence(*end_of(begin("training", folder / "a")))
    process = begin_to_learn(folder / "d")
    with mounted_readonly(folder / "d"):
        wrong["a run whose folder becomes read-only"] = sentence(*end_of(process))
    wrong["and may be written again"] = went_on(right, folder / "d")
    bad = [f"{name}: {words}" for name, words in wrong.items() if words]
    return told_of(bad, f"{len(wrong)} ways to meet a folder that may only be read: {len(wrong) - len(bad)} well")


@contextlib.contextmanager
def mounted_readonly(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def memory(given: argparse.Namespace, folder: Path) -> int:
    """Resident memory over 10,000 steps."""
    from minircnn.training.run_folder import RunFolder
    from minircnn.training.settings import TrainSettings
    from minircnn.training.train import Training

    prepare(folder)
    scenes = folder / "scenes"
    settings = TrainSettings(
        data=str(scenes), epochs=1250, images_per_step=1, validations=20, checkpoint_seconds=10.0,
        proposals_folder=str(scenes / "proposals"),
    )  # fmt: skip
    training, rows = Training.start(RunFolder(folder / "run"), settings), []

    def progress(stage: str, done: int, total: int, words: str = "") -> None:
        if stage == "training" and done % 50 == 0:
            rows.append((done, resident()))

    training.run(progress)
    return told("step", rows)


def detections(given: argparse.Namespace, folder: Path) -> int:
    """Resident memory over 1,000 detections in images of many sizes."""
    import numpy as np

    from minircnn import detect, load_model

    prepare(folder)
    model, rng, rows = load_model(folder / "model.safetensors"), np.random.default_rng(given.seed), []
    for number in range(1, given.count + 1):
        height, width = rng.integers(48, 240, 2)
        detect(model, rng.integers(0, 256, (height, width, 3), np.uint8))
        if number % 5 == 0:
            rows.append((number, resident()))
    return told("detection", rows)


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def told(word: str, rows: list[tuple[int, int]]) -> int:
    """The slope of memory over the second half, with its error, from the means of ten blocks; 1 where it grows."""
    import numpy as np
    from scipy import stats

    half = np.array(rows[len(rows) // 2 :], float)
    blocks = np.array([block.mean(axis=0) for block in np.array_split(half, 10)])
    line = stats.linregress(blocks[:, 0], blocks[:, 1])
    count = rows[-1][0]
    first, middle, last = (rows[place][1] / 1e6 for place in (0, len(rows) // 2, -1))
    print(
        f"{count:,} {word}s: {first:.1f} MB after {rows[0][0]}, {middle:.1f} MB in the middle, {last:.1f} MB at the end"
    )
    print(f"in the second half {line.slope:+.1f} ± {line.stderr:.1f} bytes a {word}, "
          f"{line.slope * count / 2 / 1e6:+.2f} MB in all")  # fmt: skip
    grows = line.slope > 3 * line.stderr and line.slope * count / 2 > 2e6
    print("memory grows" if grows else "memory does not grow beyond noise")
    return int(grows)


if __name__ == "__main__":
    main()
