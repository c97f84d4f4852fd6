"""The account: everything route knows that survives it. `domain.fold` alone writes it.

Readers hold the same noun, folded from the same events (L8), and ask it the same questions.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from shared.domain.order import FINAL, Order
from shared.domain.position import Position, PositionStatus
from shared.messages.account import FillBooked, RowsLost
from shared.messages.base import Amount, Reader, encode
from shared.messages.entry import EntryIntent
from shared.messages.venue import Side, VenueBalance
from shared.units import ZERO


class IntentState(msgspec.Struct, kw_only=True):
    """An intent on its ladder."""

    intent: EntryIntent
    accepted_ns: int
    tried: int = 0
    """Entry orders sent so far; numbers their ids, and is the index of the next rung."""
    ended_ns: int = 0


class ClosedTrade(msgspec.Struct, frozen=True, kw_only=True):
    """What a closed position came to."""

    position_id: str
    symbol: str
    opened_ns: int
    closed_ns: int
    spent: Amount
    received: Amount
    pnl_quote: Amount
    reason: str
    unprotected_s: float


class Oversold(msgspec.Struct, kw_only=True):
    """Sales of a decision without a position that nothing known to be bought explains: the journal
    lacks a buy. Should that be found, this part of it is gone already (L6)."""

    sold: Amount = ZERO
    base_fees: Amount = ZERO
    received: Amount = ZERO
    quote_fees: Amount = ZERO
    other_fees: dict[str, Amount] = {}


class Account(msgspec.Struct, kw_only=True):
    """Everything route knows that survives it."""

    seq: int = 0
    run_id: str = ""
    run_began_ns: int = 0
    began_ns: int = 0
    """When the newest process of route began."""
    epochs: dict[str, int] = {}
    """Processes of route that wrote this journal, oldest first: the row with which each began."""
    epochs_ns: dict[str, int] = {}
    """When each of them began."""
    lost_ns: int = 0
    """The first instant at which nobody lived any more who wrote rows that are lost, as far as that
    is known: what these had sent left before it (L12). 0 where none are known to be lost."""
    unmended_ns: int = 0
    """When the process began that first found the journal broken as it still is; 0 where it is
    whole."""
    unlatched_loss: RowsLost | None = None
    """A loss that nobody else may know of yet: the latch was not seen in place since."""
    orders: dict[str, Order] = {}
    """Live, or ended with executions still owed."""
    tombstones: dict[str, Order] = {}
    intents: dict[str, IntentState] = {}
    ended_intents: dict[str, IntentState] = {}
    refused_intents: dict[str, int] = {}
    """The newest ones that were not taken on, and when: a late copy of one must not be (L8)."""
    positions: dict[str, Position] = {}
    closed: list[ClosedTrade] = []
    oversold: dict[str, Oversold] = {}
    """By decision: what was sold before the buy of it is heard of, or beyond all that is known."""
    fills: dict[str, int] = {}
    """Keys of booked executions (L3) with the engine time of booking."""
    inferred: dict[str, FillBooked] = {}
    """Per order, what was topped up and not yet replaced by real executions."""
    ledger: dict[str, Amount] = {}
    opening: bool = False
    """The ledger is missing, or a provisional one: what it starts from may be a lost journal's."""
    balances: dict[str, VenueBalance] = {}
    dust: dict[str, Amount] = {}
    blocked: dict[str, int] = {}
    """Symbols without entries, until an engine time."""
    totals: dict[str, int] = {}
    last_reconciled_ns: int = 0
    agreed_ns: int = 0
    """When ledger and venue last were the same: what is missing happened after it (L12)."""
    explained_ns: int = 0
    """What we sent before this is known here: a fence before the newest question left to which the
    venue told nothing of ours that is not. Route alone knows the fence: readers go by this (L2)."""

    def orders_of(self, decision_id: str) -> list[Order]:
        """Orders of a decision that live or still owe executions."""
        return [order for order in self.orders.values() if order.decision_id == decision_id]

    def live_sells(self, position_id: str) -> list[Order]:
        """Sell orders of a position that may still trade."""
        return [
            order
            for order in self.orders.values()
            if order.decision_id == position_id
            and order.side is Side.SELL
            and order.status not in FINAL
        ]

    def order(self, client_id: str) -> Order | None:
        """An order, live or remembered."""
        return self.orders.get(client_id) or self.tombstones.get(client_id)

    def open_positions(self) -> Iterator[Position]:
        """Positions that bought something."""
        return (
            position
            for position in self.positions.values()
            if position.status is not PositionStatus.NEW
        )

    def position_in(self, symbol: str) -> Position | None:
        """The position or the entry under way in a symbol, if any."""
        for position in self.positions.values():
            if position.symbol == symbol:
                return position
        return None

    def has_booked(self, symbol: str, trade_id: str, side: Side) -> bool:
        """Whether an execution is in the books (L3); snapshots of older versions kept no sides."""
        return (
            fill_key(symbol, trade_id, side) in self.fills or f"{symbol}:{trade_id}" in self.fills
        )

    def remembers(self, epoch: str, seq: int) -> bool:
        """Whether row `seq` is the one that was written in `epoch`, as far as the beginnings of
        epochs tell (L12). What is older than they reach back is believed."""
        if not epoch or not self.epochs:
            return True
        began = self.epochs.get(epoch)
        if began is None:
            first, row = next(iter(self.epochs.items()))
            return row > 1 and _run_of(epoch) <= _run_of(first)
        return all(not began < other <= seq for other in self.epochs.values())

    def short_until_ns(self) -> int:
        """Until when something of ours may have been done that is missing here; 0: nothing is.

        The ledger is open on trial, or rows are known to be lost and the venue has not explained
        them. What was asked for before may be under way or bought all the same (L15)."""
        if self.opening:
            return max(self.began_ns, self.lost_ns)
        return self.lost_ns if self.explained_ns < self.lost_ns else 0

    def count(self, name: str, by: int = 1) -> None:
        """Adds to a total of this run."""
        self.totals[name] = self.totals.get(name, 0) + by


_READER = Reader(Account)


def read_account(data: bytes | memoryview) -> Account:
    """An account from its JSON. Raises MessageError."""
    account: Account = _READER.read(data)
    return account


def account_bytes(account: Account) -> bytes:
    """JSON of an account, exact."""
    return encode(account)


def epoch_order(epoch: str) -> tuple[str, int]:
    """Sorts epochs by age: later runs have later ids, later incarnations higher numbers."""
    run, _, incarnation = epoch.rpartition(".")
    is_number = incarnation.isascii() and incarnation.isdigit() and len(incarnation) < 19
    return run, int(incarnation) if is_number else 0


def _run_of(epoch: str) -> str:
    return epoch.rpartition(".")[0]


def fill_key(symbol: str, trade_id: str, side: Side) -> str:
    """The identity of an execution at one venue (L3).

    With its side: where two orders of ours meet, both executions carry the same trade id."""
    return f"{symbol}:{trade_id}:{side.value}"
