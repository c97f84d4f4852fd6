"""One side of a book: sorted levels, over whose best end a flat window may lie, and kept sums.

Without a window all levels are in the array. With one, it holds the levels of its ticks and the
array those outside, so none is ever dropped; it follows the best price by being laid anew. Sums of
ticks x lots are 128-bit integers, exact whatever the order of changes.
"""

from libc.stdint cimport int64_t
from libc.string cimport memmove

from core_ext.sorted_levels cimport (
    Change,
    Level,
    Sorted,
    lower_bound,
    place_of,
    put_sorted,
    shift_sorted,
)
from core_ext.window cimport CLOSED, SPAN, Window, below, covers, prefetch, put_flat


cdef extern from *:
    """
    typedef __int128 seawall_int128;
    """
    ctypedef long long int128 "seawall_int128"


cdef enum:
    LEVELS_MAX = 131072
    # The bands whose sums are kept, of those that were asked for.
    BANDS_MAX = 4
    LEVELS_TOP = 10
    # Where the best price lies in a new window, and where it must be for the window to stay.
    TICK_FOR_BEST = 196_608
    TICK_LOWEST = 65_536
    # So many changes ahead the memory of a tick is asked for.
    AHEAD = 8


cdef struct Band:
    # The sum of ticks * lots of all keys at or above the edge, right after every change.
    int64_t milli_bps
    int64_t edge
    int128 notional


cdef struct Side:
    # A bid's key is its ticks, an ask's key is minus its ticks: the best key is the highest.
    int64_t sign
    Sorted levels
    # NULL in a compact book.
    Window* window
    Band bands[BANDS_MAX]
    int bands_kept
    int band_next
    # Sums of the best ten levels, and the key from which on a change makes them wrong.
    bint top_known
    int64_t top_edge
    int128 top_lots
    int128 top_notional


cdef struct Walk:
    # Where one is on the way from better to worse levels: so many strays are still to come, then
    # the window from `tick` on, then the array below `place`.
    Py_ssize_t strays
    Py_ssize_t tick
    Py_ssize_t place


# ---- reading

cdef inline Py_ssize_t count_of(const Side* side) noexcept nogil:
    if side.window == NULL:
        return side.levels.count
    return side.levels.count + side.window.count


cdef inline Level best_of(const Side* side) noexcept nogil:
    """The best level; key and lots are 0 when the side is empty."""
    cdef const Window* window = side.window
    cdef Level best
    if window != NULL and window.count and not window.strays:
        best.key = window.base + window.best
        best.lots = window.lots[window.best]
    elif side.levels.count:
        best = side.levels.items[side.levels.count - 1]
    else:
        best.key = best.lots = 0
    return best


cdef inline Walk walk_from_best(const Side* side) noexcept nogil:
    cdef Walk walk
    walk.place = side.levels.count
    walk.strays = 0
    walk.tick = -1
    if side.window != NULL:
        walk.strays = side.window.strays
        walk.tick = side.window.best
    return walk


cdef inline Walk walk_below(const Side* side, int64_t key) noexcept nogil:
    """The walk through the levels whose key is below `key`."""
    cdef const Window* window = side.window
    cdef Walk walk = walk_from_best(side)
    if window == NULL or key < window.base:
        walk.strays = 0
        walk.tick = -1
        walk.place = place_of(&side.levels, key)
    elif covers(window, key):
        walk.place -= walk.strays
        walk.strays = 0
        if key - window.base <= window.best:
            walk.tick = below(window, key - window.base)
    else:
        walk.place = place_of(&side.levels, key)
        walk.strays -= side.levels.count - walk.place
    return walk


cdef inline bint next_level(const Side* side, Walk* walk, Level* level) noexcept nogil:
    """The next level of a walk; False when there is none."""
    if walk.tick >= 0 and not walk.strays:
        level.key = side.window.base + walk.tick
        level.lots = side.window.lots[walk.tick]
        walk.tick = below(side.window, walk.tick)
        return True
    if walk.place > 0:
        walk.strays -= walk.strays > 0
        walk.place -= 1
        level[0] = side.levels.items[walk.place]
        return True
    return False


cdef inline int128 notional_between(
    const Side* side, int64_t lowest, int64_t above
) noexcept nogil:
    """Exact sum of ticks * lots of the levels with lowest <= key < above."""
    cdef Walk walk = walk_below(side, above)
    cdef Level level
    cdef int128 total = 0
    while next_level(side, &walk, &level) and level.key >= lowest:
        total += <int128>level.key * level.lots
    return total * side.sign


# ---- the window

cdef inline void take_up(Side* side) noexcept nogil:
    """Closes the window: its levels move to their place in the array, which has room for them."""
    cdef Window* window = side.window
    cdef Py_ssize_t first = side.levels.count - window.strays
    cdef Py_ssize_t place = first + window.count
    cdef Py_ssize_t tick = window.best
    if window.strays:
        memmove(
            side.levels.items + place, side.levels.items + first, window.strays * sizeof(Level)
        )
    side.levels.count += window.count
    while tick >= 0:
        place -= 1
        side.levels.items[place].key = window.base + tick
        side.levels.items[place].lots = window.lots[tick]
        put_flat(window, tick, 0)
        tick = window.best
    window.base = CLOSED
    window.strays = window.misses = 0


