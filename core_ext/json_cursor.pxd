"""Strict JSON, byte by byte and without objects: every read is checked against the frame's end.

Stricter than the standard in what no frame we read has: escapes, exponents, long numbers and deep
nesting are refused. Each function returns 0, or 1 with the cursor's reason set.
"""

from libc.string cimport memcmp

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

cdef enum:
    DEPTH_MAX = 32
    JSON_NUMBER_MAX = 32


cdef struct Cursor:
    # The frame and where reading stands; `at` never passes `size`.
    const unsigned char* text
    Py_ssize_t size
    Py_ssize_t at
    const char* reason


cdef struct Value:
    # Where a known key's value stands; type 0 = the key did not occur.
    int type
    Py_ssize_t start
    Py_ssize_t length


cdef inline int fail(Cursor* cursor, const char* reason) noexcept nogil:
    cursor.reason = reason
    return 1


cdef inline void skip_space(Cursor* cursor) noexcept nogil:
    cdef unsigned char c
    while cursor.at < cursor.size:
        c = cursor.text[cursor.at]
        if c != c" " and c != c"\n" and c != c"\r" and c != c"\t":
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


cdef inline int scan_string(Cursor* cursor, Py_ssize_t* start, Py_ssize_t* length) noexcept nogil:
    """A string from its opening quote; escapes are refused, because no frame we read has any."""
    cdef unsigned char c
    if expect(cursor, c'"', b"expected a string"):
        return 1
    start[0] = cursor.at
    while cursor.at < cursor.size:
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


cdef inline int skip_number(Cursor* cursor) noexcept nogil:
    """A bare JSON number without exponent."""
    cdef Py_ssize_t start = cursor.at
    if cursor.text[cursor.at] == c"-":
        cursor.at += 1
    if not digit_at(cursor):
        return fail(cursor, b"expected a value")
    if cursor.text[cursor.at] == c"0":
        cursor.at += 1
    else:
        while digit_at(cursor):
            cursor.at += 1
    if cursor.at < cursor.size and cursor.text[cursor.at] == c".":
        cursor.at += 1
        if not digit_at(cursor):
            return fail(cursor, b"expected a digit")
        while digit_at(cursor):
            cursor.at += 1
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
    value.start = cursor.at
    if cursor.at >= cursor.size:
        return fail(cursor, b"truncated")
    c = cursor.text[cursor.at]
    if c == c'"':
        value.type = STRING
        return scan_string(cursor, &value.start, &value.length)
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
    if skip_number(cursor):
        return 1
    value.length = cursor.at - value.start
    return 0


cdef inline int skip_container(Cursor* cursor, int depth, bint is_object) noexcept nogil:
    cdef unsigned char closer = c"}" if is_object else c"]"
    cdef Value inner
    if depth > DEPTH_MAX:
        return fail(cursor, b"nested too deeply")
    cursor.at += 1
    skip_space(cursor)
    if cursor.at < cursor.size and cursor.text[cursor.at] == closer:
        cursor.at += 1
        return 0
    while True:
        skip_space(cursor)
        if is_object:
            if scan_string(cursor, &inner.start, &inner.length):
                return 1
            skip_space(cursor)
            if expect(cursor, c":", b"expected ':'"):
                return 1
            skip_space(cursor)
        if skip_value(cursor, depth, &inner):
            return 1
        skip_space(cursor)
        if cursor.at >= cursor.size:
            return fail(cursor, b"truncated")
        if cursor.text[cursor.at] == closer:
            cursor.at += 1
            return 0
        if expect(cursor, c",", b"expected ',' or the end of a container"):
            return 1
