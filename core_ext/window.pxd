"""A flat window of ticks: the lots of each, and which hold any, found through layers of bits.

Three layers of 64 make 262,144 ticks, so that a level is set and its next neighbour found in a few
steps, wherever it is. The memory is 2.1 MB a window; pages of ticks that never held a level stay
untouched and cost nothing.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc

from core_ext.bits cimport highest_bit, lowest_bit


cdef extern from *:
    """
    #define seawall_prefetch(place) __builtin_prefetch((place), 1)
    """
    void prefetch "seawall_prefetch"(const void* place) noexcept nogil
    # The base of a window that is not laid yet: no key is so high.
    int64_t CLOSED "INT64_MAX"


cdef enum:
    SPAN = 262_144
    WORDS = 4_096
    GROUPS = 64


cdef struct Window:
    # The key of tick 0, or CLOSED; keys ascend towards the best.
    int64_t base
    Py_ssize_t count
    # The highest tick that holds lots, -1 when none does.
    Py_ssize_t best
    # Levels kept aside although they are better than the window can hold, and for how many changes
    # the best level has been there or low in the window.
    Py_ssize_t strays
    Py_ssize_t misses
    # A bit per tick that holds lots, a bit per word that is not zero, a bit per such group.
    uint64_t roof
    uint64_t groups[GROUPS]
    uint64_t words[WORDS]
    int64_t lots[SPAN]


cdef inline Window* new_window() noexcept nogil:
    """A closed window, which covers nothing; NULL without memory."""
    cdef Window* window = <Window*>calloc(1, sizeof(Window))
    if window != NULL:
        window.base = CLOSED
        window.best = -1
    return window


cdef inline bint covers(const Window* window, int64_t key) noexcept nogil:
    # Below the base the difference wraps around and is large.
    return <uint64_t>key - <uint64_t>window.base < SPAN


cdef inline void mark(uint64_t* word, Py_ssize_t bit, bint held) noexcept nogil:
    """Sets or clears a bit without a branch: whether a level is there cannot be predicted."""
    word[0] = (word[0] & ~(1ULL << bit)) | (<uint64_t>held << bit)


cdef inline Py_ssize_t below(const Window* window, Py_ssize_t tick) noexcept nogil:
    """The highest tick below `tick` (a tick of the window) that holds lots, or -1."""
    cdef Py_ssize_t word = tick >> 6
    cdef Py_ssize_t group = word >> 6
    cdef uint64_t bits = window.words[word] & ((1ULL << (tick & 63)) - 1)
    if not bits:
        bits = window.groups[group] & ((1ULL << (word & 63)) - 1)
        if not bits:
            bits = window.roof & ((1ULL << group) - 1)
            if not bits:
                return -1
            group = highest_bit(bits)
            bits = window.groups[group]
        word = (group << 6) + highest_bit(bits)
        bits = window.words[word]
    return (word << 6) + highest_bit(bits)


cdef inline Py_ssize_t at_or_above(const Window* window, Py_ssize_t tick) noexcept nogil:
    """The lowest tick not below `tick` that holds lots; SPAN when there is none. O(words)."""
    cdef Py_ssize_t word = tick >> 6
    cdef uint64_t bits
    if tick >= SPAN:
        return SPAN
    bits = window.words[word] & (~0ULL << (tick & 63))
    while not bits:
        word += 1
        if word == WORDS:
            return SPAN
        bits = window.words[word]
    return (word << 6) + lowest_bit(bits)


cdef inline int64_t put_flat(Window* window, Py_ssize_t tick, int64_t lots) noexcept nogil:
    """Sets the lots of a tick, 0 empties it; returns what it had. O(1)."""
    cdef Py_ssize_t word = tick >> 6
    cdef Py_ssize_t group = word >> 6
    cdef int64_t had = window.lots[tick]
    window.lots[tick] = lots
    mark(&window.words[word], tick & 63, lots != 0)
    mark(&window.groups[group], word & 63, window.words[word] != 0)
    mark(&window.roof, group, window.groups[group] != 0)
    window.count += (lots != 0) - (had != 0)
    if tick >= window.best:
        window.best = tick if lots else below(window, tick)
    return had
