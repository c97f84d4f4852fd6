"""The numbers read off the two sides of a book: band, best levels, imbalance, sweep.

Everything is summed exactly in whole ticks and lots and becomes a float once, at the end.
"""

from libc.stdint cimport int64_t

from core_ext.ladder cimport Side, best_of, int128, lower_bound, place_of, sum_from

cdef enum:
    BAND_MILLI_BPS = 50_000
    LEVELS_IMBALANCE = 10


cdef struct Top:
    # Zeros where a side is empty.
    int64_t bid_ticks
    int64_t bid_lots
    int64_t ask_ticks
    int64_t ask_lots
    double spread_bps
    double mid
    double bid_depth_50bps
    double ask_depth_50bps
    double imbalance


cdef inline int64_t divide_up(int128 value, int64_t by) noexcept nogil:
    """ceil(value / by) for any sign of value and positive by."""
    cdef int128 quotient = value // by
    if quotient * by < value:
        quotient += 1
    return <int64_t>quotient


cdef inline int64_t band_edge(int64_t best_sum, int64_t sign, int64_t milli_bps) noexcept nogil:
    """The lowest key of a side that lies within the band; best_sum is bid + ask in ticks.

    Bids: ticks * 2 >= best_sum * (1 - n / 10^4). Asks: ticks * 2 <= best_sum * (1 + n / 10^4).
    """
    cdef int64_t width = 20_000_000
    cdef int64_t wide
    cdef int64_t edge
    if best_sum < 400_000_000_000LL:
        # Fits 64 bits, whose division is several times faster.
        wide = best_sum * (sign * 10_000_000 - milli_bps)
        edge = wide // width
        return edge + 1 if edge * width < wide else edge
    return divide_up(<int128>best_sum * (sign * 10_000_000 - milli_bps), width)


cdef inline double band(Side* side, int64_t best_sum) noexcept nogil:
    """The kept sum within 50 bps, moved to where the edge is now."""
    cdef int64_t edge = band_edge(best_sum, side.sign, BAND_MILLI_BPS)
    cdef Py_ssize_t i
    cdef int128 moved = 0
    if not side.band_known:
        side.band_sum = sum_from(side, place_of(side, edge))
        side.band_known = True
    elif edge < side.band_key:
        i = lower_bound(side.levels, side.count, side.band_key) - 1
        while i >= 0 and side.levels[i].key >= edge:
            moved += <int128>side.levels[i].key * side.levels[i].lots
            i -= 1
        side.band_sum += moved * side.sign
    elif edge > side.band_key:
        i = lower_bound(side.levels, side.count, edge) - 1
        while i >= 0 and side.levels[i].key >= side.band_key:
            moved += <int128>side.levels[i].key * side.levels[i].lots
            i -= 1
        side.band_sum -= moved * side.sign
    side.band_key = edge
    return <double>side.band_sum


cdef inline double depth_within(
    const Side* side, int64_t best_sum, int64_t milli_bps
) noexcept nogil:
    """The sum of ticks * lots within any band, summed afresh."""
    cdef int64_t edge = band_edge(best_sum, side.sign, milli_bps)
    return <double>sum_from(side, place_of(side, edge))


cdef inline double depth_of_best(const Side* side, Py_ssize_t n) noexcept nogil:
    """The sum of ticks * lots of the best n levels."""
    return <double>sum_from(side, side.count - n if n < side.count else 0)


cdef inline int128 lots_of_best(const Side* side, Py_ssize_t n) noexcept nogil:
    cdef int128 total = 0
    cdef Py_ssize_t i
    for i in range(side.count - n if n < side.count else 0, side.count):
        total += side.levels[i].lots
    return total


cdef inline double imbalance(const Side* bids, const Side* asks, Py_ssize_t n) noexcept nogil:
    """(bid - ask) / (bid + ask) lots of the best n levels; 0.0 when both sides are empty."""
    cdef int128 bid = lots_of_best(bids, n)
    cdef int128 ask = lots_of_best(asks, n)
    if bid + ask == 0:
        return 0.0
    return <double>(bid - ask) / <double>(bid + ask)


cdef inline void look(
    Side* bids, Side* asks, double tick, double notional_unit, Top* top
) noexcept nogil:
    """Best prices, spread, depth within 50 bps, imbalance; the depths are kept, not summed."""
    cdef int64_t both
    top.bid_ticks = top.bid_lots = top.ask_ticks = top.ask_lots = 0
    top.spread_bps = top.mid = top.bid_depth_50bps = top.ask_depth_50bps = 0.0
    if bids.count:
        top.bid_ticks = best_of(bids).key
        top.bid_lots = best_of(bids).lots
    if asks.count:
        top.ask_ticks = -best_of(asks).key
        top.ask_lots = best_of(asks).lots
    top.imbalance = imbalance(bids, asks, LEVELS_IMBALANCE)
    if bids.count and asks.count:
        both = top.bid_ticks + top.ask_ticks
        top.spread_bps = <double>(top.ask_ticks - top.bid_ticks) * 20_000.0 / <double>both
        top.mid = <double>both * tick / 2.0
        top.bid_depth_50bps = band(bids, both) * notional_unit
        top.ask_depth_50bps = band(asks, both) * notional_unit


cdef inline double sweep_side(
    const Side* side, double quote, double tick, double notional_unit
) noexcept nogil:
    """Average price of taking `quote` from the best on; 0.0 when the side is too thin."""
    cdef double wanted = quote / notional_unit
    cdef int128 spent = 0
    cdef int128 base = 0
    cdef int128 after
    cdef double taken
    cdef Py_ssize_t i = side.count - 1
    cdef int64_t ticks
    while i >= 0:
        ticks = side.levels[i].key * side.sign
        after = spent + <int128>ticks * side.levels[i].lots
        if <double>after >= wanted:
            taken = <double>base + (wanted - <double>spent) / <double>ticks
            return wanted / taken * tick
        spent = after
        base += side.levels[i].lots
        i -= 1
    return 0.0
