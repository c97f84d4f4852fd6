"""Digits eight at a time: what the readers of numbers have in common, as tables and products."""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
    #error "eight digits are read as one little endian word"
    #endif
    /* Tables in place of shifts by a variable number of bits, which cost twice as much. */
    static const int64_t seawall_powers[9] = {
        1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
    /* The first n bytes of a word. */
    static const uint64_t seawall_first[9] = {
        0, 0xFF, 0xFFFF, 0xFFFFFF, 0xFFFFFFFF, 0xFFFFFFFFFF, 0xFFFFFFFFFFFF, 0xFFFFFFFFFFFFFF,
        0xFFFFFFFFFFFFFFFF};
    /* Multiplied by this, the first n bytes of a word become its last ones; zeros stand before. */
    static const uint64_t seawall_lifts[9] = {
        0, 1ULL << 56, 1ULL << 48, 1ULL << 40, 1ULL << 32, 1ULL << 24, 1ULL << 16, 1ULL << 8, 1};
    """
    const int64_t* powers_of_ten "seawall_powers"
    const uint64_t* first_bytes "seawall_first"
    const uint64_t* lifts "seawall_lifts"


cdef inline uint32_t four_bytes(const unsigned char* text) noexcept nogil:
    cdef uint32_t word
    memcpy(&word, text, 4)
    return word


cdef inline uint64_t eight_bytes(const unsigned char* text) noexcept nogil:
    """Eight characters with "0" taken off each; the first is the lowest byte."""
    cdef uint64_t word
    memcpy(&word, text, 8)
    return word ^ 0x3030303030303030ULL


cdef inline uint64_t above_nine(uint64_t word) noexcept nogil:
    """The high bit of every byte that is no digit, among other bits; true up to the first such."""
    return (word + 0x7676767676767676ULL) | word


cdef inline uint64_t no_digits(uint64_t word) noexcept nogil:
    """The high bit of every byte above 9; true up to and at the lowest such byte."""
    return above_nine(word) & 0x8080808080808080ULL


cdef inline uint64_t eight_digits(uint64_t word) noexcept nogil:
    """The number that eight digits make: pairs, fours, all; fewest instructions, not soonest."""
    word = word * 2561 >> 8
    word = (word & 0x00FF00FF00FF00FFULL) * 6553601 >> 16
    return (word & 0x0000FFFF0000FFFFULL) * 42949672960001ULL >> 32
