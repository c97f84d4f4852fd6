"""What a key may do is asked of the venue before the first order, over both ways to it (L13)."""

from __future__ import annotations

import asyncio
import json

import pytest
from local_venue import running_local_venue
from venue_stub import ACCOUNT, KEY, RIGHTS, SECRET, Canned, access, refusal, running_stub

from shared.clock import EngineClock
from shared.errors import ConfigError, VenueError
from shared.venues.ccxt_spot import CcxtSpot
from shared.venues.native.spot import NativeSpot

WAYS = pytest.mark.parametrize("open_venue", [CcxtSpot, NativeSpot])
RIGHTS_PATH = "/sapi/v1/account/apiRestrictions"


def connect(open_venue, mode: str = "paper", **answers: Canned) -> tuple[list[str], Exception]:
    """Connects to a stub that answers so; the paths that were asked, and what was raised."""

    async def run() -> tuple[list[str], Exception | None]:
        async with running_stub() as stub:
            if "account" in answers:
                stub.by_path["/api/v3/account"] = answers["account"]
            if "rights" in answers:
                stub.by_path[RIGHTS_PATH] = answers["rights"]
            venue = open_venue(access(stub.port, mode=mode), EngineClock())
            raised = None
            try:
                await venue.connect()
            except (ConfigError, VenueError) as error:
                raised = error
            finally:
                await venue.close()
            return [one.path for one in stub.asked], raised

    return asyncio.run(run())


def with_rights(**changes: bool) -> Canned:
    return Canned(body=json.dumps({**RIGHTS, **changes}))


@WAYS
@pytest.mark.parametrize("mode", ["paper", "live"])
@pytest.mark.parametrize(
    ("right", "said"),
    [
        ("enableWithdrawals", "it permits withdrawals; make one that can only read and trade"),
        ("enableInternalTransfer", "it permits internal transfers"),
        ("permitsUniversalTransfer", "it permits universal transfers"),
    ],
)
def test_a_key_that_could_move_money_away_is_refused_for_good(open_venue, mode, right, said):
    paths, raised = connect(open_venue, mode, rights=with_rights(**{right: True}))
    assert RIGHTS_PATH in paths
    assert isinstance(raised, ConfigError), "no restart mends it"
    assert said in str(raised)


@WAYS
def test_a_key_that_may_not_trade_says_what_to_do(open_venue):
    _, raised = connect(open_venue, rights=with_rights(enableSpotAndMarginTrading=False))
    assert isinstance(raised, ConfigError)
    assert "does not permit spot trading; allow it at the venue" in str(raised)
    closed = Canned(body=json.dumps({**ACCOUNT, "canTrade": False}))
    _, raised = connect(open_venue, account=closed)
    assert isinstance(raised, VenueError), "the venue may let it trade again"
    assert "the venue does not let it trade" in str(raised)


@WAYS
@pytest.mark.parametrize(
    "rights",
    [
        Canned(status=404, body=""),
        Canned(status=500, body="{}"),
        Canned(body=""),
        Canned(body="{}"),
        Canned(body="[]"),
        Canned(body='{"enableWithdrawals": "false", "enableSpotAndMarginTrading": true}'),
        Canned(body='{"enableWithdrawals": 0, "enableSpotAndMarginTrading": true}'),
        Canned(body='{"enableSpotAndMarginTrading": true}'),
        refusal(-2015, "Invalid API-key, IP, or permissions for action.", 401),
        Canned(cut="middle"),
    ],
    ids=lambda canned: f"{canned.status}{canned.cut}-{canned.body[:24]}",
)
def test_rights_that_cannot_be_read_are_no_permission(open_venue, rights):
    """Fail closed: nothing was learnt, so nothing is traded."""
    _, raised = connect(open_venue, rights=rights)
    assert isinstance(raised, VenueError)
    assert "rights of the API key" in str(raised)


@WAYS
def test_the_testnet_tells_no_rights_and_is_not_asked(open_venue):
    paths, raised = connect(open_venue, "testnet", rights=Canned(status=404, body=""))
    assert raised is None
    assert RIGHTS_PATH not in paths


@WAYS
def test_no_refusal_of_a_start_quotes_a_key(open_venue):
    """A venue may echo what it was sent, and libraries quote whole addresses."""
    echo = f"bad key {KEY} {SECRET} signature=abcdef0123456789&x=1"
    for canned in (
        refusal(-2015, echo, 401),
        refusal(-2014, echo),
        Canned(status=500, body=echo),
        Canned(body=echo),
        Canned(body=json.dumps({"canTrade": echo})),
    ):
        for answers in ({"account": canned}, {"rights": canned}):
            _, raised = connect(open_venue, **answers)
            assert raised is not None
            for text in (str(raised), repr(raised), repr(raised.__cause__)):
                for secret in (KEY, SECRET, "abcdef0123456789"):
                    assert secret not in text


@pytest.mark.e2e
@WAYS
def test_the_real_local_venue_tells_the_rights_of_its_keys(open_venue, tmp_path):
    async def run(local) -> int:
        venue = open_venue(local.access(), EngineClock())
        try:
            return len(await venue.connect())
        finally:
            await venue.close()

    with running_local_venue(tmp_path) as local:
        assert asyncio.run(run(local)) > 0
