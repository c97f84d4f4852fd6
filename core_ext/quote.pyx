"""The quote: what ingest says of a symbol, in 176 bytes of fixed layout (little endian).

The padded symbol stands first, so that a ZeroMQ subscription is `topic(symbol)`; the version byte
follows. Absent prices and ticks are 0, absent numbers 0.0: a guard that compares refuses then.
"""

cimport cython
from libc.math cimport isfinite
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.unicode cimport PyUnicode_AsUTF8AndSize

from core_ext.book cimport Book
from core_ext.errors import NumberRefused, RecordRefused
from core_ext.look cimport Top

cdef extern from "Python.h":
    bint PyUnicode_IS_COMPACT_ASCII(object text)

cdef extern from *:
    """
    #include <stdint.h>
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    #error "the quote layout is little endian"
    #endif
    #pragma pack(push, 1)
    typedef struct {
        char symbol[20];
        uint8_t version;
        uint8_t padding[3];
        uint32_t flags;
        uint32_t reserved;
        uint64_t sequence;
        int64_t recv_ns, publish_ns, event_ms;
        int64_t bid_ticks, bid_lots, ask_ticks, ask_lots, last_ticks, anchor_ticks;
        double drop_pct, spread_bps, bid_depth_quote, ask_depth_quote;
        double imbalance, volume_quote_24h, atr_pct, buy_price;
    } seawall_quote;
    #pragma pack(pop)
    _Static_assert(sizeof(seawall_quote) == 176, "the quote layout is 176 bytes");
    """
    ctypedef struct Layout "seawall_quote":
        char symbol[20]
        uint8_t version
        uint8_t padding[3]
        uint32_t flags
        uint32_t reserved
        uint64_t sequence
        int64_t recv_ns
        int64_t publish_ns
        int64_t event_ms
        int64_t bid_ticks
        int64_t bid_lots
        int64_t ask_ticks
        int64_t ask_lots
        int64_t last_ticks
        int64_t anchor_ticks
        double drop_pct
        double spread_bps
        double bid_depth_quote
        double ask_depth_quote
        double imbalance
        double volume_quote_24h
        double atr_pct
        double buy_price

cdef enum:
    SYMBOL_ROOM = 20
    QUOTE_ROOM = 176
    QUOTE_VERSION_NOW = 1

QUOTE_SIZE = QUOTE_ROOM
QUOTE_VERSION = QUOTE_VERSION_NOW

FIELDS = (
    "symbol", "sequence", "recv_ns", "publish_ns", "event_ms", "bid_ticks", "bid_lots",
    "ask_ticks", "ask_lots", "last_ticks", "anchor_ticks", "drop_pct", "spread_bps",
    "bid_depth_quote", "ask_depth_quote", "imbalance", "volume_quote_24h", "atr_pct", "buy_price",
    "flags",
)


cdef int set_symbol(Layout* layout, symbol) except -1:
    """1 to 20 printable ASCII characters, padded with zero bytes."""
    cdef Py_ssize_t length = 0
    cdef Py_ssize_t i
    cdef const char* usual
    cdef bytes text
    memset(layout.symbol, 0, SYMBOL_ROOM)
    if isinstance(symbol, str) and PyUnicode_IS_COMPACT_ASCII(symbol):
        usual = PyUnicode_AsUTF8AndSize(symbol, &length)
        if 1 <= length <= SYMBOL_ROOM:
            for i in range(length):
                if not 0x20 < usual[i] < 0x7F:
                    break
                layout.symbol[i] = usual[i]
            else:
                return 0
    # Everything else is refused, slowly and with the reason.
    if not isinstance(symbol, str) or not symbol.isascii() or not symbol.isprintable():
        raise RecordRefused(f"symbol {symbol!r} refused: printable ASCII")
    text = symbol.encode("ascii")
    if not 1 <= len(text) <= SYMBOL_ROOM or b" " in text:
        raise RecordRefused(f"symbol {symbol!r} refused: 1 to 20 characters, no spaces")
    memset(layout.symbol, 0, SYMBOL_ROOM)
    memcpy(layout.symbol, <const char*>text, len(text))
    return 0


