"""One market through the actor: join, gaps, trust, anchor, and what its quotes say."""

from __future__ import annotations

import sys
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from core_ext.codes import QuoteFlag
from procs.ingest.heard import (
    Bar,
    CandlesFetched,
    FeedDown,
    FeedUp,
    FetchCandles,
    InstrumentsFetched,
    SnapshotFetched,
    VolumesFetched,
)
from shared.domain.effects import Note
from shared.domain.policy import DropPolicy, Policy
from shared.units import NS_PER_S

sys.path.insert(0, str(Path(__file__).parent))
from ingest_scene import T0, Scene, depth, instrument, snapshot, ticker, trade


def test_deltas_are_held_until_the_snapshot_and_joined_as_documented():
    scene = Scene(synced=False)
    scene.frame(depth(95, 98, [["50.00", "1"]]))
    scene.frame(depth(99, 102, [["99.98", "7"]], [["100.02", "3"]]))
    scene.frame(depth(103, 103, [["99.99", "2"]]))
    assert scene.market.awaiting
    scene.answer_snapshot(100, [["99.99", "5"]], [["100.01", "5"]])
    assert not scene.market.awaiting
    assert scene.market.book.last_update_id == 103
    assert scene.market.book.levels("bid") == [
        (Decimal("99.99"), Decimal(2)),
        (Decimal("99.98"), Decimal(7)),
    ]
    quote = scene.last()
    assert not quote.flags & QuoteFlag.GAPPED
    assert (quote.bid_ticks, quote.ask_ticks) == (9999, 10001)


def test_a_snapshot_older_than_the_deltas_is_asked_for_again_later():
    scene = Scene(synced=False)
    scene.frame(depth(110, 112))
    scene.answer_snapshot(100, [["99.99", "5"]], [["100.01", "5"]])
    assert scene.market.awaiting
    assert scene.asked().delay_ms > 0
    scene.answer_snapshot(111, [["99.97", "5"]], [["100.01", "5"]])
    assert not scene.market.awaiting
    assert scene.market.book.last_update_id == 112


def test_the_pauses_between_snapshots_double_up_to_the_limit():
    scene = Scene(synced=False)
    scene.frame(depth(110, 112))
    delays = []
    for _ in range(12):
        delays.append(scene.asked().delay_ms)
        scene.answer_snapshot(100, [], [])
    assert delays[:4] == [0, 200, 400, 800]
    assert delays[-1] == 30_000


def test_a_new_connection_is_asked_for_its_snapshot_at_once():
    """What failed on the old one is no reason to wait half a minute (swarm seed 44503)."""
    scene = Scene(synced=False)
    scene.frame(depth(110, 112))
    for _ in range(12):
        scene.asked()
        scene.answer_snapshot(100, [], [])
    scene.tell(FeedDown(scene.symbols, "cut"))
    scene.tell(FeedUp(scene.symbols))
    assert scene.asked().delay_ms == 0


def test_a_gap_makes_the_book_untradeable_until_resynced():
    scene = Scene()
    before = scene.market.book.state_hash()
    effects = scene.frame(depth(102, 103, [["99.99", "0"]]))
    assert [effect.event_type for effect in effects] == ["book_gapped"]
    assert scene.market.book.state_hash() == before
    assert scene.last().flags & QuoteFlag.GAPPED
    scene.frame(depth(104, 105, [["99.95", "4"]]))
    scene.answer_snapshot(102, [["99.90", "1"]], [["100.01", "5"]])
    assert not scene.last().flags & QuoteFlag.GAPPED
    assert scene.market.book.levels("bid")[0] == (Decimal("99.95"), Decimal(4))
    figures = scene.actor.figures()
    assert (figures["gaps"], figures["resyncs"]) == (1, 1)


def test_an_answer_to_an_older_question_is_ignored():
    scene = Scene(synced=False)
    stale_generation = scene.asked().generation
    scene.tell(FeedDown(scene.symbols, "cut"))
    scene.tell(FeedUp(scene.symbols))
    body = snapshot(100, [["1.00", "1"]], [["2.00", "1"]])
    scene.tell(SnapshotFetched("AAAUSDT", stale_generation, body))
    assert scene.market.awaiting
    scene.answer_snapshot(100, [["99.99", "5"]], [["100.01", "5"]])
    assert not scene.market.awaiting


