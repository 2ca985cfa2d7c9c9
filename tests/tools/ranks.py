"""Several processes beside one: bits, images per second, and a step's time as the model of docs/cluster.md has it.

    python tests/tools/ranks.py bits             are the weights the same to the last bit, by 1, 2 and 4 ranks?
    python tests/tools/ranks.py speed            images per second of ranks, and of one process with as many threads
    python tests/tools/ranks.py proposals        images per second of the search
    python tests/tools/ranks.py model            a step's time, predicted from its parts, and measured
    python tests/tools/ranks.py predict          the same for 64 machines, at 1, 10 and 100 Gbit/s

    options: --backbone vgg16  --images 4 (of a step)  --steps 20  --rounds 3  --side 160 (pixels of a scene)
             --ranks 2 (speed of these alone, beside one process)

What is compared runs in turn, several rounds of it; medians of steps, then of rounds. Everything goes to a folder that
is thrown away.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from minircnn.base.ranks import Ranks, join_ranks, ranks

TOOL = Path(__file__).resolve()
RANKS = (1, 2, 4)
LINKS = (1, 10, 100)  # Gbit/s
MANY = (1, 2, 4, 8, 16, 32, 64)
MEETINGS, SLICE = 3, 3e-3  # times that ranks wait for all in a step, and Linux's turn of a process on a shared core
MOVED = 16  # million numbers that are sent to find out how fast


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["bits", "speed", "proposals", "model", "predict", "worker"])
    parser.add_argument("--backbone", default="vgg_small", choices=["vgg_small", "vgg16"])
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ranks", type=int)
    parser.add_argument("--side", type=int, default=160)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--cores", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--place", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.what == "worker":
        return work(given)
    with tempfile.TemporaryDirectory() as folder:
        given.folder = Path(folder)
        figures = {"bits": bits, "speed": speed, "proposals": proposals, "model": model, "predict": predict}[
            given.what
        ](given)
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2) + "\n")
    return None


# What each command measures.


def bits(given: argparse.Namespace) -> dict:
    """Digests of all weights and velocities after `--steps` steps."""
    found = {f"{n} ranks": run(given, "steps", n)["digest"] for n in RANKS}
    found["one process"] = run(given, "steps", 0, sum="tree")["digest"]
    for name, digest in found.items():
        print(f"{name:12} {given.steps} steps of {given.images} images: {digest}")
    print("the same to the last bit" if len(set(found.values())) == 1 else "NOT THE SAME")
    return found


def speed(given: argparse.Namespace) -> dict:
    """Images per second."""
    ways = {"one process": (0, "plain"), "one process, tree": (0, "tree"), "1 rank": (1, "tree")}
    ways |= {f"{n} ranks": (n, "tree") for n in RANKS[1:]} | {f"{n} ranks, plain": (n, "plain") for n in RANKS[1:]}
    if given.ranks:
        ways = {way: (n, sum) for way, (n, sum) in ways.items() if n == given.ranks or way == "one process"}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(given.rounds):
        for way, (n, sum) in ways.items():
            seconds[way].append(statistics.median(run(given, "steps", n, sum=sum)["seconds"]))
    rates = {way: given.images / statistics.median(times) for way, times in seconds.items()}
    print(f"{os.cpu_count()} cores, {given.backbone}, {given.images} images a step, medians of {given.rounds} rounds")
    for way, rate in rates.items():
        print(f"{way:18} {rate:8.2f} images/s   {rate / rates['one process']:5.2f} of one process")
    return rates


def proposals(given: argparse.Namespace) -> dict:
    """Images per second of Selective Search."""
    prepare(given, proposals=False)
    seconds: dict[int, list[float]] = {n: [] for n in RANKS[:2]}
    for turn in range(given.rounds):
        for n, times in seconds.items():
            times.append(run(given, "proposals", n, turn=turn)["seconds"])
    rates = {n: IMAGES / statistics.median(times) for n, times in seconds.items()}
    for n, rate in rates.items():
        print(f"{n} rank{'s' * (n > 1)}: {rate:.1f} images/s, {rate / rates[1]:.2f} of one rank")
    return {str(n): rate for n, rate in rates.items()}


def model(given: argparse.Namespace) -> dict:
    """Predicted and measured seconds of a step."""
    rows: dict = {}
    parts: dict[int, list] = {n: [] for n in RANKS}
    moved, measured = ({n: list[float]() for n in RANKS} for _ in range(2))
    for _ in range(given.rounds):
        for n, found in parts.items():  # as many at once, which know nothing of each other, but share cores and caches
            found += beside(given, "parts", n)
        for n in RANKS:
            if n > 1:
                moved[n].append(run(given, "moving", n)["bytes_per_second"])
            measured[n].append(statistics.median(run(given, "steps", n, cores=1)["seconds"]))
    own = {busy: {name: statistics.median(one[name] for one in found) for name in found[0]}
           for busy, found in parts.items()}  # fmt: skip
    for busy, one in own.items():
        print(f"{busy} at once:", ", ".join(f"{k} {1000 * v:.1f} ms" for k, v in one.items() if "bytes" not in k))
    print(f"weights {own[1]['bytes'] / 1e6:.0f} MB")
    for n in RANKS:
        rate = statistics.median(moved[n]) if n > 1 else 1.0
        predicted = step_here(own[n], n, given.images, rate)
        real = statistics.median(measured[n])
        rows[n] = {"predicted": predicted, "measured": real, "bytes_per_second": rate}
        print(f"{n} ranks: predicted {1000 * predicted:8.1f} ms, measured {1000 * real:8.1f} ms, "
              f"{100 * (predicted / real - 1):+5.1f} %")  # fmt: skip
    return {"parts": own, "ranks": rows}


def predict(given: argparse.Namespace) -> dict:
    """Seconds of a step on many machines, as many images for each as `--images`, from one machine's parts."""
    own = run(given, "parts", 0)
    table = {}
    print(", ".join(f"{name} {1000 * value:.0f} ms" for name, value in own.items() if "bytes" not in name), end="; ")
    print(f"weights {own['bytes'] / 1e6:.0f} MB; {given.images} images a machine")
    print(f"{'machines':>8}" + "".join(f"{f'{link} Gbit/s':>22}" for link in LINKS) + "   seconds a step, efficiency")
    for n in MANY:
        table[n] = {link: step_there(own, n, given.images, link * 1e9 / 8) for link in LINKS}
        words = [f"{seconds:9.2f} {table[1][link] / seconds:9.0%}" for link, seconds in table[n].items()]
        print(f"{n:8}" + "".join(f"{word:>22}" for word in words))
    return {"parts": own, "seconds": table}