cdef const char* fault_of(const Layout* layout) noexcept nogil:
    """What is wrong with the numbers of a quote, or NULL. Runs before a write and after a read."""
    if layout.version != QUOTE_VERSION_NOW:
        return b"version"
    if layout.flags > FLAGS_ALL or layout.reserved != 0:
        return b"flags"
    if layout.bid_ticks < 0 or layout.bid_lots < 0 or layout.ask_ticks < 0 or layout.ask_lots < 0:
        return b"best prices"
    if layout.last_ticks < 0 or layout.anchor_ticks < 0:
        return b"last or anchor"
    if not (isfinite(layout.drop_pct) and layout.drop_pct <= 0):
        return b"drop_pct"
    if not (isfinite(layout.spread_bps) and isfinite(layout.imbalance)):
        return b"spread or imbalance"
    if not (isfinite(layout.bid_depth_quote) and layout.bid_depth_quote >= 0):
        return b"bid_depth_quote"
    if not (isfinite(layout.ask_depth_quote) and layout.ask_depth_quote >= 0):
        return b"ask_depth_quote"
    if not (isfinite(layout.volume_quote_24h) and layout.volume_quote_24h >= 0):
        return b"volume_quote_24h"
    if not (isfinite(layout.atr_pct) and layout.atr_pct >= 0):
        return b"atr_pct"
    if not (isfinite(layout.buy_price) and layout.buy_price >= 0):
        return b"buy_price"
    return NULL


cdef int check(const Layout* layout) except -1:
    cdef const char* fault = fault_of(layout)
    if fault != NULL:
        raise RecordRefused(
            f"quote refused: {fault.decode('ascii')} (version {QUOTE_VERSION_NOW}, finite numbers)"
        )
    return 0


@cython.final
cdef class Quote:
    """One quote; immutable. Keyword arguments of FIELDS, all but the symbol with default 0."""

    cdef Layout layout

    def __init__(
        self, *, symbol, uint64_t sequence=0, int64_t recv_ns=0, int64_t publish_ns=0,
        int64_t event_ms=0, int64_t bid_ticks=0, int64_t bid_lots=0, int64_t ask_ticks=0,
        int64_t ask_lots=0, int64_t last_ticks=0, int64_t anchor_ticks=0, double drop_pct=0.0,
        double spread_bps=0.0, double bid_depth_quote=0.0, double ask_depth_quote=0.0,
        double imbalance=0.0, double volume_quote_24h=0.0, double atr_pct=0.0,
        double buy_price=0.0, uint32_t flags=0,
    ):
        cdef Layout made
        memset(&made, 0, sizeof(Layout))
        set_symbol(&made, symbol)
        made.version = QUOTE_VERSION_NOW
        made.flags = flags
        made.sequence = sequence
        made.recv_ns = recv_ns
        made.publish_ns = publish_ns
        made.event_ms = event_ms
        made.bid_ticks = bid_ticks
        made.bid_lots = bid_lots
        made.ask_ticks = ask_ticks
        made.ask_lots = ask_lots
        made.last_ticks = last_ticks
        made.anchor_ticks = anchor_ticks
        made.drop_pct = drop_pct
        made.spread_bps = spread_bps
        made.bid_depth_quote = bid_depth_quote
        made.ask_depth_quote = ask_depth_quote
        made.imbalance = imbalance
        made.volume_quote_24h = volume_quote_24h
        made.atr_pct = atr_pct
        made.buy_price = buy_price
        check(&made)
        self.layout = made

    @property
    def symbol(self):
        cdef Py_ssize_t length = 0
        while length < SYMBOL_ROOM and self.layout.symbol[length]:
            length += 1
        return (<bytes>self.layout.symbol[:length]).decode("ascii")

    @property
    def sequence(self):
        return self.layout.sequence

    @property
    def recv_ns(self):
        return self.layout.recv_ns

    @property
    def publish_ns(self):
        return self.layout.publish_ns

    @property
    def event_ms(self):
        return self.layout.event_ms

    @property
    def bid_ticks(self):
        return self.layout.bid_ticks

    @property
    def bid_lots(self):
        return self.layout.bid_lots

    @property
    def ask_ticks(self):
        return self.layout.ask_ticks

    @property
    def ask_lots(self):
        return self.layout.ask_lots

    @property
    def last_ticks(self):
        return self.layout.last_ticks

    @property
    def anchor_ticks(self):
        return self.layout.anchor_ticks

    @property
    def drop_pct(self):
        return self.layout.drop_pct

    @property
    def spread_bps(self):
        return self.layout.spread_bps

    @property
    def bid_depth_quote(self):
        return self.layout.bid_depth_quote

    @property
    def ask_depth_quote(self):
        return self.layout.ask_depth_quote

    @property
    def imbalance(self):
        return self.layout.imbalance

    @property
    def volume_quote_24h(self):
        return self.layout.volume_quote_24h

    @property
    def atr_pct(self):
        return self.layout.atr_pct

    @property
    def buy_price(self):
        return self.layout.buy_price

    @property
    def flags(self):
        return self.layout.flags

    def pack(self):
        """The bytes of this quote."""
        return PyBytes_FromStringAndSize(<const char*>&self.layout, QUOTE_ROOM)

    def __eq__(self, other):
        if not isinstance(other, Quote):
            return NotImplemented
        return self.pack() == other.pack()

    def __hash__(self):
        return hash(self.pack())

    def __reduce__(self):
        return unpack, (self.pack(),)

    def __repr__(self):
        return f"Quote({', '.join(f'{name}={getattr(self, name)!r}' for name in FIELDS)})"


