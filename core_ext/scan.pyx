"""Frames of Binance and Bybit straight into a book: one pass, no Python object per level.

Every read is checked against the frame's end, and all levels of a frame are read into a bounded
scratch before the first one is applied: a refused frame leaves the book as it was.
"""

cimport cython
from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from libc.stdlib cimport free

from core_ext.binance_events cimport read_binance, read_snapshot
from core_ext.book cimport OUTCOME_APPLIED, Book
from core_ext.bybit_events cimport read_bybit
from core_ext.codes import FramesFed, TradeSeen
from core_ext.errors import FrameRefused, NumberRefused
from core_ext.frame_levels cimport ASKS, BIDS, Levels, apply_side, use_steps
from core_ext.frame_rows cimport FrameRows, close_rows, fed_of, open_rows, tell
from core_ext.frame_trades cimport Trade, Trades
from core_ext.json_cursor cimport Cursor, fail
from core_ext.look cimport Top
from core_ext.routing cimport find_symbol, likely_kind
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


cdef int make_room(Book book, const Levels* levels) except -1:
    """Room for the levels in the scratch, so that applying them cannot fail."""
    book.reserve(&book.bids, levels.ends[BIDS] - levels.starts[BIDS])
    book.reserve(&book.asks, levels.ends[ASKS] - levels.starts[ASKS])
    return 0


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


cdef class Scanner:
    """What all dialects have in common; made as BinanceScanner or BybitScanner.

    Nothing is changed by a frame that is refused, and a refusal says where and why.
    """

    def __cinit__(self, *_):
        if type(self) is Scanner:
            raise TypeError("a scanner has a dialect: BinanceScanner or BybitScanner")

    def __dealloc__(self):
        free(self.levels.items)
        free(self.trade_list.items)

    cdef ScanResult read(self, Book book, frame):
        """Reads one frame into the scratch, the book unchanged."""
        cdef Py_buffer view
        cdef Cursor cursor
        cdef ScanResult result = ScanResult.__new__(ScanResult)
        cdef bint refused
        open_frame(&cursor, &view, frame)
        use_steps(&self.levels, &book.price_step, &book.quantity_step)
        if too_long(&cursor):
            refused = True
        elif self.dialect == DIALECT_BYBIT:
            refused = read_bybit(&cursor, &self.levels, &self.trade_list, result)
        else:
            refused = read_binance(
                &cursor, &self.levels, &self.trade_list, self.dialect, result
            )
        if refused:
            self.trade_list.used = 0
        close_frame(&cursor, &view, refused)
        return result

    cdef int apply(self, Book book, ScanResult result) except -1:
        """Does what the frame in the scratch says: its levels, or its last trade told."""
        cdef Levels* levels = &self.levels
        if result.kind != KIND_DEPTH:
            tell_last_trade(result, &self.trade_list)
            return 0
        result.levels = <int>levels.used
        make_room(book, levels)
        if result.is_snapshot:
            book.start_snapshot(result.last_id)
            self.cross_sequence = result.cross_sequence
            result.outcome = OUTCOME_APPLIED
        else:
            result.outcome = admit(book, self.dialect, result, &self.cross_sequence)
        if result.outcome == OUTCOME_APPLIED:
            apply_levels(book, levels)
        return 0

    def feed(self, Book book not None, frame):
        """Reads one frame (bytes-like) and applies a depth frame to its book.

        Returns a ScanResult; events that are not read are kind OTHER. Raises FrameRefused with
        reason and byte offset, or NumberRefused for a full book, the book unchanged. O(bytes).
        """
        cdef ScanResult result = self.read(book, frame)
        self.apply(book, result)
        return result

    def feed_stats(self, Book book not None, frame):
        """As `feed`; the result of a depth frame also has the book's statistics after it."""
        cdef ScanResult result = self.read(book, frame)
        self.apply(book, result)
        if result.kind == KIND_DEPTH:
            take_statistics(result, book)
        return result

    def feed_many(self, Book book not None, frames, rows=None):
        """As `feed`, for a sequence of frames in one call; returns FramesFed.

        Stops behind the delta by which the book loses its place. `rows`, a writable buffer with
        room for as many FRAME_FORMATs as frames, gets a FrameTold of each. An error names the
        `frame` that was refused: those before it are applied, those behind it are not read.
        """
        cdef tuple held = tuple(frames)
        cdef FrameRows told
        cdef ScanResult result
        cdef Py_ssize_t i = 0
        cdef bint was_gapped
        open_rows(&told, rows, len(held))
        try:
            while i < len(held) and not told.lost:
                result = self.read(book, held[i])
                was_gapped = book.gapped
                self.apply(book, result)
                tell(&told, result, book, was_gapped, 0)
                i += 1
        except (FrameRefused, NumberRefused) as error:
            raise error.of_frame(i) from None
        finally:
            close_rows(&told)
        return fed_of(FramesFed, &told)

    def trades(self):
        """The trades of the last frame fed, as TradeSeen, oldest first; [] when it had none."""
        return trades_told(&self.trade_list)


cdef class BinanceScanner(Scanner):
    """Reads depthUpdate, trade, aggTrade and bookTicker, raw or wrapped in {"stream", "data"}.

    Spot by default; Dialect.BINANCE_FUTURES for USD-M and COIN-M, whose deltas name their
    predecessor.
    """

    def __init__(self, int dialect=DIALECT_BINANCE_SPOT):
        if dialect != DIALECT_BINANCE_SPOT and dialect != DIALECT_BINANCE_FUTURES:
            raise NumberRefused("dialect", dialect, "one of Binance's")
        self.dialect = dialect

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
        make_room(book, levels)
        book.start_snapshot(last_update_id)
        apply_levels(book, levels)
        return last_update_id


cdef class BybitScanner(Scanner):
    """Reads v5 orderbook.N.SYMBOL and publicTrade.SYMBOL; one scanner for one book.

    A snapshot, or update id 1, replaces the book; a delta before one is Outcome.GAP.
    """

    def __cinit__(self):
        self.dialect = DIALECT_BYBIT


def symbol_of(frame):
    """The symbol a frame is about, without reading it as JSON; None when it names none.

    Cheap and trusting: for routing to a book only; `feed` reads the symbol properly.
    """
    cdef Py_buffer view
    cdef const unsigned char* text
    cdef Py_ssize_t length = 0
    cdef Py_ssize_t start
    symbol = None
    PyObject_GetBuffer(frame, &view, PyBUF_SIMPLE)
    text = <const unsigned char*>view.buf
    start = find_symbol(text, view.len, &length)
    if start >= 0:
        symbol = (<bytes>text[start : start + length]).decode("ascii")
    PyBuffer_Release(&view)
    return symbol


def kind_of(frame):
    """The likely Kind of a frame, without reading it as JSON: for routing only."""
    cdef Py_buffer view
    PyObject_GetBuffer(frame, &view, PyBUF_SIMPLE)
    kind = likely_kind(<const unsigned char*>view.buf, view.len)
    PyBuffer_Release(&view)
    return kind
