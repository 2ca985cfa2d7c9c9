"""Time ours and theirs in turn, so that a busy moment of the machine falls on both, and take medians.

`cases.py` says what is timed; a row that is measured here goes to `show.py`.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np

Work = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """One thing to be timed.

    Attributes
    ----------
    name : as `--only` takes it
    ours : does it once
    peers : name → does the same; those that belong to one framework begin alike, "torch", "torch channels-last"
    multiplications : of ours, counted as a direct computation would need them; 0 where that says nothing
    max_error : of ours against float64 direct loops, relative to the output's maximum; None where not measured
    note : what a reader should know of it
    """

    name: str
    ours: Work
    peers: dict[str, Work] = field(default_factory=dict)
    multiplications: float = 0.0
    max_error: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Row:
    """What was measured: `ratio` is the fastest peer's time over ours, above 1 where ours is faster."""

    name: str
    ours_ms: float
    peers: dict[str, float]
    ratio: float | None
    gflops: float | None
    percent_of_sgemm_peak: float | None
    max_error: float | None
    note: str

    def to_dict(self) -> dict:
        """JSON-ready."""
        return asdict(self)


PAUSE = 0.2  # seconds before each run: threads of other libraries wait busily for a while after their work


def measure(case: Case, peak: float, runs: int) -> Row:
    """Run each once unmeasured, then `runs` times in turn, each after a pause and, if short, a warming run.

    peak : GFLOP/s of a large product, for `percent_of_sgemm_peak`
    """
    works = {"": case.ours, **case.peers}
    for work in works.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            time.sleep(PAUSE)
            took = _timed(work)
            seconds[name].append(_timed(work) if took < PAUSE else took)
    ms = {name: float(np.median(values)) * 1000 for name, values in seconds.items()}
    ours = ms.pop("")
    gflops = 2 * case.multiplications / ours / 1e6 if case.multiplications else None
    return Row(
        name=case.name,
        ours_ms=ours,
        peers=ms,
        ratio=min(ms.values()) / ours if ms else None,
        gflops=gflops,
        percent_of_sgemm_peak=100 * gflops / peak if gflops else None,
        max_error=case.max_error,
        note=case.note,
    )


def _timed(work: Work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
