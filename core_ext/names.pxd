"""Symbols by their bytes, without Python objects: a hash table with open addressing."""

from libc.stdint cimport int32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy

from core_ext.scan cimport SYMBOL_ROOM

cdef enum:
    NAMES_LEAST = 16


cdef struct Name:
    # length 0: free.
    int32_t length
    int32_t place
    unsigned char text[SYMBOL_ROOM]


cdef struct Names:
    # room is a power of two and at least twice as many as are held.
    Name* slots
    Py_ssize_t room
    Py_ssize_t count


cdef inline uint64_t hash_name(const unsigned char* text, Py_ssize_t length) noexcept nogil:
    """FNV-1a, its high bits brought down to where the table looks."""
    cdef uint64_t value = 14695981039346656037ULL
    cdef Py_ssize_t i
    for i in range(length):
        value = (value ^ text[i]) * 1099511628211ULL
    return value ^ (value >> 32)


cdef inline Name* slot_of(
    const Names* names, const unsigned char* text, Py_ssize_t length
) noexcept nogil:
    """The slot that holds a name, or the free one where it belongs; the table has room."""
    cdef Py_ssize_t at = <Py_ssize_t>(hash_name(text, length) & <uint64_t>(names.room - 1))
    cdef Name* slot = &names.slots[at]
    while slot.length and not (
        slot.length == length and memcmp(slot.text, text, length) == 0
    ):
        at = (at + 1) & (names.room - 1)
        slot = &names.slots[at]
    return slot


cdef inline Py_ssize_t place_in(
    const Names* names, const unsigned char* text, Py_ssize_t length
) noexcept nogil:
    """The place of a name, or -1."""
    cdef Name* slot
    if names.count == 0 or length < 1 or length > SYMBOL_ROOM:
        return -1
    slot = slot_of(names, text, length)
    return slot.place if slot.length else -1


cdef inline int grow_names(Names* names) noexcept nogil:
    """Room for one more name; -1 without memory, the table as it was."""
    cdef Names larger
    cdef Py_ssize_t i
    if names.room and names.count * 2 < names.room:
        return 0
    larger.room = names.room * 2 if names.room else NAMES_LEAST
    larger.count = names.count
    larger.slots = <Name*>calloc(larger.room, sizeof(Name))
    if larger.slots == NULL:
        return -1
    for i in range(names.room):
        if names.slots[i].length:
            slot_of(&larger, names.slots[i].text, names.slots[i].length)[0] = names.slots[i]
    free(names.slots)
    names[0] = larger
    return 0


cdef inline void put_name(
    Names* names, const unsigned char* text, Py_ssize_t length, Py_ssize_t place
) noexcept nogil:
    """Adds a name that is not held yet; the caller has made room."""
    cdef Name* slot = slot_of(names, text, length)
    slot.length = <int32_t>length
    slot.place = <int32_t>place
    memcpy(slot.text, text, length)
    names.count += 1
