"""Tick to order in the kernel over three real processes, hop by hop, beside the usual way.

Both designs run in the same minutes: their processes live all the time, batches of ticks at a
constant offered rate go to one and to the other in turn. Every duration is counted from the time
at which the tick was meant to come. The commit is the same synced one in both; because a disk's
sync can hide everything else, the whole is also shown without it. What sleeps between ticks must be
woken, whoever sends, and across cores that is dear; so all is measured once more on one core.
"""

from __future__ import annotations

import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from bench import path_naive, path_seawall
from bench.hot import depth_frames
from bench.path_common import HOPS, Batch, Stage, now
from bench.path_lane import new_lane
from bench.placing import AS_PLACED, ONE_CORE, named, placing
from bench.ratios import ratios_of
from core_ext.histogram import Histogram
from shared.errors import DeadlineError, SeawallError
from shared.units import NS_PER_S

ROUNDS = 5
TICKS_PER_BATCH = 220
WARM_UP_TICKS = 100
DEFAULT_RATE_HZ = 100
START_WITHIN_S = 60
BATCH_SLACK_S = 30
SETTLING_S = 0.3

LANE = "fast lane"
DESIGNS = {
    "seawall": path_seawall.STAGES,
    LANE: path_seawall.STAGES,
    "naive": path_naive.STAGES,
}
LANE_HOPS = ("quote_hop", "tick_to_intent", "tick_to_order_without_commit")
"""What the fast lane can change."""
WOKEN_HOPS = (
    "quote_hop",
    "intent_hop",
    "tick_to_intent",
    "tick_to_order",
    "tick_to_order_without_commit",
)
"""What the waking of a core is part of."""
OVER_ZEROMQ = "seawall_over_zeromq"
TAIL = "naive_p50_beside_our_p99"
"""The naive design's p50 over our p99 in the best round."""
WANTED = {
    "tick_to_intent": {"naive": 3.5, TAIL: 1.0},
    "tick_to_order": {"naive": 1.7, TAIL: 1.0},
    "tick_to_intent_by_fast_lane": {OVER_ZEROMQ: 2.0},
}

Stages = dict[str, Connection]
"""The processes of a design that runs, by name."""


class Rounds:
    """One hop's durations, all of them and round by round."""

    def __init__(self) -> None:
        self.whole = Histogram()
        self._rounds: list[Histogram] = []

    def add(self, one: Histogram) -> None:
        """One more round."""
        self.whole.merge(one)
        self._rounds.append(one)

    def figures(self) -> dict[str, float]:
        """Percentiles of all, microseconds."""
        return {
            f"p{str(p).replace('.', '')}": round(self.whole.percentile(p) / 1e3, 2)
            for p in (50, 99, 99.9)
        }

    def times(self, ours: Rounds, percent: float) -> float:
        """This one's percentile as a multiple of ours."""
        return round(self.whole.percentile(percent) / max(ours.whole.percentile(percent), 1), 2)

    def best_ns(self, percent: float) -> int:
        """The percentile of the round in which it was smallest."""
        return min(one.percentile(percent) for one in self._rounds)


Found = dict[str, dict[str, Rounds]]
"""By design and hop."""


class Design(NamedTuple):
    """How ticks become orders: a function for each process, and what they are given."""

    stages: Mapping[str, Callable[[Stage], None]]
    lane: bool = False
    idle: str = ""


def run(
    json_output: bool = False,
    rate_hz: int = DEFAULT_RATE_HZ,
    rounds: int = ROUNDS,
    cpus: Sequence[int] = (),
) -> list[dict[str, Any]]:
    """Measures and returns the rows {name, unit, p50, p99, p999, ratio_to, ratio_p99_to, samples}.

    cpus pins ingest, decide and route, in this order, of both designs. Prints the rows as a table
    unless json_output; progress goes to stderr. Raises DeadlineError when a stage does not
    answer, SeawallError when orders are missing.
    """
    designs = {name: Design(stages, lane=name == LANE) for name, stages in DESIGNS.items()}
    rows = []
    for where, hops in ((AS_PLACED, HOPS), (ONE_CORE, WOKEN_HOPS)):
        with placing(where):
            found = measure("path", designs, rate_hz, rounds, cpus)
        rows += [_row(hop, found["seawall"][hop], found["naive"][hop], where) for hop in hops]
        rows += [_lane_row(hop, found, where) for hop in LANE_HOPS]
    if not json_output:
        print_rows(rows)
    return rows


def measure(
    bench: str, designs: dict[str, Design], rate_hz: int, rounds: int, cpus: Sequence[int]
) -> Found:
    """Every design's hops, batches of ticks going to one after the other. Raises as `run`."""
    depth = depth_frames(None)
    ticks = WARM_UP_TICKS + rounds * TICKS_PER_BATCH
    if ticks > len(depth.frames):
        # Frames of long ago on a book that has gone on cross it, and nothing is decided then.
        raise SeawallError(f"bench {bench}: {ticks} ticks of {len(depth.frames)} frames")
    folder = tempfile.mkdtemp(prefix="seawall-bench-", dir=_disk())
    print(
        f"bench {bench}: {rounds} x {TICKS_PER_BATCH} ticks at {rate_hz}/s for each design, "
        f"{depth.source} frames, commits below {folder}",
        file=sys.stderr,
    )
    running: list[Any] = []
    try:
        started = {}
        for name, design in designs.items():
            own = Path(folder) / name
            own.mkdir()
            started[name] = _start(design, str(own), depth, cpus, running)
        found = _measure(bench, started, rate_hz, rounds)
        for stages in started.values():
            for connection in stages.values():
                connection.send(None)
        for process in running:
            process.join(10)
    finally:
        for process in running:
            if process.is_alive():
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)
    _require_all(bench, found, rounds * TICKS_PER_BATCH)
    return found


