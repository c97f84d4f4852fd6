"""What the operating system says of the engine's processes: memory, CPU, cores, priority (R5)."""

from __future__ import annotations

from typing import Any

import psutil

from procs.supervise.effects import Measured

BYTES_PER_MB = 1e6


class Meter:
    """Measures one process; keeps what a killed process can no longer say of itself."""

    def __init__(self, role: str, pid: int) -> None:
        """Raises psutil.NoSuchProcess for a process that is already gone."""
        self.role = role
        self._process = psutil.Process(pid)
        self._process.cpu_percent(None)
        self._rss_peak_mb = 0.0
        self._cpu_s = 0.0
        self._cpus: tuple[int, ...] = ()
        self._pss_mb: float | None = None

    def measure(self) -> Measured | None:
        """The figures of now; None when the process is gone."""
        try:
            with self._process.oneshot():
                rss_mb = self._process.memory_info().rss / BYTES_PER_MB
                times = self._process.cpu_times()
                cpu_pct = self._process.cpu_percent(None)
                nice = self._process.nice()
            self._cpus = tuple(self._process.cpu_affinity())
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return None
        self._rss_peak_mb = max(self._rss_peak_mb, rss_mb)
        self._cpu_s = times.user + times.system
        return Measured(
            role=self.role, cpus=self._cpus, nice=int(nice), cpu_pct=cpu_pct, rss_mb=rss_mb
        )

    def measure_shares(self) -> None:
        """Proportional memory, which is too slow to ask for every second."""
        try:
            self._pss_mb = self._process.memory_full_info().pss / BYTES_PER_MB
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return

    def report(self) -> dict[str, Any]:
        """The process keys of the run summary, as seen from outside; empty before a measure."""
        if not self._rss_peak_mb:
            return {}
        return {
            "rss_peak_mb": round(self._rss_peak_mb, 1),
            "pss_mb": None if self._pss_mb is None else round(self._pss_mb, 1),
            "cpu_s": round(self._cpu_s, 3),
            "cpus": list(self._cpus),
        }


def place(pid: int, cpus: tuple[int, ...], nice: int) -> str:
    """Applies cores and priority to a child that does not do so itself, and verifies them.

    Says what could not be had; empty when all could."""
    try:
        process = psutil.Process(pid)
        process.cpu_affinity(list(cpus))
        granted = tuple(sorted(process.cpu_affinity()))
        if granted != tuple(sorted(cpus)):
            return f"cores {list(cpus)} were asked for, {list(granted)} granted"
        if nice:
            process.nice(nice)
    except (psutil.Error, ValueError, OSError) as error:
        return f"cpus={list(cpus)} nice={nice}: {error}"
    return ""
