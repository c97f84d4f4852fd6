"""Writes down why each fill was honest, so that somebody else can prove it from the market's data.

One JSON object a line: a `start` with the market's files, then every order, its place in the
queue when it joins one and its leaving, and every fill with the market data it rests on. `line` is
how far the symbol's market had been read. `seawall audit` reads the file beside the recording, with
code of its own. A generated market is written down too, as raw frames in the format of recordings.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final

import msgspec
import orjson

from procs.localvenue.market.events import BookChanged, Levels, MarketEvent, Traded
from procs.localvenue.matching.model import (
    Evidence,
    Fill,
    Order,
    OrderList,
    OrderUpdated,
    VenueEvent,
)
from procs.localvenue.matching.words import MARKET_TYPES
from shared.domain.instrument import Instrument
from shared.errors import ConfigError, JournalError
from shared.units import NS_PER_MS, plain

VERSION: Final = 1
MARKET_SUFFIX: Final = ".market.jsonl"
"""Added to the audit file's name: the events of a generated market, as recordings hold them."""


class FillAudit:
    """One audit file of one run, from the market's first event on."""

    def __init__(
        self, path: Path, instruments: Iterable[Instrument], recordings: Sequence[Path] = ()
    ) -> None:
        """Opens new files; `recordings` are the market, without them it is written down as well.

        Raises ConfigError when a file exists already or cannot be made."""
        self.path = path
        self._accounts: dict[str, int] = {}
        self._lines: dict[str, int] = {}
        self._known: dict[int, Decimal] = {}
        """Orders that were written down and have not ended, with their quantity."""
        self._turns: dict[int, int] = {}
        """Orders in a queue, with their turn among ours."""
        self._pending: list[bytes] = []
        self._frames: list[bytes] = []
        self._market_line = 0
        self._market_ns = 0
        self._file = _create(path)
        self._market_file = (
            None if recordings else _create(path.with_name(path.name + MARKET_SUFFIX))
        )
        self._write(
            record="start",
            version=VERSION,
            market="recorded" if recordings else "generated",
            files=[{"file": one.name, "sha256": _digest(one)} for one in recordings],
            instruments={
                one.symbol: {"tick_size": plain(one.tick_size), "step_size": plain(one.step_size)}
                for one in instruments
            },
        )
        self.flush()

    def number_accounts(self, names: Iterable[str]) -> None:
        """Accounts in the order of their numbers, from 0; the file holds no keys."""
        self._accounts = {name: number for number, name in enumerate(names)}

    def on_market(self, event: MarketEvent) -> MarketEvent:
        """Takes note of an event before the exchange hears it; gives it its line if it has none."""
        if not isinstance(event, BookChanged | Traded):
            return event
        if self._market_file is not None:
            event = self._write_market(event)
        self._lines[event.symbol] = max(event.line, self._lines.get(event.symbol, 0))
        return event

    def on_events(
        self, events: Iterable[VenueEvent], silent: Iterable[Order | OrderList] = ()
    ) -> None:
        """Takes note of what one request or one market event did, in order.

        `silent` is what changed without an event; orders that ended so have left."""
        for event in events:
            if isinstance(event, OrderUpdated):
                self._on_order(event)
        for one in silent:
            if isinstance(one, Order) and not one.is_open:
                self._left(one)

    def flush(self) -> None:
        """Hands everything to the operating system. Raises JournalError when it cannot."""
        try:
            if self._frames and self._market_file is not None:
                self._market_file.write(b"".join(self._frames))
                self._market_file.flush()
                self._frames.clear()
            if self._pending:
                self._file.write(b"".join(self._pending))
                self._file.flush()
                self._pending.clear()
        except OSError as error:
            raise JournalError(f"{self.path}: the audit cannot be written: {error}") from error

    def close(self) -> None:
        """Writes what is left and closes the files. Raises JournalError when it cannot."""
        try:
            self.flush()
        finally:
            self._file.close()
            if self._market_file is not None:
                self._market_file.close()

    def _on_order(self, event: OrderUpdated) -> None:
        order = event.order
        if order.id not in self._known and order.is_open:
            self._write(
                record="order",
                **self._place(order),
                account=self._accounts[order.account],
                side=order.side,
                type=order.type,
                price=None if order.price is None else plain(order.price),
                quantity=plain(order.quantity),
                at_ms=event.at_ms,
            )
            self._known[order.id] = order.quantity
        if self._known.get(order.id, order.quantity) != order.quantity:
            self._write(record="amend", **self._place(order), quantity=plain(order.quantity))
            self._known[order.id] = order.quantity
        if event.fill is not None:
            self._write_fill(event.fill, order)
        if not order.is_open:
            self._left(order)
        elif _rests(order) and self._turns.get(order.id) != order.queue_number:
            self._turns[order.id] = order.queue_number
            assert order.price is not None, "only orders with a price rest"
            self._write(
                record="join",
                **self._place(order),
                side=order.side,
                price=plain(order.price),
                queue_ahead=plain(order.queue_ahead),
            )

    def _left(self, order: Order) -> None:
        self._known.pop(order.id, None)
        if self._turns.pop(order.id, None) is not None:
            self._write(record="leave", **self._place(order), status=order.status)

    def _write_fill(self, fill: Fill, order: Order) -> None:
        assert fill.evidence is not None, "every fill of this version has its evidence"
        self._write(
            record="fill",
            fill=fill.trade_id,
            **self._place(order),
            account=self._accounts[fill.account],
            side="BUY" if fill.is_buyer else "SELL",
            price=plain(fill.price),
            quantity=plain(fill.quantity),
            maker=fill.is_maker,
            at_ms=fill.at_ms,
            evidence=_evidence(fill.evidence),
        )

    def _place(self, order: Order) -> dict[str, Any]:
        return {
            "order": order.id,
            "symbol": order.symbol,
            "line": self._lines.get(order.symbol, 0),
        }

    def _write(self, **fields: Any) -> None:
        self._pending.append(orjson.dumps(fields) + b"\n")

    def _write_market(self, event: BookChanged | Traded) -> BookChanged | Traded:
        """Appends the event to the market's file; its line is its place there."""
        self._market_line += 1
        self._market_ns = max(self._market_ns, event.at_ms * NS_PER_MS)
        is_first = event.symbol not in self._lines
        frame = _book_frame(event, is_first) if isinstance(event, BookChanged) else _trade(event)
        self._frames.append(b"%d %s\n" % (self._market_ns, orjson.dumps(frame)))
        return msgspec.structs.replace(event, line=self._market_line)


