"""What a frame is about, found without reading it as JSON: cheap, trusting, for routing alone."""

from libc.string cimport memchr, memcmp

from core_ext.scan cimport (
    KIND_AGG_TRADE,
    KIND_DEPTH,
    KIND_OTHER,
    KIND_TICKER,
    KIND_TRADE,
    SYMBOL_ROOM,
)

cdef enum:
    # So far into a frame it is looked.
    HEAD_BYTES = 512


cdef inline Py_ssize_t find(
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


cdef inline Py_ssize_t find_symbol(
    const unsigned char* text, Py_ssize_t size, Py_ssize_t* length
) noexcept nogil:
    """Where the symbol of a frame begins, and its length; -1 when it names none."""
    cdef Py_ssize_t start = find(text, min(size, HEAD_BYTES), b'"s":', 4)
    cdef Py_ssize_t end
    if start < 0:
        return -1
    start += 4
    while start < size and (text[start] == c" " or text[start] == c"\t"):
        start += 1
    if start >= size or text[start] != c'"':
        return -1
    start += 1
    end = start
    while end < size and end - start <= SYMBOL_ROOM and symbol_byte(text[end]):
        end += 1
    if end >= size or text[end] != c'"' or not 0 < end - start <= SYMBOL_ROOM:
        return -1
    length[0] = end - start
    return start


cdef inline int likely_kind(const unsigned char* text, Py_ssize_t size) noexcept nogil:
    """The kind of a frame by the words that only such frames have."""
    size = min(size, HEAD_BYTES)
    if find(text, size, b'"depthUpdate"', 13) >= 0 or find(text, size, b'"orderbook.', 11) >= 0:
        return KIND_DEPTH
    if find(text, size, b'"trade"', 7) >= 0 or find(text, size, b'"publicTrade.', 13) >= 0:
        return KIND_TRADE
    if find(text, size, b'"aggTrade"', 10) >= 0:
        return KIND_AGG_TRADE
    if find(text, size, b'"B":', 4) >= 0 and find(text, size, b'"A":', 4) >= 0 and (
        find(text, size, b'"bookTicker"', 12) >= 0 or find(text, size, b'"e":', 4) < 0
    ):
        return KIND_TICKER
    return KIND_OTHER
