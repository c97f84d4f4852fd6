"""A latency histogram: 64 linear steps in every power of two, so any value is within 1.6 %.

Fixed size (30 kB), mergeable, and small as bytes: processes send theirs, readers add them up.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memset

import struct

from core_ext.bits cimport highest_bit
from core_ext.errors import NumberRefused, RecordRefused

cdef uint64_t LARGEST = 9_007_199_254_740_991ULL

HEADER = struct.Struct("<4sIQQQ")
ENTRY = struct.Struct("<HQ")
MAGIC = b"SWH1"


cdef inline Py_ssize_t bucket_of(uint64_t value) noexcept nogil:
    cdef int exponent
    if value < STEPS:
        return <Py_ssize_t>value
    exponent = highest_bit(value)
    return (exponent - STEP_BITS + 1) * STEPS + <Py_ssize_t>(
        (value >> (exponent - STEP_BITS)) & (STEPS - 1)
    )


cdef inline uint64_t highest_in(Py_ssize_t bucket) noexcept nogil:
    """The largest value that falls into a bucket."""
    cdef int shift
    if bucket < STEPS:
        return bucket
    shift = <int>(bucket // STEPS) - 1
    return ((<uint64_t>(STEPS + bucket % STEPS) + 1) << shift) - 1


cdef class Histogram:
    """Counts of durations in nanoseconds, as 0 to 2^53 - 1 (104 days); negative ones count as 0.

    Negative durations are real where the clocks of two cores differ.
    """

    def record(self, int64_t value_ns, uint64_t times=1):
        """Adds one duration, or the same one several times. O(1)."""
        cdef uint64_t value = <uint64_t>value_ns if value_ns > 0 else 0
        if value > LARGEST:
            value = LARGEST
        if times == 0:
            return
        self.buckets[bucket_of(value)] += times
        self.count += times
        self.total += value * times
        if value > self.largest:
            self.largest = value

    def percentile(self, double percent):
        """The duration that `percent` of all do not exceed, within 1.6 %; 0 when empty."""
        cdef uint64_t seen = 0
        cdef double wanted
        cdef Py_ssize_t i
        if not 0 <= percent <= 100:
            raise NumberRefused("percent", percent, "0 to 100")
        if self.count == 0:
            return 0
        wanted = percent * <double>self.count / 100.0
        for i in range(BUCKETS):
            seen += self.buckets[i]
            if seen and <double>seen >= wanted:
                return min(highest_in(i), self.largest)
        return self.largest

    def max(self):
        """The longest duration, exactly; 0 when empty."""
        return self.largest

    def mean(self):
        """The average duration; 0.0 when empty."""
        return <double>self.total / <double>self.count if self.count else 0.0

    def merge(self, Histogram other not None):
        """Adds all counts of another histogram."""
        cdef Py_ssize_t i
        for i in range(BUCKETS):
            self.buckets[i] += other.buckets[i]
        self.count += other.count
        self.total += other.total
        if other.largest > self.largest:
            self.largest = other.largest

    def clear(self):
        """Forgets everything."""
        memset(self.buckets, 0, sizeof(self.buckets))
        self.count = 0
        self.total = 0
        self.largest = 0

    def to_bytes(self):
        """The non-empty buckets, 10 bytes each, behind a header."""
        cdef Py_ssize_t i
        entries = [
            ENTRY.pack(i, self.buckets[i]) for i in range(BUCKETS) if self.buckets[i]
        ]
        return HEADER.pack(MAGIC, len(entries), self.count, self.total, self.largest) + b"".join(
            entries
        )

    @staticmethod
    def from_bytes(data):
        """The histogram of `to_bytes`; RecordRefused when the bytes are not one."""
        cdef Histogram made = Histogram()
        cdef Py_ssize_t last = -1
        data = bytes(data)
        seen = 0  # of any size: counts that add up beyond 64 bits are refused, not wrapped
        if len(data) < HEADER.size:
            raise RecordRefused(f"histogram refused: {len(data)} bytes are no header")
        magic, entries, count, total, largest = HEADER.unpack_from(data)
        if magic != MAGIC or len(data) != HEADER.size + entries * ENTRY.size:
            raise RecordRefused("histogram refused: wrong mark or length")
        for bucket, times in ENTRY.iter_unpack(data[HEADER.size :]):
            if bucket <= last or bucket >= BUCKETS or times == 0:
                raise RecordRefused(f"histogram refused: bucket {bucket}")
            made.buckets[bucket] = times
            seen += times
            last = bucket
        if seen != count or (bucket_of(largest) != last if count else largest or total):
            raise RecordRefused("histogram refused: the counts do not add up")
        made.count = count
        made.total = total
        made.largest = largest
        return made
