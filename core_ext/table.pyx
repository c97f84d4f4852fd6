"""The books of many symbols: frames of one stream in one call, each into the book of its symbol.

The symbol is looked for in a frame's first bytes, and the scanner of its book then reads the frame
properly. An event that says another symbol than was found there is refused.
"""

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from libc.stdlib cimport free

from core_ext.book cimport Book
from core_ext.codes import FramesFed
from core_ext.errors import FrameRefused, NumberRefused
from core_ext.frame_rows cimport FrameRows, close_rows, fed_of, open_rows, pass_by, tell
from core_ext.names cimport grow_names, place_in, put_name
from core_ext.routing cimport find_symbol, symbol_byte
from core_ext.scan cimport KIND_OTHER, SYMBOL_ROOM, Scanner, ScanResult


cdef class BookTable:
    """Books by symbol, each with the scanner that feeds it; their places count from 0.

    A scanner of Bybit remembers a sequence and feeds one book; Binance's may be shared.
    """

    def __cinit__(self):
        self.scanners = []
        self.books = []

    def __dealloc__(self):
        free(self.names.slots)

    def __len__(self):
        return len(self.books)

    def add(self, symbol, Scanner scanner not None, Book book not None):
        """Adds a book; returns its place. NumberRefused for no symbol, or one that is held."""
        usable = isinstance(symbol, str) and symbol.isascii()
        text = symbol.encode("ascii") if usable else b""
        if not 0 < len(text) <= SYMBOL_ROOM or not all(symbol_byte(byte) for byte in text):
            raise NumberRefused("symbol", symbol, "1 to 20 printable ASCII characters, no quotes")
        if place_in(&self.names, <const unsigned char*>(<bytes>text), len(text)) >= 0:
            raise NumberRefused("symbol", symbol, "one that has no book here yet")
        if grow_names(&self.names):
            raise MemoryError
        place = len(self.books)
        put_name(&self.names, <const unsigned char*>(<bytes>text), len(text), place)
        self.scanners.append(scanner)
        self.books.append(book)
        return place

    cdef Py_ssize_t place_for(self, frame) except -2:
        """The place of the book that a frame is for, -1 when there is none."""
        cdef Py_buffer view
        cdef const unsigned char* text
        cdef Py_ssize_t length = 0
        cdef Py_ssize_t place = -1
        cdef Py_ssize_t start
        PyObject_GetBuffer(frame, &view, PyBUF_SIMPLE)
        text = <const unsigned char*>view.buf
        start = find_symbol(text, view.len, &length)
        if start >= 0:
            place = place_in(&self.names, text + start, length)
        PyBuffer_Release(&view)
        return place

    cdef int feed_one(self, frame, FrameRows* told) except -1:
        cdef Py_ssize_t place = self.place_for(frame)
        cdef Scanner scanner
        cdef Book book
        cdef ScanResult result
        cdef bint was_gapped
        if place < 0:
            pass_by(told)
            return 0
        scanner = self.scanners[place]
        book = self.books[place]
        result = scanner.read(book, frame)
        if result.kind != KIND_OTHER and place != place_in(
            &self.names, result.symbol_text, result.symbol_length
        ):
            raise FrameRefused("its symbol is not the one that its first bytes name", 0)
        was_gapped = book.gapped
        scanner.apply(book, result)
        tell(told, result, book, was_gapped, place)
        return 0

    def feed_many(self, frames, rows=None):
        """Feeds a sequence of frames (bytes-like), each to its symbol's book; returns FramesFed.

        As Scanner.feed_many, whose `rows` and errors these are: it stops behind a delta by which
        one of the books loses its place, the caller goes on behind it. Frames of no book here are
        not read as JSON, and their rows have place -1. O(bytes), whatever the number of books.
        """
        cdef tuple held = tuple(frames)
        cdef FrameRows told
        cdef Py_ssize_t i = 0
        open_rows(&told, rows, len(held))
        try:
            while i < len(held) and not told.lost:
                self.feed_one(held[i], &told)
                i += 1
        except (FrameRefused, NumberRefused) as error:
            raise error.of_frame(i) from None
        finally:
            close_rows(&told)
        return fed_of(FramesFed, &told)
