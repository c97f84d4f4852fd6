"""The header of the histogram."""

cimport cython
from libc.stdint cimport uint64_t

cdef enum:
    STEP_BITS = 6
    STEPS = 64
    BUCKETS = 3776


@cython.final
cdef class Histogram:
    cdef uint64_t buckets[BUCKETS]
    cdef readonly uint64_t count
    cdef readonly uint64_t total
    cdef uint64_t largest
