"""Ingest keeps nothing of the frames that pass: blocks are counted, and the benchmark's row."""

import gc
import sys

import pytest

from bench import flat
from procs.cli.bench import available
from shared.errors import SeawallError

FRAMES = 10_000


def blocks_kept(flow):
    """Python's blocks that are more after so many frames."""
    gc.collect()
    before = sys.getallocatedblocks()
    flow.pour(FRAMES)
    return sys.getallocatedblocks() - before


def test_the_verb_offers_it():
    assert "flat" in available()


def test_ten_thousand_frames_leave_nothing_behind(monkeypatch):
    # So that windows and bars are full, and what they let go is part of the count.
    monkeypatch.setattr(flat, "WINDOW_NS", 2 * flat.NS_PER_S)
    flow = flat.Flow()
    flow.pour(FRAMES)
    quotes = flow.quotes
    assert blocks_kept(flow) < 100
    assert flow.quotes - quotes >= FRAMES / 4
    flow.check()


def test_a_frame_that_is_kept_is_counted(monkeypatch):
    flow, kept = flat.Flow(), []
    genuine = flow.actor.on_frame

    def keeping(frame, now_ns):
        kept.append((frame, now_ns))
        genuine(frame, now_ns)

    flow.actor.on_frame = keeping
    assert blocks_kept(flow) >= FRAMES


def test_books_that_are_not_in_step_are_no_figure():
    flow = flat.Flow()
    flow.pour(100)
    flow.check()
    next(iter(flow.actor.markets.values())).on_link(False)
    with pytest.raises(SeawallError, match="not in step"):
        flow.check()


def test_the_row_says_what_passed(capsys):
    (row,) = flat.run(frames=2_000)
    assert row["name"] == "flat_memory_growth"
    assert row["samples"] == 1_800
    assert row["p50"] <= row["p99"] == row["p999"]
    assert "flat_memory_growth" in capsys.readouterr().out
