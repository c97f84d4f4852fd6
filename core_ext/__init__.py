"""The arithmetic that must be fast: book, scanner, drop, quote, ring. Imports nothing of ours.

Read first what each part is, in slow Python: `core_ext.reference`, the oracle of the tests and the
baseline of the benchmarks, has the same names. Then `codes.py` and `errors.py`, the vocabulary. A
`.pyx` is what Python calls; the `.pxd` beside it is its header. A `.pxd` without one is a layer
that is compiled into those above it. Each list below begins at the bottom; nothing knows what
comes behind it.

Numbers   `number` text to whole steps, `steps` the same of Python's numbers.
Book      `sorted_levels` and `window` hold levels, `side` joins them and keeps sums, `look` reads
          statistics off two sides, `batch` judges many changes, `proof` holds the invariants;
          `book` is the class, which answers with `stats_tuple`.
Scanner   `bits`, `digits` and `json_cursor` read JSON a word at a time; `usual_levels` the levels
          that are written as always, `frame_levels` all of them, `frame_trades`, `frame_values`;
          `binance_events` and `bybit_events` know the frames, `sequence` which may follow which;
          `scan` are the classes. `join.py` joins a snapshot with the deltas around it. Batches:
          `frame_rows` what is written of each frame, `routing` and `names` whose it is, `table`.
Drop      `peaks` is one sliding window, `drop` the classes.
Alone     `quote` the record that ingest publishes, `ring` the shared memory it may go through,
          `histogram` latencies.
"""

from __future__ import annotations

from importlib import import_module

try:
    for _part in ("book", "drop", "histogram", "quote", "ring", "scan", "table"):
        import_module(f"core_ext.{_part}")
except ImportError as error:
    raise ImportError(
        "core_ext is not built: run `make build` "
        "(or `python setup.py build_ext --inplace` in the checkout); "
        f"cause: {error}",
        name="core_ext",
    ) from error

from core_ext import book, drop, histogram, quote, ring, scan, table

__all__ = ["book", "drop", "histogram", "quote", "ring", "scan", "table"]