def test_a_snapshot_that_arrives_while_the_stream_is_down_is_ignored():
    scene = Scene(synced=False)
    generation = scene.asked().generation
    scene.tell(FeedDown(scene.symbols, "cut"))
    scene.tell(SnapshotFetched("AAAUSDT", generation, snapshot(1, [], [])))
    assert scene.market.awaiting


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"{",
        depth(101, 102, [["99.99", "-1"]]),
        depth(101, 102, [["99.995", "1"]]),
        depth(101, 102, [["99.99", "1"]])[:-3],
        b'{"stream":"aaausdt@depth@100ms","data":{"e":"depthUpdate","s":"AAAUSDT","U":1}}',
        b'{"stream":"zzzusdt@trade","data":{"s":"ZZZUSDT"}}',
        b"\xff\xfe",
    ],
)
def test_a_malformed_frame_is_counted_and_changes_nothing(frame: bytes):
    scene = Scene()
    scene.said()
    before = scene.market.book.state_hash()
    effects = scene.frame(frame)
    assert scene.market.book.state_hash() == before
    assert scene.actor.figures()["malformed"] == 1
    assert [effect.event_type for effect in effects] == ["frame_refused"]
    assert scene.said() == []
    assert scene.frame(frame) == [], "the log is not flooded"
    assert scene.actor.figures()["malformed"] == 2


def test_a_malformed_snapshot_leaves_the_book_and_is_asked_for_again():
    scene = Scene()
    scene.frame(depth(150, 151))
    before = scene.market.book.state_hash()
    fields = SnapshotFetched("AAAUSDT", scene.asked().generation, b'{"lastUpdateId":1,"bids":[[')
    scene.tell(fields)
    assert scene.market.book.state_hash() == before
    assert scene.market.awaiting
    scene.answer_snapshot(150, [["99.99", "5"]], [["100.01", "5"]])
    assert not scene.market.awaiting


def test_the_ticker_is_said_while_it_is_newer_than_the_book():
    scene = Scene()
    scene.frame(ticker(105, "99.50", "99.60"))
    quote = scene.last()
    assert (quote.bid_ticks, quote.ask_ticks, quote.bid_lots) == (9950, 9960, 10**8)
    assert quote.spread_bps == pytest.approx(10 / 9955 * 10_000)
    assert quote.bid_depth_quote > 0
    assert quote.drop_pct == pytest.approx((99.55 / 100.0 - 1) * 100)
    assert quote.buy_price >= 99.60
    scene.frame(ticker(104, "99.70", "99.80"))
    assert scene.said() == [], "an older ticker says nothing"
    scene.frame(depth(101, 106, [["99.99", "0"], ["99.40", "3"]]))
    assert scene.last().bid_ticks == 9940


def test_a_book_that_crosses_is_flagged_and_fetched_again_when_it_stays():
    scene = Scene()
    scene.frame(depth(101, 101, [["100.02", "1"]]))
    assert scene.last().flags & QuoteFlag.CROSSED
    anchor = scene.market.window.anchor()
    assert anchor == 10_000, "a crossed mid is no price"
    effects = scene.wait(1.6)
    assert "book_crossed" in [e.event_type for e in effects if isinstance(e, Note)]
    assert scene.market.awaiting
    scene.answer_snapshot(101, [["99.99", "5"]], [["100.01", "5"]])
    assert not scene.last().flags & (QuoteFlag.CROSSED | QuoteFlag.GAPPED)


def test_a_book_that_uncrosses_at_once_is_left_alone():
    scene = Scene()
    scene.frame(depth(101, 101, [["100.02", "1"]]))
    scene.frame(depth(102, 102, [["100.02", "0"]]))
    assert not scene.last().flags & QuoteFlag.CROSSED
    scene.wait(2)
    assert not scene.market.awaiting


def test_the_drop_is_measured_on_the_mid_from_the_highest_of_the_window():
    scene = Scene(
        policy=Policy(drop=DropPolicy(anchor_window_s=60, seed_anchor=False, anchor_min_age_s=5))
    )
    scene.frame(depth(101, 101, [["109.99", "1"]], [["100.01", "0"], ["110.01", "1"]]))
    scene.frame(depth(102, 102, [["109.99", "0"]], [["99.999", "0"]]))  # refused: off the tick
    scene.frame(depth(102, 102, [["109.99", "0"]], [["110.01", "0"], ["100.01", "5"]]))
    quote = scene.last()
    assert quote.anchor_ticks == 11_000
    assert quote.drop_pct == (10_000 / 11_000 - 1) * 100
    assert not quote.flags & QuoteFlag.WARM
    for number in range(103, 120):
        scene.frame(depth(number, number), after_ms=500)
    scene.wait(0.5)
    assert scene.last().flags & QuoteFlag.WARM
    for number in range(120, 240):
        scene.frame(depth(number, number), after_ms=500)
    scene.wait(0.5)
    quote = scene.last()
    assert quote.anchor_ticks == 10_000, "the old high left the window though the mid stands still"
    assert quote.drop_pct == 0.0


