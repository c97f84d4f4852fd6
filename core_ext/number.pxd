"""Plain decimal text to whole steps, without Python objects."""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    #error "eight digits are read as one little endian word"
    #endif
    """
    int lowest_bit "__builtin_ctzll"(uint64_t word) noexcept nogil

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
    # 10**scale when the step is a power of ten that `parse_usual` reads, else 0.
    int64_t power


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
        if value > 922337203685477579ULL:
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
                if value > 922337203685477579ULL:
                    return NUMBER_TOO_LARGE
                value = value * 10 + digit
                places += 1
            elif digit:
                finer = True
            i += 1
    while places < step.scale:
        if value > 922337203685477579ULL:
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


cdef inline uint64_t eight_bytes(const unsigned char* text) noexcept nogil:
    """Eight characters with "0" taken off each; the first is the lowest byte."""
    cdef uint64_t word
    memcpy(&word, text, 8)
    return word ^ 0x3030303030303030ULL


cdef inline uint64_t no_digits(uint64_t word) noexcept nogil:
    """The high bit of every byte above 9; true up to and at the lowest such byte."""
    return ((word + 0x7676767676767676ULL) | word) & 0x8080808080808080ULL


cdef inline uint64_t number_of(uint64_t word) noexcept nogil:
    """The number that eight digits make: pairs, then fours, then all, by multiplication."""
    word = word * 10 + (word >> 8)
    return (
        (word & 0x000000FF000000FFULL) * 0x000F424000000064ULL
        + ((word >> 16) & 0x000000FF000000FFULL) * 0x0000271000000001ULL
    ) >> 32


cdef inline const unsigned char* parse_usual(
    const unsigned char* text, const unsigned char* end, const Step* step, int64_t* steps
) noexcept nogil:
    """A number as venues write it, "1 to 7 digits.1 to 8 digits" and its closing quote.

    Returns where the quote ends, with at least two bytes before `end`; or NULL when the number
    is anything else, wrong or merely unusual: then `parse_steps` has to judge.
    """
    cdef uint64_t word
    cdef uint64_t stops
    cdef uint64_t value
    cdef int length
    cdef int half
    if end - text < 8 or not step.power:
        return NULL
    word = eight_bytes(text)
    stops = no_digits(word)
    if not stops:
        return NULL
    length = lowest_bit(stops) >> 3
    if length == 0 or text[length] != c"." or (text[0] == c"0" and length > 1):
        return NULL
    # Digits move to the high end, so that zeros stand before them.
    value = number_of(word << (64 - 8 * length)) * <uint64_t>step.power
    text += length + 1
    if end - text < 11:
        return NULL
    word = eight_bytes(text)
    stops = no_digits(word)
    length = 8
    if stops:
        length = lowest_bit(stops) >> 3
        if length == 0:
            return NULL
        word &= (1ULL << (8 * length)) - 1
    if text[length] != c'"':
        return NULL
    # Shifted in two halves, because 64 bits at once are not defined.
    half = 4 * step.scale
    if word >> half >> half:
        return NULL
    value += number_of(word << (32 - half) << (32 - half))
    if value > <uint64_t>step.limit:
        return NULL
    steps[0] = <int64_t>value
    return text + length + 1
