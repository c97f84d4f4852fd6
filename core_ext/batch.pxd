"""Many changes of a book in one call: rows of (side_is_bid, ticks, lots).

All are judged before one is applied; what is written out after each row comes from the same
functions as a single look.
"""

from libc.stdint cimport int64_t

from core_ext.side cimport AHEAD, Side, prefetch_tick, put


cdef enum:
    BATCH_MAX = 65_536


cdef struct Row:
    int64_t side_is_bid
    int64_t ticks
    int64_t lots


cdef inline Py_ssize_t first_refused(
    const Row* rows, Py_ssize_t count, int64_t ticks_max, int64_t lots_max, Py_ssize_t* bids
) noexcept nogil:
    """The first row that is no change of a book, -1 when all are; counts the bids among them."""
    cdef Py_ssize_t i
    bids[0] = 0
    for i in range(count):
        if (
            <unsigned long long>rows[i].side_is_bid > 1
            or rows[i].ticks < 1
            or rows[i].ticks > ticks_max
            or rows[i].lots < 0
            or rows[i].lots > lots_max
        ):
            return i
        bids[0] += rows[i].side_is_bid
    return -1


cdef inline bint overlap(const Py_buffer* one, const Py_buffer* other) noexcept nogil:
    """Whether two buffers share memory."""
    return (
        <const char*>one.buf < <const char*>other.buf + other.len
        and <const char*>other.buf < <const char*>one.buf + one.len
    )


cdef inline void put_row(
    Side* bids, Side* asks, const Row* rows, Py_ssize_t i, Py_ssize_t count
) noexcept nogil:
    """Applies row i; the memory that a later one needs is asked for."""
    cdef const Row* later = &rows[i + AHEAD]
    cdef Side* side
    if i + AHEAD < count:
        side = bids if later.side_is_bid else asks
        if side.window != NULL:
            prefetch_tick(side, later.ticks)
    put(bids if rows[i].side_is_bid else asks, rows[i].ticks, rows[i].lots)
