"""Whose books are kept in tick windows, and that it makes no difference to what is said."""

from __future__ import annotations

import random
from decimal import Decimal

import msgspec
import pytest
from ingest_scene import T0, Scene, depth, instrument

from procs.ingest.actor import IngestActor
from procs.ingest.heard import InstrumentsFetched
from procs.ingest.universe import WINDOWS_UNASKED, in_windows
from shared.config.schema import Universe
from shared.domain.effects import Note
from shared.domain.policy import Policy

SYMBOLS = tuple(f"{letter}{letter}{letter}USDT" for letter in "ABCDEFGHIJKL")


def kinds_of(priority, symbols=SYMBOLS):
    actor = IngestActor(Policy(), priority=priority)
    listed = tuple(instrument(symbol) for symbol in symbols)
    effects = actor.on(InstrumentsFetched(listed), T0)
    kinds = {symbol: market.book.kind for symbol, market in actor.markets.items()}
    return actor, kinds, [effect for effect in effects if isinstance(effect, Note)]


def test_named_symbols_get_windows_and_nobody_else():
    _, kinds, notes = kinds_of(("CCCUSDT", "LLLUSDT"))
    assert {symbol for symbol, kind in kinds.items() if kind == "window"} == {"CCCUSDT", "LLLUSDT"}
    assert notes == []


def test_unnamed_the_first_of_the_universe_get_them():
    _, kinds, _ = kinds_of(())
    assert list(kinds.values()) == ["window"] * WINDOWS_UNASKED + ["compact"] * (
        len(SYMBOLS) - WINDOWS_UNASKED
    )


def test_a_priority_that_is_not_watched_is_said():
    _, kinds, notes = kinds_of(("ZZZUSDT", "AAAUSDT"))
    assert kinds["AAAUSDT"] == "window"
    assert [(note.event_type, note.fields) for note in notes] == [
        ("priority_not_watched", {"symbols": "ZZZUSDT"})
    ]


def test_a_new_tick_size_keeps_the_kind():
    actor, _, _ = kinds_of(("BBBUSDT",))
    actor.on(InstrumentsFetched(tuple(instrument(s, tick="0.1") for s in SYMBOLS)), T0 + 1)
    assert actor.markets["BBBUSDT"].book.tick_size == Decimal("0.1")
    assert actor.markets["BBBUSDT"].book.kind == "window"
    assert actor.markets["AAAUSDT"].book.kind == "compact"


def test_at_most_32_are_configured():
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"priority": ["AAAUSDT"] * 33}, Universe)
    assert in_windows(SYMBOLS, ("XUSDT",)) == frozenset()


def test_both_kinds_say_the_same_quotes():
    scenes = [Scene(*SYMBOLS[:1]), Scene(*SYMBOLS[:1])]
    scenes[1].market.book.become("compact")
    rng = random.Random(1)
    for number in range(101, 400):
        bids = [[f"{99.99 - rng.randrange(300) / 100:.2f}", f"{rng.randrange(4)}"]]
        asks = [[f"{100.01 + rng.randrange(300) / 100:.2f}", f"{rng.randrange(4)}"]]
        for scene in scenes:
            scene.frame(depth(number, number, bids, asks))
        if number % 50 == 0:
            book = scenes[1].market.book
            book.become("compact" if book.kind == "window" else "window")
        assert [quote.pack() for quote in scenes[0].said()] == [
            quote.pack() for quote in scenes[1].said()
        ]
    assert scenes[0].market.book.kind == "window"
    assert scenes[0].market.frames > 250
