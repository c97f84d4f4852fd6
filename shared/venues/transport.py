"""How requests reach a venue: what is needed to get there, and what one exchange leaves behind.

A transport signs, sends and receives; it judges nothing (`wire.py` does) and never raises for what
a venue or a network does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from shared.errors import ConfigError
from shared.venues.binance_requests import WireCall
from shared.venues.credentials import Credentials

LastCheck = Callable[[], str]
"""Asked directly before an order's bytes are written: why they must not be, empty when they may."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Where the venue is and how to speak to it; `rest` and `ws` only for the local venue."""

    venue: str
    mode: str
    credentials: Credentials
    recv_window_ms: int = 5000
    timeout_ms: int = 5000
    rest: str = ""
    ws: str = ""
    orders: str = "http"
    """`http`, `ws` (with HTTP beside it), or `ccxt`, which then carries everything."""


class Exchanged(msgspec.Struct):
    """The record of one request while it runs."""

    sent: bool = False
    status: int = 0
    headers: dict[str, str] = {}
    body: str = ""
    held_back: str = ""
    """What the last check said, when it forbade the request."""


class Transport(Protocol):
    """Performs one request."""

    async def exchange(
        self, call: WireCall, deadline_s: float, last_check: LastCheck | None = None
    ) -> tuple[Exchanged, str]:
        """The record of it, and what went wrong on the way; empty when an answer came.

        `last_check` is asked with nothing but the write after it."""

    def set_clock(self, venue_ahead_ms: float) -> None:
        """The venue's clock minus ours: timestamps of requests are the venue's."""

    def rehearse(self, call: WireCall) -> None:
        """Builds and signs a request and throws it away; does nothing where that costs a library
        more than it saves."""

    async def live(self) -> None:
        """Opens connections ahead of need, and renews them, until cancelled."""

    async def close(self) -> None:
        """Lets go of connections; nothing is sent any more."""


def check_access(access: Access) -> None:
    """Raises ConfigError for a venue, a mode or addresses that nobody here can speak to."""
    if access.venue == "local":
        if not access.rest or not access.ws:
            raise ConfigError("venue.name = local: the addresses of the local venue are missing")
    elif access.venue != "binance":
        raise ConfigError(f"venue.name = {access.venue!r}, allowed are local, binance")
    elif access.mode not in ("testnet", "live"):
        raise ConfigError(
            f"venue.name = binance needs engine.mode testnet or live, not {access.mode}"
        )
