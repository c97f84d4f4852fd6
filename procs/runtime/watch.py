"""What a process costs, and whether its turns are slow."""

from __future__ import annotations

import faulthandler
import resource
import sys
from pathlib import Path
from typing import Any, Final

from shared.units import NS_PER_S

SLOW_TURN_NS: Final = NS_PER_S
HUNG_S: Final = 5.0
"""A loop that does not come round for so long leaves its stacks on stderr (R2)."""

_KB_PER_MB: Final = 1024
_PAGE_KB: Final = resource.getpagesize() // 1024


class Watch:
    """Counts turns and what they held."""

    def __init__(self) -> None:
        self.turns = 0
        self.messages = 0
        self.slow_turns = 0
        self.longest_turn_ns = 0

    def turned(self, duration_ns: int, messages: int) -> bool:
        """One turn is over; says whether it was slow (M1)."""
        self.turns += 1
        self.messages += messages
        self.longest_turn_ns = max(self.longest_turn_ns, duration_ns)
        if duration_ns <= SLOW_TURN_NS:
            return False
        self.slow_turns += 1
        return True

    def alive(self) -> None:
        """The loop came round: the watchdog starts counting again."""
        faulthandler.dump_traceback_later(HUNG_S, file=sys.stderr)

    def asleep(self) -> None:
        """The loop ends; the watchdog too."""
        faulthandler.cancel_dump_traceback_later()


def cpu_s() -> float:
    """CPU seconds of this process, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def rss_mb() -> float:
    """Resident memory now."""
    pages = int(Path("/proc/self/statm").read_bytes().split()[1])
    return pages * _PAGE_KB / _KB_PER_MB


def rss_peak_mb() -> float:
    """The largest resident memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KB_PER_MB


def pss_mb() -> float | None:
    """Proportional memory: shared pages are divided among their users. None where the kernel has
    no smaps_rollup."""
    rollup = Path("/proc/self/smaps_rollup")
    if not rollup.exists():
        return None
    for line in rollup.read_text(encoding="utf-8").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / _KB_PER_MB
    return None


def cost(cpus: tuple[int, ...]) -> dict[str, Any]:
    """The figures of a process in the run summary."""
    pss = pss_mb()
    return {
        "rss_peak_mb": round(rss_peak_mb(), 1),
        "pss_mb": None if pss is None else round(pss, 1),
        "cpu_s": round(cpu_s(), 2),
        "cpus": list(cpus),
    }
