"""Every point at which a process can die: a calm seed, once for each step of each turn.

The base seed is played without a fault and its turns with effects are counted: turns that journal,
ask the venue or, in the supervisor, do anything. Then it is played again with one death at each
point, the process gone before that step of that turn; and with pairs of deaths, drawn from all. A
turn that only says something has no point of its own: losing the message shows the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from random import Random

import msgspec

from procs.simulate.campaign import Found, command_of
from procs.simulate.dice import Hit
from procs.simulate.modes import CRASHES
from procs.simulate.shrink import hits_text
from procs.simulate.world import Outcome, World, play
from shared.clock import EngineClock
from shared.units import NS_PER_S

CHUNK = 16
OFTEN = ("crash_ingest", "crash_observe")
"""Processes without a journal, whose hundreds of turns are all alike: a sample is enough."""
OFTEN_POINTS = 30
Point = frozenset[Hit]


class CrashReport(msgspec.Struct, kw_only=True):
    """How often whom death took, and what it broke."""

    seeds: int = 0
    turns: int = 0
    singles: int = 0
    pairs: int = 0
    deaths: int = 0
    events: int = 0
    events_per_s: float = 0.0
    by_role: dict[str, int] = {}
    violations: list[Found] = []


def crash_points(
    seeds: range,
    profile: str,
    pairs: int,
    workers: int,
    progress: Callable[[int, int], None],
) -> CrashReport:
    """Plays each seed once for each point of death, and for so many pairs of points each."""
    report = CrashReport(seeds=len(seeds))
    tasks: list[tuple[int, Point]] = []
    for seed in seeds:
        singles = points_of(seed, profile)
        drawn = pairs_of(singles, pairs, seed)
        report.turns += len({hit[:2] for point in singles for hit in point})
        report.singles += len(singles)
        report.pairs += len(drawn)
        tasks += [(seed, point) for point in (*singles, *drawn)]
    clock = EngineClock()
    began_ns = clock.now_ns()
    outcomes = _outcomes(profile, tasks, workers)
    for done, ((seed, point), outcome) in enumerate(zip(tasks, outcomes, strict=True), 1):
        report.events += outcome.events
        for name, count in outcome.faults.items():
            if name.startswith("crash_"):
                role = name.removeprefix("crash_")
                report.by_role[role] = report.by_role.get(role, 0) + count
                report.deaths += count
        command = command_of(seed, profile, CRASHES, hits_text(tuple(sorted(point))))
        report.violations += [
            Found(seed=seed, law=v.law, step=v.step, text=v.text, command=command)
            for v in outcome.violations
        ]
        progress(done, len(tasks))
    elapsed_s = max((clock.now_ns() - began_ns) / NS_PER_S, 1e-9)
    report.events_per_s = round(report.events / elapsed_s, 1)
    return report


def points_of(seed: int, profile: str) -> list[Point]:
    """Every single death of a seed: before each step of each turn with effects, and after."""
    world = World(seed, profile, frozenset(), CRASHES)
    world.play()
    points = [
        Hit(turn.kind, turn.occasion, step)
        for turn, steps in world.crash_choices
        for step in range(steps)
    ]
    rare = [hit for hit in points if hit.kind not in OFTEN]
    for kind in OFTEN:
        common = [hit for hit in points if hit.kind == kind]
        rare += common[:: max(len(common) // OFTEN_POINTS, 1)][:OFTEN_POINTS]
    return [frozenset({hit}) for hit in rare]


def pairs_of(singles: list[Point], count: int, seed: int) -> list[Point]:
    """So many different pairs of two deaths in different turns. The turns after the first death
    are not those of the base seed: the second one falls wherever that many turns lead."""
    random = Random(f"pairs {seed}")
    pairs: dict[Point, None] = {}
    for _ in range(20 * count):
        if len(pairs) == count or len(singles) < 2:
            break
        one, other = random.sample(singles, 2)
        if {hit[:2] for hit in one} != {hit[:2] for hit in other}:
            pairs[one | other] = None
    return list(pairs)


def _outcomes(profile: str, tasks: list[tuple[int, Point]], workers: int) -> Iterable[Outcome]:
    one: Callable[[tuple[int, Point]], Outcome] = partial(_play, profile)
    if workers == 1 or len(tasks) <= CHUNK:
        yield from map(one, tasks)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(one, tasks, chunksize=CHUNK)


def _play(profile: str, task: tuple[int, Point]) -> Outcome:
    seed, point = task
    return play(seed, profile, CRASHES, point)
