"""Bybit's v5 public frames: orderbook.N.SYMBOL, whole or as a delta, and publicTrade.SYMBOL.

What a frame is about stands in its topic, which may come behind the data: then these are passed
over first and read when the topic is known. Everything else is of kind OTHER.
"""

from libc.string cimport memcmp

from core_ext.frame_levels cimport ASKS, BIDS, Levels, need_levels, quoted, scan_levels
from core_ext.frame_trades cimport Trade, Trades, new_trade
from core_ext.frame_values cimport integer, none_yet, optional_integer, read_symbol, text_is
from core_ext.json_cursor cimport (
    ABSENT,
    ARRAY,
    FAULT,
    FOUND,
    LEVELS,
    OBJECT,
    STRING,
    TRADES,
    Cursor,
    Value,
    end_of_frame,
    expect,
    fail,
    next_element,
    next_member,
    skip_space,
    skip_value,
)
from core_ext.scan cimport (
    KIND_DEPTH,
    KIND_OTHER,
    KIND_TRADE,
    ScanResult,
)

cdef enum:
    # Keys of the frame itself.
    FRAME_TOPIC = 0
    FRAME_TYPE = 1
    FRAME_EVENT_MS = 2
    FRAME_MATCH_MS = 3
    FRAME_DATA = 4
    FRAME_KEYS = 5

cdef enum:
    # Keys of a book's data.
    BOOK_SYMBOL = 0
    BOOK_BIDS = 1
    BOOK_ASKS = 2
    BOOK_UPDATE_ID = 3
    BOOK_SEQUENCE = 4
    BOOK_KEYS = 5

cdef enum:
    # Keys of one trade.
    TRADE_SYMBOL = 0
    TRADE_MATCH_MS = 1
    TRADE_SIDE = 2
    TRADE_QUANTITY = 3
    TRADE_PRICE = 4
    TRADE_SEQUENCE = 5
    TRADE_KEYS = 6


cdef struct Bybit:
    # A frame while it is read; the symbol is the topic's last part.
    Value frame[FRAME_KEYS]
    Value book[BOOK_KEYS]
    Value symbol
    int kind


cdef inline int frame_key(const unsigned char* key, Py_ssize_t length) noexcept nogil:
    """Which known key of a frame this is, or -1."""
    if length == 5 and memcmp(key, b"topic", 5) == 0:
        return FRAME_TOPIC
    if length == 4 and memcmp(key, b"type", 4) == 0:
        return FRAME_TYPE
    if length == 4 and memcmp(key, b"data", 4) == 0:
        return FRAME_DATA
    if length == 2 and memcmp(key, b"ts", 2) == 0:
        return FRAME_EVENT_MS
    if length == 3 and memcmp(key, b"cts", 3) == 0:
        return FRAME_MATCH_MS
    return -1


cdef inline int book_key(const unsigned char* key, Py_ssize_t length) noexcept nogil:
    """Which known key of a book this is, or -1."""
    if length == 1:
        if key[0] == c"s":
            return BOOK_SYMBOL
        if key[0] == c"b":
            return BOOK_BIDS
        if key[0] == c"a":
            return BOOK_ASKS
        if key[0] == c"u":
            return BOOK_UPDATE_ID
    elif length == 3 and memcmp(key, b"seq", 3) == 0:
        return BOOK_SEQUENCE
    return -1


cdef inline int trade_key(const unsigned char* key, Py_ssize_t length) noexcept nogil:
    """Which known key of a trade this is, or -1."""
    if length == 1:
        if key[0] == c"s":
            return TRADE_SYMBOL
        if key[0] == c"T":
            return TRADE_MATCH_MS
        if key[0] == c"S":
            return TRADE_SIDE
        if key[0] == c"v":
            return TRADE_QUANTITY
        if key[0] == c"p":
            return TRADE_PRICE
    elif length == 3 and memcmp(key, b"seq", 3) == 0:
        return TRADE_SEQUENCE
    return -1


