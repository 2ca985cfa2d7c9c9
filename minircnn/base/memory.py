"""How much memory there is, as far as the system tells: a container's limit counts, not the machine's."""

import os
import sys
from contextlib import suppress
from pathlib import Path

#: What limits a container's memory, in control groups of version 2 and of version 1.
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_limit() -> int | None:
    """Bytes that this process may take; None where nobody says."""
    known = []
    with suppress(AttributeError, ValueError, OSError):  # Windows has no sysconf
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in LIMITS:
        try:
            known.append(int(Path(path).read_text()))
        except (OSError, ValueError):  # "max": no limit
            continue
    return min((value for value in known if value > 0), default=None)


def most_used() -> int | None:
    """Bytes that this process has held in memory at most; None where nobody says."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def memory_available() -> int | None:
    """Bytes that are free for the taking now, within the limit; None where nobody says."""
    known = [] if (limit := memory_limit()) is None else [limit]
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        known.append(1024 * int(next(line.split()[1] for line in lines if line.startswith("MemAvailable:"))))
    return min(known, default=None)