def _rests(order: Order) -> bool:
    """Whether an order stands in a queue now, or will when it has taken what it can."""
    return (
        order.is_working
        and order.status != "PENDING_NEW"
        and order.price is not None
        and order.time_in_force == "GTC"
        and order.type not in MARKET_TYPES
    )


def _evidence(proof: Evidence) -> dict[str, Any]:
    if proof.kind == "order":
        return {"kind": "order", "order": proof.source}
    shown: dict[str, Any] = {
        "kind": proof.kind,
        "line": proof.source,
        "price": plain(proof.price),
        "quantity": plain(proof.quantity),
        "taken": plain(proof.taken),
    }
    if proof.kind == "trade":
        shown["queue_ahead"] = plain(proof.queue_ahead)
        shown["trade_id"] = proof.trade_id
    return shown


def _book_frame(event: BookChanged, is_whole: bool) -> Mapping[str, Any]:
    if is_whole:
        return {
            "lastUpdateId": event.last_id,
            "s": event.symbol,
            "bids": _levels(event.bids),
            "asks": _levels(event.asks),
        }
    return {
        "stream": f"{event.symbol.lower()}@depth",
        "data": {
            "e": "depthUpdate",
            "E": event.at_ms,
            "s": event.symbol,
            "U": event.first_id,
            "u": event.last_id,
            "b": _levels(event.bids),
            "a": _levels(event.asks),
        },
    }


def _trade(event: Traded) -> Mapping[str, Any]:
    return {
        "stream": f"{event.symbol.lower()}@trade",
        "data": {
            "e": "trade",
            "E": event.at_ms,
            "s": event.symbol,
            "t": event.trade_id,
            "p": plain(event.price),
            "q": plain(event.quantity),
            "T": event.at_ms,
            "m": event.buyer_is_maker,
            "M": True,
        },
    }


def _levels(levels: Levels) -> list[list[str]]:
    return [[plain(price), plain(quantity)] for price, quantity in levels]


def _create(path: Path) -> IO[bytes]:
    try:
        return path.open("xb")
    except FileExistsError:
        raise ConfigError(
            f"--audit {path}: exists already; an audit is of one run, choose another file"
        ) from None
    except OSError as error:
        raise ConfigError(f"--audit {path}: cannot be made: {error.strerror}") from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
