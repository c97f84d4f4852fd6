"""Which library route pays for: none of an exchange's on Binance spot, ccxt where it is wanted."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from procs.route.shell import usual_venue
from shared.clock import EngineClock
from shared.errors import ConfigError
from shared.venues.ccxt_spot import CcxtSpot
from shared.venues.credentials import Credentials
from shared.venues.native.live_spot import LiveSpot
from shared.venues.native.spot import NativeSpot
from shared.venues.transport import Access

REPO = Path(__file__).resolve().parents[3]
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END PRIVATE KEY-----"

OPENING = """
import asyncio, json, sys
import procs.route.__main__
from procs.route.shell import usual_venue
from shared.clock import EngineClock
from shared.venues.credentials import Credentials
from shared.venues.transport import Access

class Launch:
    rescue = {rescue}

async def main():
    way = Access(venue="local", mode="paper", rest="http://127.0.0.1:1", ws="ws://127.0.0.1:1",
                 credentials=Credentials(api_key="k", api_secret="s"), orders={orders!r})
    venue = usual_venue(Launch)(way, EngineClock())
    await venue.close()

asyncio.run(main())
print(json.dumps(sorted({{name.split(".")[0] for name in sys.modules}})))
"""


@pytest.mark.parametrize(
    ("orders", "rescue", "wanted"),
    [
        ("http", False, {"picows"}),
        ("ws", False, {"picows"}),
        ("http", True, set()),
        ("ccxt", True, set()),
        ("ccxt", False, {"ccxt", "aiohttp"}),
    ],
)
def test_a_library_is_imported_only_where_it_is_used(orders, rescue, wanted):
    code = OPENING.format(orders=orders, rescue=rescue)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True
    )
    imported = set(json.loads(done.stdout.splitlines()[-1]))
    assert imported & {"ccxt", "aiohttp", "picows"} == wanted


class Launched:
    """As much of a launch as the choice looks at."""

    def __init__(self, rescue=False):
        self.rescue = rescue


def opened(way, rescue=False):
    async def run():
        venue = usual_venue(Launched(rescue))(way, EngineClock())
        await venue.close()
        return type(venue)

    return asyncio.run(run())


def access(**changes):
    values = {
        "venue": "local",
        "mode": "paper",
        "credentials": Credentials(api_key="k", api_secret="s"),
        "rest": "http://127.0.0.1:1",
        "ws": "ws://127.0.0.1:1",
        **changes,
    }
    return Access(**values)


def test_a_key_that_is_no_hmac_secret_is_ccxts_to_sign_with():
    pem = Credentials(api_key="k", api_secret=PEM)
    for rescue in (False, True):
        for orders in ("http", "ws", "ccxt"):
            assert opened(access(credentials=pem, orders=orders), rescue) is CcxtSpot
    assert opened(access(), rescue=True) is NativeSpot
    for mode in ("testnet", "live"):
        real = access(venue="binance", mode=mode, rest="", ws="", orders="ws")
        assert opened(real) is LiveSpot


@pytest.mark.parametrize("orders", ["http", "ws", "ccxt"])
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"venue": "bybit"}, "allowed are local, binance"),
        ({"venue": "binance", "mode": "paper"}, "needs engine.mode testnet or live"),
        ({"rest": ""}, "addresses of the local venue are missing"),
    ],
)
def test_a_venue_that_nobody_speaks_to_is_named(orders, changes, named):
    with pytest.raises(ConfigError, match=named):
        opened(access(orders=orders, **changes))
