"""The numbers read off the two sides of a book: bands, best levels, imbalance, sweep.

Everything is summed exactly in whole ticks and lots and becomes a float once, at the end. Sums that
are asked for again and again are kept: then only the levels between the old edge and the new one
are looked at, however wide the band is.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int64_t

from core_ext.side cimport (
    BANDS_MAX,
    LEVELS_TOP,
    Band,
    Level,
    Side,
    Walk,
    best_of,
    count_of,
    int128,
    next_level,
    notional_between,
    walk_from_best,
)

cdef enum:
    BAND_MILLI_BPS = 50_000


cdef struct Top:
    # The fields of BookStats in its order; zeros where a side is empty.
    int64_t bid_ticks
    int64_t bid_lots
    int64_t ask_ticks
    int64_t ask_lots
    double spread_bps
    double mid
    double bid_depth_50bps
    double ask_depth_50bps
    double bid_depth_10
    double ask_depth_10
    double imbalance
    int64_t bid_levels
    int64_t ask_levels


cdef inline double as_double(int128 value) noexcept nogil:
    """The nearest float; numbers of 64 bits, which is nearly all, need no library call."""
    if value == <int64_t>value:
        return <double><int64_t>value
    return <double>value


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


cdef inline Band* band_of(Side* side, int64_t milli_bps) noexcept nogil:
    """The kept band of this width; one that was not kept takes the place of the oldest."""
    cdef Band* band
    cdef int i
    for i in range(side.bands_kept):
        if side.bands[i].milli_bps == milli_bps:
            return &side.bands[i]
    band = &side.bands[side.band_next]
    side.band_next = (side.band_next + 1) % BANDS_MAX
    side.bands_kept = min(side.bands_kept + 1, BANDS_MAX)
    band.milli_bps = milli_bps
    band.edge = INT64_MAX
    band.notional = 0
    return band


cdef inline double depth_within(Side* side, int64_t best_sum, int64_t milli_bps) noexcept nogil:
    """The sum of ticks * lots within a band, kept and moved to where its edge is now."""
    cdef Band* band = band_of(side, milli_bps)
    cdef int64_t edge = band_edge(best_sum, side.sign, milli_bps)
    if edge < band.edge:
        band.notional += notional_between(side, edge, band.edge)
    elif edge > band.edge:
        band.notional -= notional_between(side, band.edge, edge)
    band.edge = edge
    return as_double(band.notional)


cdef inline void know_top(Side* side) noexcept nogil:
    """Sums the best ten levels when one of them has changed."""
    cdef Walk walk
    cdef Level level
    cdef int i = 0
    if side.top_known:
        return
    side.top_known = True
    side.top_lots = side.top_notional = 0
    side.top_edge = INT64_MIN
    walk = walk_from_best(side)
    while i < LEVELS_TOP and next_level(side, &walk, &level):
        side.top_lots += level.lots
        side.top_notional += <int128>level.key * level.lots
        i += 1
    side.top_notional *= side.sign
    if i == LEVELS_TOP:
        side.top_edge = level.key


cdef inline double depth_of_best(const Side* side, Py_ssize_t n) noexcept nogil:
    """The sum of ticks * lots of the best n levels."""
    cdef Walk walk = walk_from_best(side)
    cdef Level level
    cdef int128 total = 0
    while n > 0 and next_level(side, &walk, &level):
        total += <int128>level.key * level.lots
        n -= 1
    return as_double(total * side.sign)


cdef inline int128 lots_of_best(const Side* side, Py_ssize_t n) noexcept nogil:
    cdef Walk walk = walk_from_best(side)
    cdef Level level
    cdef int128 total = 0
    while n > 0 and next_level(side, &walk, &level):
        total += level.lots
        n -= 1
    return total


cdef inline double imbalance_of(int128 bid, int128 ask) noexcept nogil:
    """(bid - ask) / (bid + ask) lots; 0.0 when both are none."""
    if bid + ask == 0:
        return 0.0
    return as_double(bid - ask) / as_double(bid + ask)


cdef inline void look(
    Side* bids, Side* asks, double tick, double notional_unit, Top* top
) noexcept nogil:
    """All statistics of a book; the sums are kept, so it costs the same however wide they are."""
    cdef Level bid = best_of(bids)
    cdef Level ask = best_of(asks)
    cdef int64_t both = bid.key - ask.key
    know_top(bids)
    know_top(asks)
    top.bid_ticks = bid.key
    top.bid_lots = bid.lots
    top.ask_ticks = -ask.key
    top.ask_lots = ask.lots
    top.bid_depth_10 = as_double(bids.top_notional) * notional_unit
    top.ask_depth_10 = as_double(asks.top_notional) * notional_unit
    top.imbalance = imbalance_of(bids.top_lots, asks.top_lots)
    top.bid_levels = count_of(bids)
    top.ask_levels = count_of(asks)
    if bid.lots and ask.lots:
        top.spread_bps = <double>(top.ask_ticks - top.bid_ticks) * 20_000.0 / <double>both
        top.mid = <double>both * tick / 2.0
        top.bid_depth_50bps = depth_within(bids, both, BAND_MILLI_BPS) * notional_unit
        top.ask_depth_50bps = depth_within(asks, both, BAND_MILLI_BPS) * notional_unit
    else:
        top.spread_bps = top.mid = top.bid_depth_50bps = top.ask_depth_50bps = 0.0


cdef inline void look_at_band(
    Side* bids, Side* asks, double notional_unit, int64_t milli_bps, double* depth
) noexcept nogil:
    """The notional of both sides within a band; zeros while a side is empty."""
    cdef Level bid = best_of(bids)
    cdef Level ask = best_of(asks)
    depth[0] = depth[1] = 0.0
    if bid.lots and ask.lots:
        depth[0] = depth_within(bids, bid.key - ask.key, milli_bps) * notional_unit
        depth[1] = depth_within(asks, bid.key - ask.key, milli_bps) * notional_unit


cdef inline double sweep_side(
    const Side* side, double quote, double tick, double notional_unit
) noexcept nogil:
    """Average price of taking `quote` from the best on; 0.0 when the side is too thin."""
    cdef Walk walk = walk_from_best(side)
    cdef Level level
    cdef double wanted = quote / notional_unit
    cdef int128 spent = 0
    cdef int128 base = 0
    cdef int128 after
    cdef double taken
    cdef int64_t ticks
    while next_level(side, &walk, &level):
        ticks = level.key * side.sign
        after = spent + <int128>ticks * level.lots
        if <double>after >= wanted:
            taken = <double>base + (wanted - <double>spent) / <double>ticks
            return wanted / taken * tick
        spent = after
        base += level.lots
    return 0.0
