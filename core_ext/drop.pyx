"""The anchor and the drop from it (E2): the highest price of a time window, kept as it slides.

A ring of falling peaks: a price enters once and leaves once, so an update costs O(1) on average
however long the window is. Time is the receive clock's; if it steps back, the last time stands.
"""

from libc.math cimport isfinite
from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

from core_ext.errors import NumberRefused

cdef int64_t NEVER = -9_223_372_036_854_775_807


cdef class DropWindow:
    """The highest price of the last window_ns and how far the newest lies below it.

    At most `limit` peaks are kept; beyond that the newest ones are merged, which keeps the higher
    price and the later time (an anchor may then live too long by the time between the merged).
    """

    def __cinit__(self):
        self.first_ns = NEVER
        self.last_ns = NEVER

    def __init__(self, int64_t window_ns, Py_ssize_t limit=65_536):
        if window_ns <= 0:
            raise NumberRefused("window_ns", window_ns, "above 0")
        if not 16 <= limit <= 16_777_216:
            raise NumberRefused("limit", limit, "16 to 16777216")
        self.window_ns = window_ns
        self.limit = limit

    def __dealloc__(self):
        free(self.ring)

    cdef Peak* peak(self, Py_ssize_t i) noexcept nogil:
        """The i-th peak from the oldest; room is a power of two."""
        return &self.ring[(self.head + i) & (self.room - 1)]

    cdef int grow(self) except -1:
        """Doubles the ring; the peaks move to its start."""
        cdef Py_ssize_t room = self.room * 2 if self.room else 64
        cdef Peak* larger = <Peak*>malloc(room * sizeof(Peak))
        cdef Py_ssize_t first
        if larger == NULL:
            raise MemoryError
        if self.count:
            first = min(self.count, self.room - self.head)
            memcpy(larger, &self.ring[self.head], first * sizeof(Peak))
            memcpy(&larger[first], self.ring, (self.count - first) * sizeof(Peak))
        free(self.ring)
        self.ring = larger
        self.room = room
        self.head = 0
        return 0

    cdef void expire(self, int64_t now_ns) noexcept nogil:
        cdef int64_t oldest = now_ns - self.window_ns
        while self.count and self.peak(0).ts_ns < oldest:
            self.head = (self.head + 1) & (self.room - 1)
            self.count -= 1

    def update(self, int64_t ts_ns, price):
        """Takes the newest price; returns drop_pct = (price / anchor - 1) * 100, at most 0 (E2)."""
        cdef double value = price
        cdef Peak* ring
        cdef Peak* last
        cdef Py_ssize_t mask
        cdef Py_ssize_t end
        if not (isfinite(value) and value > 0):
            raise NumberRefused("price", price, "a positive finite number")
        if ts_ns < self.last_ns:
            ts_ns = self.last_ns
        if self.count == self.room and self.room < self.limit:
            self.grow()
        ring = self.ring
        mask = self.room - 1
        end = self.head + self.count
        while end > self.head and ring[(end - 1) & mask].price <= value:
            end -= 1
        self.count = end - self.head
        self.expire(ts_ns)
        if self.count == self.limit:
            ring[(end - 1) & mask].ts_ns = ts_ns
        else:
            last = &ring[end & mask]
            last.ts_ns = ts_ns
            last.price = value
            self.count += 1
        self.last_ns = ts_ns
        if self.first_ns == NEVER:
            self.first_ns = ts_ns
        return min(0.0, (value / ring[self.head].price - 1.0) * 100.0)

    def seed(self, int64_t ts_ns, high):
        """Adds a high of the past (a candle's), also after updates began; marks the anchor seeded.

        O(peaks): for the start, not for the stream.
        """
        cdef double value = high
        cdef Py_ssize_t place = self.count
        cdef Py_ssize_t keep
        cdef Py_ssize_t i
        if not (isfinite(value) and value > 0):
            raise NumberRefused("high", high, "a positive finite number")
        self.seeded = True
        if self.last_ns != NEVER and ts_ns < self.last_ns - self.window_ns:
            return
        while place and self.peak(place - 1).ts_ns > ts_ns:
            place -= 1
        if place < self.count and self.peak(place).price >= value:
            return
        keep = place
        while keep and self.peak(keep - 1).price <= value:
            keep -= 1
        if keep == place:
            if self.count == self.limit:
                if place:
                    self.peak(place - 1).ts_ns = ts_ns
                else:
                    self.peak(0).price = value
                return
            if self.count == self.room:
                self.grow()
            for i in range(self.count, place, -1):
                self.peak(i)[0] = self.peak(i - 1)[0]
            self.count += 1
        else:
            for i in range(place, self.count):
                self.peak(keep + 1 + i - place)[0] = self.peak(i)[0]
            self.count -= place - keep - 1
        self.peak(keep).ts_ns = ts_ns
        self.peak(keep).price = value

    def void(self):
        """Forgets everything: the anchor of a stale symbol is void until warm again (E2)."""
        self.count = 0
        self.head = 0
        self.first_ns = NEVER
        self.last_ns = NEVER
        self.seeded = False

    def anchor(self):
        """The highest price of the window as of the last update; None without data. O(1)."""
        return self.peak(0).price if self.count else None

    def age_ns(self, int64_t now_ns):
        """How long updates have been coming in at now_ns; 0 without any. Seeds do not count."""
        return max(0, now_ns - self.first_ns) if self.first_ns != NEVER else 0

    def __len__(self):
        return self.count
