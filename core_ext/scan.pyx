"""Frames of Binance and Bybit straight into a book: one pass, no Python object per level.

Every read is checked against the frame's end, and all levels of a frame are read into a bounded
scratch before the first one is applied: a refused frame leaves the book as it was.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from libc.stdlib cimport free
from libc.string cimport memchr, memcmp

from core_ext.book cimport OUTCOME_APPLIED, Book
from core_ext.bybit_events cimport read_bybit
from core_ext.codes import TradeSeen
from core_ext.errors import FrameRefused, NumberRefused
from core_ext.binance_events cimport read_frame, read_snapshot
from core_ext.frame_levels cimport ASKS, BIDS, Levels, apply_side, use_steps
from core_ext.frame_trades cimport Trade, Trades
from core_ext.json_cursor cimport Cursor, fail
from core_ext.look cimport Top
from core_ext.sequence cimport admit

cdef enum:
    FRAME_BYTES_MAX = 8_388_608
    NOT_TAKEN = -1


# A result that is let go makes room for the next one: no frame allocates.
@cython.freelist(8)
cdef class ScanResult:
    """What one frame said. Ticks and lots are whole numbers of the book's steps; 0 where unsaid.

    levels is the number of level changes of a depth frame, whatever became of them; trades that
    of a trade frame, whose last one is told here. After `feed_stats` a depth frame also has the
    book's best prices and statistics.
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


cdef int open_frame(Cursor* cursor, Py_buffer* view, frame) except -1:
    """Puts the cursor on a bytes-like object; the view keeps it there until `close_frame`."""
    view.len = NOT_TAKEN
    cursor.at = 0
    cursor.reason = b""
    if PyBytes_CheckExact(frame):
        cursor.text = <const unsigned char*>PyBytes_AS_STRING(frame)
        cursor.size = PyBytes_GET_SIZE(frame)
    else:
        PyObject_GetBuffer(frame, view, PyBUF_SIMPLE)
        cursor.text = <const unsigned char*>view.buf
        cursor.size = view.len
    return 0


cdef int close_frame(Cursor* cursor, Py_buffer* view, bint refused) except -1:
    """Lets the object go; FrameRefused when its reading failed."""
    if view.len != NOT_TAKEN:
        PyBuffer_Release(view)
    if refused:
        raise FrameRefused(cursor.reason.decode("ascii"), cursor.at)
    return 0


cdef bint too_long(Cursor* cursor) noexcept nogil:
    return cursor.size > FRAME_BYTES_MAX and fail(cursor, b"frame too long")


cdef void apply_levels(Book book, const Levels* levels) noexcept nogil:
    apply_side(
        &book.bids, levels.items + levels.starts[BIDS], levels.ends[BIDS] - levels.starts[BIDS]
    )
    apply_side(
        &book.asks, levels.items + levels.starts[ASKS], levels.ends[ASKS] - levels.starts[ASKS]
    )


cdef void take_statistics(ScanResult result, Book book) noexcept nogil:
    """The statistics of Book.stats into a result."""
    cdef Top top
    book.read_top(&top)
    result.bid_ticks = top.bid_ticks
    result.bid_lots = top.bid_lots
    result.ask_ticks = top.ask_ticks
    result.ask_lots = top.ask_lots
    result.spread_bps = top.spread_bps
    result.mid = top.mid
    result.bid_depth_50bps = top.bid_depth_50bps
    result.ask_depth_50bps = top.ask_depth_50bps
    result.bid_depth_10 = top.bid_depth_10
    result.ask_depth_10 = top.ask_depth_10
    result.imbalance = top.imbalance
    result.bid_levels = top.bid_levels
    result.ask_levels = top.ask_levels


cdef list trades_told(const Trades* trades):
    """The trades of the last frame, oldest first."""
    return [
        TradeSeen(
            trades.items[i].trade_id,
            trades.items[i].price_ticks,
            trades.items[i].lots,
            trades.items[i].match_ms,
            bool(trades.items[i].buyer_is_maker),
        )
        for i in range(trades.used)
    ]


cdef void tell_last_trade(ScanResult result, const Trades* trades) noexcept nogil:
    cdef const Trade* last
    result.trades = <int>trades.used
    if trades.used:
        last = &trades.items[trades.used - 1]
        result.trade_id = last.trade_id
        result.price_ticks = last.price_ticks
        result.lots = last.lots
        result.match_ms = last.match_ms
        result.buyer_is_maker = last.buyer_is_maker


cdef int take_depth(
    Book book, Levels* levels, int dialect, ScanResult result, int64_t* cross_sequence
) except -1:
    """Applies the levels of a depth frame when they follow, or when they are the whole book."""
    result.levels = <int>levels.used
    book.reserve(&book.bids, levels.ends[BIDS] - levels.starts[BIDS])
    book.reserve(&book.asks, levels.ends[ASKS] - levels.starts[ASKS])
    if result.is_snapshot:
        book.start_snapshot(result.last_id)
        cross_sequence[0] = result.cross_sequence
        result.outcome = OUTCOME_APPLIED
    else:
        result.outcome = admit(book, dialect, result, cross_sequence)
    if result.outcome == OUTCOME_APPLIED:
        apply_levels(book, levels)
    return 0


