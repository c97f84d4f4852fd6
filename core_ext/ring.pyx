"""The fast lane: a ring of records in shared memory, one writer, up to eight readers.

The writer never waits for anybody. It rings the bell (an eventfd) of a reader that has gone to
sleep, and of no other: a busy reader costs it no system call. A reader that falls a whole ring
behind, or meets a record that is being overwritten, skips and counts; what it skipped reaches it
by ZeroMQ, which stays the transport of record.

Each slot is a sequence lock: its number is cleared before the record is written and set after it,
so that a reader that sees the same number before and after its copy has copied a whole record.
"""

cimport cython
from libc.stdint cimport uint32_t, uint64_t

from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize

from core_ext.errors import NumberRefused, RecordRefused

cdef extern from *:
    """
    #include <errno.h>
    #include <stdint.h>
    #include <unistd.h>

    #define LANE_SLOTS 4096
    #define LANE_ROOM 240
    #define LANE_READERS 8

    typedef struct {
        uint64_t number;                    /* 0 while it is being written */
        uint32_t length;
        uint32_t padding;
        char record[LANE_ROOM];
    } lane_slot;

    typedef struct {
        _Alignas(64) uint32_t asleep;       /* a cache line of its own for each reader */
    } lane_reader;

    typedef struct {
        _Alignas(64) uint64_t magic;
        _Alignas(64) uint64_t head;         /* the number of the newest record */
        lane_reader readers[LANE_READERS];
        _Alignas(64) lane_slot slots[LANE_SLOTS];
    } lane_memory;

    static const uint64_t LANE_MAGIC = 0x31304e4c57414553ULL; /* SEAWLN01 */

    static inline lane_slot *lane_at(lane_memory *lane, uint64_t number) {
        return &lane->slots[number % LANE_SLOTS];
    }

    static inline uint64_t lane_head(lane_memory *lane) {
        return __atomic_load_n(&lane->head, __ATOMIC_ACQUIRE);
    }

    static inline void lane_write(lane_memory *lane, const char *record, uint32_t length) {
        uint64_t number = __atomic_load_n(&lane->head, __ATOMIC_RELAXED) + 1;
        lane_slot *slot = lane_at(lane, number);
        __atomic_store_n(&slot->number, 0, __ATOMIC_RELAXED);
        __atomic_thread_fence(__ATOMIC_RELEASE);
        __builtin_memcpy(slot->record, record, length);
        slot->length = length;
        __atomic_store_n(&slot->number, number, __ATOMIC_RELEASE);
        /* Sequentially consistent with lane_sleep: it sees this head, or we see it asleep. */
        __atomic_store_n(&lane->head, number, __ATOMIC_SEQ_CST);
    }

    /* The length copied, or -1 when the slot holds another record or is torn. */
    static inline int lane_copy(lane_memory *lane, uint64_t number, char *record) {
        lane_slot *slot = lane_at(lane, number);
        uint32_t length;
        if (__atomic_load_n(&slot->number, __ATOMIC_ACQUIRE) != number)
            return -1;
        length = slot->length;
        if (length > LANE_ROOM)
            return -1;
        __builtin_memcpy(record, slot->record, length);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        return __atomic_load_n(&slot->number, __ATOMIC_RELAXED) == number ? (int)length : -1;
    }

    static inline int lane_must_ring(lane_memory *lane, int reader) {
        uint32_t *asleep = &lane->readers[reader].asleep;
        return __atomic_load_n(asleep, __ATOMIC_SEQ_CST)
            && __atomic_exchange_n(asleep, 0, __ATOMIC_SEQ_CST);
    }

    static inline int lane_sleep(lane_memory *lane, int reader, uint64_t seen) {
        __atomic_store_n(&lane->readers[reader].asleep, 1, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&lane->head, __ATOMIC_SEQ_CST) == seen)
            return 1;
        __atomic_store_n(&lane->readers[reader].asleep, 0, __ATOMIC_SEQ_CST);
        return 0;
    }

    static inline int lane_ring(int bell) {
        const uint64_t one = 1;
        return write(bell, &one, sizeof one) == sizeof one || errno == EAGAIN;
    }

    static inline void lane_hush(int bell) {
        uint64_t rings;
        (void)!read(bell, &rings, sizeof rings);
    }
    """
    ctypedef struct Lane "lane_memory":
        uint64_t magic
    enum:
        LANE_SLOTS
        LANE_ROOM
        LANE_READERS
    const uint64_t LANE_MAGIC
    uint64_t lane_head(Lane* lane) noexcept nogil
    void lane_write(Lane* lane, const char* record, uint32_t length) noexcept nogil
    int lane_copy(Lane* lane, uint64_t number, char* record) noexcept nogil
    bint lane_must_ring(Lane* lane, int reader) noexcept nogil
    bint lane_sleep(Lane* lane, int reader, uint64_t seen) noexcept nogil
    bint lane_ring(int bell) noexcept nogil
    void lane_hush(int bell) noexcept nogil

