"""The header of the book: what the scanner and the quote reach without Python calls."""

cimport cython
from libc.stdint cimport int64_t

from core_ext.batch cimport Row
from core_ext.side cimport Side
from core_ext.look cimport Top
from core_ext.number cimport Step


cdef enum:
    OUTCOME_NONE = 0
    OUTCOME_APPLIED = 1
    OUTCOME_STALE = 2
    OUTCOME_GAP = 3


@cython.final
cdef class Book:
    cdef Side bids
    cdef Side asks
    cdef Step price_step
    cdef Step quantity_step
    cdef double tick
    cdef double notional_unit
    cdef readonly object tick_size
    cdef readonly object lot_size
    cdef readonly int64_t last_update_id
    cdef readonly bint gapped
    cdef bint joining

    cdef int reserve(self, Side* side, Py_ssize_t extra) except -1
    cdef int admit_ids(self, int64_t first_id, int64_t last_id) noexcept nogil
    cdef void start_snapshot(self, int64_t last_update_id) noexcept nogil
    cdef int put_checked(self, bint side_is_bid, ticks, lots) except -1
    cdef int apply_rows(self, changes, written, Py_ssize_t room, int64_t milli_bps) except -1
    cdef Py_ssize_t check_rows(self, const Py_buffer* source) except -1
    cdef void run_rows(
        self, const Row* rows, Py_ssize_t count, char* written, int64_t milli_bps
    ) noexcept nogil
    cdef void read_top(self, Top* top) noexcept nogil
    cdef void read_depth(self, int64_t milli_bps, double* depth) noexcept nogil
    # BookStats of this instant, for whoever answers a frame with them in one call.
    cdef object stats_now(self)
    cdef double price_of_buying(self, double quote) noexcept nogil
    cdef tuple units_of(self, bint side_is_bid, price, quantity)
    cdef int check_units(self, int64_t ticks, int64_t lots) except -1
    cdef Side* side_named(self, side) except NULL