# The model. A rank computes its images one after the other, adds them, and then owns a slice of every weight.


def step_here(own: dict, n: int, images: int, rate: float) -> float:
    """Seconds of a step by n ranks on one machine, from parts measured while n processes computed there.

    Nothing that is sent costs nothing here: the core that copies it is one that would compute. Where ranks share a core
    each meeting waits for whoever has the turn.
    """
    each = -(-images // n)
    compute = each * (own["reading"] + own["forward"] + own["back above"] + own["back below"])
    adding = (images / n - 1 + (n - 1) / n) * own["adding"] + own["update"] / n
    travelling = 2 * (n - 1) / n * own["bytes"] / rate if n > 1 else 0.0
    waiting = MEETINGS * SLICE if n > (os.cpu_count() or 1) else 0.0
    return compute + adding + travelling + waiting


def step_there(own: dict, n: int, each: int, rate: float) -> float:
    """Seconds of a step by n machines, each with `each` images, over a network of so many bytes a second each way.

    Gradients of the layers above the convolutions travel while the last image's way back through these is computed;
    the convolutions' own, and what was not done by then, travel afterwards.
    """
    compute = each * (own["reading"] + own["forward"] + own["back above"] + own["back below"])
    adding = (each - 1 + (n - 1) / n) * own["adding"] + own["update"] / n
    share = own["bytes above"] / own["bytes"]
    travelling = 2 * (n - 1) / n * own["bytes"] / rate
    return compute + adding + max(0.0, share * travelling - own["back below"]) + (1 - share) * travelling


# What the processes do that are started for it.


def worker_command(given: argparse.Namespace, task: str) -> list[str]:
    worker = [sys.executable, str(TOOL), "worker", "--task", task, "--folder", str(given.folder)]
    return [*worker, "--backbone", given.backbone, "--images", str(given.images), "--steps", str(given.steps)]


def beside(given: argparse.Namespace, task: str, count: int) -> list[dict]:
    """Do a task in so many processes at once, which know nothing of each other, each on one core."""
    prepare(given)
    command = [*worker_command(given, f"{task} tree 0"), "--cores", "1", "--place"]
    started = [subprocess.Popen([*command, str(place)], stdout=subprocess.PIPE, text=True) for place in range(count)]
    return [json.loads(process.communicate()[0].splitlines()[-1]) for process in started]


def run(given: argparse.Namespace, task: str, n: int, sum: str = "tree", cores: int = 0, turn: int = 0) -> dict:
    """Do a task by n ranks under mpiexec, or by one process where n is 0, on so many cores each (0: all there are)."""
    if task != "proposals":
        prepare(given)
    worker = [*worker_command(given, f"{task} {sum} {turn}"), "--cores", str(cores)]
    start = [str(Path(sys.executable).with_name("mpiexec")), "-n", str(n)] if n else []
    done = subprocess.run(start + worker, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(start + worker)}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])  # type: ignore[no-any-return]


IMAGES = 120


def prepare(given: argparse.Namespace, proposals: bool = True) -> None:
    """Scenes to learn from, once, and their proposals."""
    from minircnn.data import open_samples
    from minircnn.fashion import write_scenes
    from minircnn.proposals import ProposalCache, ProposalSettings

    scenes = given.folder / "scenes"
    if scenes.is_dir():
        return
    write_scenes(scenes, IMAGES, 4, size=given.side)
    for split in ("train", "validation") if proposals else ():
        ProposalCache(scenes / "proposals", ProposalSettings()).fill(open_samples(scenes, split))