cdef inline void lay(Side* side) noexcept nogil:
    """Lays the window around the best level. O(levels): those that it covers move into it."""
    cdef Window* window = side.window
    cdef Level* level
    take_up(side)
    if side.levels.count == 0:
        return
    window.base = side.levels.items[side.levels.count - 1].key - TICK_FOR_BEST
    while side.levels.count:
        level = &side.levels.items[side.levels.count - 1]
        if level.key < window.base:
            break
        put_flat(window, level.key - window.base, level.lots)
        side.levels.count -= 1


cdef inline void follow(Side* side) noexcept nogil:
    """Lays the window anew when the best level has left its middle for long enough.

    That is for as many changes as levels would move, so that a change costs O(1) on average even
    if somebody sets and deletes a level far away again and again.
    """
    cdef Window* window = side.window
    if (window.best < TICK_LOWEST or window.strays) and side.levels.count:
        window.misses += 1
        if window.misses > window.count:
            lay(side)


# ---- changing

cdef inline void forget_sums(Side* side) noexcept nogil:
    side.bands_kept = 0
    side.band_next = 0
    side.top_known = False


cdef inline void empty(Side* side) noexcept nogil:
    """Takes all levels away; a window stays closed until levels have come."""
    if side.window != NULL:
        take_up(side)
    side.levels.count = 0
    forget_sums(side)


cdef inline void keep_sums(Side* side, int64_t key, int64_t change) noexcept nogil:
    """Keeps the sums right when the lots of a level have changed."""
    cdef int128 worth = <int128>(key * side.sign) * change
    cdef int i
    for i in range(side.bands_kept):
        side.bands[i].notional += worth & -<int128>(key >= side.bands[i].edge)
    side.top_known &= key < side.top_edge


cdef inline int64_t put_covered(Side* side, int64_t key, int64_t lots) noexcept nogil:
    """Sets a level of a side with a window; returns the lots it had."""
    cdef Window* window = side.window
    cdef Py_ssize_t aside = side.levels.count
    cdef int64_t had
    if covers(window, key):
        had = put_flat(window, key - window.base, lots)
    else:
        had = put_sorted(&side.levels, key, lots)
        if key > window.base:
            window.strays += side.levels.count - aside
    follow(side)
    return had


cdef inline void put(Side* side, int64_t ticks, int64_t lots) noexcept nogil:
    """Sets one level, 0 lots deletes it; the caller has reserved the room."""
    cdef int64_t key = ticks * side.sign
    cdef int64_t had
    if side.window == NULL:
        had = put_sorted(&side.levels, key, lots)
    else:
        had = put_covered(side, key, lots)
    keep_sums(side, key, lots - had)


cdef inline bint best_first(
    const Side* side, const Change* changes, Py_ssize_t count
) noexcept nogil:
    """Whether the changes go from the best price to the worst and name none twice."""
    cdef int64_t sign = side.sign
    cdef Py_ssize_t i
    for i in range(1, count):
        if changes[i - 1].ticks * sign <= changes[i].ticks * sign:
            return False
    return True


cdef inline Py_ssize_t settle(Side* side, Change* changes, Py_ssize_t count) noexcept nogil:
    """Finds the place of every change and sets the lots of levels that stay.

    Leaves the changes that add a level (lots above 0) or take one away in front; returns how many.
    No level has moved yet, so the searches do not wait for each other; nothing here is decided by
    a branch that depends on whether a level is there, because that cannot be predicted.
    """
    cdef Level unused
    cdef Level* items = side.levels.items
    cdef Level* level
    cdef Level* target
    cdef int64_t sign = side.sign
    cdef Py_ssize_t held = side.levels.count
    cdef Py_ssize_t lowest = place_of(&side.levels, changes[count - 1].ticks * sign)
    cdef Py_ssize_t kept = 0
    cdef Py_ssize_t i
    cdef Py_ssize_t at
    cdef int64_t ticks
    cdef int64_t key
    cdef int64_t lots
    cdef int64_t known
    for i in range(count):
        ticks = changes[i].ticks
        lots = changes[i].lots
        key = ticks * sign
        at = lowest + lower_bound(items + lowest, held - lowest, key)
        level = &items[at]
        known = (at < held) & (level.key == key)
        keep_sums(side, key, lots - (level.lots & -known))
        target = level if known else &unused
        target.lots = lots
        changes[kept].ticks = ticks
        changes[kept].lots = lots
        changes[kept].at = at
        kept += (lots != 0) != known
    return kept


cdef inline void prefetch_tick(const Side* side, int64_t ticks) noexcept nogil:
    """Asks for the memory of a tick before it is needed; harmless when it is outside."""
    cdef int64_t tick = ticks * side.sign - side.window.base
    prefetch(&side.window.lots[tick & (SPAN - 1)])


cdef inline void merge(Side* side, Change* changes, Py_ssize_t count) noexcept nogil:
    """Applies changes that are `best_first`; the caller has reserved the room."""
    cdef Window* window = side.window
    cdef Py_ssize_t i
    if count == 0:
        return
    if window == NULL or window.base == CLOSED:
        shift_sorted(&side.levels, changes, settle(side, changes, count), side.sign)
        if window != NULL:
            follow(side)
        return
    for i in range(count):
        if i + AHEAD < count:
            prefetch_tick(side, changes[i + AHEAD].ticks)
        put(side, changes[i].ticks, changes[i].lots)
