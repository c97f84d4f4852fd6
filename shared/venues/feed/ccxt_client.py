"""ccxt.pro's client of any venue, tapped: every message is seen before ccxt's own handler has it.

ccxt connects, subscribes, pings and speaks each venue's dialect. What it hands to nobody are frames
that it cannot read (they would end its receive loop) and books: those go to the tap, raw where the
tap knows them, unified where it does not. ccxt is imported here, and only when a venue without a
native feed was chosen: no other feed pays for its size and its slow start.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import ccxt.pro
import orjson
from ccxt.async_support.base.ws.cache import BaseCache
from ccxt.async_support.base.ws.functions import is_json_encoded_object
from ccxt.async_support.base.ws.order_book import OrderBook

from shared.errors import ConfigError
from shared.venues.feed.dialect import NATIVE
from shared.venues.redirect import RAISED_BY_CCXT, retrieved

RAISED: Final = (*RAISED_BY_CCXT, zlib.error, EOFError, ArithmeticError, RecursionError)
"""What ccxt and its parsers raise over a frame or an answer."""
NEEDS_PROTOBUF: Final = frozenset({"mexc"})


class Tap(Protocol):
    """Who sees the messages first. `client` is ccxt's connection."""

    def take(self, client: Any, message: Any, raw: str | bytes) -> bool:
        """Whether a message is dealt with; else ccxt handles it."""

    def take_book(self, client: Any, topic: str, book: Mapping[str, Any]) -> bool:
        """A book that ccxt made; True when nobody else waits for it."""

    def take_trades(self, client: Any, topic: str, trades: Any) -> None:
        """ccxt's cache of trades after it grew."""

    def malformed(self, data: Any, reason: str) -> None:
        """A frame that cannot be read; the stream goes on."""

    def down(self, client: Any, reason: str) -> None:
        """A connection ended, or could not be made."""


def pro_names() -> tuple[str, ...]:
    """ccxt's ids of venues that have streams."""
    return tuple(ccxt.pro.exchanges)


def open_client(name: str, tap: Tap, settings: Mapping[str, Any]) -> Any:
    """ccxt.pro's exchange of a venue with the tap in place. ConfigError for a name that ccxt has no
    streams for, or no order book, and where a package that it needs is missing."""
    if name not in ccxt.pro.exchanges:
        why = "ccxt has no streams for it" if name in ccxt.exchanges else "ccxt does not know it"
        raise ConfigError(
            f"venue.name: {name!r} has no native feed, and {why}; allowed are local, "
            f"{', '.join(NATIVE)}, and with ccxt {', '.join(pro_names())}"
        )
    if name in NEEDS_PROTOBUF:
        _require_protobuf(name)
    venue: Any = getattr(ccxt.pro, name)
    exchange = type(f"Tapped_{name}", (_Tapped, venue), {"tap": tap})(dict(settings))
    # At level debug ccxt logs whole requests.
    exchange.logger.setLevel(logging.CRITICAL)
    exchange.has["fetchCurrencies"] = False
    if not exchange.has.get("watchOrderBook"):
        raise ConfigError(
            f"venue.name: {name!r} has no order book stream in ccxt (watchOrderBook); allowed are "
            f"{', '.join(one for one in pro_names() if one != name)}"
        )
    return exchange


def redirected(exchange: Any, rest: str, ws: str) -> None:
    """Sends an exchange's public addresses to other bases, paths untouched; empty is no change."""
    exchange.urls["api"] = _moved(exchange.urls["api"], rest.rstrip("/"), ws.rstrip("/"))


def _moved(addresses: Any, rest: str, ws: str) -> Any:
    if isinstance(addresses, dict):
        return {name: _moved(address, rest, ws) for name, address in addresses.items()}
    if not isinstance(addresses, str):
        return addresses
    parts = urlsplit(addresses)
    base = ws if parts.scheme in ("ws", "wss") else rest
    return base + parts.path if base else addresses


def _require_protobuf(name: str) -> None:
    try:
        import_module("google.protobuf")
    except ImportError as error:
        raise ConfigError(
            f"venue.name: {name!r} sends protobuf, and ccxt needs the package `protobuf` to read "
            "it; allowed after `pip install protobuf`"
        ) from error


class _Tapped:
    """Stands before a venue's class in the order of methods."""

    tap: Tap
    clients: dict[str, Any]

    def client(self, url: str) -> Any:
        """A connection whose receive loop survives every frame."""
        known = url in (self.clients or {})
        client = super().client(url)  # type: ignore[misc]
        if not known:
            receive, resolve = client.handle_message, client.resolve
            client.handle_text_or_binary_message = lambda data: self._read(client, data)
            client.handle_message = lambda message: self._receive(receive, message)
            client.resolve = lambda result, topic: self._resolve(client, resolve, result, topic)
            client.future = retrieved(client.future)
        return client

    def on_error(self, client: Any, error: Any) -> None:
        """A connection that failed."""
        super().on_error(client, error)  # type: ignore[misc]
        self.tap.down(client, f"{type(error).__name__}: {error}"[:200])

    def on_close(self, client: Any, code: Any) -> None:
        """A connection that the venue closed."""
        super().on_close(client, code)  # type: ignore[misc]
        self.tap.down(client, f"closed by the venue ({code})")

    # ---- inside

    def _receive(self, receive: Callable[[Any], None], message: Any) -> None:
        try:
            receive(message)
        except RAISED as error:
            self.tap.malformed(getattr(message, "data", b""), _said(error))

    def _read(self, client: Any, data: str | bytes) -> None:
        """One frame: to the tap, else to ccxt. Nothing in it may end the receive loop."""
        try:
            if client.decompressBinary and isinstance(data, bytes):
                data = data.decode()
            message = orjson.loads(data) if is_json_encoded_object(data) else data
            if not self.tap.take(client, message, data):
                client.on_message_callback(client, message)
        except RAISED as error:
            self.tap.malformed(data, _said(error))

    def _resolve(self, client: Any, resolve: Callable[..., Any], result: Any, topic: str) -> Any:
        """What ccxt made of a message, before whoever waits for it."""
        if isinstance(result, OrderBook):
            if self.tap.take_book(client, topic, result):
                return result
        elif isinstance(result, BaseCache):
            self.tap.take_trades(client, topic, result)
            return result
        return resolve(result, topic)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]


async def end_connection(client: Any, reason: str) -> None:
    """Gives a connection up the way ccxt does when its pings are not answered: whoever waits hears
    of it, and the next watch connects anew."""
    client.on_error(ccxt.NetworkError(reason))
    await asyncio.sleep(0)


def is_unsubscribed(error: BaseException) -> bool:
    """Whether a watch ended because we asked for its end."""
    return isinstance(error, ccxt.UnsubscribeError)


def may_ask_again(error: BaseException) -> bool:
    """Whether the failure of a question may pass by itself."""
    refused = (
        ccxt.BadRequest,
        ccxt.NotSupported,
        ccxt.AuthenticationError,
        ccxt.OperationRejected,
        ccxt.ArgumentsRequired,
    )
    return not isinstance(error, refused)
