"""The header of the book: what the scanner and the quote reach without Python calls."""

cimport cython
from libc.stdint cimport int64_t

from core_ext.number cimport Step


cdef extern from *:
    """
    typedef __int128 seawall_int128;
    """
    ctypedef long long int128 "seawall_int128"


cdef enum:
    OUTCOME_NONE = 0
    OUTCOME_APPLIED = 1
    OUTCOME_STALE = 2
    OUTCOME_GAP = 3
    LEVELS_MAX = 131072


cdef struct Side:
    # Keys ascend and the best is last, so that the busy end of the book is cheap to change:
    # a bid's key is its ticks, an ask's key is minus its ticks.
    int64_t* keys
    int64_t* lots
    Py_ssize_t count
    Py_ssize_t room
    int64_t sign
    # The sum of ticks * lots of all keys at or above band_key, kept up to date by `put`.
    int64_t band_key
    int128 band_sum
    bint band_known


cdef struct Top:
    # Zeros where a side is empty.
    int64_t bid_ticks
    int64_t bid_lots
    int64_t ask_ticks
    int64_t ask_lots
    double spread_bps
    double mid
    double bid_depth_50bps
    double ask_depth_50bps
    double imbalance


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
    cdef void put(self, Side* side, int64_t ticks, int64_t lots) noexcept nogil
    cdef int admit_ids(self, int64_t first_id, int64_t last_id) noexcept nogil
    cdef void start_snapshot(self, int64_t last_update_id) noexcept nogil
    cdef void look(self, Top* top) noexcept nogil
    cdef double sweep_side(self, Side* side, double quote) noexcept nogil
    cdef double band(self, Side* side, int64_t both) noexcept nogil
    cdef double top_sum(self, Side* side, Py_ssize_t n) noexcept nogil
    cdef double imbalance_of(self, Py_ssize_t n) noexcept nogil
    cdef int64_t steps_of(self, place, value, const Step* step, size) except -1
    cdef tuple units_of(self, bint side_is_bid, price, quantity)
    cdef int check_units(self, int64_t ticks, int64_t lots) except -1
    cdef Side* side_named(self, side) except NULL