def topic(symbol):
    """The ZeroMQ subscription that selects one symbol: the padded 20 bytes. RecordRefused."""
    cdef Layout layout
    set_symbol(&layout, symbol)
    return PyBytes_FromStringAndSize(layout.symbol, SYMBOL_ROOM)


def pack(**fields):
    """The bytes of a quote given by keyword; RecordRefused names the field that cannot be."""
    return Quote(**fields).pack()


def unpack(data):
    """The Quote in exactly 176 bytes; RecordRefused for another length, version or a non-number."""
    cdef Py_buffer view
    cdef Quote quote = Quote.__new__(Quote)
    cdef Py_ssize_t i
    cdef Py_ssize_t length = 0
    cdef Py_ssize_t size
    PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)
    size = view.len
    if size == QUOTE_ROOM:
        memcpy(&quote.layout, view.buf, QUOTE_ROOM)
    PyBuffer_Release(&view)
    if size != QUOTE_ROOM:
        raise RecordRefused(f"quote refused: {size} bytes, a quote has {QUOTE_ROOM}")
    check(&quote.layout)
    while length < SYMBOL_ROOM and 0x20 < quote.layout.symbol[length] < 0x7F:
        length += 1
    for i in range(length, SYMBOL_ROOM):
        if quote.layout.symbol[i]:
            raise RecordRefused("quote refused: the symbol is not padded ASCII")
    if length == 0:
        raise RecordRefused("quote refused: no symbol")
    return quote


def pack_book(
    Book book not None, symbol, *, uint64_t sequence, int64_t recv_ns, int64_t publish_ns,
    int64_t event_ms=0, int64_t last_ticks=0, int64_t anchor_ticks=0, double drop_pct=0.0,
    double volume_quote_24h=0.0, double atr_pct=0.0, double buy_quote=0.0, uint32_t flags=0,
):
    """The bytes of a quote whose book numbers are read from the book, without objects between.

    buy_quote > 0 asks for buy_price, the expected average of spending that much (0.0 when the
    asks are too thin). CROSSED and GAPPED are added to flags as the book says.
    """
    cdef Layout made
    cdef Top top
    memset(&made, 0, sizeof(Layout))
    set_symbol(&made, symbol)
    if not isfinite(buy_quote) or buy_quote < 0:
        raise NumberRefused("buy_quote", buy_quote, "0 or a positive finite amount")
    book.read_top(&top)
    made.version = QUOTE_VERSION_NOW
    made.flags = flags
    if top.bid_ticks and top.ask_ticks and top.bid_ticks >= top.ask_ticks:
        made.flags |= FLAG_CROSSED
    if book.gapped:
        made.flags |= FLAG_GAPPED
    made.sequence = sequence
    made.recv_ns = recv_ns
    made.publish_ns = publish_ns
    made.event_ms = event_ms
    made.bid_ticks = top.bid_ticks
    made.bid_lots = top.bid_lots
    made.ask_ticks = top.ask_ticks
    made.ask_lots = top.ask_lots
    made.last_ticks = last_ticks
    made.anchor_ticks = anchor_ticks
    made.drop_pct = drop_pct
    made.spread_bps = top.spread_bps
    made.bid_depth_quote = top.bid_depth_50bps
    made.ask_depth_quote = top.ask_depth_50bps
    made.imbalance = top.imbalance
    made.volume_quote_24h = volume_quote_24h
    made.atr_pct = atr_pct
    if buy_quote > 0:
        made.buy_price = book.price_of_buying(buy_quote)
    check(&made)
    return PyBytes_FromStringAndSize(<const char*>&made, QUOTE_ROOM)