def work(given: argparse.Namespace) -> None:
    """A started process's part."""
    if given.cores == 1 and hasattr(os, "sched_setaffinity") and os.environ.get("PMI_SIZE", "1") == "1":
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[given.place % len(os.sched_getaffinity(0)) :][:1])
    if join_ranks().rank:
        return ranks().serve()
    task, sum, turn = given.task.split()
    if task == "proposals":
        found = search(given, turn)
    elif task == "moving":
        found = {"bytes_per_second": min(ranks().together(move))}
    else:
        found = (take if task == "steps" else take_apart)(given, sum)
    ranks().end(0)
    print(json.dumps(found))
    return None


def training(given: argparse.Namespace, sum: str):
    from minircnn.training.run_folder import RunFolder
    from minircnn.training.settings import TrainSettings
    from minircnn.training.train import Training

    scenes = given.folder / "scenes"
    settings = TrainSettings(
        data=str(scenes), epochs=1000, images_per_step=given.images, backbone=given.backbone, sum=sum,
        proposals_folder=str(scenes / "proposals"), weights="none" if given.backbone == "vgg16" else None,
    )  # fmt: skip
    return Training.start(RunFolder(given.folder / f"run {os.getpid()}"), settings)


def take(given: argparse.Namespace, sum: str) -> dict:
    """Steps: the seconds of each but the first few, and a digest of what came of them."""
    steps = training(given, sum).steps
    seconds = []
    for _ in range(given.steps):
        began = time.perf_counter()
        steps.take()
        seconds.append(time.perf_counter() - began)
    digest = hashlib.sha256()
    for name, array in sorted(steps.tensors().items()):
        digest.update(name.encode() + array.tobytes())
    return {"seconds": seconds[min(3, given.steps // 2) :], "digest": digest.hexdigest()[:16]}


def take_apart(given: argparse.Namespace, sum: str) -> dict:
    """The parts of a step, of one image: medians of seconds; and bytes of all weights that learn."""
    import numpy as np

    steps = training(given, "tree").steps
    model, optimiser = steps.model, steps.optimiser
    model.train()
    marks, rows = {}, []
    model.backbone.between = lambda name: marks.setdefault("above", time.perf_counter())
    for turn in range(given.steps):
        marks.clear()
        at = [time.perf_counter()]
        batch, model.rng = steps.part(turn, 0, [turn % IMAGES])
        at.append(time.perf_counter())
        model.losses(batch)
        at.append(time.perf_counter())
        model.backward()
        at += [marks["above"], time.perf_counter()]
        if turn == 0:
            other = {name: np.ones_like(parameter.grad) for name, parameter in optimiser.parameters.items()}
        at.append(time.perf_counter())
        for name, parameter in optimiser.parameters.items():
            np.add(other[name], parameter.grad, out=other[name])
        at.append(time.perf_counter())
        optimiser.step(0.0)
        at.append(time.perf_counter())
        rows.append(np.diff(at))
    median = np.median(rows[2:], axis=0).tolist()
    names = ("reading", "forward", "back above", "back below", "", "adding", "update")
    sizes = {name: parameter.value.nbytes for name, parameter in optimiser.parameters.items()}
    above = [size for name, size in sizes.items() if name.rpartition(".")[0] in model.after]
    total = {"bytes": float(_sum(sizes.values())), "bytes above": float(_sum(above))}
    return {name: value for name, value in zip(names, median, strict=True) if name} | total


def _sum(values) -> int:
    return int(sum(values))


def search(given: argparse.Namespace, turn: str) -> dict:
    """Seconds of the search in all scenes, once all processes are there."""
    from minircnn.base.progress import silent
    from minircnn.data import open_samples
    from minircnn.proposals import ProposalCache, ProposalSettings
    from minircnn.training.data import with_proposals

    samples = open_samples(given.folder / "scenes", "train")
    for name in ("warm", "cache"):  # the first has every process load what it needs
        cache = ProposalCache(given.folder / f"{name} {ranks().size} {turn}", ProposalSettings())
        began = time.perf_counter()
        with_proposals(samples[: 4 * ranks().size] if name == "warm" else samples, cache, silent, workers=1)
    return {"seconds": time.perf_counter() - began}


def move(ranks: Ranks) -> float:
    """Bytes that this rank sends in a second while it receives as many from all others, as a step's slices go."""
    import numpy as np

    count = MOVED * 2**20 // ranks.size
    sent, received = np.ones((ranks.size, count), np.float32), np.ones((ranks.size, count), np.float32)
    seconds = []
    for _ in range(7):
        ranks.meet()
        began = time.perf_counter()
        others: Sequence[int] = [other for other in range(ranks.size) if other != ranks.rank]
        requests = [ranks.comm.Irecv(received[other], other) for other in others]
        requests += [ranks.comm.Isend(sent[other], other) for other in others]
        ranks.wait_until(lambda requests=requests: all(request.Test() for request in requests), awake=True)
        ranks.meet()
        seconds.append(time.perf_counter() - began)
    return (ranks.size - 1) * count * 4 / statistics.median(seconds)


if __name__ == "__main__":
    main()
