"""The values of known keys that are no levels: words, ids and times, symbols."""

from libc.stdint cimport int64_t
from libc.string cimport memcmp, memcpy

from core_ext.json_cursor cimport ABSENT, NOT_WHOLE, NUMBER, STRING, Cursor, Value, fail
from core_ext.scan cimport SYMBOL_ROOM, ScanResult

cdef inline void none_yet(Value* values, int count) noexcept nogil:
    """Marks the values of an object as not met; their other fields are set with their type."""
    cdef int i
    for i in range(count):
        values[i].type = ABSENT


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
    if value.type != NUMBER:
        return fail(cursor, b"an id or time is missing or not a number")
    if value.number == NOT_WHOLE:
        cursor.at = value.start
        return fail(cursor, b"not a whole number of 63 bits")
    number[0] = value.number
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
