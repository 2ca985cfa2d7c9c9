"""torchvision's RoI pooling, timed in another interpreter: its builds and this one's PyTorch may not go together.

The other process is given the arrays in a file and then waits: for every line that it reads it runs once and answers
with a line, so that the runs alternate with ours as those in this process do.
"""

import subprocess
import tempfile
from pathlib import Path

import numpy as np

from minircnn.base.errors import InputError
from minircnn.bench.measure import Work

OTHER = """
import sys
import numpy as np, torch
from torchvision.ops import roi_pool
data = np.load(sys.argv[1])
torch.set_num_threads(int(sys.argv[2]))
features = torch.from_numpy(data["features"]).permute(0, 3, 1, 2).contiguous().requires_grad_()
rois, dpooled = torch.from_numpy(data["rois"]), torch.from_numpy(data["dpooled"]).permute(0, 3, 1, 2).contiguous()
pooled = roi_pool(features, rois, (7, 7), 1 / 16)
print("ready", flush=True)
for line in sys.stdin:
    if line.strip() == "forward":
        with torch.no_grad():
            roi_pool(features, rois, (7, 7), 1 / 16)
    else:
        torch.autograd.grad(pooled, features, dpooled, retain_graph=True)
    print("done", flush=True)
"""


def roi_pool(
    python: Path, features: np.ndarray, rois: np.ndarray, dpooled: np.ndarray, backward: bool
) -> dict[str, Work]:
    """Forward or backward of (N, H, W, C) features; the other process ends with this one's end of interest."""
    from numba import get_num_threads

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "arrays.npz"
        np.savez(data, features=features, rois=rois.astype(np.float32), dpooled=dpooled)
        try:
            other = subprocess.Popen(
                [python, "-c", OTHER, str(data), str(get_num_threads())],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
        except OSError as error:
            raise InputError(f"--torchvision-python {python} cannot be run: {error.strerror}") from error
        assert other.stdout is not None
        assert other.stderr is not None
        answers = other.stdout
        if answers.readline().strip() != "ready":
            last = (other.stderr.read().strip().splitlines() or ["it ended without a word"])[-1]
            raise InputError(f"--torchvision-python {python} has no torchvision that works: {last}")

    def once() -> None:
        print("backward" if backward else "forward", file=other.stdin, flush=True)
        answers.readline()

    return {"torchvision": once}
