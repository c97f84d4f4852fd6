"""What must hold of a side whatever was done to it, and the number that tells books apart."""

from libc.stdint cimport int64_t, uint64_t

from core_ext.side cimport Level, Side, Walk, int128, next_level, notional_between, walk_from_best
from core_ext.window cimport CLOSED, SPAN, Window, at_or_above


cdef inline uint64_t hash_level(uint64_t seed, int64_t ticks, int64_t lots) noexcept nogil:
    """FNV-1a over whole words."""
    cdef uint64_t value = (seed ^ <uint64_t>ticks) * 1099511628211ULL
    return (value ^ (value >> 29) ^ <uint64_t>lots) * 1099511628211ULL


cdef inline uint64_t hash_side(const Side* side, uint64_t seed) noexcept nogil:
    """The levels from the worst to the best, then how many they are."""
    cdef const Window* window = side.window
    cdef const Level* items = side.levels.items
    cdef Py_ssize_t strays = 0 if window == NULL else window.strays
    cdef Py_ssize_t count = side.levels.count
    cdef Py_ssize_t tick = SPAN
    cdef uint64_t value = seed
    cdef Py_ssize_t i
    for i in range(count - strays):
        value = hash_level(value, items[i].key * side.sign, items[i].lots)
    if window != NULL:
        tick = at_or_above(window, 0)
    while tick < SPAN:
        value = hash_level(value, (window.base + tick) * side.sign, window.lots[tick])
        count += 1
        tick = at_or_above(window, tick + 1)
    for i in range(side.levels.count - strays, side.levels.count):
        value = hash_level(value, items[i].key * side.sign, items[i].lots)
    return (value ^ <uint64_t>count) * 1099511628211ULL


cdef inline int check_window(const Side* side) except -1:
    """The layers of bits name exactly the ticks that hold lots; the array keeps the others."""
    cdef const Window* window = side.window
    cdef Py_ssize_t held = 0
    cdef Py_ssize_t tick = at_or_above(window, 0)
    cdef Py_ssize_t best = -1
    cdef Py_ssize_t i
    while tick < SPAN:
        assert window.lots[tick] > 0, "a bit without lots"
        held += 1
        best = tick
        tick = at_or_above(window, tick + 1)
    assert held == window.count, "levels of the window miscounted"
    assert best == window.best, "the best tick of the window is wrong"
    for i in range(64 * 64):
        assert ((window.groups[i >> 6] >> (i & 63)) & 1) == (window.words[i] != 0), "group bits"
    for i in range(64):
        assert ((window.roof >> i) & 1) == (window.groups[i] != 0), "roof bits"
    held = 0
    for i in range(side.levels.count):
        held += side.levels.items[i].key > window.base
        assert (
            side.levels.items[i].key < window.base
            or side.levels.items[i].key - window.base >= SPAN
        ), "a level of the window is kept aside"
    assert held == window.strays, "strays miscounted"
    assert window.base != CLOSED or window.count == 0, "a closed window holds levels"
    return 0


cdef inline int check_side(Side* side) except -1:
    """Ascending keys, positive lots, true kept sums."""
    cdef Level* items = side.levels.items
    cdef Level level
    cdef Walk walk = walk_from_best(side)
    cdef int128 lots = 0
    cdef int128 notional = 0
    cdef Py_ssize_t i
    assert 0 <= side.levels.count <= side.levels.room
    for i in range(side.levels.count):
        assert items[i].lots > 0, "a level without quantity"
        assert i == 0 or items[i - 1].key < items[i].key, "levels out of order"
    if side.window != NULL:
        check_window(side)
    for i in range(side.bands_kept):
        assert side.bands[i].notional == notional_between(
            side, side.bands[i].edge, CLOSED
        ), "the kept sum of a band is wrong"
    if side.top_known:
        for _ in range(10):
            if next_level(side, &walk, &level):
                lots += level.lots
                notional += <int128>level.key * side.sign * level.lots
        assert (lots, notional) == (side.top_lots, side.top_notional), "the kept top is wrong"
    return 0
