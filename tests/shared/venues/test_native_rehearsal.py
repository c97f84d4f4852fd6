"""A rehearsed request (`engine.warm`): built and signed as a real one, and near no connection."""

from __future__ import annotations

import asyncio

import pytest
from venue_stub import access

from procs.route.shell import RouteShell, rehearsed_order
from shared.clock import EngineClock
from shared.domain.instrument import Instrument
from shared.units import decimal_from_text
from shared.venues.binance_requests import place_order
from shared.venues.native import signing
from shared.venues.native.connections import Connections
from shared.venues.native.live_spot import LiveSpot
from shared.venues.native.socket_requests import FrameBuilder
from shared.venues.native.transport import NativeTransport

D = decimal_from_text
INSTRUMENT = Instrument(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_size=D("0.01"),
    step_size=D("0.00001"),
    min_quantity=D("0.00001"),
    max_quantity=D("9000"),
    min_price=D("0.01"),
    max_price=D("1000000"),
    min_notional=D("5"),
    market_max_quantity=D("100"),
)


def reached(*_, **__):
    raise AssertionError("a rehearsal came near a connection")


@pytest.fixture
def cut_off(monkeypatch):
    """No connection may be taken, opened, topped up or given back."""
    for name in ("take", "open", "top_up", "give_back", "keep_ready"):
        monkeypatch.setattr(Connections, name, reached)


@pytest.fixture
def signed(monkeypatch):
    """What was signed meanwhile."""
    said = []
    real = signing.Signer.sign

    def sign(self, text):
        said.append(text)
        return real(self, text)

    monkeypatch.setattr(signing.Signer, "sign", sign)
    return said


def test_over_http_it_is_built_signed_and_thrown_away(cut_off, signed):
    transport = NativeTransport(access(1))
    before = repr(sorted(vars(transport)))
    call = place_order(rehearsed_order(INSTRUMENT))
    assert transport.rehearse(call) is None
    assert len(signed) == 1
    assert b"symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=0.00001" in signed[0]
    assert b"price=0.01&timeInForce=IOC" in signed[0]
    assert repr(sorted(vars(transport))) == before
    assert transport._builder.build(call, 5) == transport._builder.build(call, 5)


@pytest.mark.parametrize("orders", ["http", "ws"])
def test_routes_shell_rehearses_on_its_venue(monkeypatch, cut_off, signed, orders):
    used = []
    real = FrameBuilder.build
    monkeypatch.setattr(FrameBuilder, "build", lambda *given: used.append(given[1]) or real(*given))

    async def live():
        venue = LiveSpot(access(1, orders=orders), EngineClock())
        shell = RouteShell.__new__(RouteShell)
        shell._venue = venue
        shell._instruments = (INSTRUMENT,)
        shell.in_flight = shell.entries_in_flight = 0
        figures = venue.figures()
        spent = repr(vars(venue.budget))
        for _ in range(3):
            assert shell.rehearse(None, 0) is None
        assert venue.figures() == figures
        assert repr(vars(venue.budget)) == spent
        assert (shell.in_flight, shell.entries_in_flight) == (0, 0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(live())
    assert len(signed) == 3
    assert used == (["order.place"] * 3 if orders == "ws" else [])


def test_a_rehearsed_order_is_none_that_a_venue_would_take_for_ours():
    order = rehearsed_order(INSTRUMENT)
    assert not order.client_id.startswith("sw-")
    assert order.quantity * order.price < INSTRUMENT.min_notional