def test_candles_seed_the_anchor_and_only_those_of_the_window_count():
    policy = Policy(drop=DropPolicy(anchor_window_s=600, anchor_min_age_s=600))
    scene = Scene(policy=policy)
    assert FetchCandles("AAAUSDT", 16) in scene.actor.fetches
    assert not scene.last().flags & QuoteFlag.WARM
    minute_ms = T0 // 1_000_000 // 60_000 * 60_000
    bars = [Bar(minute_ms - n * 60_000, 101.0 + n, 99.0, 100.0) for n in range(30, -1, -1)]
    scene.tell(CandlesFetched("AAAUSDT", tuple(bars)))
    quote = scene.last()
    assert quote.flags & QuoteFlag.SEEDED
    assert quote.flags & QuoteFlag.WARM
    assert quote.anchor_ticks == 11_000
    assert quote.drop_pct == pytest.approx((100.0 / 110.0 - 1) * 100)


def test_candles_of_a_replayed_market_end_now():
    scene = Scene(policy=Policy(drop=DropPolicy(anchor_window_s=600)))
    bars = [Bar(1_000 + n * 60_000, 100.0 + n, 99.0, 99.5) for n in range(15)]
    scene.tell(CandlesFetched("AAAUSDT", tuple(bars)))
    assert scene.last().anchor_ticks == 11_400