cdef class BinanceScanner:
    """Reads depthUpdate, trade, aggTrade and bookTicker, raw or wrapped in {"stream", "data"}.

    Spot by default; Dialect.BINANCE_FUTURES for USD-M and COIN-M, whose deltas name their
    predecessor.
    """

    def __init__(self, int dialect=DIALECT_BINANCE_SPOT):
        if dialect != DIALECT_BINANCE_SPOT and dialect != DIALECT_BINANCE_FUTURES:
            raise NumberRefused("dialect", dialect, "one of Binance's")
        self.dialect = dialect

    def __dealloc__(self):
        free(self.levels.items)
        free(self.trade_list.items)

    cdef ScanResult take(self, Book book, frame):
        """Reads one frame and applies what it says."""
        cdef Py_buffer view
        cdef Cursor cursor
        cdef ScanResult result = ScanResult.__new__(ScanResult)
        cdef int64_t unused = 0
        cdef bint refused
        open_frame(&cursor, &view, frame)
        use_steps(&self.levels, &book.price_step, &book.quantity_step)
        refused = too_long(&cursor) or read_frame(
            &cursor, &self.levels, &self.trade_list, self.dialect, result
        )
        if refused:
            self.trade_list.used = 0
        close_frame(&cursor, &view, refused)
        if result.kind == KIND_DEPTH:
            take_depth(book, &self.levels, self.dialect, result, &unused)
        else:
            tell_last_trade(result, &self.trade_list)
        return result

    def feed(self, Book book not None, frame):
        """Reads one frame (bytes-like) and applies a depth delta to its book.

        Returns a ScanResult; event kinds that are not read are kind OTHER. Raises FrameRefused
        with reason and byte offset, or NumberRefused for a full book, the book unchanged. O(bytes).
        """
        return self.take(book, frame)

    def feed_stats(self, Book book not None, frame):
        """As `feed`; the result of a depth frame also has the book's statistics after it."""
        cdef ScanResult result = self.take(book, frame)
        if result.kind == KIND_DEPTH:
            take_statistics(result, book)
        return result

    def trades(self):
        """The trades of the last frame fed, as TradeSeen, oldest first; [] when it had none."""
        return trades_told(&self.trade_list)

    def load_snapshot(self, Book book not None, body):
        """Replaces the book by a REST depth snapshot (bytes-like); returns its lastUpdateId.

        Raises FrameRefused or NumberRefused, the book unchanged.
        """
        cdef Py_buffer view
        cdef Cursor cursor
        cdef Levels* levels = &self.levels
        cdef int64_t last_update_id = 0
        cdef bint refused
        open_frame(&cursor, &view, body)
        use_steps(levels, &book.price_step, &book.quantity_step)
        refused = too_long(&cursor) or read_snapshot(&cursor, levels, &last_update_id)
        close_frame(&cursor, &view, refused)
        book.reserve(&book.bids, levels.ends[BIDS] - levels.starts[BIDS])
        book.reserve(&book.asks, levels.ends[ASKS] - levels.starts[ASKS])
        book.start_snapshot(last_update_id)
        apply_levels(book, levels)
        return last_update_id


cdef class BybitScanner:
    """Reads v5 orderbook.N.SYMBOL and publicTrade.SYMBOL; one scanner for one book.

    A snapshot, or update id 1, replaces the book; a delta before one is Outcome.GAP.
    """

    def __cinit__(self):
        self.dialect = DIALECT_BYBIT

    def __dealloc__(self):
        free(self.levels.items)
        free(self.trade_list.items)

    cdef ScanResult take(self, Book book, frame):
        """Reads one frame and applies what it says."""
        cdef Py_buffer view
        cdef Cursor cursor
        cdef ScanResult result = ScanResult.__new__(ScanResult)
        cdef bint refused
        open_frame(&cursor, &view, frame)
        use_steps(&self.levels, &book.price_step, &book.quantity_step)
        refused = too_long(&cursor) or read_bybit(
            &cursor, &self.levels, &self.trade_list, result
        )
        if refused:
            self.trade_list.used = 0
        close_frame(&cursor, &view, refused)
        if result.kind == KIND_DEPTH:
            take_depth(book, &self.levels, DIALECT_BYBIT, result, &self.cross_sequence)
        else:
            tell_last_trade(result, &self.trade_list)
        return result

    def feed(self, Book book not None, frame):
        """Reads one frame (bytes-like) and applies a snapshot or a delta to its book.

        Returns a ScanResult; topics that are not read are kind OTHER. Raises FrameRefused with
        reason and byte offset, or NumberRefused for a full book, the book unchanged. O(bytes).
        """
        return self.take(book, frame)

    def feed_stats(self, Book book not None, frame):
        """As `feed`; the result of a book's frame also has the book's statistics after it."""
        cdef ScanResult result = self.take(book, frame)
        if result.kind == KIND_DEPTH:
            take_statistics(result, book)
        return result

    def trades(self):
        """The trades of the last frame fed, as TradeSeen, oldest first; [] when it had none."""
        return trades_told(&self.trade_list)


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
    if find(text, size, b'"depthUpdate"', 13) >= 0 or find(text, size, b'"orderbook.', 11) >= 0:
        kind = KIND_DEPTH
    elif find(text, size, b'"trade"', 7) >= 0 or find(text, size, b'"publicTrade.', 13) >= 0:
        kind = KIND_TRADE
    elif find(text, size, b'"aggTrade"', 10) >= 0:
        kind = KIND_AGG_TRADE
    elif find(text, size, b'"B":', 4) >= 0 and find(text, size, b'"A":', 4) >= 0 and (
        find(text, size, b'"bookTicker"', 12) >= 0 or find(text, size, b'"e":', 4) < 0
    ):
        kind = KIND_TICKER
    PyBuffer_Release(&view)
    return kind
