"""The trades of a frame: one at Binance, up to a thousand and more at Bybit."""

from libc.stdint cimport int64_t
from libc.stdlib cimport realloc

from core_ext.json_cursor cimport Cursor, fail

cdef enum:
    TRADES_MAX_IN_FRAME = 4096


cdef struct Trade:
    int64_t trade_id
    int64_t price_ticks
    int64_t lots
    int64_t match_ms
    bint buyer_is_maker


cdef struct Trades:
    # Scratch: all trades of the frame being read.
    Trade* items
    Py_ssize_t room
    Py_ssize_t used


cdef inline Trade* new_trade(Cursor* cursor, Trades* trades) noexcept nogil:
    """A place for one more trade, or NULL with the cursor's reason set."""
    cdef Py_ssize_t room = trades.room * 2 if trades.room else 64
    cdef void* grown
    if trades.used < trades.room:
        trades.used += 1
        return &trades.items[trades.used - 1]
    if trades.used >= TRADES_MAX_IN_FRAME:
        fail(cursor, b"too many trades")
        return NULL
    grown = realloc(trades.items, room * sizeof(Trade))
    if grown == NULL:
        fail(cursor, b"out of memory")
        return NULL
    trades.items = <Trade*>grown
    trades.room = room
    trades.used += 1
    return &trades.items[trades.used - 1]