cdef inline int read_topic(Cursor* cursor, Bybit* said) noexcept nogil:
    """The kind that a topic names, and its symbol; OTHER for all that are not read here."""
    cdef const Value* topic = &said.frame[FRAME_TOPIC]
    cdef const unsigned char* text = cursor.text + topic.start
    cdef int at
    said.kind = KIND_OTHER
    if topic.type != STRING:
        return KIND_OTHER
    if topic.length > 10 and memcmp(text, b"orderbook.", 10) == 0:
        at = 10
        # Only numbers of levels: "orderbook.rpi" has other levels, "orderbook.full" other rules.
        while at < topic.length and c"0" <= text[at] <= c"9":
            at += 1
        if at == 10 or at == topic.length or text[at] != c".":
            return KIND_OTHER
        said.kind = KIND_DEPTH
        at += 1
    elif topic.length > 12 and memcmp(text, b"publicTrade.", 12) == 0:
        at = 12
        said.kind = KIND_TRADE
    else:
        return KIND_OTHER
    said.symbol.type = STRING
    said.symbol.start = topic.start + at
    said.symbol.length = topic.length - at
    return said.kind


cdef inline int check_symbol(Cursor* cursor, Bybit* said, const Value* symbol) noexcept nogil:
    """That data are of the symbol that the topic names."""
    if not text_is(
        cursor, symbol, <const char*>cursor.text + said.symbol.start, said.symbol.length
    ):
        return fail(cursor, b"the symbol of the data is not the topic's")
    return 0


cdef inline int scan_book(
    Cursor* cursor, Levels* levels, Value* values, int depth
) noexcept nogil:
    """The known keys of a book's data, the levels read at once."""
    cdef Py_ssize_t start = 0
    cdef Py_ssize_t length = 0
    cdef bint first = True
    cdef int found
    cdef int key
    cdef Value* value
    cdef Value unknown
    if expect(cursor, c"{", b"the data of a book are no object"):
        return FAULT
    levels.used = 0
    while True:
        found = next_member(cursor, first, &start, &length)
        if found != FOUND:
            return found
        first = False
        key = book_key(cursor.text + start, length)
        if key < 0:
            if skip_value(cursor, depth, &unknown):
                return FAULT
            continue
        value = &values[key]
        if value.type != ABSENT:
            cursor.at = start - 1
            return fail(cursor, b"key occurs twice")
        if (key == BOOK_BIDS or key == BOOK_ASKS) and cursor.text[cursor.at] == c"[":
            value.type = LEVELS
            if scan_levels(cursor, levels, BIDS if key == BOOK_BIDS else ASKS):
                return FAULT
        elif skip_value(cursor, depth, value):
            return FAULT


cdef inline int scan_trade(
    Cursor* cursor, Levels* levels, Bybit* said, Trade* trade, int depth
) noexcept nogil:
    """One trade of the frame."""
    cdef Value values[TRADE_KEYS]
    cdef Value* value
    cdef Value unknown
    cdef Py_ssize_t start = 0
    cdef Py_ssize_t length = 0
    cdef Py_ssize_t end
    cdef bint first = True
    cdef int found = FOUND
    cdef int key
    none_yet(values, TRADE_KEYS)
    if expect(cursor, c"{", b"a trade is no object"):
        return FAULT
    while True:
        found = next_member(cursor, first, &start, &length)
        if found == FAULT:
            return FAULT
        if found != FOUND:
            break
        first = False
        key = trade_key(cursor.text + start, length)
        value = &values[key] if key >= 0 else &unknown
        if key >= 0 and value.type != ABSENT:
            cursor.at = start - 1
            return fail(cursor, b"key occurs twice")
        if skip_value(cursor, depth, value):
            return FAULT
    end = cursor.at
    trade.buyer_is_maker = text_is(cursor, &values[TRADE_SIDE], b"Sell", 4)
    if not trade.buyer_is_maker and not text_is(cursor, &values[TRADE_SIDE], b"Buy", 3):
        return fail(cursor, b"the side of a trade is neither Buy nor Sell")
    if (
        check_symbol(cursor, said, &values[TRADE_SYMBOL])
        or integer(cursor, &values[TRADE_MATCH_MS], &trade.match_ms)
        or integer(cursor, &values[TRADE_SEQUENCE], &trade.trade_id)
        or quoted(cursor, &values[TRADE_PRICE], &levels.price_step, &trade.price_ticks)
        or quoted(cursor, &values[TRADE_QUANTITY], &levels.quantity_step, &trade.lots)
    ):
        return FAULT
    cursor.at = end
    return 0


cdef inline int scan_trades(
    Cursor* cursor, Levels* levels, Trades* trades, Bybit* said, int depth
) noexcept nogil:
    """All trades of a frame into the scratch."""
    cdef Trade* trade
    cdef bint first = True
    cdef int found
    trades.used = 0
    if expect(cursor, c"[", b"the data of trades are no array"):
        return FAULT
    while True:
        found = next_element(cursor, first, c"]")
        if found != FOUND:
            return found
        first = False
        trade = new_trade(cursor, trades)
        if trade == NULL or scan_trade(cursor, levels, said, trade, depth + 1):
            return FAULT


