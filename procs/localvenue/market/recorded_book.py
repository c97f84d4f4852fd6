"""The book of one recorded symbol: deltas kept until the snapshot, joined with it, then passed on.

The documented way (Binance, "How to manage a local order book correctly"): keep deltas from before
the snapshot; drop those that end at or before its id; the first one applied must reach over it.
Spot deltas continue by U = last u + 1, futures deltas name their predecessor in pu.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from procs.localvenue.market.events import BookChanged, Levels, MarketEvent, Ticked, Traded
from shared.errors import NumberError, RecordingError
from shared.units import ZERO, decimal_from_text, plain

KEPT_MAX: Final = 10_000
"""Events kept before the first snapshot; a recording without one must not fill the memory."""


def read_levels(raw: Any) -> Levels:
    """[[price, quantity], ...] as decimals. Raises NumberError."""
    levels = tuple((decimal_from_text(one[0]), decimal_from_text(one[1])) for one in raw)
    for price, quantity in levels:
        if price <= 0 or quantity < 0:
            raise NumberError(f"level {plain(price)} x {plain(quantity)}, allowed: > 0 x >= 0")
    return levels


def read_trade(data: dict[str, Any], at_ms: int, line: int = 0) -> Traded:
    """A recorded trade or aggregate trade, stamped at_ms. Raises NumberError, KeyError."""
    return Traded(
        symbol=data["s"],
        at_ms=at_ms,
        trade_id=data["t"] if "t" in data else data["a"],
        price=decimal_from_text(data["p"]),
        quantity=decimal_from_text(data["q"]),
        buyer_is_maker=data["m"],
        line=line,
    )


class RecordedBook:
    """See the module. Counts deltas: applied, stale (older than the snapshot), gaps."""

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.applied = 0
        self.stale = 0
        self.gaps = 0
        self._bids: dict[Decimal, Decimal] = {}
        self._asks: dict[Decimal, Decimal] = {}
        self._last_id: int | None = None
        self._joined = False
        """Whether a delta followed the last snapshot; the first one may begin before its id."""
        self._line = 0
        """The newest line that said something about the book."""
        self._kept: list[tuple[dict[str, Any], int] | Traded | Ticked] = []

    @property
    def waiting(self) -> int:
        """How many events wait for a snapshot."""
        return len(self._kept)

    def whole(self, at_ms: int) -> list[MarketEvent]:
        """The whole book as one event; nothing when no snapshot came yet."""
        if self._last_id is None:
            return []
        return [
            BookChanged(
                symbol=self.symbol,
                at_ms=at_ms,
                first_id=self._last_id,
                last_id=self._last_id,
                bids=tuple(sorted(self._bids.items(), reverse=True)),
                asks=tuple(sorted(self._asks.items())),
                line=self._line,
            )
        ]

    def pass_on(self, event: Traded | Ticked) -> list[MarketEvent]:
        """A trade or best price: at once, or after the book when that is not known yet."""
        if self._last_id is not None:
            return [event]
        self._keep(event)
        return []

    def take_ticker(self, data: dict[str, Any], at_ms: int) -> list[MarketEvent]:
        """A recorded bookTicker."""
        return self.pass_on(
            Ticked(
                symbol=self.symbol,
                at_ms=at_ms,
                update_id=data["u"],
                bid=decimal_from_text(data["b"]),
                bid_quantity=decimal_from_text(data["B"]),
                ask=decimal_from_text(data["a"]),
                ask_quantity=decimal_from_text(data["A"]),
            )
        )

    def take_delta(self, data: dict[str, Any], at_ms: int, line: int = 0) -> list[MarketEvent]:
        """A recorded depthUpdate; stale ones say nothing, a gap is counted and passed on."""
        last_id = self._last_id
        if last_id is None:
            self._keep((data, line))
            return []
        previous = data.get("pu")
        stale_to = last_id if previous is None or self._joined else last_id - 1
        if data["u"] <= stale_to:
            self.stale += 1
            return []
        first_id: int = data["U"]
        if not self._joined:
            continues = first_id <= last_id + 1
        elif previous is None:
            continues = first_id == last_id + 1
        else:
            continues = previous == last_id
        if not continues:
            self.gaps += 1
        change = BookChanged(
            symbol=self.symbol,
            at_ms=at_ms,
            first_id=first_id,
            last_id=data["u"],
            bids=read_levels(data["b"]),
            asks=read_levels(data["a"]),
            line=line,
        )
        _apply(self._bids, change.bids)
        _apply(self._asks, change.asks)
        self._last_id, self._joined = change.last_id, True
        self._line = max(self._line, line)
        self.applied += 1
        return [change]

    def take_snapshot(self, data: dict[str, Any], at_ms: int, line: int = 0) -> list[MarketEvent]:
        """A recorded REST depth: the first makes the book, a later one mends it.

        The whole book carries the snapshot's id; the first delta after it may begin before that."""
        snapshot_id: int = data["lastUpdateId"]
        bids, asks = dict(read_levels(data["bids"])), dict(read_levels(data["asks"]))
        if self._last_id is not None:
            return self._mend(snapshot_id, bids, asks, at_ms, line)
        kept, self._kept = self._kept, []
        self._bids, self._asks, self._last_id, self._line = bids, asks, snapshot_id, line
        said = self.whole(at_ms)
        for event in kept:
            if isinstance(event, tuple):
                said.extend(self.take_delta(event[0], at_ms, event[1]))
            elif isinstance(event, Traded) or event.update_id > snapshot_id:
                said.append(_at(event, at_ms))
        return said

    def _mend(
        self,
        snapshot_id: int,
        bids: dict[Decimal, Decimal],
        asks: dict[Decimal, Decimal],
        at_ms: int,
        line: int,
    ) -> list[MarketEvent]:
        """After a hole in the recording: the difference between the book and the newer snapshot.

        Levels beyond the snapshot's reach stay, as they would for any client."""
        last_id = self._last_id
        if last_id is None or snapshot_id <= last_id:
            return []
        change = BookChanged(
            symbol=self.symbol,
            at_ms=at_ms,
            first_id=last_id + 1,
            last_id=snapshot_id,
            bids=_difference(self._bids, bids, min(bids, default=ZERO), None),
            asks=_difference(self._asks, asks, None, max(asks, default=ZERO)),
            line=line,
        )
        _apply(self._bids, change.bids)
        _apply(self._asks, change.asks)
        self._last_id, self._joined, self._line = snapshot_id, False, line
        return [change]

    def _keep(self, event: tuple[dict[str, Any], int] | Traded | Ticked) -> None:
        if len(self._kept) >= KEPT_MAX:
            raise RecordingError(
                f"{self.symbol}: no depth snapshot within the first {KEPT_MAX} events"
            )
        self._kept.append(event)


def _at(event: Traded | Ticked, at_ms: int) -> Traded | Ticked:
    """The event said now: what was kept comes after the book and must not go back in time."""
    values = {name: getattr(event, name) for name in event.__struct_fields__}
    return type(event)(**(values | {"at_ms": at_ms}))


def _apply(side: dict[Decimal, Decimal], levels: Levels) -> None:
    for price, quantity in levels:
        if quantity:
            side[price] = quantity
        else:
            side.pop(price, None)


def _difference(
    old: dict[Decimal, Decimal],
    new: dict[Decimal, Decimal],
    lowest: Decimal | None,
    highest: Decimal | None,
) -> Levels:
    """What turns old into new within the snapshot's reach."""
    gone = [
        (price, ZERO)
        for price in old
        if price not in new
        and (lowest is None or price >= lowest)
        and (highest is None or price <= highest)
    ]
    changed = [(price, quantity) for price, quantity in new.items() if old.get(price) != quantity]
    return tuple(gone + changed)
