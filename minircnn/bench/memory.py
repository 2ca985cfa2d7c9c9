"""The memory that a VGG16 training step takes at its peak, each side in a process of its own.

`python -m minircnn.bench.memory minircnn` prints bytes; `peak_memory` asks for them.
"""

import gc
import subprocess
import sys
from pathlib import Path

from minircnn.bench.cases import K, step_parts
from minircnn.bench.peers import Peers
from minircnn.bench.shapes import HEIGHT, WIDTH
from minircnn.models import vgg16

OURS, STEPS = "minircnn", 3


def peak_memory(peers: Peers) -> dict[str, float]:
    """Name → GB, of ours and of both PyTorch layouts where PyTorch is among the peers."""
    names = [OURS, *(["torch", "torch channels-last"] if "torch" in peers.names else [])]
    peaks = {}
    for name in names:
        done = subprocess.run([sys.executable, "-m", __name__, name], capture_output=True, text=True, check=True)
        peaks[name] = int(done.stdout.split()[-1]) / 1e9
    return peaks


def _peak_of(name: str) -> int:
    """Bytes at the peak of a few steps; what made the arrays before does not count."""
    work, given = step_parts(vgg16(), HEIGHT, WIDTH, K)
    if name != OURS:
        from minircnn.bench import torch_peer

        work = torch_peer.step(*given)[name]
        for _, parameter in given[0].named_parameters():  # copied by now
            parameter.value = parameter.value[:0].copy()
    gc.collect()
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")  # Linux: the peak from here on
    for _ in range(STEPS):
        work()
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.stdout.write(f"{_peak_of(sys.argv[1])}\n")
