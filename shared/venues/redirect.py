"""ccxt's Binance client, watched: every raw answer and every sent byte is recorded per request.

For the local venue its addresses are replaced (plain HTTP and WebSocket on loopback); for the real
one they stay untouched. ccxt signs, sends and keeps sockets; what an answer means is decided from
the record, because ccxt's own exceptions do not tell enough and its parsers go through floats.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final, Protocol

import aiohttp
import certifi
import orjson
from ccxt.base.errors import BaseError
from ccxt.pro import binance

from shared.venues.transport import Access, Exchanged, LastCheck, check_access

RAISED_BY_CCXT: Final = (
    BaseError,
    aiohttp.ClientError,
    OSError,
    # Its parsers meet malformed bodies unguarded.
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
)

PING_MS: Final = 5000
DIAL_MS: Final = 5000


RECORD: Final[ContextVar[Exchanged | None]] = ContextVar("RECORD", default=None)
LAST_CHECK: Final[ContextVar[LastCheck | None]] = ContextVar("LAST_CHECK", default=None)
"""Of the request that is under way in this context; ccxt hands neither through."""


class Frames(Protocol):
    """Who looks at the user stream's frames before ccxt does."""

    def touched(self, client: Any) -> None:
        """Something arrived, be it a pong."""

    def malformed(self, client: Any, reason: str) -> None:
        """A frame that cannot be read; the stream goes on."""

    def take(self, client: Any, message: dict[str, Any]) -> bool:
        """Whether the message was a push and is dealt with."""


class RecordedBinance(binance):  # type: ignore[misc]
    """ccxt.pro's Binance with openings for answers and frames, and its spot errors anywhere."""

    frames: Frames | None = None

    def on_rest_response(
        self,
        code: int,
        reason: str,
        url: str,
        method: str,
        response_headers: Mapping[str, str],
        response_body: str,
        request_headers: Mapping[str, str],
        request_body: Any,
    ) -> str:
        """Called by ccxt with each complete answer, in the task that asked for it."""
        record = RECORD.get()
        if record is not None:
            record.status = code
            record.headers = {name.lower(): value for name, value in response_headers.items()}
            record.body = response_body
        return response_body.strip()

    def get_exceptions_by_url(self, url: str, exactOrBroad: str) -> dict[str, Any]:
        """ccxt picks its table by the genuine address; ours is always the spot one."""
        tables: dict[str, Any] = self.exceptions.get("spot", {}).get(exactOrBroad, {})
        return tables

    def client(self, url: str) -> Any:
        """A ccxt socket whose receive loop survives every frame."""
        known = url in (self.clients or {})
        client = super().client(url)
        if not known:
            receive = client.handle_message
            client.handle_message = self._watched(client, receive)
            client.handle_text_or_binary_message = lambda data: self._read_frame(client, data)
            client.future = retrieved(client.future)
        return client

    def on_connected(self, client: Any, message: Any = None) -> None:
        """Closes a socket that was given up while it was still dialling."""
        super().on_connected(client, message)
        if (self.clients or {}).get(client.url) is not client:
            asyncio.get_running_loop().create_task(client.close())

    def _watched(self, client: Any, receive: Callable[[Any], None]) -> Callable[[Any], None]:
        def handle(message: Any) -> None:
            if self.frames is not None:
                self.frames.touched(client)
            receive(message)

        return handle

    def _read_frame(self, client: Any, data: str | bytes) -> None:
        """One frame: pushes go to us, answers to ccxt. Nothing in it may end the receive loop."""
        frames = self.frames
        try:
            message = orjson.loads(data)
            if not isinstance(message, dict):
                raise TypeError("a frame is a JSON object")
            if frames is None or not frames.take(client, message):
                self.handle_message(client, message)
        except RAISED_BY_CCXT as error:
            if frames is not None:
                frames.malformed(client, f"{type(error).__name__}: {error}"[:200])


