"""Many seeds, on every core: what failed, what was covered, and the command that shows it again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import msgspec

from procs.simulate.world import Outcome, play
from shared.clock import EngineClock
from shared.units import NS_PER_S

CHUNK = 8


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One violation, with the command that reproduces it."""

    seed: int
    law: str
    step: int
    text: str
    command: str


class Report(msgspec.Struct, kw_only=True):
    """A campaign's result."""

    seeds: int = 0
    violations: list[Found] = []
    events: int = 0
    events_per_s: float = 0.0
    opened_share: float = 0.0
    events_min: int = 0
    faults: dict[str, int] = {}
    coverage: dict[str, int] = {}


def campaign(
    seeds: range, profile: str, workers: int, progress: Callable[[int, int], None]
) -> Report:
    """Plays every seed; workers=1 stays in this process."""
    clock = EngineClock()
    began_ns = clock.now_ns()
    report = Report()
    opened = 0
    for outcome in _outcomes(seeds, profile, workers):
        report.seeds += 1
        report.events += outcome.events
        opened += outcome.opened > 0
        report.events_min = min(report.events_min or outcome.events, outcome.events)
        _add(report.faults, outcome.faults)
        _add(report.coverage, outcome.coverage)
        report.violations += [
            Found(
                seed=outcome.seed,
                law=violation.law,
                step=violation.step,
                text=violation.text,
                command=command_of(outcome.seed, profile),
            )
            for violation in outcome.violations
        ]
        progress(report.seeds, len(seeds))
    elapsed_s = max((clock.now_ns() - began_ns) / NS_PER_S, 1e-9)
    report.events_per_s = round(report.events / elapsed_s, 1)
    report.opened_share = round(opened / report.seeds, 4) if report.seeds else 0.0
    report.faults = dict(sorted(report.faults.items()))
    report.coverage = dict(sorted(report.coverage.items()))
    return report


def command_of(seed: int, profile: str) -> str:
    """What to type to see a seed again."""
    return f"seawall simulate --seeds {seed}:{seed + 1} --faults {profile}"


def _outcomes(seeds: range, profile: str, workers: int) -> Iterable[Outcome]:
    one: Callable[[int], Outcome] = partial(play, profile=profile)
    if workers == 1 or len(seeds) <= CHUNK:
        yield from map(one, seeds)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(one, seeds, chunksize=CHUNK)


def _add(total: dict[str, int], more: dict[str, Any]) -> None:
    for name, count in more.items():
        total[name] = total.get(name, 0) + count
