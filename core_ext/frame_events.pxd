"""The events of a frame: which of the known keys it has, of what kind it is, and what it says."""

from libc.stdint cimport int64_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from core_ext.book cimport Book
from core_ext.frame_levels cimport Levels, number_at, scan_levels
from core_ext.json_cursor cimport (
    ABSENT,
    ARRAY,
    FALSE,
    LEVELS,
    NUMBER,
    OBJECT,
    STRING,
    TRUE,
    Cursor,
    Value,
    expect,
    fail,
    scan_string,
    skip_space,
    skip_value,
)
from core_ext.number cimport Step
from core_ext.scan cimport (
    KIND_DEPTH,
    KIND_OTHER,
    KIND_TICKER,
    KIND_TRADE,
    SYMBOL_ROOM,
    ScanResult,
)

cdef enum:
    KEY_E = 0
    KEY_EVENT_MS = 1
    KEY_SYMBOL = 2
    KEY_FIRST_ID = 3
    KEY_LAST_ID = 4
    KEY_BIDS = 5
    KEY_ASKS = 6
    KEY_TRADE_ID = 7
    KEY_PRICE = 8
    KEY_QUANTITY = 9
    KEY_MAKER = 10
    KEY_BID_QUANTITY = 11
    KEY_ASK_QUANTITY = 12
    KEY_DATA = 13
    KEYS_KNOWN = 14

cdef enum:
    TOP_LEVEL = 0
    INSIDE_DATA = 1
    SNAPSHOT = 2


cdef struct Event:
    Value values[KEYS_KNOWN]
    bint is_depth


cdef inline int key_index(
    const unsigned char* key, Py_ssize_t length, int place
) noexcept nogil:
    """Which known key this is, or -1."""
    if place == SNAPSHOT:
        if length == 4 and memcmp(key, b"bids", 4) == 0:
            return KEY_BIDS
        if length == 4 and memcmp(key, b"asks", 4) == 0:
            return KEY_ASKS
        if length == 12 and memcmp(key, b"lastUpdateId", 12) == 0:
            return KEY_LAST_ID
        return -1
    if length == 4 and memcmp(key, b"data", 4) == 0:
        return KEY_DATA
    if length != 1:
        return -1
    if key[0] == c"e":
        return KEY_E
    if key[0] == c"E":
        return KEY_EVENT_MS
    if key[0] == c"s":
        return KEY_SYMBOL
    if key[0] == c"U":
        return KEY_FIRST_ID
    if key[0] == c"u":
        return KEY_LAST_ID
    if key[0] == c"b":
        return KEY_BIDS
    if key[0] == c"a":
        return KEY_ASKS
    if key[0] == c"t":
        return KEY_TRADE_ID
    if key[0] == c"p":
        return KEY_PRICE
    if key[0] == c"q":
        return KEY_QUANTITY
    if key[0] == c"m":
        return KEY_MAKER
    if key[0] == c"B":
        return KEY_BID_QUANTITY
    if key[0] == c"A":
        return KEY_ASK_QUANTITY
    return -1


cdef inline bint text_is(
    Cursor* cursor, const Value* value, const char* wanted, Py_ssize_t length
) noexcept nogil:
    return (
        value.type == STRING
        and value.length == length
        and memcmp(cursor.text + value.start, wanted, length) == 0
    )


cdef inline int integer(Cursor* cursor, const Value* value, int64_t* number) noexcept nogil:
    """A required non-negative integer."""
    cdef Py_ssize_t i
    cdef uint64_t total = 0
    cdef unsigned int digit
    if value.type != NUMBER:
        return fail(cursor, b"an id or time is missing or not a number")
    for i in range(value.start, value.start + value.length):
        digit = <unsigned int>cursor.text[i] - 48
        if digit > 9 or total > 922337203685477579ULL:
            cursor.at = i
            return fail(cursor, b"not a whole number of 63 bits")
        total = total * 10 + digit
    number[0] = <int64_t>total
    return 0


cdef inline int quoted(
    Cursor* cursor, const Value* value, const Step* step, int64_t* steps
) noexcept nogil:
    """A required quoted decimal."""
    if value.type != STRING:
        return fail(cursor, b"a price or quantity is missing or not a string")
    return number_at(cursor, value.start, value.length, step, steps)


