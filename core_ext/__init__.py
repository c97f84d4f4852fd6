"""The arithmetic that must be fast: book, scanner, drop, quote, ring. Imports nothing of ours.

`core_ext.reference` holds the same API in plain Python: the oracle of the tests and the baseline
of the benchmarks.
"""

from __future__ import annotations

from importlib import import_module

try:
    for _part in ("book", "drop", "histogram", "quote", "ring", "scan"):
        import_module(f"core_ext.{_part}")
except ImportError as error:
    raise ImportError(
        "core_ext is not built: run `make build` "
        "(or `python setup.py build_ext --inplace` in the checkout); "
        f"cause: {error}",
        name="core_ext",
    ) from error

from core_ext import book, drop, histogram, quote, ring, scan

__all__ = ["book", "drop", "histogram", "quote", "ring", "scan"]
