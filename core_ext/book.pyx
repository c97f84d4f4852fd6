"""One order book in whole ticks and lots: compact sorted arrays, exact sums, no floats inside.

Recorded depth is finer than LOT_SIZE, so quantities count lots of 10^-8. Sums of ticks x lots are
kept in 128-bit integers: the statistics of this book and of the reference are equal bit for bit.
"""

from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_SET_ITEM
from cpython.type cimport PyType_GenericAlloc
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.math cimport floor, isfinite
from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport free, realloc

from decimal import Decimal

from core_ext.codes import MAX_LOTS, MAX_TICKS, BookStats
from core_ext.errors import NumberRefused
from core_ext.ladder cimport (
    LEVELS_MAX,
    Level,
    Side,
    best_of,
    place_of,
    put,
    sum_from,
)
from core_ext.look cimport (
    Top,
    depth_of_best,
    depth_within,
    imbalance,
    look,
    sweep_side,
)
from core_ext.number cimport (
    NUMBER_OFF_STEP,
    NUMBER_OK,
    NUMBER_SYNTAX,
    parse_steps,
)

cdef enum:
    STATS_FIELDS = 13

cdef int64_t NOT_SYNCED = -1


def step_of(place, size):
    """(Decimal, mantissa, scale) of a step given as str or Decimal; NumberRefused when unusable."""
    if not isinstance(size, (str, Decimal)):
        raise NumberRefused(place, size, "a str or Decimal")
    try:
        value = Decimal(size)
    except ArithmeticError:
        raise NumberRefused(place, size, "a positive decimal number") from None
    if not value.is_finite() or value <= 0:
        raise NumberRefused(place, size, "a positive decimal number")
    value = value.normalize()
    scale = max(0, -int(value.as_tuple().exponent))
    mantissa = int(value.scaleb(scale))
    if scale > 18 or mantissa > 10**9 or value.scaleb(scale) != mantissa:
        raise NumberRefused(place, size, "at most 18 decimal places and 9 significant digits")
    return value, mantissa, scale


cdef inline void put_in(object values, Py_ssize_t i, object value):
    """Fills a place of a tuple that nobody else has seen yet."""
    Py_INCREF(value)
    PyTuple_SET_ITEM(values, i, value)


cdef void set_step(Step* step, int64_t mantissa, int scale, int64_t limit) noexcept nogil:
    step.mantissa = mantissa
    step.scale = scale
    step.limit = limit
    step.power = 0
    if mantissa == 1 and scale <= 8:
        step.power = 1
        while scale:
            step.power *= 10
            scale -= 1


