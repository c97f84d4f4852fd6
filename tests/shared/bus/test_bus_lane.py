"""The quotes' fast lane: its descriptors, who gets which, and both ends over real processes."""

import fcntl
import os
import select
import subprocess
import sys

import pytest

from core_ext.errors import RecordRefused
from shared.bus.lane import READERS, LaneEnds, QuoteLane, make_lane

CHILD = """
import select, sys, msgspec
from shared.bus.lane import LaneEnds, QuoteLane
lane = QuoteLane(msgspec.json.decode(sys.argv[1], type=LaneEnds), "decide")
poll = select.poll()
poll.register(lane.descriptor, select.POLLIN)
print("ready", flush=True)
while True:
    frames = lane.drain(64)
    for frame in frames:
        print(frame.decode(), flush=True)
        if frame == b"end":
            raise SystemExit
    if not lane.waiting:
        poll.poll(10_000)
"""


@pytest.fixture
def ends():
    made = make_lane()
    yield made
    made.close()


def test_the_memory_cannot_shrink_under_a_reader(ends):
    with pytest.raises(PermissionError):
        os.ftruncate(ends.memory, 100)
    assert fcntl.fcntl(ends.memory, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SEAL


def test_a_child_inherits_what_concerns_it(ends):
    assert set(ends.of("ingest")) == {ends.memory, *ends.bells.values()}
    assert ends.of("decide") == (ends.memory, ends.bells["decide"])
    assert ends.of("observe") == ()
    for descriptor in ends.of("ingest"):
        assert not os.get_inheritable(descriptor), "only those it is handed to"


def test_a_quote_reaches_a_sleeping_process(ends):
    import msgspec

    arguments = [sys.executable, "-c", CHILD, msgspec.json.encode(ends).decode()]
    child = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, text=True, pass_fds=ends.of("decide")
    )
    try:
        assert child.stdout.readline() == "ready\n"
        writer = QuoteLane(ends, "ingest")
        for word in ("one", "two", "end"):
            writer.publish(word.encode())
            assert child.stdout.readline() == f"{word}\n"
        assert child.wait(10) == 0
        assert writer.figures() == {"lane_written": 3, "lane_bells_broken": 0}
        writer.close()
    finally:
        child.kill()
        child.communicate()


def test_each_reader_is_rung_by_its_own_bell(ends):
    writer, readers = QuoteLane(ends, "ingest"), {role: QuoteLane(ends, role) for role in READERS}
    for reader in readers.values():
        assert reader.drain(8) == []
    writer.publish(b"quote")
    for reader in readers.values():
        assert select.select([reader.descriptor], [], [], 0)[0]
        assert reader.waiting
        assert reader.drain(8) == [b"quote"]
        assert not select.select([reader.descriptor], [], [], 0)[0]
        assert reader.figures() == {"lane_taken": 1, "lane_skipped": 0}
        reader.close()
    writer.close()


def test_descriptors_that_are_no_lane_are_refused(ends, tmp_path):
    small = os.open(tmp_path / "small", os.O_RDWR | os.O_CREAT)
    os.write(small, b"x" * 64)
    with pytest.raises((OSError, ValueError, RecordRefused)):
        QuoteLane(LaneEnds(small, ends.bells), "ingest")
    os.close(small)
    with pytest.raises((OSError, ValueError)):
        QuoteLane(LaneEnds(small, ends.bells), "decide")
