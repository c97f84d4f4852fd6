"""The levels of a frame: read into a bounded scratch first, applied when all of them are right."""

from libc.stdint cimport int64_t
from libc.stdlib cimport realloc
from libc.string cimport memcmp

from core_ext.json_cursor cimport (
    ARRAY,
    FAULT,
    FOUND,
    LEVELS,
    STRING,
    Cursor,
    Value,
    expect,
    fail,
    next_element,
    scan_string,
    skip_space,
)
from core_ext.side cimport Change, Side, best_first, merge, put
from core_ext.number cimport NUMBER_OFF_STEP, NUMBER_OK, NUMBER_SYNTAX, Step, parse_steps
from core_ext.usual_levels cimport Form, usual_levels

cdef enum:
    LEVELS_MAX_IN_FRAME = 16_384
    BIDS = 0
    ASKS = 1


cdef struct Levels:
    # Scratch: all levels of the frame being read, the range of each side (BIDS, ASKS), the steps
    # of the book they are for, and how numbers of these steps were written last.
    Change* items
    Py_ssize_t room
    Py_ssize_t used
    Py_ssize_t starts[2]
    Py_ssize_t ends[2]
    Step price_step
    Step quantity_step
    Form forms[2]


cdef inline void use_steps(Levels* levels, const Step* price, const Step* quantity) noexcept nogil:
    """The steps of the book that the next frame is for; what was learnt of others is forgotten."""
    if (
        memcmp(&levels.price_step, price, sizeof(Step)) == 0
        and memcmp(&levels.quantity_step, quantity, sizeof(Step)) == 0
    ):
        return
    levels.price_step = price[0]
    levels.quantity_step = quantity[0]
    levels.forms[0].length = levels.forms[0].whole = 0
    levels.forms[1].length = levels.forms[1].whole = 0


cdef inline int number_at(
    Cursor* cursor, Py_ssize_t start, Py_ssize_t length, const Step* step, int64_t* steps
) noexcept nogil:
    """The plain decimal text of `length` bytes in whole steps."""
    cdef int fault = parse_steps(cursor.text + start, length, step, steps)
    if fault == NUMBER_OK:
        return 0
    cursor.at = start
    if fault == NUMBER_SYNTAX:
        return fail(cursor, b"not a plain decimal number")
    if fault == NUMBER_OFF_STEP:
        return fail(cursor, b"number is finer than its step")
    return fail(cursor, b"number too large")


cdef inline int quoted(
    Cursor* cursor, const Value* value, const Step* step, int64_t* steps
) noexcept nogil:
    """A required quoted decimal that stands somewhere in the frame."""
    if value.type != STRING:
        return fail(cursor, b"a price or quantity is missing or not a string")
    return number_at(cursor, value.start, value.length, step, steps)


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


cdef inline int any_level(Cursor* cursor, Levels* levels) noexcept nogil:
    """Reads '[price, quantity]' byte by byte and says what is wrong with it."""
    cdef Change* level = &levels.items[levels.used]
    if expect(cursor, c"[", b"expected a level"):
        return 1
    skip_space(cursor)
    if level_number(cursor, &levels.price_step, &level.ticks):
        return 1
    if level.ticks == 0:
        return fail(cursor, b"price is zero")
    skip_space(cursor)
    if expect(cursor, c",", b"expected ','"):
        return 1
    skip_space(cursor)
    if level_number(cursor, &levels.quantity_step, &level.lots):
        return 1
    skip_space(cursor)
    levels.used += 1
    return expect(cursor, c"]", b"expected the end of a level")


cdef inline bint quick_levels(Cursor* cursor, Levels* levels) noexcept nogil:
    """Takes the levels that are written the usual way; False when the next one is not."""
    cdef const unsigned char* text = cursor.text + cursor.at
    cdef Py_ssize_t left = cursor.size - cursor.at
    cdef Py_ssize_t length = 0
    cdef Py_ssize_t count
    if left < 2 or text[0] != c"[" or text[1] != c'"':
        return False
    count = usual_levels(
        text + 2,
        text + left,
        &levels.price_step,
        &levels.quantity_step,
        levels.forms,
        levels.items + levels.used,
        levels.room - levels.used,
        &length,
    )
    levels.used += count
    if count == 0:
        return False
    cursor.at += 2 + length
    return True


cdef inline int scan_levels(Cursor* cursor, Levels* levels, int side) noexcept nogil:
    """[["price","quantity"], ...] into the scratch; the cursor stands at the opening bracket."""
    cdef bint first = True
    cdef int found
    levels.starts[side] = levels.used
    if expect(cursor, c"[", b"expected an array of levels"):
        return 1
    while True:
        found = next_element(cursor, first, c"]")
        if found != FOUND:
            levels.ends[side] = levels.used
            return found
        first = False
        if levels.used == levels.room and more_room(cursor, levels):
            return 1
        if not quick_levels(cursor, levels) and any_level(cursor, levels):
            return 1


cdef inline int need_levels(
    Cursor* cursor, Levels* levels, const Value* value, int side
) noexcept nogil:
    """The levels of a side: read already, or now, when the frame's kind came after them."""
    if value.type == LEVELS:
        return 0
    if value.type != ARRAY:
        return fail(cursor, b"a side of the book is missing or not an array")
    cursor.at = value.start
    return scan_levels(cursor, levels, side)


cdef inline void apply_side(Side* side, Change* changes, Py_ssize_t count) noexcept nogil:
    """Applies the changes of one side; venues send them best first."""
    cdef Py_ssize_t i
    if best_first(side, changes, count):
        merge(side, changes, count)
    else:
        for i in range(count):
            put(side, changes[i].ticks, changes[i].lots)
