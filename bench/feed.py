"""WebSocket frame to statistics: the CPU time of ingest's stream and of ccxt.pro's, frame by frame.

A local server writes the same depth frames of twenty levels to every reader, sixteen in one write
as fast as they are taken, and one at a time. Counted is the CPU time of the reader's whole process:
sockets, loop and handler. ccxt.pro is watched as its users watch it; it needs no network, its
snapshot is given to it.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from multiprocessing.connection import Connection
from typing import Any, Final

from bench.child import child
from bench.feed_ends import BURST, CCXT, FIRST_ID, OURS, PEERS, serve
from bench.ratios import ratios_of
from shared.errors import DeadlineError

ROUNDS: Final = 7
FRAMES: Final = {"bursts": 1_600, "steady": 300}
PASS_WITHIN_S: Final = 60
WANTED: Final = {"bursts": 20, "steady": 4}
"""How many times our CPU time ccxt.pro should need, at least."""
MANNER: Final = {
    "bursts": f"{BURST} in one write, as fast as they are taken",
    "steady": "one at a time, a millisecond apart",
}
OPERATION: Final = {
    "statistics": "a depth frame of 20 levels: read, applied, all statistics",
    "market": "the same with all that ingest keeps of a market: drop, bars, trust",
}
Spent = dict[str, dict[str, list[float]]]


def run(json_output: bool = False, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Measures and returns the rows {name, unit, p50, p99, p999, cpu, ratio_to, wanted, operation}.

    All figures are of CPU time per frame; p99 and p999 are the slowest pass. Prints a table unless
    json_output. Raises DeadlineError when a process does not answer."""
    readers = OURS | PEERS
    if find_spec("ccxt") is None:
        print("bench feed: ccxt is not installed, its rows are left out", file=sys.stderr)
    else:
        readers |= CCXT
    print(f"bench feed: {rounds} rounds, {len(readers)} readers", file=sys.stderr)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(child("bench feed: the server", serve, list(readers)))
        ports = server.recv()
        ends = {}
        for name, reader in readers.items():
            ends[name] = stack.enter_context(child(f"bench feed: {name}", reader, ports[name]))
            ends[name].recv()
        spent = _measure(server, ends, rounds)
    rows = [_row(name, manner, spent[manner]) for name in OURS for manner in FRAMES]
    if not json_output:
        print_rows(rows)
    return rows


def _measure(server: Connection, ends: dict[str, Connection], rounds: int) -> Spent:
    """Microseconds of CPU time per frame, pass by pass; the first round warms up."""
    next_id = dict.fromkeys(ends, FIRST_ID)
    spent: Spent = {manner: {name: [] for name in ends} for manner in FRAMES}
    names = list(ends)
    for number in range(rounds + 1):
        for manner, count in FRAMES.items():
            for place in range(len(names)):
                # The order turns, so that no reader always follows the same neighbour.
                name = names[(place + number) % len(names)]
                first = next_id[name]
                next_id[name] += count
                ends[name].send(first + count - 1)
                _hear(ends[name], name)
                server.send((name, first, count, manner == "bursts"))
                took_ns = _hear(ends[name], name)
                if number:
                    spent[manner][name].append(took_ns / count / 1e3)
    return spent


def _hear(end: Connection, name: str) -> Any:
    if not end.poll(PASS_WITHIN_S):
        raise DeadlineError(f"bench feed: {name} did not get its frames in {PASS_WITHIN_S} s")
    return end.recv()


def _row(name: str, manner: str, spent: dict[str, list[float]]) -> dict[str, Any]:
    ours = spent[name]
    median, slowest = statistics.median(ours), round(max(ours), 2)
    peers = {peer: statistics.median(passes) for peer, passes in spent.items() if peer not in OURS}
    return {
        "name": f"websocket_to_{name}_{manner}",
        "unit": "us",
        "p50": round(median, 2),
        "p99": slowest,
        "p999": slowest,
        "cpu": round(median, 2),
        "ratio_to": {peer: round(took / median, 2) for peer, took in peers.items()},
        "wanted": {"ccxt_pro": WANTED[manner]} if "ccxt_pro" in peers else {},
        "operation": f"{OPERATION[name]}; {MANNER[manner]}",
        "samples": len(ours),
    }


def print_rows(rows: Iterable[dict[str, Any]]) -> None:
    """A plain table."""
    print(f"{'CPU time of a frame, us':30} {'median':>8} {'slowest':>8}  times as slow (wanted)")
    for row in rows:
        print(f"{row['name']:30} {row['p50']:8g} {row['p99']:8g}  {ratios_of(row)}")
        print(f"  {row['operation']}")


if __name__ == "__main__":
    run()
