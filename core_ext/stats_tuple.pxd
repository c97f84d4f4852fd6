"""What a look found as the tuple that Python gets: BookStats, filled without its constructor.

The named tuple's own constructor is a Python function that takes longer than the look.
"""

from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport int64_t

from core_ext.look cimport Top

cdef extern from "Python.h":
    object allocated "PyType_GenericAlloc"(PyTypeObject* kind, Py_ssize_t fields)
    # New references, which a tuple that nobody has seen yet takes over.
    PyObject* new_float "PyFloat_FromDouble"(double value)
    PyObject* new_integer "PyLong_FromLongLong"(long long value)
    void set_field "PyTuple_SET_ITEM"(PyObject* values, Py_ssize_t i, PyObject* value)

cdef enum:
    STATS_FIELDS = 13
    FIRST_FLOAT = 4
    LAST_FLOAT = 10


cdef inline object stats_of(kind, const Top* top):
    """A tuple of this kind, BookStats: its fields stand in the same order, 8 bytes each."""
    cdef const int64_t* integers = <const int64_t*>top
    cdef const double* floats = <const double*>top
    cdef PyObject* value
    cdef int i
    stats = allocated(<PyTypeObject*>kind, STATS_FIELDS)
    for i in range(STATS_FIELDS):
        if FIRST_FLOAT <= i <= LAST_FLOAT:
            value = new_float(floats[i])
        else:
            value = new_integer(integers[i])
        if value == NULL:
            raise MemoryError
        set_field(<PyObject*>stats, i, value)
    return stats