cdef class Book:
    """Price levels of one market; prices in ticks of tick_size, quantities in lots of lot_size.

    A level changes in O(log n) plus the move of what lies between it and the best price.
    """

    def __cinit__(self):
        self.bids.sign = 1
        self.asks.sign = -1
        self.last_update_id = NOT_SYNCED

    def __init__(self, tick_size, lot_size="0.00000001"):
        self.tick_size, mantissa, scale = step_of("tick_size", tick_size)
        set_step(&self.price_step, mantissa, scale, MAX_TICKS)
        self.lot_size, mantissa, scale = step_of("lot_size", lot_size)
        set_step(&self.quantity_step, mantissa, scale, MAX_LOTS)
        self.tick = float(self.tick_size)
        self.notional_unit = float(self.tick_size * self.lot_size)

    def __dealloc__(self):
        free(self.bids.levels)
        free(self.asks.levels)

    # ---- changing

    cdef int reserve(self, Side* side, Py_ssize_t extra) except -1:
        """Room for `extra` more levels, so that `put` cannot fail; NumberRefused when too many."""
        cdef Py_ssize_t needed = side.count + extra
        cdef Py_ssize_t room = 256
        cdef void* grown
        if needed > LEVELS_MAX:
            raise NumberRefused("levels of a book side", needed, f"at most {LEVELS_MAX}")
        # One level more than held, which may be looked at but is never one.
        if needed < side.room:
            return 0
        while room <= needed:
            room *= 2
        grown = realloc(side.levels, room * sizeof(Level))
        if grown == NULL:
            raise MemoryError
        side.levels = <Level*>grown
        side.room = room
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
        self.bids.count = 0
        self.asks.count = 0
        self.bids.band_known = False
        self.asks.band_known = False
        self.last_update_id = last_update_id
        self.gapped = False
        self.joining = last_update_id != NOT_SYNCED

    def clear(self):
        """Forgets all levels, the update id and the gap flag."""
        self.start_snapshot(NOT_SYNCED)

    def admit(self, int64_t first_id, int64_t last_id):
        """The Outcome of a delta first_id ... last_id whose levels the caller then applies itself.

        A book without snapshot takes any first delta. After a snapshot the first must cover the
        snapshot's id + 1, and every later one starts at the last id + 1; else the book is gapped.
        """
        if first_id < 0 or last_id < first_id:
            raise NumberRefused("update ids", (first_id, last_id), "0 <= first <= last")
        return self.admit_ids(first_id, last_id)

    def load_snapshot(self, int64_t last_update_id, bids, asks):
        """Replaces the book by (price, quantity) pairs of str or Decimal; all or nothing."""
        if last_update_id < 0:
            raise NumberRefused("last_update_id", last_update_id, "0 or more")
        new_bids = [self.units_of(True, price, quantity) for price, quantity in bids]
        new_asks = [self.units_of(False, price, quantity) for price, quantity in asks]
        self.load_snapshot_ticks(last_update_id, new_bids, new_asks)

    def load_snapshot_ticks(self, int64_t last_update_id, list bids, list asks):
        """Replaces the book by lists of (ticks, lots)."""
        cdef int64_t ticks
        cdef int64_t lots
        for ticks, lots in bids + asks:
            self.check_units(ticks, lots)
        self.reserve(&self.bids, len(bids))
        self.reserve(&self.asks, len(asks))
        self.start_snapshot(last_update_id)
        for ticks, lots in bids:
            put(&self.bids, ticks, lots)
        for ticks, lots in asks:
            put(&self.asks, ticks, lots)

    cdef int64_t steps_of(self, place, value, const Step* step, size) except -1:
        """A str or Decimal in whole steps."""
        cdef Py_ssize_t length
        cdef const char* text
        cdef int64_t steps = 0
        cdef int fault
        if isinstance(value, Decimal):
            shown = format(value, "f")
        elif isinstance(value, str):
            shown = value
        else:
            raise NumberRefused(place, value, "a str or Decimal")
        text = PyUnicode_AsUTF8AndSize(shown, &length)
        fault = parse_steps(<const unsigned char*>text, length, step, &steps)
        if fault == NUMBER_OK:
            return steps
        if fault == NUMBER_SYNTAX:
            raise NumberRefused(place, value, "plain decimal text, not negative")
        if fault == NUMBER_OFF_STEP:
            raise NumberRefused(place, value, f"a multiple of {size}")
        raise NumberRefused(place, value, f"at most {step.limit} steps of {size}")

    cdef tuple units_of(self, bint side_is_bid, price, quantity):
        """(ticks, lots) of a level, checked."""
        place = "bid" if side_is_bid else "ask"
        ticks = self.steps_of(place + " price", price, &self.price_step, self.tick_size)
        if ticks == 0:
            raise NumberRefused(place + " price", price, "above 0")
        return ticks, self.steps_of(
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

    def apply_ticks(self, bint side_is_bid, int64_t ticks, int64_t lots):
        """Sets one level in whole ticks and lots; 0 lots deletes it."""
        cdef Side* chosen = &self.bids if side_is_bid else &self.asks
        self.check_units(ticks, lots)
        self.reserve(chosen, 1)
        put(chosen, ticks, lots)

    # ---- looking

    cdef void read_top(self, Top* top) noexcept nogil:
        """Everything a quote says of the book."""
        look(&self.bids, &self.asks, self.tick, self.notional_unit, top)

    cdef double price_of_buying(self, double quote) noexcept nogil:
        """Average price of spending `quote` on the asks; 0.0 when they are too thin."""
        return sweep_side(&self.asks, quote, self.tick, self.notional_unit)

    def stats(self):
        """BookStats: best prices, spread, mid, depth in 50 bps and 10 levels, imbalance (E1)."""
        cdef Top top
        look(&self.bids, &self.asks, self.tick, self.notional_unit, &top)
        # The named tuple's own constructor is a Python function that takes longer than the look.
        stats = PyType_GenericAlloc(BookStats, STATS_FIELDS)
        put_in(stats, 0, top.bid_ticks)
        put_in(stats, 1, top.bid_lots)
        put_in(stats, 2, top.ask_ticks)
        put_in(stats, 3, top.ask_lots)
        put_in(stats, 4, top.spread_bps)
        put_in(stats, 5, top.mid)
        put_in(stats, 6, top.bid_depth_50bps)
        put_in(stats, 7, top.ask_depth_50bps)
        put_in(stats, 8, depth_of_best(&self.bids, 10) * self.notional_unit)
        put_in(stats, 9, depth_of_best(&self.asks, 10) * self.notional_unit)
        put_in(stats, 10, top.imbalance)
        put_in(stats, 11, self.bids.count)
        put_in(stats, 12, self.asks.count)
        return stats

    def best_ticks(self):
        """(bid_ticks, bid_lots, ask_ticks, ask_lots); zeros where a side is empty. O(1)."""
        cdef int64_t bid = 0, bid_lots = 0, ask = 0, ask_lots = 0
        if self.bids.count:
            bid = best_of(&self.bids).key
            bid_lots = best_of(&self.bids).lots
        if self.asks.count:
            ask = -best_of(&self.asks).key
            ask_lots = best_of(&self.asks).lots
        return bid, bid_lots, ask, ask_lots

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
        if not self.bids.count or not self.asks.count:
            return None
        bid, _, ask, _ = self.best_ticks()
        return self.tick_size * (bid + ask) / 2

    def spread_bps(self):
        """(ask - bid) / mid in basis points, negative when crossed; None while a side is empty."""
        if not self.bids.count or not self.asks.count:
            return None
        bid, _, ask, _ = self.best_ticks()
        return (ask - bid) * 20_000.0 / (bid + ask)

    def crossed(self):
        """Whether the best bid is at or above the best ask."""
        if not self.bids.count or not self.asks.count:
            return False
        return best_of(&self.bids).key >= -best_of(&self.asks).key

    def depth_bps(self, double n):
        """(bid, ask) notional in quote units within n bps of mid, bounds included; n to 0.001 bps.

        Zeros while a side is empty. O(levels in the band).
        """
        cdef int64_t both
        cdef int64_t milli
        if not (isfinite(n) and 0 <= n <= 10_000):
            raise NumberRefused("bps", n, "0 to 10000")
        if not self.bids.count or not self.asks.count:
            return 0.0, 0.0
        milli = <int64_t>floor(n * 1000 + 0.5)
        both = best_of(&self.bids).key - best_of(&self.asks).key
        return (
            depth_within(&self.bids, both, milli) * self.notional_unit,
            depth_within(&self.asks, both, milli) * self.notional_unit,
        )

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
        return imbalance(&self.bids, &self.asks, n)

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
        cdef Py_ssize_t count = chosen.count
        cdef Py_ssize_t i
        if n is not None:
            if n < 0:
                raise NumberRefused("levels", n, "0 or more")
            count = min(count, n)
        return [
            (chosen.levels[i].key * chosen.sign, chosen.levels[i].lots)
            for i in range(chosen.count - 1, chosen.count - 1 - count, -1)
        ]

    def counts(self):
        """(bid levels, ask levels)."""
        return self.bids.count, self.asks.count

    def state_hash(self):
        """64 bits over all levels; equal books hash equally in every implementation. O(n)."""
        return hash_side(&self.asks, hash_side(&self.bids, 14695981039346656037ULL))

    def validate(self):
        """Asserts the invariants: ascending keys, positive lots, a true band sum."""
        check_side(&self.bids)
        check_side(&self.asks)


cdef uint64_t hash_side(Side* side, uint64_t seed) noexcept nogil:
    """FNV-1a over whole words, best level last."""
    cdef uint64_t value = seed
    cdef Py_ssize_t i
    for i in range(side.count):
        value = (value ^ <uint64_t>(side.levels[i].key * side.sign)) * 1099511628211ULL
        value = (value ^ (value >> 29) ^ <uint64_t>side.levels[i].lots) * 1099511628211ULL
    return (value ^ <uint64_t>side.count) * 1099511628211ULL


cdef int check_side(Side* side) except -1:
    cdef Py_ssize_t i
    assert 0 <= side.count <= side.room
    for i in range(side.count):
        assert side.levels[i].lots > 0, "a level without quantity"
        assert i == 0 or side.levels[i - 1].key < side.levels[i].key, "levels out of order"
    if side.band_known:
        assert side.band_sum == sum_from(
            side, place_of(side, side.band_key)
        ), "the kept band sum is wrong"
    return 0
