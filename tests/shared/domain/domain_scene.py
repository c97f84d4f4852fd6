"""The vocabulary of the domain tests: one market, one trade, and short words for its events.

Times are seconds after T0 where a test writes them; `ns` turns them into engine time.
"""

from decimal import Decimal

from core_ext.codes import QuoteFlag
from core_ext.quote import Quote
from shared.domain.account import Account
from shared.domain.fold import evolve
from shared.domain.instrument import Instrument
from shared.domain.mark import Mark
from shared.domain.steps import Call
from shared.messages.account import (
    CancelAsked,
    FillBooked,
    IntentAccepted,
    IntentEnded,
    IntentRefused,
    LedgerOpened,
    OrderAcknowledged,
    OrderDoubted,
    OrderEnd,
    OrderEnded,
    OrderRefused,
    OrderSubmitted,
    OrderTriggered,
    ProtectionAccepted,
    Purpose,
)
from shared.messages.entry import EntryIntent, FirstProtection, Rung
from shared.messages.protection import Exit, Urgency
from shared.messages.venue import (
    Meaning,
    OrderKind,
    Side,
    TimeInForce,
    VenueBalance,
    VenueOrder,
    VenueStatus,
    VenueTrade,
)

D = Decimal
S = 1_000_000_000
MS = 1_000_000
T0 = 1_700_000_000 * S
ID = "run1-1"
"""The decision of the one trade most tests tell of."""

BTC = Instrument(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_size=D("0.01"),
    step_size=D("0.00001"),
    min_quantity=D("0.00001"),
    max_quantity=D(9000),
    min_price=D("0.01"),
    max_price=D(1_000_000),
    min_notional=D(5),
    market_max_quantity=D(100),
)
INSTRUMENTS = {BTC.symbol: BTC}


def ns(seconds: float) -> int:
    """Engine time so many seconds after the start of the test."""
    return T0 + round(seconds * S)


PROTECTION = FirstProtection(
    take_profit_pct=D(3),
    stop_loss_pct=D(3),
    stop_limit_offset_pct=D("0.5"),
    time_to_live_s=86_400,
)
LADDER = (
    Rung(time_in_force=TimeInForce.IOC, price=D(100), deadline_ms=2000),
    Rung(time_in_force=TimeInForce.IOC, price=D("100.3"), deadline_ms=2000),
    Rung(time_in_force=TimeInForce.GTC, price=D(100), deadline_ms=30_000),
)


def intent(intent_id=ID, quantity="1", **changes) -> EntryIntent:
    values = {
        "intent_id": intent_id,
        "symbol": BTC.symbol,
        "quantity": D(quantity),
        "ladder": LADDER,
        "reserved_quote": D(quantity) * D("100.3") * D("1.001"),
        "protection": PROTECTION,
        "created_ns": ns(0),
        "deadline_ns": ns(1),
        "quote_recv_ns": ns(0),
    }
    return EntryIntent(**{**values, **changes})


def accepted(at=0.0, **changes):
    return IntentAccepted(at_ns=ns(at), intent=intent(**changes))


def ended_intent(at=1.0, intent_id=ID, reason="filled"):
    return IntentEnded(at_ns=ns(at), intent_id=intent_id, symbol=BTC.symbol, reason=reason)


def intent_refused(intent_id=ID, at=1.0, reason="not_active"):
    return IntentRefused(at_ns=ns(at), intent_id=intent_id, symbol=BTC.symbol, reason=reason)


_LEGS = {
    "e": (Side.BUY, OrderKind.LIMIT, Purpose.ENTRY),
    "s": (Side.SELL, OrderKind.STOP_LIMIT, Purpose.STOP),
    "t": (Side.SELL, OrderKind.LIMIT_MAKER, Purpose.TAKE_PROFIT),
    "x": (Side.SELL, OrderKind.LIMIT, Purpose.EXIT),
}


def order_id(leg="e1", decision=ID) -> str:
    return f"sw-{decision}-{leg}"


def submitted(leg="e1", quantity="1", at=0.0, decision=ID, **changes):
    side, kind, purpose = _LEGS[leg[0]]
    values = {
        "at_ns": ns(at),
        "client_id": order_id(leg, decision),
        "decision_id": decision,
        "symbol": BTC.symbol,
        "side": side,
        "kind": kind,
        "purpose": purpose,
        "quantity": D(quantity),
        "time_in_force": TimeInForce.GTC,
        "price": D(100),
    }
    return OrderSubmitted(**{**values, **changes})


def acknowledged(leg="e1", at=0.1, decision=ID):
    client = order_id(leg, decision)
    return OrderAcknowledged(at_ns=ns(at), client_id=client, venue_order_id=f"v-{client}")


def refused(leg="e1", at=0.1, meaning=Meaning.OTHER, decision=ID):
    return OrderRefused(
        at_ns=ns(at), client_id=order_id(leg, decision), meaning=meaning, reason="no"
    )


def doubted(leg="e1", at=0.1, fence=18.0, decision=ID):
    fence_ns = ns(fence) if fence else 0
    return OrderDoubted(
        at_ns=ns(at), client_id=order_id(leg, decision), reason="timed out", fence_ns=fence_ns
    )


