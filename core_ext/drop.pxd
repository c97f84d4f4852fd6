"""The header of the drop windows."""

cimport cython
from libc.stdint cimport int64_t

from core_ext.peaks cimport Peaks


@cython.final
cdef class DropWindow:
    cdef Peaks peaks
    cdef readonly int64_t window_ns
    cdef readonly Py_ssize_t limit


@cython.final
cdef class DropWindows:
    cdef Peaks* each
    cdef Py_ssize_t count
    cdef readonly int64_t window_ns
    cdef readonly Py_ssize_t limit
    cdef readonly object drops

    cdef int take_row(self, int64_t ts_ns, const double* prices, double* drops) except -1
    cdef Peaks* of(self, Py_ssize_t i) except NULL
