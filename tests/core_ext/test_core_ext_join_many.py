"""A join that takes many frames at once says and counts what it does one by one."""

from __future__ import annotations

import random
import struct

import pytest

from bench.micro import scan as material
from core_ext.book import Book
from core_ext.codes import FRAME_FORMAT, Dialect
from core_ext.errors import FrameRefused
from core_ext.join import DepthJoin
from core_ext.scan import BinanceScanner, BybitScanner

ROOM = struct.calcsize(FRAME_FORMAT)


def new_join(dialect):
    scanner = BybitScanner() if dialect == Dialect.BYBIT else BinanceScanner(dialect)
    return DepthJoin(Book("0.01", kind="window"), scanner)


def begin(join, frames):
    if frames.dialect == Dialect.BYBIT:
        join.feed(frames.snapshot)
    else:
        for kept in join.snapshot(frames.snapshot):
            join.feed(*kept)


def said(join):
    book = join.book
    counts = join.applied, join.stale, join.gaps, join.needs_snapshot, join.resync
    return *counts, book.state_hash(), book.last_update_id, book.gapped


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("seed", range(8))
def test_many_at_once_are_as_one_by_one(dialect, seed):
    rng = random.Random(seed)
    frames = material.bybit(20) if dialect == Dialect.BYBIT else material.binance(20, dialect)
    stream = frames.frames[:120]
    for _ in range(rng.randrange(3)):
        del stream[rng.randrange(40, len(stream))]
    for _ in range(3):
        stream.insert(rng.randrange(5, len(stream)), stream[rng.randrange(4)])
    arrived = [(frame, at) for at, frame in enumerate(stream)]
    alone, together = new_join(dialect), new_join(dialect)
    for join in (alone, together):
        begin(join, frames)
    rows = bytearray(ROOM * 16)
    at = 0
    while at < len(arrived):
        few = arrived[at : at + rng.randrange(1, 17)]
        if together.needs_snapshot:
            read = 1
            together.feed(*few[0])
        else:
            read = together.feed_many(few, rows).read
        for frame, recv_ns in arrived[at : at + read]:
            alone.feed(frame, recv_ns)
        at += read
        assert said(together) == said(alone)
    if dialect != Dialect.BYBIT:
        assert together.snapshot(frames.snapshot) == alone.snapshot(frames.snapshot)


def test_what_came_before_a_refused_frame_is_counted():
    frames = material.binance(20)
    join = new_join(Dialect.BINANCE_SPOT)
    begin(join, frames)
    stream = [*frames.frames[:3], frames.frames[0], b"{", frames.frames[3]]
    rows = bytearray(ROOM * len(stream))
    with pytest.raises(FrameRefused) as refused:
        join.feed_many([(frame, 0) for frame in stream], rows)
    assert refused.value.frame == 4
    assert (join.applied, join.stale) == (3, 1)
    assert join.feed_many([(stream[5], 0)], rows).applied == 1


def test_a_join_without_snapshot_takes_frames_one_by_one():
    join = new_join(Dialect.BINANCE_SPOT)
    with pytest.raises(ValueError, match="one by one"):
        join.feed_many([(b"{}", 0)], bytearray(ROOM))
    assert join.applied == 0