def cancel_asked(leg="e1", at=0.1, decision=ID):
    return CancelAsked(at_ns=ns(at), client_id=order_id(leg, decision), reason="test")


def ended(leg="e1", end=OrderEnd.FILLED, filled="0", at=0.2, decision=ID):
    return OrderEnded(
        at_ns=ns(at), client_id=order_id(leg, decision), end=end, filled_quantity=D(filled)
    )


def triggered(leg="s1", at=0.2, decision=ID):
    return OrderTriggered(at_ns=ns(at), client_id=order_id(leg, decision))


def filled(leg="e1", quantity="1", trade="1", at=0.2, decision=ID, **changes):
    values = {
        "at_ns": ns(at),
        "client_id": order_id(leg, decision),
        "decision_id": decision,
        "symbol": BTC.symbol,
        "base": "BTC",
        "quote": "USDT",
        "side": _LEGS[leg[0]][0],
        "trade_id": trade,
        "price": D(100),
        "quantity": D(quantity),
        "fee": D(0),
        "fee_asset": "USDT",
    }
    return FillBooked(**{**values, **changes})


def exit_wanted(urgency=Urgency.URGENT, at=1.0, version=1, reason="test", decision=ID):
    target = Exit(reason=reason, urgency=urgency)
    return ProtectionAccepted(at_ns=ns(at), position_id=decision, version=version, target=target)


def opened(usdt="10000", btc="0", at=0.0):
    balances = (
        VenueBalance(asset="BTC", free=D(btc), locked=D(0)),
        VenueBalance(asset="USDT", free=D(usdt), locked=D(0)),
    )
    return LedgerOpened(at_ns=ns(at), balances=balances)


def account_of(*events) -> Account:
    """The account after these events, none of which may be at fault."""
    account = Account()
    for event in events:
        fault = evolve(account, event)
        assert fault is None, (fault, event)
    return account


def bought(quantity="1", price="100", **changes) -> tuple:
    """The events of an entry that filled at once; fee in quote unless changed."""
    return (
        opened(),
        accepted(quantity=quantity),
        submitted("e1", quantity, price=D(price)),
        acknowledged("e1"),
        filled("e1", quantity, price=D(price), **changes),
        ended_intent(),
    )


def guarded(quantity="1") -> tuple:
    """A stop and a take profit rest for so much."""
    return (
        submitted("s1", quantity, at=1, price=D("96.51"), stop_price=D(97), list_id=order_id("g1")),
        submitted("t1", quantity, at=1, price=D(103), list_id=order_id("g1")),
        acknowledged("s1", at=1.1),
        acknowledged("t1", at=1.1),
    )


def position_of(account, decision=ID):
    return account.positions[decision]


def mark(bid="100", ask="100.01", at=0.0) -> Mark:
    return Mark(D(bid), D(ask), ns(at))


def said(leg="e1", status=VenueStatus.OPEN, filled="0", quantity="1", **changes) -> VenueOrder:
    """The venue's word on an order."""
    client = changes.pop("client_id", order_id(leg))
    side, kind, _ = _LEGS[leg[0]]
    values = {
        "symbol": BTC.symbol,
        "client_id": client,
        "venue_order_id": f"v-{client}",
        "side": side,
        "kind": kind,
        "status": status,
        "quantity": D(quantity),
        "filled_quantity": D(filled),
        "price": D(100),
    }
    return VenueOrder(**{**values, **changes})


def traded(leg="e1", quantity="1", trade="1", **changes) -> VenueTrade:
    """The venue's word on an execution."""
    client = changes.pop("client_id", order_id(leg))
    values = {
        "symbol": BTC.symbol,
        "trade_id": trade,
        "venue_order_id": f"v-{order_id(leg)}",
        "client_id": client,
        "side": _LEGS[leg[0]][0],
        "price": D(100),
        "quantity": D(quantity),
        "fee": D(0),
        "fee_asset": "USDT",
        "at_ms": ns(0) // MS,
    }
    return VenueTrade(**{**values, **changes})


def quote(bid=10_000, ask=10_001, at=0.0, **changes) -> Quote:
    """A healthy quote in ticks of 0.01, beyond the trigger."""
    values = {
        "symbol": BTC.symbol,
        "sequence": 1,
        "recv_ns": ns(at),
        "publish_ns": ns(at),
        "bid_ticks": bid,
        "bid_lots": 1,
        "ask_ticks": ask,
        "ask_lots": 1,
        "last_ticks": bid,
        "anchor_ticks": 10_400,
        "drop_pct": -3.5,
        "spread_bps": 1.0,
        "bid_depth_quote": 1e6,
        "ask_depth_quote": 1e6,
        "volume_quote_24h": 1e9,
        "flags": QuoteFlag.WARM,
    }
    return Quote(**{**values, **changes})


def calls(steps) -> list:
    """The requests among steps."""
    return [step.request for step in steps if isinstance(step, Call)]


def events(steps) -> list:
    """The events among steps."""
    return [step for step in steps if not isinstance(step, Call)]


def kinds(steps) -> list[str]:
    """The names of steps, for tables."""
    return [
        type(step.request).__name__ if isinstance(step, Call) else type(step).__name__
        for step in steps
    ]
