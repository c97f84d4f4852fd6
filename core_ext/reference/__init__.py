"""core_ext in plain Python over SortedDict: the tests' oracle and the benchmarks' baseline.

Same names, same results to the bit, same refusals; slow and easy to read.
"""

from core_ext.reference.book import Book
from core_ext.reference.bybit import BybitScanner
from core_ext.reference.drop import DropWindow, DropWindows
from core_ext.reference.histogram import Histogram
from core_ext.reference.many import BookTable, Scanner, ScanResult
from core_ext.reference.quote import Quote, pack, pack_book, topic, unpack
from core_ext.reference.scan import BinanceScanner, kind_of, symbol_of

__all__ = [
    "BinanceScanner",
    "Book",
    "BookTable",
    "BybitScanner",
    "DropWindow",
    "DropWindows",
    "Histogram",
    "Quote",
    "ScanResult",
    "Scanner",
    "kind_of",
    "pack",
    "pack_book",
    "symbol_of",
    "topic",
    "unpack",
]
