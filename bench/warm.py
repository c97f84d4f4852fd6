"""Tick to order after a pause, as the engine usually idles, with `engine.warm`, with `engine.spin`.

Ticks come 50 ms apart, in which other work drives out of the caches what an order needs. All
designs are `bench/path`'s own stages, alive together, and batches of ticks go to one after the
other. `ratio_to` says how many times as long the same hop takes as the engine usually idles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from bench import path, path_seawall
from bench.path_common import HOPS
from procs.runtime.affinity import SPIN_CORES_MIN, available_cpus

RATE_HZ: Final = 20
ROUNDS: Final = 4
USUAL: Final = "sleeping"


def run(
    json_output: bool = False, rounds: int = ROUNDS, cpus: Sequence[int] = ()
) -> list[dict[str, Any]]:
    """Measures and returns the rows {name, unit, p50, p99, p999, ratio_to, ratio_p99_to, samples}.

    Raises as bench.path.run.
    """
    idles = ["warm"]
    if len(available_cpus()) >= SPIN_CORES_MIN:
        # Elsewhere the engine refuses it too: who spins takes the time of all the others here.
        idles.append("spin")
    designs = {USUAL: path.Design(path_seawall.STAGES)}
    designs |= {idle: path.Design(path_seawall.STAGES, idle=idle) for idle in idles}
    found = path.measure("warm", designs, RATE_HZ, rounds, cpus)
    rows = [_row(hop, idle, found) for idle in idles for hop in HOPS]
    if not json_output:
        print_rows(rows)
    return rows


def _row(hop: str, idle: str, found: path.Found) -> dict[str, Any]:
    ours, usual = found[idle][hop], found[USUAL][hop]
    return {
        "name": f"{hop}_{idle}",
        "unit": "us",
        **ours.figures(),
        "ratio_to": {USUAL: usual.times(ours, 50)},
        "ratio_p99_to": {USUAL: usual.times(ours, 99)},
        "samples": ours.whole.count,
    }


def print_rows(rows: Sequence[dict[str, Any]]) -> None:
    """A plain table."""
    print(f"{'hop, us':36} {'p50':>9} {'p99':>9} {'p99.9':>9}  {USUAL}: p50, p99")
    for row in rows:
        ratios = f"{row['ratio_to'][USUAL]:g}x, {row['ratio_p99_to'][USUAL]:g}x"
        print(f"{row['name']:36} {row['p50']:9g} {row['p99']:9g} {row['p999']:9g}  {ratios}")


if __name__ == "__main__":
    run()
