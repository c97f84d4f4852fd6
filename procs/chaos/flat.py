"""A day of market in minutes, without any kill: do memory and descriptors stay as they are?

The venue's `flood` market says in half an hour as much as one symbol of the `calm` one in 24 hours,
and the engine trades on it all the time.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil

from procs.chaos.books import NOBODY, Books
from procs.chaos.campaign import ENGINE_COMMAND, own_folder
from procs.chaos.diary import Diary
from procs.chaos.engine import EngineProcess
from procs.chaos.nemesis import Nemesis
from procs.chaos.patience import now_s
from procs.chaos.stage import prepare
from shared.errors import SeawallError

PROFILE: Final = "flood"
DAY_EVENTS: Final = 4_500_000
"""52 events a second, as one symbol of the calm market has them, for 24 hours."""
MINUTES_MAX: Final = 60.0
SAMPLE_S: Final = 5.0
SAMPLES_MIN: Final = 8
MB: Final = 1024 * 1024
GROWTH_MAX: Final = 0.05
"""Between the second quarter and the last one, of the memory in the second."""
GROWTH_MAX_MB: Final = 8.0
DESCRIPTORS_MORE_MAX: Final = 4

Sample = tuple[float, float, int]
"""Seconds, MB resident, open descriptors."""
Progress = Callable[[int, float], None]
"""Market events so far, seconds."""


class Flatness(msgspec.Struct, frozen=True, kw_only=True):
    """One process over the whole time."""

    rss_mb_early: float
    """Median of the second quarter: in the first one caches fill."""
    rss_mb_late: float
    rss_mb_max: float
    fds_early: int
    fds_late: int
    flat: bool


class FlatReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    seed: int
    minutes: float
    market_events: int
    day_share: float
    """How much of 24 calm hours of one symbol that is."""
    quotes: int | None
    orders: int
    fills: int
    processes: dict[str, Flatness]
    findings: list[str]
    folder: str

    @property
    def passed(self) -> bool:
        """Whether everything is flat and nothing went wrong."""
        return not self.findings


def flat(seed: int, minutes: float | None, keep: Path | None, progress: Progress) -> FlatReport:
    """Runs until a day has passed, or for so long. Raises SeawallError when it cannot start."""
    folder = own_folder(keep)
    userdir = folder / "user"
    prepare(userdir, PROFILE, seed)
    diary = Diary(userdir)
    engine = EngineProcess(userdir, (*ENGINE_COMMAND, str(userdir)))
    nemesis = Nemesis(engine, diary, seed)
    began = now_s()
    findings: list[str] = []
    samples: dict[str, list[Sample]] = defaultdict(list)
    events, summary = 0, None
    try:
        if not nemesis.begin():
            raise SeawallError(f"the engine did not start: {engine.said()}")
        pids = _pids(engine.status_now())
        events = _sample(engine, pids, minutes, samples, progress)
        if _pids(engine.status_now()) != pids:
            findings.append("a process was restarted although nobody killed it")
        summary = engine.stop()
    except SeawallError as error:
        findings.append(str(error))
    finally:
        engine.clean_up()
        diary.close()
    judged = {role: flatness(own) for role, own in samples.items() if len(own) >= SAMPLES_MIN}
    if not judged:
        findings.append(f"fewer than {SAMPLES_MIN} samples tell nothing, give it more time")
    findings += [f"{role} grew: {found}" for role, found in judged.items() if not found.flat]
    return FlatReport(
        seed=seed,
        minutes=round((now_s() - began) / 60, 2),
        market_events=events,
        day_share=round(events / DAY_EVENTS, 3),
        quotes=summary["quotes"] if summary else None,
        orders=sum(summary["orders"].values()) if summary else 0,
        fills=summary["fills"] if summary else 0,
        processes=judged,
        findings=findings,
        folder=str(folder),
    )


def flatness(samples: Sequence[Sample]) -> Flatness:
    """Judges the samples of one process; the first quarter is its warm-up."""
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    rss_early, rss_late = (statistics.median(one[1] for one in part) for part in (early, late))
    fds_early, fds_late = (max(one[2] for one in part) for part in (early, late))
    return Flatness(
        rss_mb_early=round(rss_early, 1),
        rss_mb_late=round(rss_late, 1),
        rss_mb_max=round(max(one[1] for one in samples), 1),
        fds_early=fds_early,
        fds_late=fds_late,
        flat=rss_late - rss_early <= max(GROWTH_MAX_MB, rss_early * GROWTH_MAX)
        and fds_late <= fds_early + DESCRIPTORS_MORE_MAX,
    )


def _sample(
    engine: EngineProcess,
    pids: dict[str, int],
    minutes: float | None,
    samples: dict[str, list[Sample]],
    progress: Progress,
) -> int:
    """Looks at every process until a day or the time has passed; the market's events."""
    processes = {role: psutil.Process(pid) for role, pid in pids.items()}
    processes["supervise"] = psutil.Process(engine.pid)
    rest = Books.of_engine(engine.run_dir).rest
    ends = now_s() + (MINUTES_MAX if minutes is None else minutes) * 60
    began, first = now_s(), _market_events(rest)
    events = 0
    while now_s() < ends and (minutes is not None or events < DAY_EVENTS):
        time.sleep(SAMPLE_S)
        for role, process in processes.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                rss_mb = process.memory_info().rss / MB
                samples[role].append((now_s() - began, rss_mb, _descriptors(process)))
        events = max(events, _market_events(rest) - first)
        progress(events, now_s() - began)
    return events


def _descriptors(process: psutil.Process) -> int:
    """How many are open; 0 where the system does not tell: route hides from other users (L13)."""
    try:
        return int(process.num_fds())
    except psutil.AccessDenied:
        return 0


def _market_events(rest: str) -> int:
    try:
        with urllib.request.urlopen(f"{rest}/seawall/health", timeout=5) as answer:
            return int(json.load(answer)["market_events"])
    except NOBODY as error:
        raise SeawallError(f"the venue does not answer: {error}") from error


def _pids(status: dict[str, Any]) -> dict[str, int]:
    return {role: row["pid"] for role, row in status.get("processes", {}).items()}
