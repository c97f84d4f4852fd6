"""The ring: whole records or none, in order, nobody waits, whoever sleeps is woken."""

import mmap
import multiprocessing
import os
import select
import signal
import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core_ext.errors import NumberRefused, RecordRefused
from core_ext.ring import MEMORY_SIZE, RECORD_ROOM, SLOTS, LaneReader, LaneWriter

RECORD = struct.Struct("<Q")


def bell() -> int:
    return os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)


@pytest.fixture
def lane():
    memory, rings = mmap.mmap(-1, MEMORY_SIZE), [bell(), bell()]
    readers = [LaneReader(memory, n, rings[n]) for n in (0, 1)]
    yield LaneWriter(memory, rings), readers, rings, memory
    for ring in rings:
        os.close(ring)


def rings_of(descriptor: int) -> int:
    try:
        return os.eventfd_read(descriptor)
    except BlockingIOError:
        return 0


@given(
    st.lists(
        st.one_of(
            st.binary(min_size=1, max_size=RECORD_ROOM),
            st.tuples(st.integers(0, 1), st.integers(0, 5)),
        ),
        max_size=60,
    )
)
def test_each_reader_takes_every_record_once_in_order(steps):
    memory, rings = mmap.mmap(-1, MEMORY_SIZE), [bell(), bell()]
    writer = LaneWriter(memory, rings)
    readers = [LaneReader(memory, n, rings[n]) for n in (0, 1)]
    written, taken = [], [[], []]
    for step in steps:
        if isinstance(step, bytes):
            writer.publish(step)
            written.append(step)
        else:
            who, limit = step
            taken[who] += readers[who].take(limit)
    for who in (0, 1):
        taken[who] += readers[who].take(len(written))
        assert taken[who] == written
        assert (readers[who].taken, readers[who].skipped) == (len(written), 0)
    for ring in rings:
        os.close(ring)


def test_only_who_sleeps_is_rung_and_only_once(lane):
    writer, (one, _), rings, _ = lane
    writer.publish(b"x")
    assert rings_of(rings[0]) == 0
    assert one.take(9) == [b"x"]
    assert one.sleep()
    writer.publish(b"y")
    writer.publish(b"z")
    assert (rings_of(rings[0]), rings_of(rings[1])) == (1, 0)
    assert one.take(9) == [b"y", b"z"]


def test_nobody_falls_asleep_over_a_record(lane):
    writer, (one, _), rings, _ = lane
    writer.publish(b"x")
    assert not one.sleep()
    assert one.waiting == 1
    writer.publish(b"y")
    assert rings_of(rings[0]) == 0, "a reader that is awake needs no bell"


