"""The values of known keys that are no levels: words, ids and times, symbols."""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy

from core_ext.json_cursor cimport ABSENT, NUMBER, STRING, Cursor, Value, fail
from core_ext.number cimport eight_bytes, no_digits, number_of
from core_ext.scan cimport SYMBOL_ROOM, ScanResult

cdef enum:
    ID_DIGITS_MAX = 19

cdef extern from *:
    """
    #define SEAWALL_ID_MAX 9223372036854775799ULL
    """
    uint64_t ID_MAX "SEAWALL_ID_MAX"


cdef inline bint text_is(
    Cursor* cursor, const Value* value, const char* wanted, Py_ssize_t length
) noexcept nogil:
    return (
        value.type == STRING
        and value.length == length
        and memcmp(cursor.text + value.start, wanted, length) == 0
    )


cdef inline int integer(Cursor* cursor, const Value* value, int64_t* number) noexcept nogil:
    """A required whole number, 0 to 9223372036854775799."""
    cdef const unsigned char* text = cursor.text + value.start
    cdef uint64_t total = 0
    cdef uint64_t word
    cdef unsigned int digit
    cdef int left = value.length
    if value.type != NUMBER:
        return fail(cursor, b"an id or time is missing or not a number")
    cursor.at = value.start
    if left > ID_DIGITS_MAX:
        return fail(cursor, b"not a whole number of 63 bits")
    while left & 7:
        digit = <unsigned int>text[0] - 48
        if digit > 9:
            return fail(cursor, b"not a whole number of 63 bits")
        total = total * 10 + digit
        text += 1
        left -= 1
    while left:
        word = eight_bytes(text)
        if no_digits(word):
            return fail(cursor, b"not a whole number of 63 bits")
        total = total * 100000000 + number_of(word)
        text += 8
        left -= 8
    if total > ID_MAX:
        return fail(cursor, b"not a whole number of 63 bits")
    number[0] = <int64_t>total
    return 0


cdef inline int optional_integer(
    Cursor* cursor, const Value* value, int64_t* number
) noexcept nogil:
    """A whole number that may be missing; it then stays as it was."""
    return 0 if value.type == ABSENT else integer(cursor, value, number)


cdef inline int read_symbol(Cursor* cursor, const Value* value, ScanResult result) noexcept nogil:
    cdef int i
    if value.type != STRING or value.length < 1 or value.length > SYMBOL_ROOM:
        return fail(cursor, b"the symbol is missing or not a string of 1 to 20 bytes")
    for i in range(value.length):
        if cursor.text[value.start + i] >= 0x80:
            return fail(cursor, b"the symbol is not ASCII")
    memcpy(result.symbol_text, cursor.text + value.start, value.length)
    result.symbol_length = value.length
    return 0
