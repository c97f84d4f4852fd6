"""One side of a book: levels in one array, best last, changed singly or a frame at a time.

Sums of ticks x lots are kept in 128-bit integers, so they are exact whatever the order of changes.
"""

from libc.stdint cimport int64_t
from libc.string cimport memmove


cdef extern from *:
    """
    typedef __int128 seawall_int128;
    #define seawall_even(condition) __builtin_expect_with_probability(!!(condition), 1, 0.5)
    """
    ctypedef long long int128 "seawall_int128"
    # A condition that no predictor guesses: the compiler then chooses without a branch.
    bint likely_half "seawall_even"(bint condition) noexcept nogil


cdef enum:
    LEVELS_MAX = 131072
    # Searching starts with this many levels next to the best price, where most changes are.
    LEVELS_NEAR = 64


cdef struct Level:
    # Both words of a level lie together: what moves, moves in one go.
    int64_t key
    int64_t lots


cdef struct Side:
    # Keys ascend and the best is last, so that the busy end of the book is cheap to change:
    # a bid's key is its ticks, an ask's key is minus its ticks. There is room for one level more
    # than count says, so that looking at the place behind the best is allowed.
    Level* levels
    Py_ssize_t count
    Py_ssize_t room
    int64_t sign
    # The sum of ticks * lots of all keys at or above band_key, kept up to date by every change.
    int64_t band_key
    int128 band_sum
    bint band_known


cdef struct Change:
    # What a frame says of one level; `merge` notes where it belongs and how far the levels above
    # it move.
    int64_t ticks
    int64_t lots
    Py_ssize_t at
    Py_ssize_t shift


cdef inline Py_ssize_t lower_bound(
    const Level* levels, Py_ssize_t count, int64_t key
) noexcept nogil:
    """The first index whose key is not below `key`."""
    cdef const Level* base = levels
    cdef const Level* middle
    cdef Py_ssize_t left = count
    # The halving has no branch to mispredict, which costs more than the comparisons it saves.
    while left > 1:
        middle = base + (left >> 1)
        base = middle if likely_half((middle - 1).key < key) else base
        left -= left >> 1
    return base - levels + (left == 1 and base[0].key < key)


cdef inline Py_ssize_t place_of(const Side* side, int64_t key) noexcept nogil:
    """The first index of a side whose key is not below `key`; looks near the best first."""
    cdef Py_ssize_t start = side.count - LEVELS_NEAR
    if start > 0 and side.levels[start].key < key:
        return start + lower_bound(side.levels + start, LEVELS_NEAR, key)
    return lower_bound(side.levels, side.count, key)


cdef inline const Level* best_of(const Side* side) noexcept nogil:
    """The best level of a side that is not empty."""
    return &side.levels[side.count - 1]


cdef inline int128 sum_from(const Side* side, Py_ssize_t start) noexcept nogil:
    """Exact sum of ticks * lots of the levels start ... best."""
    cdef int128 total = 0
    cdef Py_ssize_t i
    for i in range(start, side.count):
        total += <int128>side.levels[i].key * side.levels[i].lots
    return total * side.sign


cdef inline void put(Side* side, int64_t ticks, int64_t lots) noexcept nogil:
    """Sets one level, 0 lots deletes it; the caller has reserved the room."""
    cdef int64_t key = ticks * side.sign
    cdef Py_ssize_t count = side.count
    cdef Py_ssize_t i = place_of(side, key)
    cdef Level* level = &side.levels[i]
    cdef int64_t change = lots
    if i < count and level.key == key:
        change = lots - level.lots
        if lots:
            level.lots = lots
        else:
            memmove(level, level + 1, (count - i - 1) * sizeof(Level))
            side.count = count - 1
    elif lots:
        memmove(level + 1, level, (count - i) * sizeof(Level))
        level.key = key
        level.lots = lots
        side.count = count + 1
    if side.band_known and key >= side.band_key:
        side.band_sum += <int128>ticks * change


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
    cdef Level* levels = side.levels
    cdef Level* level
    cdef Level* target
    cdef int64_t sign = side.sign
    cdef Py_ssize_t held = side.count
    cdef Py_ssize_t lowest = place_of(side, changes[count - 1].ticks * sign)
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
        at = lowest + lower_bound(levels + lowest, held - lowest, key)
        level = &levels[at]
        known = (at < held) & (level.key == key)
        if side.band_known and key >= side.band_key:
            side.band_sum += <int128>ticks * (lots - (level.lots & -known))
        target = level if known else &unused
        target.lots = lots
        changes[kept].ticks = ticks
        changes[kept].lots = lots
        changes[kept].at = at
        kept += (lots != 0) != known
    return kept


cdef inline void merge(Side* side, Change* changes, Py_ssize_t count) noexcept nogil:
    """Applies changes that are `best_first`; the caller has reserved the room.

    Levels between two changes move together and at most once, however many changes there are.
    """
    cdef Level* levels = side.levels
    cdef Py_ssize_t kept = settle(side, changes, count) if count else 0
    cdef Py_ssize_t shift = 0
    cdef Py_ssize_t start
    cdef Py_ssize_t end
    cdef Py_ssize_t i
    # What moves down goes first and from below, what moves up goes last and from above: then
    # nothing is written over before it has been moved.
    for i in range(kept - 1, -1, -1):
        start = changes[i].at
        if changes[i].lots:
            shift += 1
        else:
            shift -= 1
            start += 1
        changes[i].shift = shift
        if shift < 0:
            end = changes[i - 1].at if i else side.count
            memmove(levels + start + shift, levels + start, (end - start) * sizeof(Level))
    end = side.count
    side.count += shift
    for i in range(kept):
        start = changes[i].at
        shift = changes[i].shift
        if shift > 0:
            start += changes[i].lots == 0
            memmove(levels + start + shift, levels + start, (end - start) * sizeof(Level))
        end = changes[i].at
        if changes[i].lots:
            levels[end + shift - 1].key = changes[i].ticks * side.sign
            levels[end + shift - 1].lots = changes[i].lots