def _disk() -> Path:
    """A folder on a real disk: /tmp may be memory, where syncing costs nothing."""
    durable = Path("/var/tmp")
    return durable if durable.is_dir() else Path(tempfile.gettempdir())


def _start(
    design: Design, folder: str, depth: Any, cpus: Sequence[int], running: list[Any]
) -> Stages:
    """Starts three processes, binders first, and waits until they are ready."""
    spawn = multiprocessing.get_context("spawn")
    lane = new_lane() if design.lane else None
    started: Stages = {}
    for place, name in enumerate(("ingest", "route", "decide")):
        ours, theirs = spawn.Pipe()
        pin = (cpus[("ingest", "decide", "route").index(name) % len(cpus)],) if cpus else ()
        ticks = (depth.frames, depth.snapshot) if name == "ingest" else ([], b"")
        stage = Stage(folder, theirs, ticks[0], ticks[1], pin, lane, design.idle)
        process = spawn.Process(target=design.stages[name], args=(stage,), daemon=True)
        process.start()
        running.append(process)
        started[name] = ours
        _expect(ours, "ready", START_WITHIN_S, f"stage {place + 1}, {name},")
    return started


def _expect(connection: Connection, word: str, within_s: float, who: str) -> None:
    if not connection.poll(within_s) or connection.recv() != word:
        raise DeadlineError(f"bench: {who} did not say {word} within {within_s:.0f} s")


def _measure(bench: str, designs: dict[str, Stages], rate_hz: int, rounds: int) -> Found:
    interval_ns = 1_000_000_000 // rate_hz
    found: Found = {name: {hop: Rounds() for hop in HOPS} for name in designs}
    first = 0
    for number in range(rounds + 1):
        count = TICKS_PER_BATCH if number else WARM_UP_TICKS
        for name, design in designs.items():
            # Let subscriptions and the other design's last orders settle.
            time.sleep(SETTLING_S)
            start_ns = now() + 50_000_000
            design["ingest"].send(Batch(first, count, start_ns, interval_ns))
            _expect(design["ingest"], "done", count / rate_hz + BATCH_SLACK_S, name)
            for hop, one in _round(design, count).items():
                if number:
                    found[name][hop].add(one)
        first += count
        print(f"bench {bench}: round {number} of {rounds}", file=sys.stderr)
    return found


def _round(design: Stages, count: int) -> dict[str, Histogram]:
    """What was counted since the last round; the last orders are waited for."""
    found = {hop: Histogram() for hop in HOPS}
    ends_ns = now() + BATCH_SLACK_S * NS_PER_S
    while any(one.count < count for one in found.values()) and now() < ends_ns:
        time.sleep(SETTLING_S)
        for name, connection in design.items():
            connection.send("report")
            if not connection.poll(START_WITHIN_S):
                raise DeadlineError(f"bench path: {name} does not report")
            for hop, data in connection.recv().items():
                found[hop].merge(Histogram.from_bytes(data))
    return found


def _require_all(bench: str, found: Found, ticks: int) -> None:
    """A tick that made no order would flatter the rest."""
    for name, hops in found.items():
        for hop in HOPS:
            count = hops[hop].whole.count
            if count != ticks:
                raise SeawallError(f"bench {bench}: {name} counted {count} of {ticks} at {hop}")


def _row(name: str, ours: Rounds, naive: Rounds, where: str) -> dict[str, Any]:
    wanted = WANTED.get(name, {})
    ratios = {"naive": naive.times(ours, 50)}
    if TAIL in wanted:
        ratios[TAIL] = round(naive.whole.percentile(50) / max(ours.best_ns(99), 1), 2)
    return {
        "name": named(name, where),
        "unit": "us",
        **ours.figures(),
        "ratio_to": ratios,
        "ratio_p99_to": {"naive": naive.times(ours, 99)},
        "wanted": wanted,
        "samples": ours.whole.count,
        "naive_samples": naive.whole.count,
    }


def _lane_row(hop: str, found: Found, where: str) -> dict[str, Any]:
    """The same hop where quotes come by shared memory, beside both other designs."""
    ours = found[LANE][hop]
    row = _row(f"{hop}_by_fast_lane", ours, found["naive"][hop], where)
    row["ratio_to"][OVER_ZEROMQ] = found["seawall"][hop].times(ours, 50)
    return row


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """A plain table."""
    print(f"{'hop, us':53} {'p50':>9} {'p99':>9} {'p99.9':>9}  others' p50 over ours (wanted)")
    for row in rows:
        ratios = f"{ratios_of(row)}; p99 naive {row['ratio_p99_to']['naive']:g}x"
        print(f"{row['name']:53} {row['p50']:9g} {row['p99']:9g} {row['p999']:9g}  {ratios}")


if __name__ == "__main__":
    run()
