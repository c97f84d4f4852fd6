"""What the batch calls of frames write: a row for each frame, and a sum over all of them."""

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

from core_ext.book cimport OUTCOME_APPLIED, OUTCOME_GAP, OUTCOME_STALE, Book
from core_ext.look cimport Top
from core_ext.scan cimport KIND_DEPTH, KIND_OTHER, KIND_TICKER, ScanResult

cdef enum:
    NO_BOOK = -1


cdef struct FrameRow:
    # The fields of FrameTold in its order.
    int32_t kind
    int32_t outcome
    int32_t place
    int32_t levels
    int64_t event_ms
    int64_t last_id
    int64_t price_ticks
    int64_t lots
    Top top


cdef struct FrameRows:
    # Where the next row goes, NULL when the caller wants none, and what was counted so far.
    Py_buffer view
    FrameRow* next
    Py_ssize_t read
    Py_ssize_t applied
    Py_ssize_t stale
    Py_ssize_t gaps
    bint lost


cdef inline int open_rows(FrameRows* rows, written, Py_ssize_t count) except -1:
    """Takes hold of a buffer with room for `count` rows, or None; NumberRefused when smaller."""
    memset(rows, 0, sizeof(FrameRows))
    if written is None:
        return 0
    PyObject_GetBuffer(written, &rows.view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
    if rows.view.len < count * <Py_ssize_t>sizeof(FrameRow):
        from core_ext.errors import NumberRefused

        room = rows.view.len
        PyBuffer_Release(&rows.view)
        allowed = f"{sizeof(FrameRow)} for each of {count} frames"
        raise NumberRefused("bytes for rows", room, allowed)
    rows.next = <FrameRow*>rows.view.buf
    return 0


cdef inline void close_rows(FrameRows* rows) noexcept:
    if rows.next != NULL:
        PyBuffer_Release(&rows.view)


cdef inline void pass_by(FrameRows* rows) noexcept nogil:
    """Counts a frame that no book wants."""
    rows.read += 1
    if rows.next != NULL:
        memset(rows.next, 0, sizeof(FrameRow))
        rows.next.place = NO_BOOK
        rows.next += 1


cdef inline void tell(
    FrameRows* rows, ScanResult result, Book book, bint was_gapped, Py_ssize_t place
) noexcept nogil:
    """Counts a frame that was read, and writes its row."""
    cdef FrameRow* row = rows.next
    rows.read += 1
    rows.applied += result.outcome == OUTCOME_APPLIED
    rows.stale += result.outcome == OUTCOME_STALE
    rows.gaps += result.outcome == OUTCOME_GAP
    rows.lost = result.outcome == OUTCOME_GAP and not was_gapped
    if row == NULL:
        return
    rows.next += 1
    row.kind = result.kind
    row.outcome = result.outcome
    row.place = <int32_t>place
    row.levels = result.levels
    row.event_ms = result.event_ms
    row.last_id = result.trade_id if result.trades else result.last_id
    row.price_ticks = result.price_ticks
    row.lots = result.lots
    if result.kind == KIND_DEPTH:
        book.read_top(&row.top)
        return
    memset(&row.top, 0, sizeof(Top))
    if result.kind == KIND_TICKER:
        row.top.bid_ticks = result.bid_ticks
        row.top.bid_lots = result.bid_lots
        row.top.ask_ticks = result.ask_ticks
        row.top.ask_lots = result.ask_lots


cdef inline object fed_of(kind, const FrameRows* rows):
    """The sum as FramesFed, made without its constructor, which is slow."""
    return tuple.__new__(
        kind, (rows.read, rows.applied, rows.stale, rows.gaps, bool(rows.lost))
    )
