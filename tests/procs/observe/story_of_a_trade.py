"""A whole trade as route, decide and protect journal it, for tests of what people are shown."""

from decimal import Decimal

from shared.domain.account import Account, account_bytes
from shared.domain.fold import evolve
from shared.domain.instrument import Instrument
from shared.messages.account import (
    EventSaid,
    FillBooked,
    IntentAccepted,
    IntentEnded,
    LedgerOpened,
    OrderAcknowledged,
    OrderEnd,
    OrderEnded,
    OrderSubmitted,
    PositionClosed,
    ProtectionAccepted,
    ProtectionChanged,
    ProtectionStatus,
    Purpose,
    RunBegan,
    Welcomed,
)
from shared.messages.base import encode
from shared.messages.decision import Check, DecisionMade, PlanChanged
from shared.messages.entry import EntryIntent, FirstProtection, Rung
from shared.messages.protection import Guard
from shared.messages.venue import OrderKind, Side, TimeInForce, VenueBalance

S = 1_000_000_000
T0 = 1_700_000_000 * S
D = Decimal

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

GUARD = Guard(stop_price=D(97), stop_limit_price=D("96.5"), take_profit_price=D(103))

INTENT = EntryIntent(
    intent_id="run-1",
    symbol="BTCUSDT",
    quantity=D("0.5"),
    ladder=(Rung(time_in_force=TimeInForce.IOC, price=D(100), deadline_ms=2000),),
    reserved_quote=D("50.05"),
    protection=FirstProtection(
        take_profit_pct=D(3),
        stop_loss_pct=D(3),
        stop_limit_offset_pct=D("0.5"),
        time_to_live_s=60,
    ),
    created_ns=T0,
    deadline_ns=T0 + S,
)

DECIDED = DecisionMade(
    decision_id="run-1",
    symbol="BTCUSDT",
    at_ns=T0,
    drop_pct=-3.2,
    trigger_pct=3.0,
    anchor=D("103.3"),
    bid=D("99.99"),
    ask=D(100),
    spread_bps=1.0,
    checks=(Check(name="spread", value="1.0 bps", limit="at most 20 bps", passed=True),),
    limits="base",
    intent=INTENT,
)

REFUSED = DecisionMade(
    decision_id="run-2",
    symbol="ETHUSDT",
    at_ns=T0 + S,
    drop_pct=-4.0,
    trigger_pct=3.0,
    anchor=D(10),
    bid=D("9.5"),
    ask=D("9.6"),
    spread_bps=104.7,
    checks=(Check(name="spread", value="104.7 bps", limit="at most 20 bps", passed=False),),
    limits="",
    intent=None,
)

PLANNED = PlanChanged(
    position_id="run-1",
    symbol="BTCUSDT",
    version=1,
    target=GUARD,
    reason="filled",
    at_ns=T0 + 4 * S,
)


def order(client_id, side, purpose, kind, **more):
    return OrderSubmitted(
        at_ns=T0 + 2 * S,
        client_id=client_id,
        decision_id="run-1",
        symbol="BTCUSDT",
        side=side,
        kind=kind,
        purpose=purpose,
        quantity=D("0.5"),
        time_in_force=TimeInForce.GTC,
        **more,
    )


def fill(client_id, side, price, trade_id, at_ns, fee="0.05", inferred=False):
    return FillBooked(
        at_ns=at_ns,
        client_id=client_id,
        decision_id="run-1",
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        side=side,
        trade_id=trade_id,
        price=D(price),
        quantity=D("0.5"),
        fee=D(fee),
        fee_asset="USDT",
        inferred=inferred,
    )


OPENED = [
    RunBegan(at_ns=T0, run_id="run"),
    LedgerOpened(at_ns=T0, balances=(VenueBalance(asset="USDT", free=D(1000), locked=D(0)),)),
    IntentAccepted(at_ns=T0 + S, intent=INTENT),
    order("sw-run-1-e1", Side.BUY, Purpose.ENTRY, OrderKind.LIMIT, price=D(100)),
    OrderAcknowledged(at_ns=T0 + 2 * S, client_id="sw-run-1-e1", venue_order_id="1"),
    fill("sw-run-1-e1", Side.BUY, 100, "11", T0 + 3 * S),
    ProtectionChanged(
        at_ns=T0 + 3 * S,
        position_id="run-1",
        status=ProtectionStatus.PROTECTING,
        bare=True,
        reason="bought",
    ),
    OrderEnded(
        at_ns=T0 + 3 * S,
        client_id="sw-run-1-e1",
        end=OrderEnd.FILLED,
        filled_quantity=D("0.5"),
    ),
    IntentEnded(at_ns=T0 + 3 * S, intent_id="run-1", symbol="BTCUSDT", reason="filled"),
    ProtectionAccepted(at_ns=T0 + 4 * S, position_id="run-1", version=1, target=GUARD),
    order(
        "sw-run-1-s1",
        Side.SELL,
        Purpose.STOP,
        OrderKind.STOP_LIMIT,
        price=D("96.5"),
        stop_price=D(97),
        list_id="sw-run-1-g1",
    ),
    OrderAcknowledged(at_ns=T0 + 5 * S, client_id="sw-run-1-s1", venue_order_id="2"),
    ProtectionChanged(
        at_ns=T0 + 5 * S,
        position_id="run-1",
        status=ProtectionStatus.PROTECTED,
        bare=False,
        reason="the stop was acknowledged",
    ),
]

CLOSED = [
    fill("sw-run-1-s1", Side.SELL, 97, "12", T0 + 9 * S),
    OrderEnded(
        at_ns=T0 + 9 * S,
        client_id="sw-run-1-s1",
        end=OrderEnd.FILLED,
        filled_quantity=D("0.5"),
    ),
    PositionClosed(
        at_ns=T0 + 9 * S,
        position_id="run-1",
        symbol="BTCUSDT",
        reason="stop",
        dust_quantity=D(0),
    ),
]


def account_after(events):
    account = Account()
    for event in events:
        assert evolve(account, event) is None
    return account


def welcome_to(account):
    import msgspec

    return Welcomed(
        epoch="run",
        seq=account.seq,
        account=msgspec.Raw(account_bytes(account)),
        instruments=msgspec.Raw(encode((BTC,))),
        reconciled=True,
        at_ns=0,
    )


def said(events, after=0):
    return [
        EventSaid(epoch="run", seq=after + n, event=event)
        for n, event in enumerate(events, start=1)
    ]
