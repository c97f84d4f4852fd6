"""The header of the scanner: how one frame is held while it is read."""

cimport cython
from libc.stdint cimport int64_t

from core_ext.frame_levels cimport Levels


cdef enum:
    KIND_OTHER = 0
    KIND_DEPTH = 1
    KIND_TRADE = 2
    KIND_TICKER = 3
    SYMBOL_ROOM = 20


@cython.final
cdef class ScanResult:
    cdef readonly int kind
    cdef readonly int outcome
    cdef readonly int levels
    cdef readonly bint buyer_is_maker
    cdef readonly int64_t event_ms
    cdef readonly int64_t first_id
    cdef readonly int64_t last_id
    cdef readonly int64_t trade_id
    cdef readonly int64_t price_ticks
    cdef readonly int64_t lots
    cdef readonly int64_t bid_ticks
    cdef readonly int64_t bid_lots
    cdef readonly int64_t ask_ticks
    cdef readonly int64_t ask_lots
    cdef unsigned char symbol_text[SYMBOL_ROOM]
    cdef int symbol_length


@cython.final
cdef class BinanceScanner:
    cdef Levels levels
