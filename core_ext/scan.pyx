"""Binance spot frames straight into a book: one pass over the bytes, no Python object per level.

Every read is checked against the frame's end, and all levels of a frame are read into a bounded
scratch before the first one is applied: a refused frame leaves the book as it was.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memchr, memcmp, memcpy, memset

from core_ext.book cimport OUTCOME_APPLIED, Book
from core_ext.errors import FrameRefused
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

cdef enum:
    TOP_LEVEL = 0
    INSIDE_DATA = 1
    SNAPSHOT = 2

cdef enum:
    FRAME_BYTES_MAX = 8_388_608
    LEVELS_MAX_IN_FRAME = 16_384


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


cdef int level_number(Cursor* cursor, const Step* step, int64_t* steps) noexcept nogil:
    """A quoted decimal of a level."""
    cdef Py_ssize_t start = 0
    cdef Py_ssize_t length = 0
    if scan_string(cursor, &start, &length):
        return 1
    return number_at(cursor, start, length, step, steps)


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


cdef int more_room(Cursor* cursor, Levels* levels) noexcept nogil:
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


cdef int any_level(Cursor* cursor, Book book, Change* level) noexcept nogil:
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


cdef int scan_levels(Cursor* cursor, Book book, Levels* levels, int side) noexcept nogil:
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


cdef inline bint text_is(
    Cursor* cursor, const Value* value, const char* wanted, Py_ssize_t length
) noexcept nogil:
    return (
        value.type == STRING
        and value.length == length
        and memcmp(cursor.text + value.start, wanted, length) == 0
    )


cdef int scan_object(
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


cdef int integer(Cursor* cursor, const Value* value, int64_t* number) noexcept nogil:
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


cdef int quoted(
    Cursor* cursor, const Value* value, const Step* step, int64_t* steps
) noexcept nogil:
    """A required quoted decimal."""
    if value.type != STRING:
        return fail(cursor, b"a price or quantity is missing or not a string")
    return number_at(cursor, value.start, value.length, step, steps)


cdef int read_symbol(Cursor* cursor, const Value* value, ScanResult result) noexcept nogil:
    cdef Py_ssize_t i
    if value.type != STRING or value.length < 1 or value.length > SYMBOL_ROOM:
        return fail(cursor, b"the symbol is missing or not a string of 1 to 20 bytes")
    for i in range(value.length):
        if cursor.text[value.start + i] >= 0x80:
            return fail(cursor, b"the symbol is not ASCII")
    memcpy(result.symbol_text, cursor.text + value.start, value.length)
    result.symbol_length = <int>value.length
    return 0


cdef int need_levels(
    Cursor* cursor, Book book, Levels* levels, const Value* value, int side
) noexcept nogil:
    """The levels of a side: read already, or now, when the event's kind came after them."""
    if value.type == LEVELS:
        return 0
    if value.type != ARRAY:
        return fail(cursor, b"a side of the book is missing or not an array")
    cursor.at = value.start
    return scan_levels(cursor, book, levels, side)


cdef int kind_of_event(Cursor* cursor, const Event* event) noexcept nogil:
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


