"""The header of the drop window."""

cimport cython
from libc.stdint cimport int64_t


cdef struct Peak:
    int64_t ts_ns
    double price


@cython.final
cdef class DropWindow:
    cdef Peak* ring
    cdef Py_ssize_t room
    cdef Py_ssize_t head
    cdef Py_ssize_t count
    cdef readonly int64_t window_ns
    cdef readonly Py_ssize_t limit
    cdef int64_t first_ns
    cdef int64_t last_ns
    cdef readonly bint seeded

    cdef int grow(self) except -1
    cdef void expire(self, int64_t now_ns) noexcept nogil
    cdef Peak* peak(self, Py_ssize_t i) noexcept nogil
