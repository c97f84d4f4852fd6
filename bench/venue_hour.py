"""An hour of an ordinary client on a busy venue: is its memory flat, does it stay as quick?

`python -m bench.venue_hour --profile flood --minutes 60` starts the venue and a client process,
samples both, prints one JSON summary and exits with 1 when the venue grew or the client met errors.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import psutil

from bench.venue_hour_client import trade
from bench.venue_process import START_WITHIN_S, running_venue
from core_ext.histogram import Histogram
from shared.errors import DeadlineError, SeawallError

SAMPLE_S = 10.0
MB = 1024 * 1024
GROWTH_MAX = 0.05
"""Between the second quarter and the last one, of the memory in the second."""
GROWTH_MAX_MB = 8.0
DESCRIPTORS_MORE_MAX = 4


def measure(profile: str, minutes: float, sample_s: float = SAMPLE_S) -> dict[str, Any]:
    """Runs venue and client for so long; the summary. Raises DeadlineError, SeawallError."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    options = ("--profile", profile, "--balance", "USDT=10000000", "--balance", "BTC=100")
    with running_venue(*options) as venue:
        client = spawn.Process(target=trade, args=(dict(venue.line), sample_s, theirs), daemon=True)
        client.start()
        try:
            if not ours.poll(START_WITHIN_S) or ours.recv() != "ready":
                raise DeadlineError("venue hour: the client did not start")
            return _sample(ours, psutil.Process(venue.pid), minutes, sample_s)
        finally:
            client.terminate()
            client.join(5)


def _sample(
    client: Connection, venue: psutil.Process, minutes: float, sample_s: float
) -> dict[str, Any]:
    started = time.monotonic()
    samples: list[tuple[float, float, int]] = []
    messages = orders = 0
    errors: list[str] = []
    answer, lag = Histogram(), Histogram()
    passed_s = 0.0
    while passed_s < minutes * 60:
        if not client.poll(sample_s * 3):
            raise SeawallError(f"venue hour: the client was silent after {passed_s:.0f} s")
        report = client.recv()
        passed_s = time.monotonic() - started
        messages += report["messages"]
        orders += report["orders"]
        errors += report["errors"]
        answer.merge(Histogram.from_bytes(report["answer"]))
        lag.merge(Histogram.from_bytes(report["lag"]))
        samples.append((passed_s, venue.memory_info().rss / MB, venue.num_fds()))
        print(
            f"{passed_s:5.0f} s  {samples[-1][1]:6.1f} MB  {samples[-1][2]} fds  "
            f"{messages} messages  {orders} orders  {len(errors)} errors",
            file=sys.stderr,
        )
    client.send("end")
    return {
        "minutes": round((time.monotonic() - started) / 60, 2),
        "messages": messages,
        "orders": orders,
        "errors": errors[:10],
        **summary(samples),
        "answer_ms": _percentiles(answer),
        "lag_ms": _percentiles(lag),
    }


def summary(samples: Sequence[tuple[float, float, int]]) -> dict[str, Any]:
    """Memory and descriptors of (seconds, MB, descriptors) samples, and whether they are flat.

    The first quarter is the warm-up: caches fill there. Flat is what grew little from the second
    quarter to the last one. Raises SeawallError for fewer than four samples."""
    if len(samples) < 4:
        raise SeawallError(f"venue hour: {len(samples)} samples tell nothing, give it more time")
    quarter = len(samples) // 4
    warm = samples[quarter:]
    early = statistics.median(rss for _, rss, _ in samples[quarter : 2 * quarter])
    late = statistics.median(rss for _, rss, _ in samples[-quarter:])
    slope_mb_per_s = statistics.linear_regression(
        [at for at, _, _ in warm], [rss for _, rss, _ in warm]
    ).slope
    fds = {"start": samples[quarter][2], "end": samples[-1][2]}
    return {
        "rss_mb": {
            "start": round(samples[0][1], 1),
            "p50": round(statistics.median(rss for _, rss, _ in samples), 1),
            "end": round(samples[-1][1], 1),
            "slope_mb_per_h": round(slope_mb_per_s * 3600, 2),
        },
        "fds": fds,
        "flat": late - early <= max(GROWTH_MAX_MB, early * GROWTH_MAX)
        and fds["end"] <= fds["start"] + DESCRIPTORS_MORE_MAX,
    }


def _percentiles(found: Histogram) -> dict[str, float]:
    return {f"p{p}": round(found.percentile(p) / 1e6, 2) for p in (50, 99)}


def main() -> int:
    """Parses, measures, prints; 1 when it was not flat or the client met errors."""
    parser = argparse.ArgumentParser(prog="python -m bench.venue_hour")
    parser.add_argument("--profile", default="flood")
    parser.add_argument("--minutes", type=float, default=60.0)
    args = parser.parse_args()
    found = measure(args.profile, args.minutes)
    print(json.dumps(found))
    return 0 if found["flat"] and not found["errors"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
