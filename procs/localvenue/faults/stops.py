"""Faults inside the matching: stops refused or vanished, takers who get only a share."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from procs.localvenue.faults.log import FaultLog
from procs.localvenue.faults.trigger import Trigger
from procs.localvenue.matching.model import (
    STOP_TYPES,
    Order,
    OrderUpdated,
    PlaceOrder,
    Refusal,
    VenueEvent,
)
from procs.localvenue.shell import Venue
from shared.units import plain

STOP_REFUSED: Final = Refusal(-2010, "Stop loss orders are not supported for this symbol.")


class MatchingFaults:
    """Reaches into the exchange by its own attributes; does nothing while there are no faults."""

    def __init__(self, log: FaultLog, venue: Venue) -> None:
        self._log = log
        self._venue = venue
        self._rejects: list[Trigger] = []
        self._vanishes: list[Trigger] = []
        self._shares: list[Trigger] = []
        self._seen: set[int] = set()
        """Stops that have had their turn; they are asked about once."""
        self._due_ms: dict[int, tuple[int, Trigger]] = {}

    def set(self, triggers: Sequence[Trigger]) -> None:
        """The faults that hold from now on."""
        exchange = self._venue.exchange
        of = {kind: [one for one in triggers if one.kind == kind] for kind in KINDS_HERE}
        self._rejects, self._shares = of["reject_stop"], of["partial_fill"]
        self._vanishes = of["vanish_stop"]
        self._venue.order_refusal = self._refusal if self._rejects else None
        exchange.fill_share = self._share if self._shares else None
        self._due_ms = {key: due for key, due in self._due_ms.items() if due[1] in self._vanishes}
        if not self._vanishes:
            self._seen.clear()
            return
        now_ms = self._venue.now_ms()
        for account in exchange.accounts:
            for order in exchange.open_orders(account):
                self._look_at(order, now_ms)

    def hear(self, events: Sequence[VenueEvent], now_ms: int) -> None:
        """Notices stops that have come to rest."""
        if not self._vanishes:
            return
        for event in events:
            if isinstance(event, OrderUpdated):
                self._look_at(event.order, now_ms)

    def pass_time(self, now_ms: int) -> list[Order]:
        """Lets stops vanish whose time has come; the orders as they are then."""
        gone: list[Order] = []
        for order_id, (due_ms, one) in list(self._due_ms.items()):
            if now_ms < due_ms:
                continue
            del self._due_ms[order_id]
            order = self._order(order_id)
            if order is None or not order.is_open or order.is_working:
                continue
            self._venue.exchange.vanish(order_id, now_ms)
            self._log.write(
                now_ms,
                one.number,
                one.kind,
                order_id=order_id,
                symbol=order.symbol,
                detail={"client_id": order.client_id},
            )
            gone.append(copy.copy(order))
        return gone

    def _order(self, order_id: int) -> Order | None:
        exchange = self._venue.exchange
        for account in exchange.accounts:
            for order in exchange.open_orders(account):
                if order.id == order_id:
                    return order
        return None

    def _look_at(self, order: Order, now_ms: int) -> None:
        waits = order.type in STOP_TYPES and order.status == "NEW" and not order.is_working
        if not waits or order.id in self._seen:
            return
        self._seen.add(order.id)
        for one in self._vanishes:
            if one.fault.hits_symbol(order.symbol) and one.strikes_now(now_ms):
                self._due_ms.setdefault(order.id, (now_ms + one.drawn_ms(), one))

    def _refusal(self, requests: Sequence[PlaceOrder]) -> Refusal | None:
        stops = [one for one in requests if one.type in STOP_TYPES]
        if not stops:
            return None
        now_ms, symbol = self._venue.now_ms(), stops[0].symbol
        struck = [
            one
            for one in self._rejects
            if one.fault.hits_symbol(symbol) and one.strikes_now(now_ms)
        ]
        for one in struck:
            self._log.write(
                now_ms, one.number, one.kind, symbol=symbol, detail={"type": stops[0].type}
            )
        return STOP_REFUSED if struck else None

    def _share(self, order: Order, could: Decimal) -> Decimal:
        now_ms = self._venue.now_ms()
        got = could
        for one in self._shares:
            if not one.fault.hits_symbol(order.symbol) or not one.strikes_now(now_ms):
                continue
            share = round(Decimal(repr(one.drawn("share"))), 8)
            got *= share
            self._log.write(
                now_ms,
                one.number,
                one.kind,
                order_id=order.id,
                symbol=order.symbol,
                detail={"share": plain(share), "could": plain(could)},
            )
        return got


KINDS_HERE: Final = ("reject_stop", "vanish_stop", "partial_fill")
