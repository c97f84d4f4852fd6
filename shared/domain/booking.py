"""Booking: what an execution does to order, position and ledger, exactly (L3, L15).

The ledger moves by every execution, the position only by its own; an inferred execution is taken
back as the real ones arrive.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from shared.domain.account import Account, Oversold
from shared.domain.order import Order, OrderStatus
from shared.domain.position import Position, PositionStatus
from shared.ids import attempt_of, leg_of
from shared.messages.account import FillBooked, OrderAdopted, OrderSubmitted, Purpose
from shared.messages.entry import FirstProtection
from shared.messages.protection import Guard
from shared.messages.venue import OrderKind, Side, TimeInForce
from shared.units import LEDGER, ZERO

DEFAULT_PROTECTION = FirstProtection(
    take_profit_pct=Decimal(3),
    stop_loss_pct=Decimal(3),
    stop_limit_offset_pct=Decimal("0.5"),
    time_to_live_s=86_400,
)
"""For a position whose intent is not remembered: an adopted stray must be protected somehow."""


OVERSOLD_MAX = 1_000
"""Decisions without a position whose sales are remembered at most (O8)."""

PURPOSES = {"e": Purpose.ENTRY, "t": Purpose.TAKE_PROFIT, "s": Purpose.STOP, "x": Purpose.EXIT}
"""What the leg letter of a client id stands for."""


def position_for(account: Account, event: FillBooked) -> Position | None:
    """The position a fill belongs to; a late buy opens it again, so that it gets protected (L2).

    One that was inferred for a position that is closed by now was sold with it."""
    position = account.positions.get(event.decision_id)
    was_inferred = event.client_id in account.inferred and not event.inferred
    if position is None and event.side is Side.BUY and not was_inferred:
        position = _found(account, event)
        account.positions[event.decision_id] = position
    if position is not None and position.status is PositionStatus.NEW and event.side is Side.BUY:
        position.opened_ns = event.at_ns
        account.count("positions_opened")
    return position


def _found(account: Account, event: FillBooked) -> Position:
    """A position that was closed, or that the journal has never seen (L12).

    What was sold of it already, or beyond what was known to be bought, is part of it: or it would
    be sold twice (L6)."""
    remembered = account.ended_intents.get(event.decision_id)
    before = account.oversold.pop(event.decision_id, None) or Oversold()
    position = Position(
        position_id=event.decision_id,
        symbol=event.symbol,
        opened_ns=event.at_ns,
        first_protection=remembered.intent.protection if remembered else DEFAULT_PROTECTION,
        **msgspec.structs.asdict(before),
    )
    # Ids of earlier protections of this decision may exist; go on well behind them.
    position.attempts = max(_attempts(account, event.decision_id), default=0)
    if remembered is None or remembered.accepted_ns < account.lost_ns:
        position.forgotten_ns = account.lost_ns
    if any(trade.position_id == event.decision_id for trade in account.closed):
        return position
    position.target = _resting_guard(account, event.decision_id)
    if remembered is None:
        position.forgotten_ns = account.began_ns
    return position


def leave_oversold(account: Account, position: Position) -> None:
    """Of a position that is closed: what it sold beyond what is known to be bought (L6). The money
    it brought stays in the closed trade."""
    if position.quantity < ZERO:
        seller = _oversold(account, position.position_id)
        seller.sold = LEDGER.subtract(seller.sold, position.quantity)


def _oversold(account: Account, decision_id: str) -> Oversold:
    if decision_id not in account.oversold:
        account.oversold[decision_id] = Oversold()
        if len(account.oversold) > OVERSOLD_MAX:
            del account.oversold[next(iter(account.oversold))]
    return account.oversold[decision_id]


def _resting_guard(account: Account, decision_id: str) -> Guard | None:
    """What rests for a position that is found: its stop was set by somebody who knew the intent."""
    resting = [order for order in account.orders_of(decision_id) if order.is_live]
    stop = next((order for order in resting if order.purpose is Purpose.STOP), None)
    if stop is None:
        return None
    targets = (order.price for order in resting if order.purpose is Purpose.TAKE_PROFIT)
    return Guard(
        stop_price=stop.stop_price,
        stop_limit_price=stop.price,
        take_profit_price=next(targets, ZERO),
    )


def found_order(event: FillBooked) -> Order:
    """The order of a fill that came before any word of it: nothing is known but what it filled."""
    return Order(
        client_id=event.client_id,
        decision_id=event.decision_id,
        symbol=event.symbol,
        side=event.side,
        kind=OrderKind.LIMIT,
        purpose=PURPOSES[leg_of(event.client_id) or "x"],
        quantity=event.quantity,
        time_in_force=TimeInForce.GTC,
        price=event.price,
        stop_price=ZERO,
        list_id="",
        expires_ns=0,
        submitted_ns=event.at_ns,
        status=OrderStatus.OPEN,
    )


def use_up_number(account: Account, order: Order | OrderAdopted | OrderSubmitted) -> None:
    """An older journal has not seen it sent: its number is used up all the same (O2, L12). Entries
    look at the orders themselves."""
    position = account.positions.get(order.decision_id)
    if order.purpose is not Purpose.ENTRY and position is not None:
        position.attempts = max(position.attempts, attempt_of(order.client_id))


def _attempts(account: Account, decision_id: str) -> Iterator[int]:
    for orders in (account.orders, account.tombstones):
        for client_id, order in orders.items():
            if order.decision_id == decision_id:
                yield attempt_of(client_id)


def replace_inferred(
    account: Account, order: Order | None, position: Position | None, real: FillBooked
) -> None:
    """Takes back as much of an inferred fill as the real execution proves (L3)."""
    guess = account.inferred.get(real.client_id)
    if guess is None:
        return
    taken = min(guess.quantity, real.quantity)
    book(account, order, position, guess, -taken, ZERO)
    left = guess.quantity - taken
    if left:
        account.inferred[real.client_id] = msgspec.structs.replace(guess, quantity=left)
    else:
        del account.inferred[real.client_id]


def book(
    account: Account,
    order: Order | None,
    position: Position | None,
    event: FillBooked,
    quantity: Decimal,
    fee: Decimal,
) -> None:
    """Moves quantity between assets, in the ledger and in the position; exact (L15)."""
    cost = LEDGER.multiply(event.price, quantity)
    bought = event.side is Side.BUY
    if order is not None:
        order.filled = LEDGER.add(order.filled, quantity)
    _move(account, event.base, quantity if bought else -quantity)
    _move(account, event.quote, -cost if bought else cost)
    if fee:
        _move(account, event.fee_asset, -fee)
    if bought:
        if position is None:
            return
        position.bought = LEDGER.add(position.bought, quantity)
        position.spent = LEDGER.add(position.spent, cost)
        _charge(position, event, fee)
        return
    # Without a position too: it may be that the buy is found later.
    seller = position if position is not None else _oversold(account, event.decision_id)
    seller.sold = LEDGER.add(seller.sold, quantity)
    seller.received = LEDGER.add(seller.received, cost)
    _charge(seller, event, fee)


def _charge(payer: Position | Oversold, event: FillBooked, fee: Decimal) -> None:
    if not fee:
        return
    if event.fee_asset == event.base:
        payer.base_fees = LEDGER.add(payer.base_fees, fee)
    elif event.fee_asset == event.quote:
        payer.quote_fees = LEDGER.add(payer.quote_fees, fee)
    else:
        paid = payer.other_fees.get(event.fee_asset, ZERO)
        payer.other_fees[event.fee_asset] = LEDGER.add(paid, fee)


def _move(account: Account, asset: str, by: Decimal) -> None:
    account.ledger[asset] = LEDGER.add(account.ledger.get(asset, ZERO), by)
