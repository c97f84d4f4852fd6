"""Which delta may follow which: one rule per dialect, over the ids that its frames carry.

| dialect | a delta covers | follows when | is stale when | before a snapshot |
|---|---|---|---|---|
| Binance spot | U … u | U = last + 1 | u <= last | is the first of a book |
| Binance futures | pu + 1 … u | pu = last | u <= last | is the first of a book |
| Bybit | u | u = last + 1 | seq is older | is a gap |

last is the book's id. Right behind a REST snapshot a delta may also begin before last + 1. What
neither follows nor is stale is a gap. Bybit's u starts at 1 again when its service does, so that
u alone cannot tell old from new; its cross sequence never goes back.
"""

from libc.stdint cimport int64_t

from core_ext.book cimport OUTCOME_GAP, OUTCOME_STALE, Book
from core_ext.scan cimport DIALECT_BINANCE_FUTURES, DIALECT_BINANCE_SPOT, ScanResult


cdef inline int admit_bybit(
    Book book, ScanResult result, int64_t* cross_sequence
) noexcept nogil:
    """Whether a Bybit delta may be applied now; book and cross sequence moved on if so."""
    cdef int64_t before = cross_sequence[0]
    if book.gapped or book.last_update_id < 0:
        book.gapped = True
        return OUTCOME_GAP
    if result.cross_sequence < before or (
        result.cross_sequence == before and result.last_id <= book.last_update_id
    ):
        return OUTCOME_STALE
    if result.last_id != book.last_update_id + 1:
        book.gapped = True
        return OUTCOME_GAP
    cross_sequence[0] = result.cross_sequence
    return book.admit_ids(result.last_id, result.last_id)


cdef inline int admit(
    Book book, int dialect, ScanResult result, int64_t* cross_sequence
) noexcept nogil:
    """The outcome of a delta by the rule of its dialect."""
    if dialect == DIALECT_BINANCE_SPOT:
        return book.admit_ids(result.first_id, result.last_id)
    if dialect == DIALECT_BINANCE_FUTURES:
        return book.admit_ids(result.previous_id + 1, result.last_id)
    return admit_bybit(book, result, cross_sequence)
