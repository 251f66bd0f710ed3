"""The processor time of a process, which does not depend on other processes."""

import math
import os
import resource
from pathlib import Path


def spent_by(pid: int) -> float:
    """Return the seconds that a process has taken so far; endless where no system tells that."""
    stat = Path(f"/proc/{pid}/stat")
    if not stat.exists():  # not Linux
        return math.inf
    ticks = stat.read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def spent_by_ended() -> float:
    """Return the seconds that all processes have taken that this one started, and that ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
