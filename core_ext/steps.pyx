"""Numbers from Python in whole steps: what a step is, what a text or Decimal makes in steps.

Everything that is not held exactly is refused with its place, its value and what is allowed.
"""

from decimal import Decimal

from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.math cimport floor, isfinite
from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

from core_ext.errors import NumberRefused
from core_ext.number cimport NUMBER_OFF_STEP, NUMBER_OK, NUMBER_SYNTAX, Step, parse_steps

cdef extern from "Python.h":
    long long PyLong_AsLongLongAndOverflow(object value, int* overflow) except? -1


cdef tuple step_of(place, size):
    """(Decimal, mantissa, scale) of a step given as str or Decimal; NumberRefused when unusable."""
    if not isinstance(size, (str, Decimal)):
        raise NumberRefused(place, size, "a str or Decimal")
    try:
        value = Decimal(size)
    except ArithmeticError:
        raise NumberRefused(place, size, "a positive decimal number") from None
    if not value.is_finite() or value <= 0:
        raise NumberRefused(place, size, "a positive decimal number")
    value = value.normalize()
    scale = max(0, -int(value.as_tuple().exponent))
    mantissa = int(value.scaleb(scale))
    if scale > 18 or mantissa > 10**9 or value.scaleb(scale) != mantissa:
        raise NumberRefused(place, size, "at most 18 decimal places and 9 significant digits")
    return value, mantissa, scale


cdef object set_step(Step* step, place, size, int64_t limit):
    """Fills a step; returns it as Decimal."""
    value, mantissa, scale = step_of(place, size)
    step.mantissa = mantissa
    step.scale = scale
    step.limit = limit
    return value


cdef int64_t steps_of(place, value, const Step* step, size) except -1:
    """A str or Decimal in whole steps; NumberRefused."""
    cdef Py_ssize_t length
    cdef const char* text
    cdef int64_t steps = 0
    cdef int fault
    if isinstance(value, Decimal):
        shown = format(value, "f")
    elif isinstance(value, str):
        shown = value
    else:
        raise NumberRefused(place, value, "a str or Decimal")
    text = PyUnicode_AsUTF8AndSize(shown, &length)
    fault = parse_steps(<const unsigned char*>text, length, step, &steps)
    if fault == NUMBER_OK:
        return steps
    if fault == NUMBER_SYNTAX:
        raise NumberRefused(place, value, "plain decimal text, not negative")
    if fault == NUMBER_OFF_STEP:
        raise NumberRefused(place, value, f"a multiple of {size}")
    raise NumberRefused(place, value, f"at most {step.limit} steps of {size}")


cdef int64_t whole(value) except? -1:
    """An integer, or the nearest that 64 bits hold; whoever checks it refuses that."""
    cdef int overflow = 0
    cdef int64_t number = PyLong_AsLongLongAndOverflow(value, &overflow)
    if overflow:
        return INT64_MAX if overflow > 0 else INT64_MIN
    return number


cdef int64_t milli_bps_of(double n) except -1:
    """A width in thousandths of a basis point; NumberRefused."""
    if not (isfinite(n) and 0 <= n <= 10_000):
        raise NumberRefused("bps", n, "0 to 10000")
    return <int64_t>floor(n * 1000 + 0.5)
