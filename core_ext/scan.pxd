"""The header of the scanners: what a frame said, and the classes that read it."""

cimport cython
from libc.stdint cimport int64_t

from core_ext.book cimport Book
from core_ext.frame_levels cimport Levels
from core_ext.frame_trades cimport Trades


# Both enums are those of codes.py.
cdef enum:
    KIND_OTHER = 0
    KIND_DEPTH = 1
    KIND_TRADE = 2
    KIND_TICKER = 3
    KIND_AGG_TRADE = 4


cdef enum:
    DIALECT_BINANCE_SPOT = 0
    DIALECT_BINANCE_FUTURES = 1
    DIALECT_BYBIT = 2


cdef enum:
    # Longest symbol, as in a quote.
    SYMBOL_ROOM = 20


@cython.final
cdef class ScanResult:
    cdef readonly int kind
    cdef readonly int outcome
    cdef readonly int levels
    cdef readonly int trades
    cdef readonly bint is_snapshot
    cdef readonly bint buyer_is_maker
    cdef readonly int64_t event_ms
    cdef readonly int64_t match_ms
    cdef readonly int64_t first_id
    cdef readonly int64_t last_id
    cdef readonly int64_t previous_id
    cdef readonly int64_t cross_sequence
    cdef readonly int64_t trade_id
    cdef readonly int64_t price_ticks
    cdef readonly int64_t lots
    cdef readonly int64_t bid_ticks
    cdef readonly int64_t bid_lots
    cdef readonly int64_t ask_ticks
    cdef readonly int64_t ask_lots
    cdef readonly double spread_bps
    cdef readonly double mid
    cdef readonly double bid_depth_50bps
    cdef readonly double ask_depth_50bps
    cdef readonly double bid_depth_10
    cdef readonly double ask_depth_10
    cdef readonly double imbalance
    cdef readonly int64_t bid_levels
    cdef readonly int64_t ask_levels
    cdef unsigned char symbol_text[SYMBOL_ROOM]
    cdef int symbol_length


cdef class Scanner:
    cdef Levels levels
    cdef Trades trade_list
    cdef readonly int dialect
    # Of the last Bybit frame that was applied.
    cdef int64_t cross_sequence

    cdef ScanResult read(self, Book book, frame)
    cdef int apply(self, Book book, ScanResult result) except -1


@cython.final
cdef class BinanceScanner(Scanner):
    pass


@cython.final
cdef class BybitScanner(Scanner):
    pass
