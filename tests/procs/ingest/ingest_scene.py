"""Frames and worlds for the tests of ingest: a small venue whose true book is known."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from core_ext.quote import Quote, unpack
from procs.ingest.actor import IngestActor
from procs.ingest.heard import (
    FeedUp,
    FetchDepth,
    FrameReceived,
    InstrumentsFetched,
    SnapshotFetched,
)
from shared.domain.effects import TimerFired
from shared.domain.instrument import Instrument
from shared.domain.policy import DropPolicy, Policy
from shared.units import NS_PER_S

T0 = 1_700_000_000 * NS_PER_S


def instrument(symbol: str = "AAAUSDT", tick: str = "0.01", status: str = "TRADING") -> Instrument:
    return Instrument(
        symbol=symbol,
        base=symbol[:-4],
        quote="USDT",
        tick_size=Decimal(tick),
        step_size=Decimal("0.001"),
        min_quantity=Decimal("0.001"),
        max_quantity=Decimal(9000),
        min_price=Decimal(tick),
        max_price=Decimal(1_000_000),
        min_notional=Decimal(5),
        market_max_quantity=Decimal(900),
        status=status,
    )


def _wrapped(stream: str, data: dict[str, Any]) -> bytes:
    return json.dumps({"stream": stream, "data": data}, separators=(",", ":")).encode()


def depth(first: int, last: int, bids: Any = (), asks: Any = (), symbol: str = "AAAUSDT") -> bytes:
    data = {"e": "depthUpdate", "E": 1700, "s": symbol, "U": first, "u": last, "b": bids, "a": asks}
    return _wrapped(f"{symbol.lower()}@depth@100ms", data)


def trade(number: int, price: str, symbol: str = "AAAUSDT") -> bytes:
    data = {"e": "trade", "E": 1700, "s": symbol, "t": number, "p": price, "q": "1.0"}
    return _wrapped(f"{symbol.lower()}@trade", {**data, "T": 1700, "m": True, "M": True})


def ticker(number: int, bid: str, ask: str, symbol: str = "AAAUSDT") -> bytes:
    data = {"u": number, "s": symbol, "b": bid, "B": "1.0", "a": ask, "A": "2.0"}
    return _wrapped(f"{symbol.lower()}@bookTicker", data)


def snapshot(last_id: int, bids: Any, asks: Any) -> bytes:
    return json.dumps({"lastUpdateId": last_id, "bids": bids, "asks": asks}).encode()


class Scene:
    """An ingest actor with one or more connected symbols, and its clock."""

    def __init__(self, *symbols: str, policy: Policy | None = None, synced: bool = True) -> None:
        self.now_ns = T0
        self.policy = policy or Policy(drop=DropPolicy(seed_anchor=False, anchor_min_age_s=10))
        self.actor = IngestActor(self.policy)
        self.symbols = symbols or ("AAAUSDT",)
        self.actor.start(self.now_ns)
        self.tell(InstrumentsFetched(tuple(instrument(symbol) for symbol in self.symbols)))
        self.tell(FeedUp(self.symbols))
        if synced:
            for symbol in self.symbols:
                self.answer_snapshot(100, [["99.99", "5"]], [["100.01", "5"]], symbol)

    @property
    def market(self) -> Any:
        return self.actor.markets[self.symbols[0]]

    def tell(self, message: Any) -> list[Any]:
        return self.actor.on(message, self.now_ns)

    def frame(self, frame: bytes, after_ms: int = 25) -> list[Any]:
        self.now_ns += after_ms * 1_000_000
        return self.tell(FrameReceived(frame, self.now_ns))

    def wait(self, seconds: float) -> list[Any]:
        """Lets time pass, looking at the markets every half second as the timer would."""
        until_ns = self.now_ns + int(seconds * NS_PER_S)
        effects: list[Any] = []
        while self.now_ns < until_ns:
            self.now_ns = min(self.now_ns + NS_PER_S // 2, until_ns)
            effects += self.tell(TimerFired("watch"))
        return effects

    def asked(self, symbol: str = "AAAUSDT") -> FetchDepth:
        """The newest question for a snapshot of the symbol."""
        return [
            fetch
            for fetch in self.actor.fetches
            if isinstance(fetch, FetchDepth) and fetch.symbol == symbol
        ][-1]

    def answer_snapshot(self, last_id: int, bids: Any, asks: Any, symbol: str = "AAAUSDT") -> None:
        generation = self.asked(symbol).generation
        self.tell(SnapshotFetched(symbol, generation, snapshot(last_id, bids, asks)))

    def said(self) -> list[Quote]:
        """The quotes said since the last look."""
        return [unpack(data) for data in self.actor.take_quotes()]

    def last(self, symbol: str = "AAAUSDT") -> Quote:
        """The newest quote of the symbol."""
        return [quote for quote in self.said() if quote.symbol == symbol][-1]
