"""Strict JSON, a word at a time and without objects: every read is checked against the frame's end.

Stricter than the standard in what no frame we read has: escapes, exponents, long numbers and deep
nesting are refused. Each function returns 0, or 1 with the cursor's reason set, unless it says so.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy

from core_ext.bits cimport lowest_bit
from core_ext.digits cimport eight_bytes, eight_digits, lifts, no_digits, powers_of_ten

cdef enum:
    ABSENT = 0
    STRING = 1
    NUMBER = 2
    ARRAY = 3
    OBJECT = 4
    TRUE = 5
    FALSE = 6
    NULL_LITERAL = 7
    LEVELS = 8
    TRADES = 9

cdef enum:
    # What `next_member` and `next_element` found.
    ENDED = 0
    FAULT = 1
    FOUND = 2

cdef enum:
    DEPTH_MAX = 32
    JSON_NUMBER_MAX = 32
    ID_DIGITS_MAX = 19
    NOT_WHOLE = -1

cdef extern from *:
    """
    #define SEAWALL_ID_MAX 9223372036854775799ULL
    """
    uint64_t ID_MAX "SEAWALL_ID_MAX"


cdef struct Cursor:
    # The frame and where reading stands; `at` never passes `size`.
    const unsigned char* text
    Py_ssize_t size
    Py_ssize_t at
    const char* reason


cdef struct Value:
    # Where a known key's value stands; type 0 = the key did not occur, and the rest is not set.
    # A frame's size fits an int. number: a NUMBER's value, NOT_WHOLE for most of them.
    int type
    int start
    int length
    int64_t number


cdef inline int fail(Cursor* cursor, const char* reason) noexcept nogil:
    cursor.reason = reason
    return 1


cdef inline void skip_space(Cursor* cursor) noexcept nogil:
    cdef unsigned char c
    while cursor.at < cursor.size:
        c = cursor.text[cursor.at]
        if c > c" " or (c != c" " and c != c"\n" and c != c"\r" and c != c"\t"):
            return
        cursor.at += 1


cdef inline int expect(Cursor* cursor, unsigned char wanted, const char* reason) noexcept nogil:
    if cursor.at >= cursor.size:
        return fail(cursor, b"truncated")
    if cursor.text[cursor.at] != wanted:
        return fail(cursor, reason)
    cursor.at += 1
    return 0


cdef inline int skip_utf8(Cursor* cursor) noexcept nogil:
    """One multi-byte character, as strictly as RFC 3629."""
    cdef unsigned char lead = cursor.text[cursor.at]
    cdef unsigned char low = 0x80
    cdef unsigned char high = 0xBF
    cdef int follow
    cdef int i
    if 0xC2 <= lead <= 0xDF:
        follow = 1
    elif 0xE0 <= lead <= 0xEF:
        follow = 2
        if lead == 0xE0:
            low = 0xA0
        elif lead == 0xED:
            high = 0x9F
    elif 0xF0 <= lead <= 0xF4:
        follow = 3
        if lead == 0xF0:
            low = 0x90
        elif lead == 0xF4:
            high = 0x8F
    else:
        return fail(cursor, b"not UTF-8")
    if cursor.at + follow >= cursor.size:
        return fail(cursor, b"truncated")
    for i in range(1, follow + 1):
        if not low <= cursor.text[cursor.at + i] <= high:
            return fail(cursor, b"not UTF-8")
        low = 0x80
        high = 0xBF
    cursor.at += follow + 1
    return 0


cdef inline uint64_t equal_to(uint64_t word, uint64_t byte) noexcept nogil:
    """The high bit of every byte that is `byte`; exact up to and at the lowest such byte."""
    word ^= byte * 0x0101010101010101ULL
    return (word - 0x0101010101010101ULL) & ~word & 0x8080808080808080ULL


cdef inline uint64_t no_plain_text(const unsigned char* text) noexcept nogil:
    """The high bit of every byte of eight that ends or breaks a plain ASCII string."""
    cdef uint64_t word
    cdef uint64_t control
    memcpy(&word, text, 8)
    control = (word - 0x2020202020202020ULL) & ~word
    return (
        (control | word) & 0x8080808080808080ULL
    ) | equal_to(word, c'"') | equal_to(word, c"\\")


cdef inline int scan_string(Cursor* cursor, Py_ssize_t* start, Py_ssize_t* length) noexcept nogil:
    """A string from its opening quote; escapes are refused, because no frame we read has any."""
    cdef unsigned char c
    cdef uint64_t stops
    if expect(cursor, c'"', b"expected a string"):
        return 1
    start[0] = cursor.at
    while cursor.at < cursor.size:
        if cursor.size - cursor.at >= 8:
            stops = no_plain_text(cursor.text + cursor.at)
            if not stops:
                cursor.at += 8
                continue
            cursor.at += lowest_bit(stops) >> 3
        c = cursor.text[cursor.at]
        if c == c'"':
            length[0] = cursor.at - start[0]
            cursor.at += 1
            return 0
        if c == c"\\":
            return fail(cursor, b"escaped string")
        if c < 0x20:
            return fail(cursor, b"control character in a string")
        if c < 0x80:
            cursor.at += 1
        elif skip_utf8(cursor):
            return 1
    return fail(cursor, b"truncated")


cdef inline bint digit_at(Cursor* cursor) noexcept nogil:
    return cursor.at < cursor.size and c"0" <= cursor.text[cursor.at] <= c"9"


cdef inline uint64_t read_digits(Cursor* cursor) noexcept nogil:
    """Passes over digits and returns their number; of more than ID_DIGITS_MAX it is not right."""
    cdef uint64_t total = 0
    cdef uint64_t word
    cdef uint64_t stops
    cdef int count
    while cursor.size - cursor.at >= 8:
        word = eight_bytes(cursor.text + cursor.at)
        stops = no_digits(word)
        if stops:
            count = lowest_bit(stops) >> 3
            cursor.at += count
            return total * <uint64_t>powers_of_ten[count] + eight_digits(word * lifts[count])
        total = total * 100000000 + eight_digits(word)
        cursor.at += 8
    while digit_at(cursor):
        total = total * 10 + (cursor.text[cursor.at] - 48)
        cursor.at += 1
    return total


cdef inline int read_number(Cursor* cursor, Value* value) noexcept nogil:
    """A bare JSON number without exponent; its value when it is whole and of at most 63 bits."""
    cdef Py_ssize_t start = cursor.at
    cdef uint64_t whole
    value.number = NOT_WHOLE
    if cursor.text[cursor.at] == c"-":
        cursor.at += 1
    if not digit_at(cursor):
        return fail(cursor, b"expected a value")
    if cursor.text[cursor.at] == c"0":
        whole = 0
        cursor.at += 1
    else:
        whole = read_digits(cursor)
    if cursor.at < cursor.size and cursor.text[cursor.at] == c".":
        cursor.at += 1
        if not digit_at(cursor):
            return fail(cursor, b"expected a digit")
        read_digits(cursor)
    elif whole <= ID_MAX and cursor.at - start <= ID_DIGITS_MAX and cursor.text[start] != c"-":
        value.number = <int64_t>whole
    if cursor.at < cursor.size and cursor.text[cursor.at] in (c"e", c"E"):
        return fail(cursor, b"number with exponent")
    if cursor.at - start > JSON_NUMBER_MAX:
        return fail(cursor, b"number too long")
    return 0


cdef inline int skip_word(Cursor* cursor, const char* word, Py_ssize_t length) noexcept nogil:
    if cursor.size - cursor.at < length:
        return fail(cursor, b"truncated")
    if memcmp(cursor.text + cursor.at, word, length) != 0:
        return fail(cursor, b"expected a value")
    cursor.at += length
    return 0


cdef inline int skip_value(Cursor* cursor, int depth, Value* value) noexcept nogil:
    """Any JSON value, validated; `depth` containers are open around it."""
    cdef unsigned char c
    cdef Py_ssize_t start = cursor.at
    cdef Py_ssize_t length = 0
    value.start = <int>start
    if cursor.at >= cursor.size:
        return fail(cursor, b"truncated")
    c = cursor.text[cursor.at]
    if c == c'"':
        value.type = STRING
        if scan_string(cursor, &start, &length):
            return 1
        value.start = <int>start
        value.length = <int>length
        return 0
    if c == c"{" or c == c"[":
        value.type = OBJECT if c == c"{" else ARRAY
        return skip_container(cursor, depth + 1, c == c"{")
    if c == c"t":
        value.type = TRUE
        return skip_word(cursor, b"true", 4)
    if c == c"f":
        value.type = FALSE
        return skip_word(cursor, b"false", 5)
    if c == c"n":
        value.type = NULL_LITERAL
        return skip_word(cursor, b"null", 4)
    value.type = NUMBER
    return read_number(cursor, value)


cdef inline int next_element(Cursor* cursor, bint first, unsigned char closer) noexcept nogil:
    """FOUND with the cursor at the next element of a container, ENDED behind its end, or FAULT.

    The cursor stands behind the opening bracket when `first`, else behind the last element.
    """
    skip_space(cursor)
    if cursor.at >= cursor.size:
        return fail(cursor, b"truncated")
    if cursor.text[cursor.at] == closer:
        cursor.at += 1
        return ENDED
    if first:
        return FOUND
    if expect(cursor, c",", b"expected ',' or the end of a container"):
        return FAULT
    skip_space(cursor)
    return FOUND


cdef inline bint short_key(Cursor* cursor, bint first) noexcept nogil:
    """Passes over ',"x":' where a value follows at once, x being a letter: most keys are such."""
    cdef const unsigned char* text = cursor.text + cursor.at
    if cursor.size - cursor.at < 6:
        return False
    if not first:
        if text[0] != c",":
            return False
        text += 1
    if (
        text[0] != c'"'
        or text[2] != c'"'
        or text[3] != c":"
        or text[4] <= c" "
        or not c"a" <= (text[1] | 32) <= c"z"
    ):
        return False
    cursor.at = text + 4 - cursor.text
    return True


cdef inline int next_member(
    Cursor* cursor, bint first, Py_ssize_t* start, Py_ssize_t* length
) noexcept nogil:
    """FOUND with the key noted and the cursor at its value, ENDED behind the object, or FAULT."""
    cdef int found
    if short_key(cursor, first):
        start[0] = cursor.at - 3
        length[0] = 1
        return FOUND
    found = next_element(cursor, first, c"}")
    if found != FOUND:
        return found
    if scan_string(cursor, start, length):
        return FAULT
    skip_space(cursor)
    if expect(cursor, c":", b"expected ':'"):
        return FAULT
    skip_space(cursor)
    if cursor.at >= cursor.size:
        return fail(cursor, b"truncated")
    return FOUND


cdef inline int skip_container(Cursor* cursor, int depth, bint is_object) noexcept nogil:
    """An object or array from its opening bracket on."""
    cdef Value inner
    cdef Py_ssize_t start = 0
    cdef Py_ssize_t length = 0
    cdef bint first = True
    cdef int found
    if depth > DEPTH_MAX:
        return fail(cursor, b"nested too deeply")
    cursor.at += 1
    while True:
        if is_object:
            found = next_member(cursor, first, &start, &length)
        else:
            found = next_element(cursor, first, c"]")
        if found != FOUND:
            return found
        first = False
        if skip_value(cursor, depth, &inner):
            return 1


cdef inline int end_of_frame(Cursor* cursor) noexcept nogil:
    """That nothing but space follows."""
    skip_space(cursor)
    if cursor.at != cursor.size:
        return fail(cursor, b"bytes after the end")
    return 0
