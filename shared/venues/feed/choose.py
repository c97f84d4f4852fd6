"""Which feed a venue's name means, and who reads its public REST answers.

A name with a row here has a native feed; every other one is tried with ccxt, whose feed, and ccxt
with it, is imported only then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from shared.venues.feed.budget import WeightBudget
from shared.venues.feed.bybit_rest import BybitPublic
from shared.venues.feed.dialect import NATIVE
from shared.venues.feed.futures_rest import CoinmPublic, UsdmPublic
from shared.venues.feed.native_feed import NativeFeed
from shared.venues.feed.port import Feed, FeedStart, PublicRest
from shared.venues.feed.questions import Questions
from shared.venues.feed.rest import BinancePublic

LOCAL: Final = "local"
"""The local venue, which speaks Binance spot."""


def _spot(base: str, start: FeedStart) -> PublicRest:
    return BinancePublic(base, WeightBudget(start.clock, on_wait=start.on_wait), start.timeout_s)


def _futures(kind: type[UsdmPublic]) -> Callable[[str, FeedStart], PublicRest]:
    def open_rest(base: str, start: FeedStart) -> PublicRest:
        # 2400 weight a minute; nobody else of ours asks there.
        budget = WeightBudget(
            start.clock,
            burst=1200,
            refill_per_s=12.0,
            minute_weight=2400,
            on_wait=start.on_wait,
        )
        return kind(base, budget, start.timeout_s)

    return open_rest


def _bybit(name: str, category: str) -> Callable[[str, FeedStart], PublicRest]:
    def open_rest(base: str, start: FeedStart) -> PublicRest:
        # 600 questions in five seconds for everyone behind one address.
        budget = WeightBudget(start.clock, burst=200, refill_per_s=20.0, on_wait=start.on_wait)
        return BybitPublic(name, category, Questions(base, budget, start.timeout_s))

    return open_rest


_REST: Final[dict[str, Callable[[str, FeedStart], PublicRest]]] = {
    "binance": _spot,
    "binanceusdm": _futures(UsdmPublic),
    "binancecoinm": _futures(CoinmPublic),
    "bybit": _bybit("bybit", "spot"),
    "bybitlinear": _bybit("bybitlinear", "linear"),
}


def feed_names() -> tuple[str, ...]:
    """The names of venues that have a native feed."""
    return (LOCAL, *_REST)


def open_feed(start: FeedStart) -> Feed:
    """The feed of a venue; nothing is asked or connected yet. ConfigError for an unknown name."""
    name = "binance" if start.venue == LOCAL else start.venue
    rest = _REST.get(name)
    if rest is None:
        # ccxt is large and slow to import: no native feed pays for that.
        from shared.venues.feed.ccxt_feed import CcxtFeed

        return CcxtFeed(start)
    dialect = NATIVE[name]
    base = start.rest or (dialect.testnet_rest if start.testnet else dialect.rest)
    return NativeFeed(dialect, start, rest(base, start))
