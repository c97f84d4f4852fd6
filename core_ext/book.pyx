"""One order book in whole ticks and lots, compact or in a flat window: exact sums, no floats.

Recorded depth is finer than LOT_SIZE, so quantities count lots of 10^-8. Sums of ticks x lots are
kept in 128-bit integers: the statistics of both kinds and of the reference are equal bit for bit.
"""

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
)
from libc.math cimport isfinite
from libc.stdint cimport int64_t
from libc.stdlib cimport free, realloc

from core_ext.batch cimport BATCH_MAX, Row, first_refused, overlap, put_row
from core_ext.codes import BOOK_KINDS, MAX_LOTS, MAX_TICKS, BookStats
from core_ext.errors import NumberRefused
from core_ext.side cimport (
    LEVELS_MAX, Level, Side, Walk, best_of, count_of, empty, lay, next_level, put, take_up,
    walk_from_best
)
from core_ext.look cimport (
    Top, depth_of_best, imbalance_of, look, look_at_band, lots_of_best, sweep_side
)
from core_ext.proof cimport check_side, hash_side
from core_ext.steps cimport milli_bps_of, set_step, steps_of, whole
from core_ext.stats_tuple cimport stats_of
from core_ext.window cimport Window, new_window

cdef int64_t NOT_SYNCED = -1