def retrieved(open_future: Callable[[str], Any]) -> Callable[[str], Any]:
    """ccxt rejects futures that nobody awaits when a socket cannot be opened; the loop would report
    each at its collection, as an error of ours. Whoever awaits one still gets its exception."""

    def future(message_hash: str) -> Any:
        made = open_future(message_hash)
        # Asked for again and again, it still gets the callback once.
        made.remove_done_callback(_look_at_exception)
        made.add_done_callback(_look_at_exception)
        return made

    return future


def _look_at_exception(done: asyncio.Future[Any]) -> None:
    if not done.cancelled():
        done.exception()


class HeldBackError(aiohttp.ClientError):
    """The last check forbade a request whose headers were about to be written (L7)."""


async def _bytes_leave(
    session: aiohttp.ClientSession, context: Any, params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    record = RECORD.get()
    if record is not None:
        _check_again(record)
        record.sent = True


async def _body_leaves(
    session: aiohttp.ClientSession, context: Any, params: aiohttp.TraceRequestChunkSentParams
) -> None:
    """An order's head waits in a buffer and leaves with the body's first bytes, a turn of the loop
    later than it was made: only now is the write next."""
    record = RECORD.get()
    if record is not None and not getattr(context, "body_began", False):
        context.body_began = True
        _check_again(record)


def _check_again(record: Exchanged) -> None:
    last_check = LAST_CHECK.get()
    if last_check is not None and (reason := last_check()):
        record.held_back = reason
        record.sent = False
        raise HeldBackError(reason)


def open_session(venue_is_local: bool) -> aiohttp.ClientSession:
    """An HTTP session that notes the instant before a request's first byte is written."""
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_bytes_leave)
    trace.on_request_chunk_sent.append(_body_leaves)
    secure = ssl.create_default_context(cafile=certifi.where())
    connector = aiohttp.TCPConnector(
        ssl=secure,
        family=socket.AF_INET if venue_is_local else socket.AF_UNSPEC,
        keepalive_timeout=30,
    )
    return aiohttp.ClientSession(connector=connector, trace_configs=[trace])


def open_exchange(access: Access, session: aiohttp.ClientSession) -> RecordedBinance:
    """The ccxt instance for `local` (mode paper), or `binance` (testnet, live).

    Raises ConfigError for other combinations. It never retries and never throttles by itself.
    """
    check_access(access)
    config: dict[str, Any] = {
        "apiKey": access.credentials.api_key,
        "secret": access.credentials.api_secret,
        "session": session,
        "enableRateLimit": False,
        "timeout": access.timeout_ms,
        # It waits for a session of its own to close; ours is closed by its owner.
        "timeout_on_exit": 0,
        "enableLastHttpResponse": False,
        "enableLastJsonResponse": False,
        "streaming": {"keepAlive": PING_MS, "connectionTimeout": DIAL_MS},
        "options": {
            "defaultType": "spot",
            "fetchCurrencies": False,
            "fetchMargins": False,
            "fetchMarkets": {"types": ["spot"]},
            "recvWindow": access.recv_window_ms,
            "maxRetriesOnFailure": 0,
            "warnOnFetchOpenOrdersWithoutSymbol": False,
        },
    }
    if access.venue == "local":
        config["urls"] = {"api": _local_addresses(access.rest, access.ws)}
    exchange = RecordedBinance(config)
    # At level debug ccxt logs request headers, which hold the key (L13).
    exchange.logger.setLevel(logging.CRITICAL)
    if access.venue == "binance" and access.mode == "testnet":
        exchange.set_sandbox_mode(True)
    return exchange


def _local_addresses(rest: str, ws: str) -> dict[str, Any]:
    # ccxt takes a spot stream by '/stream' in its address.
    return {
        "public": f"{rest}/api/v3",
        "private": f"{rest}/api/v3",
        "v1": f"{rest}/api/v1",
        "sapi": f"{rest}/sapi/v1",
        "ws": {"spot": f"{ws}/stream/ws", "ws-api": {"spot": f"{ws}/ws-api/v3"}},
    }
