"""Levels in one ascending array: found by halving, changed singly or a frame at a time.

Whoever adds levels has made room for them before: nothing here can fail.
"""

from libc.stdint cimport int64_t
from libc.string cimport memmove


cdef extern from *:
    """
    #define seawall_even(condition) __builtin_expect_with_probability(!!(condition), 1, 0.5)
    """
    # A condition that no predictor guesses: the compiler then chooses without a branch.
    bint likely_half "seawall_even"(bint condition) noexcept nogil


cdef enum:
    # Searching starts with this many levels next to the best price, where most changes are.
    LEVELS_NEAR = 64


cdef struct Level:
    # Both words of a level lie together: what moves, moves in one go.
    int64_t key
    int64_t lots


cdef struct Sorted:
    # Keys ascend and the best is last, so that the busy end of the book is cheap to change. There
    # is room for one level more than count says, so that looking behind the best is allowed.
    Level* items
    Py_ssize_t count
    Py_ssize_t room


cdef struct Change:
    # What a frame says of one level; `settle` and `shift` note where it belongs and how far the
    # levels above it move.
    int64_t ticks
    int64_t lots
    Py_ssize_t at
    Py_ssize_t shift


cdef inline Py_ssize_t lower_bound(
    const Level* items, Py_ssize_t count, int64_t key
) noexcept nogil:
    """The first index whose key is not below `key`."""
    cdef const Level* base = items
    cdef const Level* middle
    cdef Py_ssize_t left = count
    # The halving has no branch to mispredict, which costs more than the comparisons it saves.
    while left > 1:
        middle = base + (left >> 1)
        base = middle if likely_half((middle - 1).key < key) else base
        left -= left >> 1
    return base - items + (left == 1 and base[0].key < key)


cdef inline Py_ssize_t place_of(const Sorted* levels, int64_t key) noexcept nogil:
    """The first index whose key is not below `key`; looks near the best first."""
    cdef Py_ssize_t start = levels.count - LEVELS_NEAR
    if start > 0 and levels.items[start].key < key:
        return start + lower_bound(levels.items + start, LEVELS_NEAR, key)
    return lower_bound(levels.items, levels.count, key)


cdef inline int64_t put_sorted(Sorted* levels, int64_t key, int64_t lots) noexcept nogil:
    """Sets one level, 0 lots deletes it; returns the lots it had. O(log n) and a move."""
    cdef Py_ssize_t count = levels.count
    cdef Py_ssize_t i = place_of(levels, key)
    cdef Level* level = &levels.items[i]
    cdef int64_t had = 0
    if i < count and level.key == key:
        had = level.lots
        if lots:
            level.lots = lots
        else:
            memmove(level, level + 1, (count - i - 1) * sizeof(Level))
            levels.count = count - 1
    elif lots:
        memmove(level + 1, level, (count - i) * sizeof(Level))
        level.key = key
        level.lots = lots
        levels.count = count + 1
    return had


cdef inline void shift_sorted(
    Sorted* levels, Change* changes, Py_ssize_t count, int64_t sign
) noexcept nogil:
    """Adds and takes away levels, best first, whose places `at` are known.

    Levels between two changes move together and at most once, however many changes there are.
    """
    cdef Level* items = levels.items
    cdef Py_ssize_t shift = 0
    cdef Py_ssize_t start
    cdef Py_ssize_t end
    cdef Py_ssize_t i
    # What moves down goes first and from below, what moves up goes last and from above: then
    # nothing is written over before it has been moved.
    for i in range(count - 1, -1, -1):
        start = changes[i].at
        if changes[i].lots:
            shift += 1
        else:
            shift -= 1
            start += 1
        changes[i].shift = shift
        if shift < 0:
            end = changes[i - 1].at if i else levels.count
            memmove(items + start + shift, items + start, (end - start) * sizeof(Level))
    end = levels.count
    levels.count += shift
    for i in range(count):
        start = changes[i].at
        shift = changes[i].shift
        if shift > 0:
            start += changes[i].lots == 0
            memmove(items + start + shift, items + start, (end - start) * sizeof(Level))
        end = changes[i].at
        if changes[i].lots:
            items[end + shift - 1].key = changes[i].ticks * sign
            items[end + shift - 1].lots = changes[i].lots
