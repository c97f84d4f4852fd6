"""The pen of route: what it withholds."""

from __future__ import annotations

import pytest
from domain_scene import BTC, D, account_of, bought, order_id, submitted

from procs.route.recorder import Recorder
from shared.domain.effects import CallVenue
from shared.domain.steps import Call
from shared.messages.account import Alarmed, SymbolBlocked
from shared.messages.venue import CancelOrder, OrderKind, PlaceOco, PlaceOrder, Side


def place(leg):
    return PlaceOrder(
        symbol=BTC.symbol,
        client_id=order_id(leg),
        side=Side.SELL,
        kind=OrderKind.LIMIT,
        quantity=D("0.4"),
        price=D(100),
    )


def oco(number):
    return PlaceOco(
        symbol=BTC.symbol,
        list_id=order_id(f"g{number}"),
        stop_id=order_id(f"s{number}"),
        take_profit_id=order_id(f"t{number}"),
        quantity=D("0.4"),
        stop_price=D(98),
        stop_limit_price=D(97),
        take_profit_price=D(103),
    )


def performed(*steps):
    recorder = Recorder("route", "e.1", account_of(*bought("1"), submitted("x1", "0.4")))
    recorder.perform(steps)
    effects = recorder.drain()
    events = [effect.event for effect in effects if hasattr(effect, "event")]
    return events, [effect.request for effect in effects if isinstance(effect, CallVenue)]


def test_an_order_leaves_behind_its_event():
    events, calls = performed(submitted("x2", "0.4"), Call(place("x2")))
    assert [event.client_id for event in events] == [order_id("x2")]
    assert calls == [place("x2")]


@pytest.mark.parametrize(
    ("legs", "request_"),
    [
        (("x1",), place("x1")),
        (("s1", "s1", "t1"), oco(1)),
        (("t1", "s1", "t1"), oco(1)),
    ],
)
def test_an_order_whose_id_is_used_up_does_not_leave(legs, request_):
    """L2, seed 7265: it is told, and what else the turn asks for goes its way."""
    cancel = CancelOrder(symbol=BTC.symbol, client_id=order_id("x1"))
    events, calls = performed(
        *(submitted(leg, "0.4") for leg in legs), Call(request_), Call(cancel)
    )
    assert [type(event) for event in events if not hasattr(event, "client_id")] == [
        Alarmed,
        SymbolBlocked,
    ]
    assert calls == [cancel]


def test_an_order_beside_it_leaves():
    _, calls = performed(
        submitted("x1", "0.4"), Call(place("x1")), submitted("x2", "0.4"), Call(place("x2"))
    )
    assert calls == [place("x2")]
