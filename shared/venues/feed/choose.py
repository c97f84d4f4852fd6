"""Which feed a venue's name means, and who reads its public REST answers.

A name with a row here has a native feed. This is the one place where a feed of another kind joins:
it implements `port.Feed`, and `open_feed` returns it for its names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from shared.errors import ConfigError
from shared.venues.feed.budget import WeightBudget
from shared.venues.feed.dialect import NATIVE
from shared.venues.feed.native_feed import NativeFeed
from shared.venues.feed.port import Feed, FeedStart, PublicRest
from shared.venues.feed.rest import BinancePublic

LOCAL: Final = "local"
"""The local venue, which speaks Binance spot."""


def _spot(base: str, start: FeedStart) -> PublicRest:
    return BinancePublic(base, WeightBudget(start.clock), start.timeout_s)


_REST: Final[dict[str, Callable[[str, FeedStart], PublicRest]]] = {"binance": _spot}


def feed_names() -> tuple[str, ...]:
    """The names of venues that `open_feed` knows."""
    return (LOCAL, *_REST)


def open_feed(start: FeedStart) -> Feed:
    """The feed of a venue; nothing is asked or connected yet. ConfigError for an unknown name."""
    name = "binance" if start.venue == LOCAL else start.venue
    rest = _REST.get(name)
    if rest is None:
        raise ConfigError(
            f"venue.name: {start.venue!r} has no native feed; allowed are {', '.join(feed_names())}"
        )
    dialect = NATIVE[name]
    base = start.rest or (dialect.testnet_rest if start.testnet else dialect.rest)
    return NativeFeed(dialect, start, rest(base, start))
