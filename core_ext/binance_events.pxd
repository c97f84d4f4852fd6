"""Binance's events: which known keys a frame has, of what kind it is, and what it says.

Spot, USD-M and COIN-M futures differ only in what a depth delta says of its predecessor.
"""

from libc.stdint cimport int64_t
from libc.string cimport memcmp

from core_ext.frame_levels cimport ASKS, BIDS, Levels, need_levels, quoted, scan_levels
from core_ext.frame_trades cimport Trade, Trades, new_trade
from core_ext.frame_values cimport integer, none_yet, optional_integer, read_symbol, text_is
from core_ext.json_cursor cimport (
    ABSENT,
    FAULT,
    FOUND,
    LEVELS,
    OBJECT,
    TRUE,
    FALSE,
    Cursor,
    Value,
    end_of_frame,
    fail,
    next_member,
    skip_space,
    skip_value,
)
from core_ext.scan cimport (
    DIALECT_BINANCE_FUTURES,
    KIND_AGG_TRADE,
    KIND_DEPTH,
    KIND_OTHER,
    KIND_TICKER,
    KIND_TRADE,
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
    KEY_MATCH_MS = 14
    KEY_FIRST_TRADE = 15
    KEY_LAST_TRADE = 16
    KEY_PREVIOUS_ID = 17
    KEYS_KNOWN = 18

cdef enum:
    TOP_LEVEL = 0
    INSIDE_DATA = 1
    SNAPSHOT = 2


cdef struct Event:
    Value values[KEYS_KNOWN]
    bint is_depth


cdef inline void begin(Event* event, bint is_depth) noexcept nogil:
    """An event of which nothing is known but, perhaps, that it is depth."""
    none_yet(event.values, KEYS_KNOWN)
    event.is_depth = is_depth


cdef inline int snapshot_key(const unsigned char* key, Py_ssize_t length) noexcept nogil:
    """Which known key of a REST snapshot this is, or -1."""
    if length == 4 and memcmp(key, b"bids", 4) == 0:
        return KEY_BIDS
    if length == 4 and memcmp(key, b"asks", 4) == 0:
        return KEY_ASKS
    if length == 12 and memcmp(key, b"lastUpdateId", 12) == 0:
        return KEY_LAST_ID
    return -1


cdef inline int event_key(const unsigned char* key, Py_ssize_t length) noexcept nogil:
    """Which known key of an event, or of what is wrapped around one, this is, or -1."""
    if length == 1:
        if key[0] == c"e":
            return KEY_E
        if key[0] == c"E":
            return KEY_EVENT_MS
        if key[0] == c"T":
            return KEY_MATCH_MS
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
        if key[0] == c"f":
            return KEY_FIRST_TRADE
        if key[0] == c"l":
            return KEY_LAST_TRADE
        return -1
    if length == 2 and key[0] == c"p" and key[1] == c"u":
        return KEY_PREVIOUS_ID
    if length == 4 and memcmp(key, b"data", 4) == 0:
        return KEY_DATA
    return -1


cdef inline int scan_object(
    Cursor* cursor, Levels* levels, Event* event, Event* inner, int place, int depth
) noexcept nogil:
    """The known keys of an object; levels are read at once when the event is known to be depth."""
    cdef Py_ssize_t start = 0
    cdef Py_ssize_t length = 0
    cdef bint first = True
    cdef int found
    cdef int key
    cdef unsigned char c
    cdef Value* value
    cdef Value unknown
    cursor.at += 1
    while True:
        found = next_member(cursor, first, &start, &length)
        if found != FOUND:
            return found
        first = False
        if place == SNAPSHOT:
            key = snapshot_key(cursor.text + start, length)
        else:
            key = event_key(cursor.text + start, length)
        if key < 0:
            if skip_value(cursor, depth, &unknown):
                return FAULT
            continue
        value = &event.values[key]
        if value.type != ABSENT:
            cursor.at = start - 1
            return fail(cursor, b"key occurs twice")
        c = cursor.text[cursor.at]
        if (key == KEY_BIDS or key == KEY_ASKS) and event.is_depth and c == c"[":
            value.type = LEVELS
            if scan_levels(cursor, levels, BIDS if key == KEY_BIDS else ASKS):
                return FAULT
        elif key == KEY_DATA and place == TOP_LEVEL and c == c"{":
            value.type = OBJECT
            begin(inner, False)
            if scan_object(cursor, levels, inner, inner, INSIDE_DATA, depth + 1):
                return FAULT
        elif skip_value(cursor, depth, value):
            return FAULT
        if key == KEY_E:
            event.is_depth = text_is(cursor, value, b"depthUpdate", 11)


cdef inline int kind_of_event(Cursor* cursor, const Event* event) noexcept nogil:
    cdef const Value* name = &event.values[KEY_E]
    if name.type != ABSENT:
        if event.is_depth:
            return KIND_DEPTH
        if text_is(cursor, name, b"trade", 5):
            return KIND_TRADE
        if text_is(cursor, name, b"aggTrade", 8):
            return KIND_AGG_TRADE
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


cdef inline int read_trade(
    Cursor* cursor, Levels* levels, Trades* trades, const Value* values, ScanResult result
) noexcept nogil:
    """A trade, or an aggregate of the trades first_id ... last_id."""
    cdef Trade* trade
    if values[KEY_MAKER].type != TRUE and values[KEY_MAKER].type != FALSE:
        return fail(cursor, b"the maker flag is missing or not a boolean")
    trade = new_trade(cursor, trades)
    if trade == NULL:
        return FAULT
    trade.buyer_is_maker = values[KEY_MAKER].type == TRUE
    trade.match_ms = result.match_ms
    if result.kind == KIND_AGG_TRADE:
        if (
            integer(cursor, &values[KEY_ASKS], &trade.trade_id)
            or integer(cursor, &values[KEY_FIRST_TRADE], &result.first_id)
            or integer(cursor, &values[KEY_LAST_TRADE], &result.last_id)
        ):
            return FAULT
    elif integer(cursor, &values[KEY_TRADE_ID], &trade.trade_id):
        return FAULT
    return (
        quoted(cursor, &values[KEY_PRICE], &levels.price_step, &trade.price_ticks)
        or quoted(cursor, &values[KEY_QUANTITY], &levels.quantity_step, &trade.lots)
    )


cdef inline int read_ticker(
    Cursor* cursor, Levels* levels, const Value* values, ScanResult result
) noexcept nogil:
    """The best prices of a bookTicker."""
    if integer(cursor, &values[KEY_LAST_ID], &result.last_id):
        return FAULT
    result.first_id = result.last_id
    return (
        quoted(cursor, &values[KEY_BIDS], &levels.price_step, &result.bid_ticks)
        or quoted(cursor, &values[KEY_BID_QUANTITY], &levels.quantity_step, &result.bid_lots)
        or quoted(cursor, &values[KEY_ASKS], &levels.price_step, &result.ask_ticks)
        or quoted(cursor, &values[KEY_ASK_QUANTITY], &levels.quantity_step, &result.ask_lots)
    )


cdef inline int read_depth(
    Cursor* cursor, Levels* levels, const Value* values, int dialect, ScanResult result
) noexcept nogil:
    """The ids of a delta; its levels stay in the scratch."""
    if integer(cursor, &values[KEY_FIRST_ID], &result.first_id) or integer(
        cursor, &values[KEY_LAST_ID], &result.last_id
    ):
        return FAULT
    if result.first_id > result.last_id:
        return fail(cursor, b"first update id is above the last")
    if dialect == DIALECT_BINANCE_FUTURES:
        if integer(cursor, &values[KEY_PREVIOUS_ID], &result.previous_id):
            return FAULT
        if result.previous_id >= result.last_id:
            return fail(cursor, b"the previous update id is not below the last")
    return need_levels(cursor, levels, &values[KEY_BIDS], BIDS) or need_levels(
        cursor, levels, &values[KEY_ASKS], ASKS
    )


cdef inline int read_event(
    Cursor* cursor,
    Levels* levels,
    Trades* trades,
    const Event* event,
    int dialect,
    ScanResult result,
) noexcept nogil:
    """The fields that the event's kind needs."""
    cdef const Value* values = &event.values[0]
    result.kind = kind_of_event(cursor, event)
    if result.kind == KIND_OTHER:
        return 0
    if read_symbol(cursor, &values[KEY_SYMBOL], result):
        return FAULT
    if result.kind != KIND_TICKER or values[KEY_EVENT_MS].type != ABSENT:
        if integer(cursor, &values[KEY_EVENT_MS], &result.event_ms):
            return FAULT
    if optional_integer(cursor, &values[KEY_MATCH_MS], &result.match_ms):
        return FAULT
    if result.kind == KIND_DEPTH:
        return read_depth(cursor, levels, values, dialect, result)
    if result.kind == KIND_TICKER:
        return read_ticker(cursor, levels, values, result)
    return read_trade(cursor, levels, trades, values, result)


cdef inline int read_binance(
    Cursor* cursor, Levels* levels, Trades* trades, int dialect, ScanResult result
) noexcept nogil:
    """The whole frame: its event, raw or wrapped in {"stream", "data"}, and nothing behind it."""
    cdef Event top
    cdef Event inner
    cdef Value other
    begin(&top, False)
    levels.used = 0
    trades.used = 0
    skip_space(cursor)
    if cursor.at < cursor.size and cursor.text[cursor.at] == c"{":
        if scan_object(cursor, levels, &top, &inner, TOP_LEVEL, 1):
            return FAULT
    elif skip_value(cursor, 0, &other):
        return FAULT
    if end_of_frame(cursor):
        return FAULT
    if top.values[KEY_DATA].type != OBJECT:
        return read_event(cursor, levels, trades, &top, dialect, result)
    if top.values[KEY_E].type != ABSENT:
        return fail(cursor, b"an event beside 'data'")
    return read_event(cursor, levels, trades, &inner, dialect, result)


cdef inline int read_snapshot(
    Cursor* cursor, Levels* levels, int64_t* last_update_id
) noexcept nogil:
    """A REST depth snapshot, of spot or futures."""
    cdef Event event
    begin(&event, True)
    levels.used = 0
    skip_space(cursor)
    if cursor.at >= cursor.size or cursor.text[cursor.at] != c"{":
        return fail(cursor, b"expected an object")
    if scan_object(cursor, levels, &event, &event, SNAPSHOT, 1) or end_of_frame(cursor):
        return FAULT
    return (
        integer(cursor, &event.values[KEY_LAST_ID], last_update_id)
        or need_levels(cursor, levels, &event.values[KEY_BIDS], BIDS)
        or need_levels(cursor, levels, &event.values[KEY_ASKS], ASKS)
    )
