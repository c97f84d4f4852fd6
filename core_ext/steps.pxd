"""The header of the steps: numbers from Python in whole ticks and lots."""

from libc.stdint cimport int64_t

from core_ext.number cimport Step

cdef object set_step(Step* step, place, size, int64_t limit)
cdef int64_t steps_of(place, value, const Step* step, size) except -1
cdef int64_t whole(value) except? -1
cdef int64_t milli_bps_of(double n) except -1