cdef int read_event(
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


cdef int read_frame(Cursor* cursor, Book book, Levels* levels, ScanResult result) noexcept nogil:
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


cdef int read_snapshot(
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


cdef int apply_levels(Book book, const Levels* levels) noexcept nogil:
    apply_side(&book.bids, levels.items + levels.starts[0], levels.ends[0] - levels.starts[0])
    apply_side(&book.asks, levels.items + levels.starts[1], levels.ends[1] - levels.starts[1])
    return 0


cdef void apply_side(Side* side, Change* changes, Py_ssize_t count) noexcept nogil:
    """Applies the changes of one side; venues send them best first."""
    cdef Py_ssize_t i
    if best_first(side, changes, count):
        merge(side, changes, count)
    else:
        for i in range(count):
            put(side, changes[i].ticks, changes[i].lots)


cdef class ScanResult:
    """What one frame said. Ticks and lots are whole numbers of the book's steps; 0 where unsaid.

    levels is the number of level changes of a depth frame, whatever became of them.
    """

    @property
    def symbol(self):
        """The event's symbol, "" for kind OTHER."""
        return (<bytes>self.symbol_text[: self.symbol_length]).decode("ascii")

    def __repr__(self):
        return (
            f"ScanResult(kind={self.kind}, outcome={self.outcome}, symbol={self.symbol!r}, "
            f"first_id={self.first_id}, last_id={self.last_id}, event_ms={self.event_ms})"
        )


cdef class BinanceScanner:
    """Reads spot depthUpdate, trade and bookTicker frames, raw or wrapped in {"stream", "data"}."""

    def __dealloc__(self):
        free(self.levels.items)

    def feed(self, Book book not None, frame):
        """Reads one frame (bytes-like) and applies a depth delta to its book.

        Returns a ScanResult; event kinds that are not read are kind OTHER. Raises FrameRefused
        with reason and byte offset, or NumberRefused for a full book, the book unchanged. O(bytes).
        """
        cdef Py_buffer view
        cdef Cursor cursor
        cdef ScanResult result = ScanResult.__new__(ScanResult)
        cdef Levels* levels = &self.levels
        cdef int refused
        PyObject_GetBuffer(frame, &view, PyBUF_SIMPLE)
        cursor.text = <const unsigned char*>view.buf
        cursor.size = view.len
        cursor.at = 0
        cursor.reason = b""
        if view.len > FRAME_BYTES_MAX:
            refused = fail(&cursor, b"frame too long")
        else:
            refused = read_frame(&cursor, book, levels, result)
        PyBuffer_Release(&view)
        if refused:
            raise FrameRefused(cursor.reason.decode("ascii"), cursor.at)
        if result.kind == KIND_DEPTH:
            result.levels = <int>levels.used
            book.reserve(&book.bids, levels.ends[0] - levels.starts[0])
            book.reserve(&book.asks, levels.ends[1] - levels.starts[1])
            result.outcome = book.admit_ids(result.first_id, result.last_id)
            if result.outcome == OUTCOME_APPLIED:
                apply_levels(book, levels)
        return result

    def load_snapshot(self, Book book not None, body):
        """Replaces the book by a REST depth snapshot (bytes-like); returns its lastUpdateId.

        Raises FrameRefused or NumberRefused, the book unchanged.
        """
        cdef Py_buffer view
        cdef Cursor cursor
        cdef Levels* levels = &self.levels
        cdef int64_t last_update_id = 0
        cdef int refused
        PyObject_GetBuffer(body, &view, PyBUF_SIMPLE)
        cursor.text = <const unsigned char*>view.buf
        cursor.size = view.len
        cursor.at = 0
        cursor.reason = b""
        if view.len > FRAME_BYTES_MAX:
            refused = fail(&cursor, b"frame too long")
        else:
            refused = read_snapshot(&cursor, book, levels, &last_update_id)
        PyBuffer_Release(&view)
        if refused:
            raise FrameRefused(cursor.reason.decode("ascii"), cursor.at)
        book.reserve(&book.bids, levels.ends[0] - levels.starts[0])
        book.reserve(&book.asks, levels.ends[1] - levels.starts[1])
        book.start_snapshot(last_update_id)
        apply_levels(book, levels)
        return last_update_id


cdef Py_ssize_t find(
    const unsigned char* text, Py_ssize_t size, const char* wanted, Py_ssize_t length
) noexcept nogil:
    """Where wanted first occurs, or -1."""
    cdef Py_ssize_t at = 0
    cdef const unsigned char* hit
    while at + length <= size:
        hit = <const unsigned char*>memchr(text + at, wanted[0], size - at - length + 1)
        if hit == NULL:
            return -1
        at = hit - text
        if memcmp(hit, wanted, length) == 0:
            return at
        at += 1
    return -1


cdef inline bint symbol_byte(unsigned char c) noexcept nogil:
    return 0x21 <= c < 0x7F and c != c'"' and c != c"\\"


def symbol_of(frame):
    """The symbol a frame is about, without reading it as JSON; None when it names none.

    Cheap and trusting: for routing to a book only; `feed` reads the symbol properly.
    """
    cdef Py_buffer view
    cdef const unsigned char* text
    cdef Py_ssize_t start
    cdef Py_ssize_t end
    symbol = None
    PyObject_GetBuffer(frame, &view, PyBUF_SIMPLE)
    text = <const unsigned char*>view.buf
    start = find(text, min(view.len, 512), b'"s":', 4)
    if start >= 0:
        start += 4
        while start < view.len and text[start] in (c" ", c"\t"):
            start += 1
        if start < view.len and text[start] == c'"':
            start += 1
            end = start
            while end < view.len and end - start <= SYMBOL_ROOM and symbol_byte(text[end]):
                end += 1
            if end < view.len and text[end] == c'"' and 0 < end - start <= SYMBOL_ROOM:
                symbol = (<bytes>text[start:end]).decode("ascii")
    PyBuffer_Release(&view)
    return symbol


def kind_of(frame):
    """The likely Kind of a frame, without reading it as JSON: for routing only."""
    cdef Py_buffer view
    cdef const unsigned char* text
    cdef Py_ssize_t size
    cdef int kind = KIND_OTHER
    PyObject_GetBuffer(frame, &view, PyBUF_SIMPLE)
    text = <const unsigned char*>view.buf
    size = min(view.len, 512)
    if find(text, size, b'"depthUpdate"', 13) >= 0:
        kind = KIND_DEPTH
    elif find(text, size, b'"trade"', 7) >= 0:
        kind = KIND_TRADE
    elif find(text, size, b'"B":', 4) >= 0 and find(text, size, b'"A":', 4) >= 0 and (
        find(text, size, b'"bookTicker"', 12) >= 0 or find(text, size, b'"e":', 4) < 0
    ):
        kind = KIND_TICKER
    PyBuffer_Release(&view)
    return kind
