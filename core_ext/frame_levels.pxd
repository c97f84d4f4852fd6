"""The levels of a frame: read into a bounded scratch first, applied when all of them are right."""

from libc.stdint cimport int64_t
from libc.stdlib cimport realloc

from core_ext.book cimport Book
from core_ext.json_cursor cimport Cursor, expect, fail, scan_string, skip_space
from core_ext.ladder cimport Change, Side, best_first, merge, put
from core_ext.number cimport (
    NUMBER_OFF_STEP,
    NUMBER_OK,
    NUMBER_SYNTAX,
    Step,
    parse_steps,
    parse_usual,
)

cdef enum:
    LEVELS_MAX_IN_FRAME = 16_384


cdef struct Levels:
    # Scratch: all levels of the frame being read, and the range of each side (0 bids, 1 asks).
    Change* items
    Py_ssize_t room
    Py_ssize_t used
    Py_ssize_t starts[2]
    Py_ssize_t ends[2]


cdef inline int number_at(
    Cursor* cursor, Py_ssize_t start, Py_ssize_t length, const Step* step, int64_t* steps
) noexcept nogil:
    cdef int fault = parse_steps(cursor.text + start, length, step, steps)
    if fault == NUMBER_OK:
        return 0
    cursor.at = start
    if fault == NUMBER_SYNTAX:
        return fail(cursor, b"not a plain decimal number")
    if fault == NUMBER_OFF_STEP:
        return fail(cursor, b"number is finer than its step")
    return fail(cursor, b"number too large")


cdef inline int level_number(Cursor* cursor, const Step* step, int64_t* steps) noexcept nogil:
    """A quoted decimal of a level."""
    cdef Py_ssize_t start = 0
    cdef Py_ssize_t length = 0
    if scan_string(cursor, &start, &length):
        return 1
    return number_at(cursor, start, length, step, steps)


cdef inline int more_room(Cursor* cursor, Levels* levels) noexcept nogil:
    cdef Py_ssize_t room = levels.room * 2 if levels.room else 512
    cdef void* grown
    if levels.used >= LEVELS_MAX_IN_FRAME:
        return fail(cursor, b"too many levels")
    grown = realloc(levels.items, room * sizeof(Change))
    if grown == NULL:
        return fail(cursor, b"out of memory")
    levels.items = <Change*>grown
    levels.room = room
    return 0


cdef inline bint usual_level(Cursor* cursor, Book book, Change* level) noexcept nogil:
    """Reads '"price","quantity"]' as venues write it; False, and nothing read, when it is not."""
    cdef const unsigned char* end = cursor.text + cursor.size
    cdef const unsigned char* at = cursor.text + cursor.at
    if at == end or at[0] != c'"':
        return False
    at = parse_usual(at + 1, end, &book.price_step, &level.ticks)
    if at == NULL or at[0] != c"," or at[1] != c'"' or level.ticks == 0:
        return False
    at = parse_usual(at + 2, end, &book.quantity_step, &level.lots)
    if at == NULL or at[0] != c"]":
        return False
    cursor.at = at + 1 - cursor.text
    return True


cdef inline int any_level(Cursor* cursor, Book book, Change* level) noexcept nogil:
    """Reads 'price, quantity]' byte by byte and says what is wrong with it."""
    skip_space(cursor)
    if level_number(cursor, &book.price_step, &level.ticks):
        return 1
    if level.ticks == 0:
        return fail(cursor, b"price is zero")
    skip_space(cursor)
    if expect(cursor, c",", b"expected ','"):
        return 1
    skip_space(cursor)
    if level_number(cursor, &book.quantity_step, &level.lots):
        return 1
    skip_space(cursor)
    return expect(cursor, c"]", b"expected the end of a level")


cdef inline int scan_levels(Cursor* cursor, Book book, Levels* levels, int side) noexcept nogil:
    """[["price","quantity"], ...] into the scratch; the cursor stands at the opening bracket."""
    cdef Change* level
    levels.starts[side] = levels.used
    if expect(cursor, c"[", b"expected an array of levels"):
        return 1
    skip_space(cursor)
    if cursor.at < cursor.size and cursor.text[cursor.at] == c"]":
        cursor.at += 1
        levels.ends[side] = levels.used
        return 0
    while True:
        if levels.used == levels.room and more_room(cursor, levels):
            return 1
        skip_space(cursor)
        if expect(cursor, c"[", b"expected a level"):
            return 1
        level = &levels.items[levels.used]
        if not usual_level(cursor, book, level) and any_level(cursor, book, level):
            return 1
        levels.used += 1
        skip_space(cursor)
        if cursor.at >= cursor.size:
            return fail(cursor, b"truncated")
        if cursor.text[cursor.at] == c"]":
            cursor.at += 1
            levels.ends[side] = levels.used
            return 0
        if expect(cursor, c",", b"expected ',' or the end of the levels"):
            return 1


cdef inline void apply_side(Side* side, Change* changes, Py_ssize_t count) noexcept nogil:
    """Applies the changes of one side; venues send them best first."""
    cdef Py_ssize_t i
    if best_first(side, changes, count):
        merge(side, changes, count)
    else:
        for i in range(count):
            put(side, changes[i].ticks, changes[i].lots)


cdef inline int apply_levels(Book book, const Levels* levels) noexcept nogil:
    apply_side(&book.bids, levels.items + levels.starts[0], levels.ends[0] - levels.starts[0])
    apply_side(&book.asks, levels.items + levels.starts[1], levels.ends[1] - levels.starts[1])
    return 0
