"""Binance spot frames straight into a book: one pass over the bytes, no Python object per level.

Every read is checked against the frame's end, and all levels of a frame are read into a bounded
scratch before the first one is applied: a refused frame leaves the book as it was.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdint cimport int64_t
from libc.stdlib cimport free
from libc.string cimport memchr, memcmp

from core_ext.book cimport OUTCOME_APPLIED, Book
from core_ext.errors import FrameRefused
from core_ext.frame_events cimport read_frame, read_snapshot
from core_ext.frame_levels cimport Levels, apply_levels
from core_ext.json_cursor cimport Cursor, fail

cdef enum:
    FRAME_BYTES_MAX = 8_388_608


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