SLOTS = LANE_SLOTS
RECORD_ROOM = LANE_ROOM
READERS_MAX = LANE_READERS
MEMORY_SIZE = sizeof(Lane)


cdef class _Attached:
    """Shared memory of the right size, held for as long as this lives."""

    cdef Py_buffer _view
    cdef Lane* _lane
    cdef bint _held

    def __cinit__(self, memory, *rest):
        PyObject_GetBuffer(memory, &self._view, PyBUF_SIMPLE | PyBUF_WRITABLE)
        self._held = True
        if self._view.len != <Py_ssize_t>sizeof(Lane):
            raise RecordRefused(f"lane of {self._view.len} bytes refused: {sizeof(Lane)}")
        if <size_t>self._view.buf % 64:
            raise RecordRefused("lane refused: its memory must begin at a multiple of 64 bytes")
        self._lane = <Lane*>self._view.buf

    def __dealloc__(self):
        self.close()

    def close(self):
        """Lets go of the memory; the owner may unmap it then."""
        self._lane = NULL
        if self._held:
            self._held = False
            PyBuffer_Release(&self._view)

    cdef Lane* _open(self) except NULL:
        if self._lane == NULL:
            raise RecordRefused("lane refused: it is closed")
        return self._lane


@cython.final
cdef class LaneWriter(_Attached):
    """The one writer. A successor goes on where its predecessor ended, even in mid-write."""

    cdef int _bells[LANE_READERS]
    cdef int _readers
    cdef readonly uint64_t broken_bells
    """Bells that could not be rung: their readers hear by ZeroMQ."""

    def __init__(self, memory, bells):
        """`bells`: one eventfd for each reader, in the order of their numbers."""
        cdef Lane* lane = self._open()
        if len(bells) > LANE_READERS:
            raise NumberRefused("bells", len(bells), f"at most {LANE_READERS}")
        if lane.magic not in (0, LANE_MAGIC):
            raise RecordRefused("lane refused: this memory holds something else")
        lane.magic = LANE_MAGIC
        self._readers = 0
        for bell in bells:
            self._bells[self._readers] = bell
            self._readers += 1

    def publish(self, bytes record not None):
        """Writes a record of 1 to RECORD_ROOM bytes, and wakes who sleeps."""
        cdef Lane* lane = self._open()
        cdef Py_ssize_t length = len(record)
        cdef int reader
        if not 1 <= length <= LANE_ROOM:
            raise NumberRefused("record length", length, f"1 to {LANE_ROOM} bytes")
        lane_write(lane, PyBytes_AS_STRING(record), <uint32_t>length)
        for reader in range(self._readers):
            if lane_must_ring(lane, reader) and not lane_ring(self._bells[reader]):
                self.broken_bells += 1

    @property
    def head(self):
        """The number of the newest record."""
        return lane_head(self._open())


@cython.final
cdef class LaneReader(_Attached):
    """One reader, with a bell of its own. It begins with what is written after it came."""

    cdef int _number
    cdef int _bell
    cdef uint64_t _seen
    cdef readonly uint64_t taken
    cdef readonly uint64_t skipped
    """Records that were overwritten before, or while, they were read."""

    def __init__(self, memory, int number, int bell):
        if not 0 <= number < LANE_READERS:
            raise NumberRefused("reader number", number, f"0 to {LANE_READERS - 1}")
        self._number = number
        self._bell = bell
        self._seen = lane_head(self._open())

    def take(self, Py_ssize_t limit):
        """Up to limit records, the oldest first."""
        cdef Lane* lane = self._open()
        cdef uint64_t head = lane_head(lane)
        cdef char room[LANE_ROOM]
        cdef int length
        cdef list taken = []
        if head < self._seen:
            # Not the memory it was: begin again rather than wait for what never comes.
            self._seen = head
        if head - self._seen > LANE_SLOTS:
            self.skipped += head - LANE_SLOTS // 2 - self._seen
            self._seen = head - LANE_SLOTS // 2
        while self._seen < head and len(taken) < limit:
            self._seen += 1
            length = lane_copy(lane, self._seen, room)
            if length < 0:
                self.skipped += 1
                continue
            taken.append(PyBytes_FromStringAndSize(room, length))
        self.taken += len(taken)
        return taken

    @property
    def waiting(self):
        """How many records are written and not taken."""
        cdef uint64_t head = lane_head(self._open())
        return head - self._seen if head > self._seen else 0

    def sleep(self):
        """Asks for the bell at the next record. False when one is there already: take again."""
        return bool(lane_sleep(self._open(), self._number, self._seen))

    def hush(self):
        """Silences the bell after it rang."""
        lane_hush(self._bell)
