"""The arithmetic that must be fast: book, scanner, drop, quote, histogram. Imports nothing of ours.

`core_ext.reference` holds the same API in plain Python: the oracle of the tests and the baseline
of the benchmarks.
"""

from __future__ import annotations

try:
    from core_ext import book, drop, histogram, quote, scan
except ImportError as error:
    raise ImportError(
        "core_ext is not built: run `make build` "
        "(or `python setup.py build_ext --inplace` in the checkout); "
        f"cause: {error}"
    ) from error

__all__ = ["book", "drop", "histogram", "quote", "scan"]