cdef class Book:
    """Price levels of one market; prices in ticks of tick_size, quantities in lots of lot_size.

    Of kind "compact" a level changes in O(log n) plus the move of what lies between it and the best
    price, and takes 16 bytes. Of kind "window" most change in O(1), and the book takes 4.3 MB more,
    of which only pages that held a level are touched. `become` changes the kind of a living book.
    """

    def __cinit__(self):
        self.bids.sign = 1
        self.asks.sign = -1
        self.last_update_id = NOT_SYNCED

    def __init__(self, tick_size, lot_size="0.00000001", kind="compact"):
        self.tick_size = set_step(&self.price_step, "tick_size", tick_size, MAX_TICKS)
        self.lot_size = set_step(&self.quantity_step, "lot_size", lot_size, MAX_LOTS)
        self.tick = float(self.tick_size)
        self.notional_unit = float(self.tick_size * self.lot_size)
        self.become(kind)

    def __dealloc__(self):
        free(self.bids.levels.items)
        free(self.asks.levels.items)
        free(self.bids.window)
        free(self.asks.window)

    # ---- its kind

    @property
    def kind(self):
        """"compact" or "window"."""
        return "window" if self.bids.window != NULL else "compact"

    def become(self, kind):
        """Changes how the levels are held, not what the book says: none is lost. O(levels)."""
        cdef Window* for_bids
        cdef Window* for_asks
        if kind not in BOOK_KINDS:
            raise NumberRefused("kind", kind, "'compact' or 'window'")
        if kind == self.kind:
            return
        if kind == "window":
            for_bids = new_window()
            for_asks = new_window()
            if for_bids == NULL or for_asks == NULL:
                free(for_bids)
                free(for_asks)
                raise MemoryError
            self.bids.window = for_bids
            self.asks.window = for_asks
            lay(&self.bids)
            lay(&self.asks)
        else:
            take_up(&self.bids)
            take_up(&self.asks)
            free(self.bids.window)
            free(self.asks.window)
            self.bids.window = self.asks.window = NULL

    def memory_bytes(self):
        """What the levels have reserved: 16 bytes each, and the windows, touched page by page."""
        windows = 2 * sizeof(Window) if self.bids.window != NULL else 0
        return (self.bids.levels.room + self.asks.levels.room) * sizeof(Level) + windows

    # ---- changing

    cdef int reserve(self, Side* side, Py_ssize_t extra) except -1:
        """Room for `extra` more levels, so that `put` cannot fail; NumberRefused when too many."""
        cdef Py_ssize_t needed = count_of(side) + extra
        cdef Py_ssize_t room = 256
        cdef void* grown
        if needed > LEVELS_MAX:
            raise NumberRefused("levels of a book side", needed, f"at most {LEVELS_MAX}")
        # One level more than held, which may be looked at but is never one. The array has room for
        # the levels of a window too, so that taking it up cannot fail.
        if needed < side.levels.room:
            return 0
        while room <= needed:
            room *= 2
        grown = realloc(side.levels.items, room * sizeof(Level))
        if grown == NULL:
            raise MemoryError
        side.levels.items = <Level*>grown
        side.levels.room = room
        return 0

    cdef int admit_ids(self, int64_t first_id, int64_t last_id) noexcept nogil:
        """Whether a delta first_id ... last_id may be applied now, and the ids moved on if so."""
        if self.gapped:
            return OUTCOME_GAP
        if self.last_update_id != NOT_SYNCED:
            if last_id <= self.last_update_id:
                return OUTCOME_STALE
            if first_id != self.last_update_id + 1 and not (
                self.joining and first_id <= self.last_update_id
            ):
                self.gapped = True
                return OUTCOME_GAP
        self.last_update_id = last_id
        self.joining = False
        return OUTCOME_APPLIED

    cdef void start_snapshot(self, int64_t last_update_id) noexcept nogil:
        """Empties both sides; deltas join at last_update_id + 1."""
        empty(&self.bids)
        empty(&self.asks)
        self.last_update_id = last_update_id
        self.gapped = False
        self.joining = last_update_id != NOT_SYNCED

    def clear(self):
        """Forgets all levels, the update id and the gap flag."""
        self.start_snapshot(NOT_SYNCED)

    def admit(self, first_id, last_id):
        """The Outcome of a delta first_id ... last_id whose levels the caller then applies itself.

        A book without snapshot takes any first delta. After a snapshot the first must cover the
        snapshot's id + 1, and every later one starts at the last id + 1; else the book is gapped.
        """
        cdef int64_t first = whole(first_id)
        cdef int64_t last = whole(last_id)
        if first < 0 or last < first:
            raise NumberRefused("update ids", (first_id, last_id), "0 <= first <= last")
        return self.admit_ids(first, last)

    def load_snapshot(self, last_update_id, bids, asks):
        """Replaces the book by (price, quantity) pairs of str or Decimal; all or nothing."""
        if whole(last_update_id) < 0:
            raise NumberRefused("last_update_id", last_update_id, "0 to 2^63 - 2")
        new_bids = [self.units_of(True, price, quantity) for price, quantity in bids]
        new_asks = [self.units_of(False, price, quantity) for price, quantity in asks]
        self.load_snapshot_ticks(last_update_id, new_bids, new_asks)

    def load_snapshot_ticks(self, int64_t last_update_id, list bids, list asks):
        """Replaces the book by lists of (ticks, lots)."""
        for ticks, lots in bids + asks:
            self.check_units(whole(ticks), whole(lots))
        self.reserve(&self.bids, len(bids))
        self.reserve(&self.asks, len(asks))
        self.start_snapshot(last_update_id)
        for ticks, lots in bids:
            put(&self.bids, ticks, lots)
        for ticks, lots in asks:
            put(&self.asks, ticks, lots)

    cdef tuple units_of(self, bint side_is_bid, price, quantity):
        """(ticks, lots) of a level, checked."""
        place = "bid" if side_is_bid else "ask"
        ticks = steps_of(place + " price", price, &self.price_step, self.tick_size)
        if ticks == 0:
            raise NumberRefused(place + " price", price, "above 0")
        return ticks, steps_of(
            place + " quantity", quantity, &self.quantity_step, self.lot_size
        )

    cdef int check_units(self, int64_t ticks, int64_t lots) except -1:
        if ticks < 1 or ticks > self.price_step.limit:
            raise NumberRefused("ticks", ticks, f"1 to {self.price_step.limit}")
        if lots < 0 or lots > self.quantity_step.limit:
            raise NumberRefused("lots", lots, f"0 to {self.quantity_step.limit}")
        return 0

    cdef Side* side_named(self, side) except NULL:
        if side == "bid":
            return &self.bids
        if side == "ask":
            return &self.asks
        raise NumberRefused("side", side, "'bid' or 'ask'")

    def apply(self, side, price, qty):
        """Sets the level of side "bid" or "ask" at price (str or Decimal) to qty; 0 deletes it.

        NumberRefused, the book unchanged, when a number is not held exactly. O(log n) + move.
        """
        cdef Side* chosen = self.side_named(side)
        units = self.units_of(chosen.sign > 0, price, qty)
        self.reserve(chosen, 1)
        put(chosen, units[0], units[1])

    cdef int put_checked(self, bint side_is_bid, ticks, lots) except -1:
        cdef Side* chosen = &self.bids if side_is_bid else &self.asks
        cdef int64_t whole_ticks = whole(ticks)
        cdef int64_t whole_lots = whole(lots)
        self.check_units(whole_ticks, whole_lots)
        self.reserve(chosen, 1)
        put(chosen, whole_ticks, whole_lots)
        return 0

    def apply_ticks(self, bint side_is_bid, ticks, lots):
        """Sets one level in whole ticks and lots; 0 lots deletes it."""
        self.put_checked(side_is_bid, ticks, lots)

    def apply_ticks_stats(self, bint side_is_bid, ticks, lots):
        """Sets one level and looks: BookStats in the same call."""
        self.put_checked(side_is_bid, ticks, lots)
        return self.stats_now()

    # ---- changing much

    def apply_many(self, changes):
        """Applies rows of three 64-bit integers: side_is_bid (1 or 0), ticks, lots; all or nothing.

        `changes` is a contiguous buffer (array("q"), NumPy int64, bytes) of at most 65,536 rows.
        """
        self.apply_rows(changes, None, 0, -1)

    def apply_many_stats(self, changes, stats):
        """`apply_many` with a look after each row: its BookStats as STATS_FORMAT into `stats`."""
        self.apply_rows(changes, stats, sizeof(Top), -1)

    def apply_many_depths(self, changes, double n, depths):
        """`apply_many` with the two floats of depth_bps(n) after each row into `depths`."""
        self.apply_rows(changes, depths, 2 * sizeof(double), milli_bps_of(n))

    cdef int apply_rows(
        self, changes, written, Py_ssize_t room, int64_t milli_bps
    ) except -1:
        """The rows of `changes`, and after each of them `room` bytes into `written`."""
        cdef Py_buffer source
        cdef Py_buffer target
        cdef Py_ssize_t count
        PyObject_GetBuffer(changes, &source, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)
        try:
            count = self.check_rows(&source)
            if not room:
                self.run_rows(<const Row*>source.buf, count, NULL, milli_bps)
                return 0
            PyObject_GetBuffer(written, &target, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)
            try:
                if target.len != count * room:
                    raise NumberRefused("bytes to write", target.len, f"{count * room}")
                # Rows were judged; what is written must not become rows.
                if overlap(&source, &target):
                    raise NumberRefused("bytes to write", target.len, "others than the changes")
                self.run_rows(<const Row*>source.buf, count, <char*>target.buf, milli_bps)
            finally:
                PyBuffer_Release(&target)
        finally:
            PyBuffer_Release(&source)
        return 0

    cdef Py_ssize_t check_rows(self, const Py_buffer* source) except -1:
        """How many rows there are; NumberRefused when one is no change. Makes room for them."""
        cdef const Row* rows = <const Row*>source.buf
        cdef Py_ssize_t count = source.len // <Py_ssize_t>sizeof(Row)
        cdef Py_ssize_t bids = 0
        cdef Py_ssize_t at
        if source.format != NULL and source.format[0] not in b"qlBbc":
            raise NumberRefused("format of changes", source.format, "64-bit integers")
        if count > BATCH_MAX or source.len != count * <Py_ssize_t>sizeof(Row):
            raise NumberRefused("bytes of changes", source.len, f"24 a row, {BATCH_MAX} rows")
        at = first_refused(
            rows, count, self.price_step.limit, self.quantity_step.limit, &bids
        )
        if at >= 0:
            shown = (rows[at].side_is_bid, rows[at].ticks, rows[at].lots)
            raise NumberRefused(
                f"change {at}", shown, "(0 or 1, 1 to MAX_TICKS, 0 to MAX_LOTS)"
            )
        self.reserve(&self.bids, bids)
        self.reserve(&self.asks, count - bids)
        return count

    cdef void run_rows(
        self, const Row* rows, Py_ssize_t count, char* written, int64_t milli_bps
    ) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(count):
            put_row(&self.bids, &self.asks, rows, i, count)
            if written == NULL:
                continue
            if milli_bps < 0:
                look(&self.bids, &self.asks, self.tick, self.notional_unit, <Top*>written)
                written += sizeof(Top)
            else:
                self.read_depth(milli_bps, <double*>written)
                written += 2 * sizeof(double)

    # ---- looking

    cdef void read_top(self, Top* top) noexcept nogil:
        """Everything a quote says of the book."""
        look(&self.bids, &self.asks, self.tick, self.notional_unit, top)

    cdef double price_of_buying(self, double quote) noexcept nogil:
        """Average price of spending `quote` on the asks; 0.0 when they are too thin."""
        return sweep_side(&self.asks, quote, self.tick, self.notional_unit)

    cdef void read_depth(self, int64_t milli_bps, double* depth) noexcept nogil:
        """The notional of both sides within a band; zeros while a side is empty."""
        look_at_band(&self.bids, &self.asks, self.notional_unit, milli_bps, depth)

    cdef object stats_now(self):
        cdef Top top
        self.read_top(&top)
        return stats_of(BookStats, &top)

    def stats(self):
        """BookStats: best prices, spread, mid, depth in 50 bps and 10 levels, imbalance (E1)."""
        return self.stats_now()

    def best_ticks(self):
        """(bid_ticks, bid_lots, ask_ticks, ask_lots); zeros where a side is empty. O(1)."""
        cdef Level bid = best_of(&self.bids)
        cdef Level ask = best_of(&self.asks)
        return bid.key, bid.lots, -ask.key, ask.lots

    def best(self):
        """(bid, bid_qty, ask, ask_qty) as Decimals, None where a side is empty."""
        bid, bid_lots, ask, ask_lots = self.best_ticks()
        return (
            self.tick_size * bid if bid else None,
            self.lot_size * bid_lots if bid else None,
            self.tick_size * ask if ask else None,
            self.lot_size * ask_lots if ask else None,
        )

    def mid(self):
        """Exact middle of the best prices as Decimal; None while a side is empty."""
        bid, _, ask, _ = self.best_ticks()
        return self.tick_size * (bid + ask) / 2 if bid and ask else None

    def spread_bps(self):
        """(ask - bid) / mid in basis points, negative when crossed; None while a side is empty."""
        bid, _, ask, _ = self.best_ticks()
        return (ask - bid) * 20_000.0 / (bid + ask) if bid and ask else None

    def crossed(self):
        """Whether the best bid is at or above the best ask."""
        cdef Level bid = best_of(&self.bids)
        cdef Level ask = best_of(&self.asks)
        return bool(bid.lots and ask.lots and bid.key >= -ask.key)

    def depth_bps(self, double n):
        """(bid, ask) notional in quote units within n bps of mid, bounds included; n to 0.001 bps.

        Zeros while a side is empty. The sums of the last four widths are kept: asked for again, the
        cost is that of the levels which the edges have passed.
        """
        cdef double depth[2]
        self.read_depth(milli_bps_of(n), depth)
        return depth[0], depth[1]

    def depth_levels(self, Py_ssize_t n):
        """(bid, ask) notional in quote units of the best n levels of each side."""
        if n < 0:
            raise NumberRefused("levels", n, "0 or more")
        return (
            depth_of_best(&self.bids, n) * self.notional_unit,
            depth_of_best(&self.asks, n) * self.notional_unit,
        )

    def imbalance(self, Py_ssize_t n=10):
        """(bid - ask) / (bid + ask) quantity of the best n levels: -1 ... 1, 0.0 when empty."""
        if n < 0:
            raise NumberRefused("levels", n, "0 or more")
        return imbalance_of(lots_of_best(&self.bids, n), lots_of_best(&self.asks, n))

    def sweep(self, side, quote):
        """Average price of taking `quote` units from a side: "ask" or "buy" takes the asks.

        "bid" or "sell" takes the bids. None when the side is too thin.
        """
        cdef double wanted = float(quote)
        cdef double price
        if not isfinite(wanted) or wanted <= 0:
            raise NumberRefused("quote", quote, "a positive finite amount")
        if side == "buy":
            side = "ask"
        elif side == "sell":
            side = "bid"
        price = sweep_side(self.side_named(side), wanted, self.tick, self.notional_unit)
        return price if price else None

    def levels(self, side, n=None):
        """The best n (default all) levels of a side as (price, quantity) Decimals, best first."""
        return [
            (self.tick_size * ticks, self.lot_size * lots)
            for ticks, lots in self.levels_ticks(side, n)
        ]

    def levels_ticks(self, side, n=None):
        """The best n (default all) levels of a side as (ticks, lots), best first."""
        cdef Side* chosen = self.side_named(side)
        cdef Py_ssize_t wanted = LEVELS_MAX
        cdef Walk walk = walk_from_best(chosen)
        cdef Level level
        if n is not None:
            if n < 0:
                raise NumberRefused("levels", n, "0 or more")
            wanted = min(n, LEVELS_MAX)
        found = []
        while wanted and next_level(chosen, &walk, &level):
            found.append((level.key * chosen.sign, level.lots))
            wanted -= 1
        return found

    def counts(self):
        """(bid levels, ask levels)."""
        return count_of(&self.bids), count_of(&self.asks)

    def state_hash(self):
        """64 bits over all levels; equal books hash equally in every implementation. O(n)."""
        return hash_side(&self.asks, hash_side(&self.bids, 14695981039346656037ULL))

    def validate(self):
        """Asserts the invariants: keys in order, positive lots, true kept sums, a sound window."""
        check_side(&self.bids)
        check_side(&self.asks)
