"""The anchor and the drop from it (E2): the highest price of a time window, kept as it slides.

An update costs O(1) on average however long the window is. Time is the receive clock's; if it steps
back, the last time stands.
"""

from array import array

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS,
    PyBUF_FORMAT,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from libc.stdint cimport int64_t
from libc.stdlib cimport calloc, free

from core_ext.errors import NumberRefused
from core_ext.peaks cimport (
    NEVER,
    PEAKS_LEAST,
    PEAKS_MOST,
    Peaks,
    forget,
    insert_past,
    is_price,
    make_room,
    peak_at,
    take,
)

cdef enum:
    SYMBOLS_MAX = 1_000_000


cdef int check_limits(window_ns, limit) except -1:
    if not 0 < window_ns < 2**62:
        raise NumberRefused("window_ns", window_ns, "1 to 2^62 - 1")
    if not PEAKS_LEAST <= limit <= PEAKS_MOST:
        raise NumberRefused("limit", limit, f"{PEAKS_LEAST} to {PEAKS_MOST}")
    return 0


cdef double price_of(place, value) except -1:
    cdef double price = value
    if not is_price(price):
        raise NumberRefused(place, value, "a positive finite number")
    return price


cdef class DropWindow:
    """The highest price of the last window_ns and how far the newest lies below it.

    At most `limit` peaks are kept; beyond that the newest ones are merged, which keeps the higher
    price and the later time (an anchor may then live too long by the time between the merged).
    """

    def __cinit__(self):
        forget(&self.peaks)

    def __init__(self, window_ns, limit=65_536):
        check_limits(window_ns, limit)
        self.window_ns = window_ns
        self.limit = limit

    def __dealloc__(self):
        free(self.peaks.ring)

    @property
    def seeded(self):
        """Whether a high of the past was added since the start or the last `void`."""
        return bool(self.peaks.seeded)

    def update(self, int64_t ts_ns, price):
        """Takes the newest price; returns drop_pct = (price / anchor - 1) * 100, at most 0 (E2)."""
        cdef double value = price_of("price", price)
        if make_room(&self.peaks, self.limit):
            raise MemoryError
        return take(&self.peaks, self.window_ns, self.limit, ts_ns, value)

    def seed(self, int64_t ts_ns, high):
        """Adds a high of the past (a candle's), also after updates began; marks the anchor seeded.

        O(peaks): for the start, not for the stream.
        """
        cdef double value = price_of("high", high)
        if make_room(&self.peaks, self.limit):
            raise MemoryError
        insert_past(&self.peaks, self.window_ns, self.limit, ts_ns, value)

    def void(self):
        """Forgets everything: the anchor of a stale symbol is void until warm again (E2)."""
        forget(&self.peaks)

    def anchor(self):
        """The highest price of the window as of the last update; None without data. O(1)."""
        return peak_at(&self.peaks, 0).price if self.peaks.count else None

    def age_ns(self, int64_t now_ns):
        """How long updates have been coming in at now_ns; 0 without any. Seeds do not count."""
        return max(0, now_ns - self.peaks.first_ns) if self.peaks.first_ns != NEVER else 0

    def __len__(self):
        return self.peaks.count


cdef class DropWindows:
    """As many DropWindows as there are symbols, updated together: a row of prices in, drops out."""

    def __init__(self, Py_ssize_t symbols, window_ns, limit=65_536):
        cdef Py_ssize_t i
        check_limits(window_ns, limit)
        if not 1 <= symbols <= SYMBOLS_MAX or self.each != NULL:
            raise NumberRefused("symbols", symbols, f"1 to {SYMBOLS_MAX}")
        self.each = <Peaks*>calloc(symbols, sizeof(Peaks))
        if self.each == NULL:
            raise MemoryError
        self.count = symbols
        self.window_ns = window_ns
        self.limit = limit
        self.drops = array("d", bytes(8 * symbols))
        for i in range(symbols):
            forget(&self.each[i])

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.count):
            free(self.each[i].ring)
        free(self.each)

    def update(self, int64_t ts_ns, prices):
        """Takes the newest price of every symbol (a contiguous buffer of floats); returns `drops`.

        That is one array of drop_pct (E2), written anew by each call. NumberRefused names the place
        of a price that is none, nothing changed. O(symbols) on average, nothing allocated.
        """
        cdef Py_buffer row
        cdef Py_buffer written
        PyObject_GetBuffer(prices, &row, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)
        try:
            if row.len != self.count * <Py_ssize_t>sizeof(double) or row.format[0] != c"d":
                raise NumberRefused("prices", row.len, f"{self.count} floats of 8 bytes")
            PyObject_GetBuffer(self.drops, &written, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
            try:
                # The array is also its reader's, who may have made it longer or shorter.
                if written.len != row.len:
                    raise NumberRefused("drops", written.len, f"{row.len} bytes, as they were made")
                self.take_row(ts_ns, <const double*>row.buf, <double*>written.buf)
            finally:
                PyBuffer_Release(&written)
        finally:
            PyBuffer_Release(&row)
        return self.drops

    cdef int take_row(self, int64_t ts_ns, const double* prices, double* drops) except -1:
        cdef Py_ssize_t i
        for i in range(self.count):
            if not is_price(prices[i]):
                raise NumberRefused(f"price {i}", prices[i], "a positive finite number")
            if make_room(&self.each[i], self.limit):
                raise MemoryError
        for i in range(self.count):
            drops[i] = take(&self.each[i], self.window_ns, self.limit, ts_ns, prices[i])
        return 0

    cdef Peaks* of(self, Py_ssize_t i) except NULL:
        if not 0 <= i < self.count:
            raise NumberRefused("symbol", i, f"0 to {self.count - 1}")
        return &self.each[i]

    def seed(self, Py_ssize_t i, int64_t ts_ns, high):
        """Adds a high of the past to symbol i; see DropWindow.seed."""
        cdef Peaks* peaks = self.of(i)
        cdef double value = price_of("high", high)
        if make_room(peaks, self.limit):
            raise MemoryError
        insert_past(peaks, self.window_ns, self.limit, ts_ns, value)

    def void(self, Py_ssize_t i):
        """Forgets everything of symbol i."""
        forget(self.of(i))

    def anchor(self, Py_ssize_t i):
        """The highest price of symbol i's window as of its last update; None without data."""
        cdef Peaks* peaks = self.of(i)
        return peak_at(peaks, 0).price if peaks.count else None

    def __len__(self):
        return self.count
