"""The header of the table of books."""

cimport cython

from core_ext.frame_rows cimport FrameRows
from core_ext.names cimport Names


@cython.final
cdef class BookTable:
    cdef Names names
    # By place, side by side.
    cdef list scanners
    cdef list books

    cdef Py_ssize_t place_for(self, frame) except -2
    cdef int feed_one(self, frame, FrameRows* told) except -1