def test_a_reader_a_ring_behind_skips_and_says_so(lane):
    writer, (one, _), _, _ = lane
    for number in range(SLOTS + 10):
        writer.publish(RECORD.pack(number))
    taken = [RECORD.unpack(each)[0] for each in one.take(2 * SLOTS)]
    assert taken == list(range(SLOTS + 10 - SLOTS // 2, SLOTS + 10))
    assert one.skipped + one.taken == SLOTS + 10


def test_a_new_reader_begins_with_what_is_written_next(lane):
    writer, _, rings, memory = lane
    writer.publish(b"before")
    late = LaneReader(memory, 1, rings[1])
    assert late.take(9) == []
    writer.publish(b"after")
    assert late.take(9) == [b"after"]


@pytest.mark.parametrize("record", [b"", b"x" * (RECORD_ROOM + 1)])
def test_a_record_has_room_or_is_refused(lane, record):
    writer, (one, _), _, _ = lane
    with pytest.raises(NumberRefused, match=f"1 to {RECORD_ROOM}"):
        writer.publish(record)
    assert one.take(9) == []


def test_other_memory_is_refused():
    with pytest.raises(RecordRefused, match=str(MEMORY_SIZE)):
        LaneWriter(bytearray(100), [])
    with pytest.raises((BufferError, TypeError)):
        LaneWriter(bytes(MEMORY_SIZE), [])
    foreign = mmap.mmap(-1, MEMORY_SIZE)
    foreign[:8] = b"whatever"
    with pytest.raises(RecordRefused, match="something else"):
        LaneWriter(foreign, [])
    with pytest.raises(NumberRefused, match="0 to 7"):
        LaneReader(mmap.mmap(-1, MEMORY_SIZE), 8, -1)


def test_a_closed_end_is_refused_and_frees_the_memory():
    memory = mmap.mmap(-1, MEMORY_SIZE)
    reader = LaneReader(memory, 0, -1)
    reader.close()
    reader.close()
    memory.close()
    with pytest.raises(RecordRefused, match="closed"):
        reader.take(1)


@settings(max_examples=200)
@given(st.integers(0, MEMORY_SIZE - 1), st.binary(min_size=1, max_size=64))
def test_whatever_stands_in_the_memory_a_reader_ends(at, garbage):
    """Broken numbers and lengths are skipped records, never a crash or an endless wait."""
    memory = mmap.mmap(-1, MEMORY_SIZE)
    writer, reader = LaneWriter(memory, []), LaneReader(memory, 0, -1)
    for number in range(20):
        writer.publish(RECORD.pack(number))
    end = min(at + len(garbage), MEMORY_SIZE)
    memory[at:end] = garbage[: end - at]
    assert len(reader.take(50)) <= 50
    reader.waiting  # noqa: B018


def write_for_ever(memory, rings):
    writer, number = LaneWriter(memory, rings), 0
    while True:
        number += 1
        writer.publish(RECORD.pack(number) * 29)


def test_no_torn_record_beside_a_writer_that_never_rests():
    """A real second process writes as fast as it can, and is killed in the middle of it."""
    memory = mmap.mmap(-1, MEMORY_SIZE)
    reader = LaneReader(memory, 0, -1)
    child = multiprocessing.get_context("fork").Process(target=write_for_ever, args=(memory, []))
    child.start()
    try:
        began, last, seen = time.monotonic(), 0, 0
        while time.monotonic() < began + 1.5 or seen <= 1000:
            assert time.monotonic() < began + 60, seen
            for record in reader.take(64):
                numbers = set(struct.unpack("<29Q", record))
                assert len(numbers) == 1, "torn"
                (number,) = numbers
                assert number > last
                last, seen = number, seen + 1
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.join()
    for record in reader.take(10 * SLOTS):
        assert len(set(struct.unpack("<29Q", record))) == 1
    successor = LaneWriter(memory, [])
    successor.publish(b"on it goes")
    assert reader.take(9)[-1] == b"on it goes"


def answer(memory_in, memory_out, bells, count):
    there, back = LaneReader(memory_in, 0, bells[0]), LaneWriter(memory_out, [bells[1]])
    poll = select.poll()
    poll.register(bells[0], select.POLLIN)
    done = 0
    while done < count:
        if there.sleep():
            assert poll.poll(5_000), "a record was written and nobody rang"
        there.hush()
        for record in there.take(64):
            back.publish(record)
            done += 1


def test_no_wake_up_is_lost_in_thousands_of_naps():
    count = 4_000
    memories, bells = (mmap.mmap(-1, MEMORY_SIZE), mmap.mmap(-1, MEMORY_SIZE)), (bell(), bell())
    there, back = LaneWriter(memories[0], [bells[0]]), LaneReader(memories[1], 0, bells[1])
    # The other side must be there before the first record: readers begin with what comes next.
    child = multiprocessing.get_context("fork").Process(
        target=answer, args=(*memories, bells, count)
    )
    child.start()
    poll = select.poll()
    poll.register(bells[1], select.POLLIN)
    time.sleep(0.3)
    for number in range(count):
        there.publish(RECORD.pack(number))
        while True:
            if back.sleep():
                assert poll.poll(5_000), f"no answer to {number}"
            back.hush()
            if taken := back.take(9):
                break
        assert taken == [RECORD.pack(number)]
    child.join(10)
    assert child.exitcode == 0
