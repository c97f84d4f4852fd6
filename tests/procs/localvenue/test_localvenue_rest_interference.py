"""Faults between the venue and REST clients: late, lost, answered otherwise, by a wrong clock."""

from __future__ import annotations

import asyncio
import http.client

import pytest
from rest_venue import rest_venue

from procs.localvenue.interference import Answer

BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.001"}


class Plan:
    """An interference that a test turns as it likes."""

    def __init__(self):
        self.asked = []
        self.delay_s = 0.0
        self.lose = self.cut = False
        self.skew_ms = 0
        self.instead = None

    def clock_skew_ms(self):
        return self.skew_ms

    async def around(self, asked, answer):
        self.asked.append(asked)
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.lose:
            return None
        done = answer()
        return None if self.cut else self.instead or done

    def outgoing(self, channel, name, data):
        return None


@pytest.fixture(scope="module")
def venue():
    with rest_venue(unlimited=True) as started:
        yield started
        started.server.venue.interference = None


@pytest.fixture
def plan(venue):
    made = Plan()
    venue.server.venue.interference = made
    return made


def held(venue):
    account = venue.keys[0][0]
    return venue.look(lambda one: one.exchange.balances(account)["BTC"].free)


def test_the_plan_is_told_what_was_asked(venue, plan):
    venue.call("POST", "order", **BUY)
    venue.get("depth", symbol="ETHUSDT")
    venue.get("nothing")
    told = [(one.operation, one.method, one.symbol, one.writes) for one in plan.asked]
    assert told == [
        ("order.place", "POST", "BTCUSDT", True),
        ("depth", "GET", "ETHUSDT", False),
        ("/api/v3/nothing", "GET", "", False),
    ]


def test_a_request_that_waited_too_long_is_looked_at_again(venue, plan):
    before = held(venue)
    plan.delay_s = 0.2
    late = venue.call("POST", "order", **BUY, recvWindow=100)
    assert late.outcome == (400, -1021)
    assert held(venue) == before
    assert venue.call("POST", "order", **BUY).status == 200


@pytest.mark.parametrize("what", ["lose", "cut"])
def test_no_answer_is_an_end_of_the_connection(venue, plan, what):
    before = held(venue)
    setattr(plan, what, True)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        venue.call("POST", "order", **BUY)
    assert (held(venue) > before) == (what == "cut"), "it was carried out, or it was not"


def test_another_answer_may_leave_instead(venue, plan):
    plan.instead = Answer(status=503, body=b"<html>busy</html>", headers={"Retry-After": "1"})
    reply = venue.call("POST", "order", **BUY)
    assert (reply.status, reply.body) == (503, b"<html>busy</html>")
    assert reply.headers["retry-after"] == "1"
    plan.instead = Answer(status=200, body=b"")
    assert venue.call("GET", "account").body == b""


def test_a_clock_that_is_wrong_is_wrong_everywhere(venue, plan):
    plan.skew_ms = 3_600_000
    assert venue.call("POST", "order", **BUY).outcome == (400, -1021)
    server_ms = venue.get("time").body["serverTime"]
    placed = venue.call("POST", "order", **BUY, timestamp=server_ms)
    assert placed.status == 200
    assert abs(placed.body["transactTime"] - server_ms) < 5_000
