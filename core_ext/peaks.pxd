"""A ring of falling peaks: the highest price of a sliding time window, and the drop from it.

Each peak is lower and later than the one before it. A price enters once and leaves once, so taking
one costs O(1) on average however long the window is.
"""

from libc.math cimport isfinite
from libc.stdint cimport int64_t
from libc.stdlib cimport malloc, free
from libc.string cimport memcpy


cdef extern from *:
    # No update comes at this time.
    int64_t NEVER "INT64_MIN"


cdef enum:
    ROOM_AT_FIRST = 64
    PEAKS_LEAST = 16
    PEAKS_MOST = 16_777_216


cdef struct Peak:
    int64_t ts_ns
    double price


cdef struct Peaks:
    # room is a power of two; the oldest peak, which is the highest, stands at head.
    Peak* ring
    Py_ssize_t room
    Py_ssize_t head
    Py_ssize_t count
    int64_t first_ns
    int64_t last_ns
    bint seeded


cdef inline bint is_price(double value) noexcept nogil:
    return isfinite(value) and value > 0


cdef inline Peak* peak_at(const Peaks* peaks, Py_ssize_t i) noexcept nogil:
    """The i-th peak from the oldest."""
    return &peaks.ring[(peaks.head + i) & (peaks.room - 1)]


cdef inline void forget(Peaks* peaks) noexcept nogil:
    """Forgets every peak and that there were any; the memory stays."""
    peaks.count = 0
    peaks.head = 0
    peaks.first_ns = NEVER
    peaks.last_ns = NEVER
    peaks.seeded = False


cdef inline int make_room(Peaks* peaks, Py_ssize_t limit) noexcept nogil:
    """Room for one more peak, unless there are as many as may be; -1 without memory."""
    cdef Py_ssize_t room = peaks.room * 2 if peaks.room else ROOM_AT_FIRST
    cdef Py_ssize_t first
    cdef Peak* larger
    if peaks.count < peaks.room or peaks.count >= limit:
        return 0
    larger = <Peak*>malloc(room * sizeof(Peak))
    if larger == NULL:
        return -1
    if peaks.count:
        # The peaks move to the start of the ring.
        first = min(peaks.count, peaks.room - peaks.head)
        memcpy(larger, &peaks.ring[peaks.head], first * sizeof(Peak))
        memcpy(&larger[first], peaks.ring, (peaks.count - first) * sizeof(Peak))
    free(peaks.ring)
    peaks.ring = larger
    peaks.room = room
    peaks.head = 0
    return 0


cdef inline double take(
    Peaks* peaks, int64_t window_ns, Py_ssize_t limit, int64_t ts_ns, double price
) noexcept nogil:
    """Takes the newest price; returns (price / anchor - 1) * 100, at most 0. Needs `make_room`."""
    cdef Peak* ring = peaks.ring
    cdef Py_ssize_t mask = peaks.room - 1
    cdef Py_ssize_t head = peaks.head
    cdef Py_ssize_t end = head + peaks.count
    cdef int64_t now_ns = ts_ns if ts_ns > peaks.last_ns else peaks.last_ns
    cdef int64_t oldest_ns = now_ns - window_ns
    cdef Py_ssize_t passed = 0
    cdef Py_ssize_t i
    # How many of the last peaks are passed nobody can predict: the last four are counted without
    # a branch, and they fall, so that what is counted is what is passed.
    for i in range(1, 5):
        passed += (end - i >= head) & (ring[(end - i) & mask].price <= price)
    end -= passed
    while end > head and ring[(end - 1) & mask].price <= price:
        end -= 1
    while end > head and ring[head & mask].ts_ns < oldest_ns:
        head += 1
    if end - head < limit:
        ring[end & mask].price = price
        end += 1
    ring[(end - 1) & mask].ts_ns = now_ns
    peaks.head = head & mask
    peaks.count = end - head
    peaks.last_ns = now_ns
    if peaks.first_ns == NEVER:
        peaks.first_ns = now_ns
    return min(0.0, (price / ring[head & mask].price - 1.0) * 100.0)


cdef inline void insert_past(
    Peaks* peaks, int64_t window_ns, Py_ssize_t limit, int64_t ts_ns, double high
) noexcept nogil:
    """Adds a high of the past where its time belongs. O(peaks). Needs `make_room`."""
    cdef Py_ssize_t place = peaks.count
    cdef Py_ssize_t keep
    cdef Py_ssize_t i
    peaks.seeded = True
    if peaks.last_ns != NEVER and ts_ns < peaks.last_ns - window_ns:
        return
    while place and peak_at(peaks, place - 1).ts_ns > ts_ns:
        place -= 1
    if place < peaks.count and peak_at(peaks, place).price >= high:
        return
    keep = place
    while keep and peak_at(peaks, keep - 1).price <= high:
        keep -= 1
    if keep == place:
        if peaks.count == limit:
            if place:
                peak_at(peaks, place - 1).ts_ns = ts_ns
            else:
                peak_at(peaks, 0).price = high
            return
        for i in range(peaks.count, place, -1):
            peak_at(peaks, i)[0] = peak_at(peaks, i - 1)[0]
        peaks.count += 1
    else:
        for i in range(place, peaks.count):
            peak_at(peaks, keep + 1 + i - place)[0] = peak_at(peaks, i)[0]
        peaks.count -= place - keep - 1
    peak_at(peaks, keep).ts_ns = ts_ns
    peak_at(peaks, keep).price = high
