"""Where the outermost bits of a word are. Of a word without bits the answer is undefined."""

from libc.stdint cimport uint64_t

cdef extern from *:
    int lowest_bit "__builtin_ctzll"(uint64_t word) noexcept nogil
    int zeros_above "__builtin_clzll"(uint64_t word) noexcept nogil


cdef inline int highest_bit(uint64_t word) noexcept nogil:
    return 63 - zeros_above(word)