def test_a_symbol_without_frames_goes_stale_and_its_anchor_is_void_until_seeded_again():
    scene = Scene(policy=Policy(drop=DropPolicy(anchor_window_s=3600)))
    bars = tuple(Bar(T0 // 10**6 - 60_000 * n, 120.0, 99.0, 100.0) for n in range(5, -1, -1))
    scene.tell(CandlesFetched("AAAUSDT", bars))
    scene.frame(depth(101, 101))
    scene.wait(30)
    assert not scene.last().flags & QuoteFlag.STALE, "a quiet market with a living stream"
    scene.wait(31)
    quote = scene.last()
    assert quote.flags & QuoteFlag.STALE
    assert not quote.flags & (QuoteFlag.WARM | QuoteFlag.SEEDED)
    assert (quote.anchor_ticks, quote.drop_pct) == (0, 0.0)
    asked = scene.actor.fetches.count(FetchCandles("AAAUSDT", 61))
    scene.frame(depth(102, 102, [["99.98", "1"]]))
    scene.wait(0.5)
    assert scene.actor.fetches.count(FetchCandles("AAAUSDT", 61)) == asked + 1
    assert not scene.last().flags & QuoteFlag.STALE


def test_without_a_stream_a_symbol_is_stale_within_seconds():
    scene = Scene()
    scene.frame(depth(101, 101))
    scene.tell(FeedDown(scene.symbols, "cut"))
    assert scene.last().flags & QuoteFlag.GAPPED
    scene.wait(1.5)
    assert not scene.last().flags & QuoteFlag.STALE
    scene.wait(1.5)
    assert scene.last().flags & QuoteFlag.STALE


def test_a_short_cut_keeps_the_anchor():
    scene = Scene()
    scene.frame(depth(101, 101, [["109.99", "1"]], [["100.01", "0"], ["110.01", "1"]]))
    scene.tell(FeedDown(scene.symbols, "cut"))
    scene.wait(0.5)
    scene.tell(FeedUp(scene.symbols))
    scene.answer_snapshot(7, [["99.99", "5"]], [["100.01", "5"]])
    assert scene.last().anchor_ticks == 11_000


def test_volatility_volume_and_last_trade_reach_the_quote():
    scene = Scene()
    scene.tell(VolumesFetched({"AAAUSDT": 5e6, "ZZZUSDT": 1.0}))
    for minute in range(16):
        for number, price in enumerate(("100.00", "101.00", "99.00", "100.00")):
            scene.frame(trade(minute * 4 + number, price), after_ms=15_000)
    scene.wait(0.5)
    quote = scene.last()
    assert quote.volume_quote_24h == 5e6
    assert quote.last_ticks == 10_000
    assert quote.atr_pct == pytest.approx(2.0, rel=0.1)
    scene.frame(trade(3, "50.00"))
    assert scene.said() == [], "an echo of an older trade"


def test_quiet_is_told_from_dead_by_the_age_that_stays():
    scene = Scene()
    scene.frame(depth(101, 101, [["99.98", "1"]]))
    heard_ns = scene.now_ns
    scene.said()
    scene.wait(3)
    quotes = scene.said()
    assert len(quotes) >= 5
    assert {quote.recv_ns for quote in quotes} == {heard_ns}
    assert all(a.publish_ns < b.publish_ns for a, b in pairwise(quotes))
    assert all(a.sequence < b.sequence for a, b in pairwise(quotes))


def test_a_later_incarnation_goes_on_above_every_older_sequence():
    first = Scene()
    for number in range(101, 400):
        first.frame(depth(number, number, [["99.98", str(number)]]))
    second = Scene()
    second.now_ns = first.now_ns + NS_PER_S
    second.actor.markets.clear()
    second.tell(InstrumentsFetched((instrument(),)))
    assert second.market.sequence > first.market.sequence


def test_quotes_are_conflated_and_the_first_is_said_at_once():
    scene = Scene()
    scene.said()
    scene.frame(depth(101, 101, [["99.99", "6"]]), after_ms=30)
    assert len(scene.said()) == 1
    for number in range(102, 112):
        scene.frame(depth(number, number, [["99.99", str(number)]]), after_ms=1)
    assert scene.said() == []
    assert scene.actor.has_dirty
    scene.actor.flush(scene.now_ns + 20_000_000)
    quotes = scene.said()
    assert [quote.bid_lots for quote in quotes] == [111 * 10**8]
    assert not scene.actor.has_dirty


def test_a_fall_beyond_the_trigger_is_never_held_back():
    scene = Scene()
    scene.frame(depth(101, 101, [["99.99", "6"]]), after_ms=30)
    scene.said()
    scene.frame(depth(102, 102, [["99.99", "0"], ["95.00", "1"]], [["95.02", "1"]]), after_ms=1)
    assert [quote.drop_pct < -3 for quote in scene.said()] == [True]
    assert not scene.actor.has_dirty


def test_deep_changes_alone_are_not_said():
    scene = Scene()
    scene.said()
    scene.frame(depth(101, 101, [["90.00", "6"]]), after_ms=30)
    assert scene.said() == []


def test_status_and_tick_size_follow_the_venue():
    scene = Scene("AAAUSDT", "BBBUSDT")
    scene.said()
    scene.tell(InstrumentsFetched((instrument("AAAUSDT", status="BREAK"),)))
    assert all(quote.flags & QuoteFlag.HALTED for quote in scene.said())
    assert scene.actor.markets["BBBUSDT"].halted, "not listed any more"
    scene.tell(InstrumentsFetched((instrument("AAAUSDT", tick="0.001"), instrument("BBBUSDT"))))
    assert not scene.actor.markets["BBBUSDT"].halted
    assert scene.market.awaiting
    assert scene.market.book.tick_size == Decimal("0.001")
    scene.answer_snapshot(200, [["99.999", "5"]], [["100.001", "5"]])
    assert scene.last().bid_ticks == 99_999


def test_ready_means_all_books_or_one_after_five_seconds():
    scene = Scene("AAAUSDT", "BBBUSDT", synced=False)
    assert not scene.actor.ready
    scene.answer_snapshot(100, [["99.99", "5"]], [["100.01", "5"]], "AAAUSDT")
    assert not scene.actor.ready
    scene.wait(4)
    assert not scene.actor.ready
    scene.wait(1)
    assert scene.actor.ready
    other = Scene("AAAUSDT", "BBBUSDT")
    assert other.actor.ready
    nothing = Scene(synced=False)
    nothing.wait(20)
    assert not nothing.actor.ready


def test_the_report_counts_what_was_heard_and_said():
    scene = Scene()
    scene.frame(depth(101, 101, [["99.98", "1"]]))
    assert scene.market.book.last_update_id == 101
    report = scene.actor.report()
    assert report["symbols"] == 1
    assert report["frames"] == 1
    assert report["quotes"] == len(scene.said())
    assert scene.actor.snapshot() == b""
