"""The comparison of the account with a snapshot of the venue (O7, L16).

Corrections come from evidence only; a second reconciliation of the same truth changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from shared.domain.account import Account
from shared.domain.beginnings import MEMORY_NS
from shared.domain.evidence import client_ids, of_balances, of_order, of_trades
from shared.domain.instrument import Instrument
from shared.domain.order import OrderStatus
from shared.domain.steps import Call, Step
from shared.ids import is_ours
from shared.messages.account import AccountEvent, OrderAdopted
from shared.messages.venue import QueryOrder, TakeSnapshot, VenueAnswered, VenueBalance, VenueOrder
from shared.units import NS_PER_MS, ZERO

SEARCHED_MAX = 100
"""Symbols whose whole history is asked for at most: each costs the venue's rate budget."""
OVERLAP_MS = 60_000
"""Trades are asked for again over this much of the past; booking them twice is impossible (L3)."""


Differences = dict[str, tuple[Decimal, Decimal]]
"""Assets of which the account's total is not the venue's: asset → (ledger, venue)."""
Nameless = frozenset[tuple[str, str]]
"""Orders by symbol and the venue's own id."""


class Comparison(msgspec.Struct):
    """What a snapshot brought to light."""

    events: list[AccountEvent] = []
    queries: list[Step] = []
    """Orders we hold for live that the venue does not list: asked about one by one."""
    mismatches: int = 0
    foreign_orders: int = 0
    details: list[str] = []
    nameless: Nameless = frozenset()
    """Orders behind trades where a position is open that neither the account nor the answer names
    as ours: a stranger's, or of rows that are lost and that nobody remembers (L6, L12)."""


def request(account: Account, watched: set[str], now_ns: int) -> TakeSnapshot:
    """What to ask: trades of every symbol in which something of ours may have happened."""
    symbols = {o.symbol for o in account.orders.values()} | watched
    symbols |= {p.symbol for p in account.positions.values()}
    since_ns = account.last_reconciled_ns or account.run_began_ns
    return TakeSnapshot(
        symbol="",
        symbols=tuple(sorted(symbols)),
        trades_since_ms=max(since_ns // NS_PER_MS - OVERLAP_MS, 0),
        asked_ns=now_ns,
    )


def history_request(account: Account, symbols: set[str], now_ns: int) -> TakeSnapshot:
    """What to ask when something of ours happened that the journal has never seen: also the orders
    that have ended since ledger and venue last were the same (L4, L12)."""
    asked = request(account, symbols, now_ns)
    since_ns = account.agreed_ns or account.run_began_ns
    if account.opening:
        since_ns = now_ns - MEMORY_NS
    return msgspec.structs.replace(
        asked, history=True, trades_since_ms=max(since_ns // NS_PER_MS - OVERLAP_MS, 0)
    )


def strange_symbols(account: Account, events: Iterable[AccountEvent]) -> set[str]:
    """Symbols of orders of ours that were adopted for a decision nobody knows."""
    return {
        event.symbol
        for event in events
        if isinstance(event, OrderAdopted)
        and event.decision_id not in account.positions
        and event.decision_id not in account.intents
        and event.decision_id not in account.ended_intents
    }


def differing_symbols(differing: Differences, instruments: dict[str, Instrument]) -> set[str]:
    """Symbols in which something may have happened that makes these assets differ."""
    found = {symbol for symbol, one in instruments.items() if one.base in differing}
    if differing and not found and len(instruments) <= SEARCHED_MAX:
        # Only a quote asset differs: bought and sold again, in any of the symbols.
        return set(instruments)
    return found


def is_unopened(account: Account) -> bool:
    """Whether the ledger is still to be opened, or open on trial."""
    return account.opening or (not account.ledger and not account.fills)


def held_symbols(balances: Iterable[VenueBalance], instruments: dict[str, Instrument]) -> set[str]:
    """Symbols of which a fresh journal finds something held: it may be ours, bought by one that is
    lost (L12). None where there are too many to ask for."""
    held = {b.asset for b in balances if b.free + b.locked > ZERO}
    symbols = {symbol for symbol, one in instruments.items() if one.base in held}
    return symbols if len(symbols) <= SEARCHED_MAX else set()


def compare(
    account: Account, answer: VenueAnswered, instruments: dict[str, Instrument], now_ns: int
) -> Comparison:
    """Events and questions that bring the account to the venue's truth."""
    assert isinstance(answer.request, TakeSnapshot)
    asked_ns = answer.request.asked_ns
    found = Comparison()
    for order in answer.orders:
        if not is_ours(order.client_id):
            found.foreign_orders += 1
            found.details.append(f"foreign order {order.client_id} in {order.symbol}")
            continue
        if _is_all_booked(account, order):
            continue
        news = of_order(account, order, now_ns, asked_ns)
        found.mismatches += len(news)
        found.events.extend(news)
    fills = of_trades(account, answer.trades, instruments, now_ns, answer.orders)
    found.mismatches += len(fills)
    found.events.extend(fills)
    found.nameless = _nameless(account, answer)
    found.events.extend(of_balances(account, answer.balances, now_ns))
    listed = {order.client_id for order in answer.orders}
    for held in account.orders.values():
        known_live = held.status in (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)
        if known_live and held.client_id not in listed and held.submitted_ns < asked_ns:
            query = QueryOrder(symbol=held.symbol, client_id=held.client_id)
            found.queries.append(Call(query, exit_priority=True))
    return found


def _nameless(account: Account, answer: VenueAnswered) -> Nameless:
    open_symbols = {position.symbol for position in account.positions.values()}
    traded = {
        (trade.symbol, trade.venue_order_id)
        for trade in answer.trades
        if not trade.client_id
        and trade.symbol in open_symbols
        and not account.has_booked(trade.symbol, trade.trade_id, trade.side)
    }
    if not traded:
        return frozenset()
    ours = {(o.symbol, o.venue_order_id) for o in answer.orders if is_ours(o.client_id)}
    return frozenset(traded - ours - client_ids(account).keys())


def _is_all_booked(account: Account, said: VenueOrder) -> bool:
    """Whether the venue's word on a filled order can say nothing but the venue's own id of it.

    That finds executions; with the real ones all booked there are none to be found. An order may
    lack it for ever: its execution was heard of first, and the process died before the next word.
    A plain snapshot does not list such an order and a history does, so the id would be a change
    that the second of two reconciliations makes (L3, L16)."""
    order = account.order(said.client_id)
    return (
        order is not None
        and said.status.is_final
        and order.status is OrderStatus.FILLED
        and order.remaining == ZERO
        and said.filled_quantity <= order.filled
        and order.client_id not in account.inferred
    )


def ledger_differences(account: Account) -> Differences:
    """Assets whose ledger and venue total differ (L15).

    Meaningful only while nothing is under way; the caller decides that."""
    assets = set(account.ledger) | set(account.balances)
    differing = {}
    for asset in sorted(assets):
        ours = account.ledger.get(asset, ZERO)
        held = account.balances.get(asset)
        theirs = held.free + held.locked if held is not None else ZERO
        if ours != theirs:
            differing[asset] = (ours, theirs)
    return differing
