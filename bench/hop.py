"""A ZeroMQ round trip between two processes: the engine's two ways, libzmq from C, and asyncio.

All pairs of processes live all the time and take turns at so many round trips of a quote's length
over `ipc://`, one after the other; a pair that waits sleeps in its read. Figures are wall times: a
hop is mostly wake-ups, and those are no CPU time of a thread. So all is measured twice, as the
kernel places the processes and with all on one core, and two rows show what a wake-up costs by
itself: libzmq without Python, and a socket without libzmq.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from bench.child import child
from bench.hop_c import Ask, bundled_libzmq, c_pair, compiled
from bench.hop_ends import BODY_BYTES, WAYS, End, run_end
from bench.placing import AS_PLACED, PLACINGS, named, placing
from bench.ratios import ratios_of
from shared.errors import DeadlineError

ROUNDS: Final = 9
TRIPS: Final = 2_000
WARM_UP: Final = 500
ROUND_WITHIN_S: Final = 60
IN_C: Final = "libzmq_c"
USUAL: Final = "zmq_asyncio"
WANTED: Final = {IN_C: 1.15, USUAL: 0.6}
"""Our p50 as a multiple of the peer's, at most."""
OURS: Final = ("blocking", "uvloop")
OPERATION: Final = {
    "blocking": f"{BODY_BYTES} bytes there and back, raw sockets that sleep in their read",
    "uvloop": f"{BODY_BYTES} bytes there and back, the engine's links in uvloop's poller",
    IN_C: f"{BODY_BYTES} bytes there and back, libzmq without Python",
    "unix_socket": f"{BODY_BYTES} bytes there and back, a blocking Unix socket without ZeroMQ",
}


@contextlib.contextmanager
def python_pair(name: str, way: Callable[[End], None], folder: str) -> Iterator[Ask]:
    """Both ends as Python processes. Raises DeadlineError, also from what it gives."""
    who = f"bench hop: {name}"
    with (
        child(who, run_end, way, folder, name, True) as echo,
        child(who, run_end, way, folder, name, False) as asking,
    ):
        echo.recv()
        asking.recv()

        def ask(count: int) -> list[int]:
            asking.send(count)
            if not asking.poll(ROUND_WITHIN_S):
                raise DeadlineError(f"{who} did not answer in {ROUND_WITHIN_S} s")
            took: list[int] = asking.recv()
            return took

        yield ask


def run(json_output: bool = False, rounds: int = ROUNDS) -> list[dict[str, Any]]:
    """Measures and returns the rows {name, unit, p50, p99, p999, ratio_to, wanted, operation}.

    `ratio_to` is the peer's p50 over the row's, `wanted` how much that should be at least, for our
    own rows. Prints a table unless json_output. Raises DeadlineError when a process does not
    answer.
    """
    print(f"bench hop: {rounds} x {TRIPS} round trips each way", file=sys.stderr)
    rows = []
    for where in PLACINGS:
        with placing(where):
            taken = _taken(rounds)
        rows += [_row(name, taken, where) for name in OPERATION if name in taken]
    if not json_output:
        print_rows(rows)
    return rows


def _taken(rounds: int) -> dict[str, list[list[int]]]:
    """Durations of all pairs, which live as long."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="seawall-hop-"))
        pairs = {
            name: stack.enter_context(python_pair(name, way, folder)) for name, way in WAYS.items()
        }
        program = compiled(Path(folder), lambda text: print(f"bench hop: {text}", file=sys.stderr))
        library = bundled_libzmq()
        if program is not None and library is not None:
            ends = c_pair(program, library, f"ipc://{folder}/c.sock", BODY_BYTES)
            pairs[IN_C] = stack.enter_context(ends)
        return _measure(pairs, rounds)


def _measure(pairs: dict[str, Ask], rounds: int) -> dict[str, list[list[int]]]:
    """Durations of every round, ascending within a round."""
    names = list(pairs)
    for ask in pairs.values():
        ask(WARM_UP)
    taken: dict[str, list[list[int]]] = {name: [] for name in names}
    for number in range(rounds):
        for place in range(len(names)):
            # The order turns, so that no pair always follows the same neighbour.
            name = names[(place + number) % len(names)]
            taken[name].append(sorted(pairs[name](TRIPS)))
    return taken


def _figure(rounds: list[list[int]], percent: float) -> float:
    """Microseconds: the median over the rounds of a round's percentile."""
    found = [took[min(len(took) - 1, int(len(took) * percent / 100))] for took in rounds]
    return statistics.median(found) / 1e3


def _row(name: str, taken: dict[str, list[list[int]]], where: str = AS_PLACED) -> dict[str, Any]:
    ours = taken[name]
    peers = [peer for peer in WANTED if peer in taken and peer != name]
    p50, p99, p999 = (_figure(ours, percent) for percent in (50, 99, 99.9))
    return {
        "name": named(f"round_trip_{name}", where),
        "unit": "us",
        "p50": round(p50, 2),
        "p99": round(p99, 2),
        "p999": round(p999, 2),
        "ratio_to": {peer: round(_figure(taken[peer], 50) / p50, 2) for peer in peers},
        "ratio_p99_to": {peer: round(_figure(taken[peer], 99) / p99, 2) for peer in peers},
        "wanted": {peer: round(1 / WANTED[peer], 2) for peer in peers if name in OURS},
        "operation": OPERATION[name],
        "samples": sum(map(len, ours)),
    }


def print_rows(rows: Iterable[dict[str, Any]]) -> None:
    """A plain table."""
    print(
        f"{'round trip, us':35} {'p50':>8} {'p99':>8} {'p99.9':>9}  peers' time over ours (wanted)"
    )
    for row in rows:
        tails = ", ".join(f"{times:g}x" for times in row["ratio_p99_to"].values())
        ratios = f"{ratios_of(row)}; p99 {tails}"
        print(f"{row['name']:35} {row['p50']:8g} {row['p99']:8g} {row['p999']:9g}  {ratios}")
        print(f"  {row['operation']}")


if __name__ == "__main__":
    run()
