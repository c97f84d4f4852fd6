"""Opens recorded traffic as the venue's market, with the order rules of its symbols."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from procs.localvenue.market.recorded import Lines, RecordedMarket
from shared.recordings.instruments import instruments_for
from shared.recordings.lines import check_recordings, read_lines


def open_recording(
    paths: Sequence[Path],
    instruments: Path | None,
    start_ms: int,
    hold_ms: int = 0,
    speed: float = 1.0,
) -> RecordedMarket:
    """The recordings as one market that begins at start_ms, or within hold_ms when told to, and
    passes `speed` times as fast as it was recorded.

    Order rules come from the `instruments` file, else from the shipped table, else from the data's
    own decimals, which is said on stderr. Raises NotFoundError, RecordingError, ConfigError."""
    groups = check_recordings(paths)
    chosen = instruments_for(groups, instruments)
    for symbol, one in chosen.items():
        if one.source == "derived":
            print(
                f"seawall venue: {symbol}: order rules derived from the recording: "
                f"tick {one.instrument.tick_size}, step {one.instrument.step_size}",
                file=sys.stderr,
            )
    lines = {symbol: _frames(files) for symbol, files in groups.items()}
    rules = tuple(one.instrument for one in chosen.values())
    return RecordedMarket(lines, rules, start_ms, speed=speed, hold_ms=hold_ms)


def _frames(files: Sequence[Path]) -> Lines:
    return ((line.recv_ns, line.frame) for line in read_lines(files))
