"""Many seeds, on every core: what failed, what was covered, and the command that shows it again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import msgspec

from procs.simulate import coverage
from procs.simulate.modes import SAFETY, Mode
from procs.simulate.world import Outcome, play
from shared.clock import EngineClock
from shared.units import NS_PER_S

CHUNK = 8
FAULTS_WANTED = 3
"""A seed with fewer faults than this shows little."""
SHARE_WANTED = 0.90
"""Of the seeds, so many must open a position, and so many must meet their faults."""
EVENTS_WANTED = 1_500
JUDGED_FROM = 30
"""Seeds from which on shares mean something."""
TAME_PROFILES = ("none", "refusing", "alone", "restored")
"""These have few faults by design."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One violation, with the command that reproduces it."""

    seed: int
    law: str
    step: int
    text: str
    command: str


class Report(msgspec.Struct, kw_only=True):
    """A campaign's result."""

    profile: str = ""
    mode: str = ""
    seeds: int = 0
    violations: list[Found] = []
    too_tame: list[str] = []
    """Why the campaign proves too little, if it does."""
    events: int = 0
    events_per_s: float = 0.0
    seeds_per_s: float = 0.0
    opened_share: float = 0.0
    faulty_share: float = 0.0
    """Seeds with at least three faults."""
    events_min: int = 0
    settled_s_max: float = 0.0
    """In liveness mode: the longest time from the healing to the last debt's end."""
    faults: dict[str, int] = {}
    coverage: dict[str, int] = {}
    never_met: list[str] = []
    undeclared: list[str] = []

    @property
    def passed(self) -> bool:
        """No law was broken, and enough happened for that to mean something."""
        return not self.violations and not self.too_tame


def campaign(
    seeds: range,
    profile: str,
    workers: int,
    progress: Callable[[int, int], None],
    mode: Mode = SAFETY,
) -> Report:
    """Plays every seed; workers=1 stays in this process."""
    clock = EngineClock()
    began_ns = clock.now_ns()
    report = Report(profile=profile, mode=mode.name)
    opened = faulty = 0
    for outcome in _outcomes(seeds, profile, workers, mode):
        report.seeds += 1
        report.events += outcome.events
        opened += outcome.opened > 0
        faulty += len(outcome.hits) >= FAULTS_WANTED
        report.events_min = min(report.events_min or outcome.events, outcome.events)
        report.settled_s_max = max(report.settled_s_max, outcome.settled_s)
        _add(report.faults, outcome.faults)
        _add(report.coverage, outcome.coverage)
        command = command_of(outcome.seed, profile, mode)
        report.violations += [
            Found(seed=outcome.seed, law=v.law, step=v.step, text=v.text, command=command)
            for v in outcome.violations
        ]
        progress(report.seeds, len(seeds))
    elapsed_s = max((clock.now_ns() - began_ns) / NS_PER_S, 1e-9)
    report.events_per_s = round(report.events / elapsed_s, 1)
    report.seeds_per_s = round(report.seeds / elapsed_s, 2)
    report.opened_share = round(opened / report.seeds, 4) if report.seeds else 0.0
    report.faulty_share = round(faulty / report.seeds, 4) if report.seeds else 0.0
    report.faults = dict(sorted(report.faults.items()))
    report.coverage = dict(sorted(report.coverage.items()))
    report.never_met = coverage.never_met(report.coverage, report.faults)
    report.undeclared = coverage.undeclared(report.coverage)
    report.too_tame = too_tame(report)
    return report


def too_tame(report: Report) -> list[str]:
    """Why a campaign without violations would still prove too little."""
    if report.seeds < JUDGED_FROM or report.violations:
        return []
    reasons = []
    if report.opened_share < SHARE_WANTED:
        reasons.append(f"{report.opened_share:.1%} of the seeds opened a position, 90 % wanted")
    if report.faulty_share < SHARE_WANTED and report.profile not in TAME_PROFILES:
        reasons.append(f"{report.faulty_share:.1%} of the seeds met 3 faults, 90 % wanted")
    if report.events_min < EVENTS_WANTED:
        reasons.append(f"a seed had {report.events_min} events, {EVENTS_WANTED} wanted")
    return reasons


def command_of(seed: int, profile: str, mode: Mode = SAFETY, only: str = "") -> str:
    """What to type to see a seed again, with its trace."""
    command = f"seawall simulate --seed {seed} --faults {profile}"
    if mode is not SAFETY:
        command += f" --mode {mode.name}"
    return command + (f" --only {only}" if only else "") + " --trace"


def _outcomes(seeds: range, profile: str, workers: int, mode: Mode) -> Iterable[Outcome]:
    one: Callable[[int], Outcome] = partial(play, profile=profile, mode=mode)
    if workers == 1 or len(seeds) <= CHUNK:
        yield from map(one, seeds)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(one, seeds, chunksize=CHUNK)


def _add(total: dict[str, int], more: dict[str, Any]) -> None:
    for name, count in more.items():
        total[name] = total.get(name, 0) + count