cdef inline int scan_data(
    Cursor* cursor, Levels* levels, Trades* trades, Bybit* said
) noexcept nogil:
    """The data of a frame whose kind is known."""
    if said.kind == KIND_DEPTH:
        said.frame[FRAME_DATA].type = LEVELS
        return scan_book(cursor, levels, said.book, 2)
    said.frame[FRAME_DATA].type = TRADES
    return scan_trades(cursor, levels, trades, said, 2)


cdef inline int scan_bybit_keys(
    Cursor* cursor, Levels* levels, Trades* trades, Bybit* said
) noexcept nogil:
    """The known keys of a frame; its data are read at once when the topic is known by then."""
    cdef Py_ssize_t start = 0
    cdef Py_ssize_t length = 0
    cdef bint first = True
    cdef int found
    cdef int key
    cdef Value* value
    cdef Value unknown
    cursor.at += 1
    while True:
        found = next_member(cursor, first, &start, &length)
        if found != FOUND:
            return found
        first = False
        key = frame_key(cursor.text + start, length)
        if key < 0:
            if skip_value(cursor, 1, &unknown):
                return FAULT
            continue
        value = &said.frame[key]
        if value.type != ABSENT:
            cursor.at = start - 1
            return fail(cursor, b"key occurs twice")
        if key == FRAME_DATA and said.kind != KIND_OTHER:
            if scan_data(cursor, levels, trades, said):
                return FAULT
        elif skip_value(cursor, 1, value):
            return FAULT
        if key == FRAME_TOPIC:
            read_topic(cursor, said)


cdef inline int read_book_frame(
    Cursor* cursor, Levels* levels, Bybit* said, ScanResult result
) noexcept nogil:
    """What a book's frame says beside its levels."""
    cdef const Value* kind = &said.frame[FRAME_TYPE]
    result.is_snapshot = text_is(cursor, kind, b"snapshot", 8)
    if not result.is_snapshot and not text_is(cursor, kind, b"delta", 5):
        return fail(cursor, b"the type is neither snapshot nor delta")
    if (
        check_symbol(cursor, said, &said.book[BOOK_SYMBOL])
        or optional_integer(cursor, &said.frame[FRAME_MATCH_MS], &result.match_ms)
        or integer(cursor, &said.book[BOOK_UPDATE_ID], &result.last_id)
        or integer(cursor, &said.book[BOOK_SEQUENCE], &result.cross_sequence)
        or need_levels(cursor, levels, &said.book[BOOK_BIDS], BIDS)
        or need_levels(cursor, levels, &said.book[BOOK_ASKS], ASKS)
    ):
        return FAULT
    result.first_id = result.last_id
    # The venue's service has started anew: the frame is the whole book, whatever its type says.
    result.is_snapshot |= result.last_id == 1
    return 0


cdef inline int read_bybit(
    Cursor* cursor, Levels* levels, Trades* trades, ScanResult result
) noexcept nogil:
    """The whole frame; the levels or trades of it stay in their scratch."""
    cdef Bybit said
    cdef Value other
    none_yet(said.frame, FRAME_KEYS)
    none_yet(said.book, BOOK_KEYS)
    said.kind = KIND_OTHER
    levels.used = 0
    trades.used = 0
    skip_space(cursor)
    if cursor.at < cursor.size and cursor.text[cursor.at] == c"{":
        if scan_bybit_keys(cursor, levels, trades, &said):
            return FAULT
    elif skip_value(cursor, 0, &other):
        return FAULT
    if end_of_frame(cursor):
        return FAULT
    if said.kind == KIND_OTHER:
        return 0
    if said.frame[FRAME_DATA].type == ABSENT:
        return fail(cursor, b"the data are missing")
    if said.frame[FRAME_DATA].type != LEVELS and said.frame[FRAME_DATA].type != TRADES:
        # A string starts behind its quote: what it holds must not be taken for data.
        cursor.at = said.frame[FRAME_DATA].start - (said.frame[FRAME_DATA].type == STRING)
        if scan_data(cursor, levels, trades, &said):
            return FAULT
    result.kind = said.kind
    if read_symbol(cursor, &said.symbol, result) or integer(
        cursor, &said.frame[FRAME_EVENT_MS], &result.event_ms
    ):
        return FAULT
    if said.kind == KIND_DEPTH:
        return read_book_frame(cursor, levels, &said, result)
    return 0
