"""What happened, in lines a person reads: bought, protected, sold, refused. Pure, newest last."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Any

import msgspec

from shared.domain.account import Account
from shared.domain.position import Position
from shared.domain.protection import guard_of
from shared.messages.account import (
    AccountEvent,
    Alarmed,
    ExitFailed,
    FillBooked,
    IntentRefused,
    PositionClosed,
    ProtectionAccepted,
    ProtectionChanged,
    ProtectionStatus,
)
from shared.messages.protection import Exit
from shared.messages.venue import Side
from shared.units import NS_PER_S, plain

LINES_KEPT = 200
CENT = Decimal("0.01")


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened; number only grows, so that a reader can ask what is new."""

    number: int
    at_ns: int
    text: str


class Activity:
    """Turns account events into lines, after the account has folded them."""

    def __init__(self) -> None:
        self._lines: deque[Line] = deque(maxlen=LINES_KEPT)
        self._number = 0
        self._protected: set[str] = set()

    def lines(self) -> list[Line]:
        """The newest lines, oldest first."""
        return list(self._lines)

    def heard(self, event: AccountEvent, account: Account, instruments: dict[str, Any]) -> None:
        """An event that the account has folded."""
        text = self._text(event, account, instruments)
        if text:
            self._number += 1
            self._lines.append(Line(number=self._number, at_ns=event.at_ns, text=text))

    def _text(
        self, event: AccountEvent, account: Account, instruments: dict[str, Any]
    ) -> str | None:
        match event:
            case FillBooked():
                verb = "bought" if event.side is Side.BUY else "sold"
                quantity, price = plain(event.quantity), plain(event.price)
                return f"{event.symbol} {verb} {quantity} at {price}"
            case ProtectionChanged():
                position = account.positions.get(event.position_id)
                return self._protection(event, position, instruments) if position else None
            case ProtectionAccepted(target=Exit() as leaving):
                position = account.positions.get(event.position_id)
                return f"{position.symbol} exit: {leaving.reason}" if position else None
            case PositionClosed():
                self._protected.discard(event.position_id)
                trade = account.closed[-1]
                held_s = (trade.closed_ns - trade.opened_ns) / NS_PER_S
                profit = f"{trade.pnl_quote.quantize(CENT):+f}"
                return f"{event.symbol} closed by {event.reason}: {profit} after {held_s:.1f} s"
            case IntentRefused():
                return f"{event.symbol} entry refused: {event.reason}"
            case ExitFailed():
                position = account.positions.get(event.position_id)
                return f"{position.symbol if position else ''} exit failed, will try again"
            case Alarmed():
                return f"ALARM {event.symbol} {event.text}"
        return None

    def _protection(
        self, event: ProtectionChanged, position: Position, instruments: dict[str, Any]
    ) -> str | None:
        """The first stop of a position, and every time that it stands bare."""
        if event.bare:
            return f"{position.symbol} UNPROTECTED: {event.reason}"
        first = event.position_id not in self._protected
        if event.status is not ProtectionStatus.PROTECTED or not first:
            return None
        self._protected.add(event.position_id)
        instrument = instruments.get(position.symbol)
        if instrument is None:
            return f"{position.symbol} protected"
        guard = guard_of(position, instrument)
        target = guard.take_profit_price
        above = f", target {plain(target)}" if target else ""
        return f"{position.symbol} protected: stop {plain(guard.stop_price)}{above}"