cdef inline int need_levels(
    Cursor* cursor, Book book, Levels* levels, const Value* value, int side
) noexcept nogil:
    """The levels of a side: read already, or now, when the event's kind came after them."""
    if value.type == LEVELS:
        return 0
    if value.type != ARRAY:
        return fail(cursor, b"a side of the book is missing or not an array")
    cursor.at = value.start
    return scan_levels(cursor, book, levels, side)


cdef inline int scan_object(
    Cursor* cursor, Book book, Levels* levels, Event* event, Event* inner, int place, int depth
) noexcept nogil:
    """The known keys of an object; levels are read at once when the event is known to be depth."""
    cdef Py_ssize_t start = 0
    cdef Py_ssize_t length = 0
    cdef Py_ssize_t key_at
    cdef int key
    cdef Value* value
    cdef Value unknown
    cursor.at += 1
    skip_space(cursor)
    if cursor.at < cursor.size and cursor.text[cursor.at] == c"}":
        cursor.at += 1
        return 0
    while True:
        skip_space(cursor)
        key_at = cursor.at
        if scan_string(cursor, &start, &length):
            return 1
        key = key_index(cursor.text + start, length, place)
        if key >= 0 and event.values[key].type != ABSENT:
            cursor.at = key_at
            return fail(cursor, b"key occurs twice")
        skip_space(cursor)
        if expect(cursor, c":", b"expected ':'"):
            return 1
        skip_space(cursor)
        if cursor.at >= cursor.size:
            return fail(cursor, b"truncated")
        if key < 0:
            if skip_value(cursor, depth, &unknown):
                return 1
        else:
            value = &event.values[key]
            if key == KEY_DATA and place == TOP_LEVEL and cursor.text[cursor.at] == c"{":
                value.type = OBJECT
                if scan_object(cursor, book, levels, inner, inner, INSIDE_DATA, depth + 1):
                    return 1
            elif (
                (key == KEY_BIDS or key == KEY_ASKS)
                and event.is_depth
                and cursor.text[cursor.at] == c"["
            ):
                value.type = LEVELS
                value.start = cursor.at
                if scan_levels(cursor, book, levels, 0 if key == KEY_BIDS else 1):
                    return 1
            elif skip_value(cursor, depth, value):
                return 1
            if key == KEY_E:
                event.is_depth = text_is(cursor, value, b"depthUpdate", 11)
        skip_space(cursor)
        if cursor.at >= cursor.size:
            return fail(cursor, b"truncated")
        if cursor.text[cursor.at] == c"}":
            cursor.at += 1
            return 0
        if expect(cursor, c",", b"expected ',' or the end of an object"):
            return 1


cdef inline int kind_of_event(Cursor* cursor, const Event* event) noexcept nogil:
    cdef const Value* name = &event.values[KEY_E]
    if name.type != ABSENT:
        if event.is_depth:
            return KIND_DEPTH
        if text_is(cursor, name, b"trade", 5):
            return KIND_TRADE
        if text_is(cursor, name, b"bookTicker", 10):
            return KIND_TICKER
        return KIND_OTHER
    # A spot bookTicker has no event name; nothing else has these six keys.
    if (
        event.values[KEY_LAST_ID].type
        and event.values[KEY_SYMBOL].type
        and event.values[KEY_BIDS].type
        and event.values[KEY_BID_QUANTITY].type
        and event.values[KEY_ASKS].type
        and event.values[KEY_ASK_QUANTITY].type
    ):
        return KIND_TICKER
    return KIND_OTHER


cdef inline int read_symbol(Cursor* cursor, const Value* value, ScanResult result) noexcept nogil:
    cdef Py_ssize_t i
    if value.type != STRING or value.length < 1 or value.length > SYMBOL_ROOM:
        return fail(cursor, b"the symbol is missing or not a string of 1 to 20 bytes")
    for i in range(value.length):
        if cursor.text[value.start + i] >= 0x80:
            return fail(cursor, b"the symbol is not ASCII")
    memcpy(result.symbol_text, cursor.text + value.start, value.length)
    result.symbol_length = <int>value.length
    return 0


