"""What the benches share: time and memory. They print ratios within one run, which hold on any machine."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable


def seconds(work: Callable[[], object], repeats: int = 1) -> float:
    """Median of the wall-clock seconds that work takes."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def peak_memory() -> int:
    """The largest resident size of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
