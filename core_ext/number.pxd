"""Plain decimal text to whole steps, without Python objects."""

from libc.stdint cimport int64_t, uint64_t

cdef extern from *:
    """
    /* Above it a number has no room for another digit in 63 bits, whatever the digit. */
    #define SEAWALL_TENTH_MAX 922337203685477579ULL
    """
    uint64_t TENTH_MAX "SEAWALL_TENTH_MAX"

cdef enum:
    NUMBER_OK = 0
    NUMBER_SYNTAX = 1
    NUMBER_OFF_STEP = 2
    NUMBER_TOO_LARGE = 3
    NUMBER_TEXT_MAX = 64


cdef struct Step:
    # A step of mantissa * 10**-scale, and how many of them are allowed at most.
    int64_t mantissa
    int scale
    int64_t limit


cdef inline int parse_steps(
    const unsigned char* text, Py_ssize_t length, const Step* step, int64_t* steps
) noexcept nogil:
    """text[0:length] as a whole number of steps; refuses signs, exponents, and leading zeros."""
    cdef Py_ssize_t i = 0
    cdef uint64_t value = 0
    cdef unsigned int digit
    cdef int places = 0
    cdef bint finer = False
    if length <= 0 or length > NUMBER_TEXT_MAX:
        return NUMBER_SYNTAX
    if text[0] == c"0" and length > 1 and text[1] != c".":
        return NUMBER_SYNTAX
    while i < length:
        digit = <unsigned int>text[i] - 48
        if digit > 9:
            break
        if value > TENTH_MAX:
            return NUMBER_TOO_LARGE
        value = value * 10 + digit
        i += 1
    if i == 0:
        return NUMBER_SYNTAX
    if i < length:
        if text[i] != c".":
            return NUMBER_SYNTAX
        i += 1
        if i == length:
            return NUMBER_SYNTAX
        while i < length:
            digit = <unsigned int>text[i] - 48
            if digit > 9:
                return NUMBER_SYNTAX
            if places < step.scale:
                if value > TENTH_MAX:
                    return NUMBER_TOO_LARGE
                value = value * 10 + digit
                places += 1
            elif digit:
                finer = True
            i += 1
    while places < step.scale:
        if value > TENTH_MAX:
            return NUMBER_TOO_LARGE
        value *= 10
        places += 1
    if finer:
        return NUMBER_OFF_STEP
    if step.mantissa != 1:
        if value % <uint64_t>step.mantissa:
            return NUMBER_OFF_STEP
        value //= <uint64_t>step.mantissa
    if value > <uint64_t>step.limit:
        return NUMBER_TOO_LARGE
    steps[0] = <int64_t>value
    return NUMBER_OK