cdef inline int read_event(
    Cursor* cursor, Book book, Levels* levels, const Event* event, ScanResult result
) noexcept nogil:
    """The fields that the event's kind needs; levels stay in the scratch."""
    cdef const Value* values = &event.values[0]
    result.kind = kind_of_event(cursor, event)
    if result.kind == KIND_OTHER:
        return 0
    if read_symbol(cursor, &values[KEY_SYMBOL], result):
        return 1
    if result.kind != KIND_TICKER or values[KEY_EVENT_MS].type != ABSENT:
        if integer(cursor, &values[KEY_EVENT_MS], &result.event_ms):
            return 1
    if result.kind == KIND_TRADE:
        if values[KEY_MAKER].type != TRUE and values[KEY_MAKER].type != FALSE:
            return fail(cursor, b"the maker flag is missing or not a boolean")
        result.buyer_is_maker = values[KEY_MAKER].type == TRUE
        return (
            integer(cursor, &values[KEY_TRADE_ID], &result.trade_id)
            or quoted(cursor, &values[KEY_PRICE], &book.price_step, &result.price_ticks)
            or quoted(cursor, &values[KEY_QUANTITY], &book.quantity_step, &result.lots)
        )
    if integer(cursor, &values[KEY_LAST_ID], &result.last_id):
        return 1
    if result.kind == KIND_TICKER:
        result.first_id = result.last_id
        return (
            quoted(cursor, &values[KEY_BIDS], &book.price_step, &result.bid_ticks)
            or quoted(cursor, &values[KEY_BID_QUANTITY], &book.quantity_step, &result.bid_lots)
            or quoted(cursor, &values[KEY_ASKS], &book.price_step, &result.ask_ticks)
            or quoted(cursor, &values[KEY_ASK_QUANTITY], &book.quantity_step, &result.ask_lots)
        )
    if integer(cursor, &values[KEY_FIRST_ID], &result.first_id):
        return 1
    if result.first_id > result.last_id:
        return fail(cursor, b"first update id is above the last")
    return need_levels(cursor, book, levels, &values[KEY_BIDS], 0) or need_levels(
        cursor, book, levels, &values[KEY_ASKS], 1
    )


cdef inline int read_frame(
    Cursor* cursor, Book book, Levels* levels, ScanResult result
) noexcept nogil:
    """The whole frame: its event and nothing behind it."""
    cdef Event top
    cdef Event inner
    cdef Value other
    memset(&top, 0, sizeof(Event))
    memset(&inner, 0, sizeof(Event))
    levels.used = 0
    skip_space(cursor)
    if cursor.at < cursor.size and cursor.text[cursor.at] == c"{":
        if scan_object(cursor, book, levels, &top, &inner, TOP_LEVEL, 1):
            return 1
    elif skip_value(cursor, 0, &other):
        return 1
    skip_space(cursor)
    if cursor.at != cursor.size:
        return fail(cursor, b"bytes after the end")
    if top.values[KEY_DATA].type != OBJECT:
        return read_event(cursor, book, levels, &top, result)
    if top.values[KEY_E].type != ABSENT:
        return fail(cursor, b"an event beside 'data'")
    return read_event(cursor, book, levels, &inner, result)


cdef inline int read_snapshot(
    Cursor* cursor, Book book, Levels* levels, int64_t* last_update_id
) noexcept nogil:
    cdef Event event
    memset(&event, 0, sizeof(Event))
    event.is_depth = True
    levels.used = 0
    skip_space(cursor)
    if cursor.at >= cursor.size or cursor.text[cursor.at] != c"{":
        return fail(cursor, b"expected an object")
    if scan_object(cursor, book, levels, &event, &event, SNAPSHOT, 1):
        return 1
    skip_space(cursor)
    if cursor.at != cursor.size:
        return fail(cursor, b"bytes after the end")
    return (
        integer(cursor, &event.values[KEY_LAST_ID], last_update_id)
        or need_levels(cursor, book, levels, &event.values[KEY_BIDS], 0)
        or need_levels(cursor, book, levels, &event.values[KEY_ASKS], 1)
    )
