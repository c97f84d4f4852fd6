"""One stream of Binance spot market data that stays up: subscribe, watch, replace, reconnect.

A connection is replaced before it is closed when it grows old or the venue announces a shutdown;
it is dropped when no data come, whatever it answers to pings. Frames are handed on as bytes with
the engine time of their arrival; what they mean is not looked at here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec
import orjson
from picows import (
    WSCloseCode,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSTransport,
    ws_connect,
)

from shared.clock import EngineClock
from shared.units import NS_PER_S
from shared.venues.feed.http import tls_context

PUBLIC_WS: Final = "wss://stream.binance.com:9443"
TESTNET_WS: Final = "wss://stream.testnet.binance.vision"
STREAMS: Final = ("depth@100ms", "trade", "bookTicker")
SYMBOLS_PER_STREAM_MAX: Final = 300
"""Three streams each: below the venue's 1024 streams a connection."""
MESSAGE_BYTES_MAX: Final = 8 * 1024 * 1024

_DATA_FRAME: Final = b'{"stream":"'
_TEXT: Final = WSMsgType.TEXT


class FeedLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How patient the stream is; all in seconds but the counts."""

    connect_s: float = 5.0
    acknowledge_s: float = 5.0
    stall_s: float = 15.0
    """No data for so long: the connection is dead. Doubles while nothing ever comes."""
    stall_max_s: float = 120.0
    backoff_min_s: float = 0.2
    backoff_max_s: float = 30.0
    settled_s: float = 10.0
    """A connection that lived so long was a good one; the backoff starts small again."""
    rotate_s: float = 23.5 * 3600
    """The venue cuts every connection after 24 hours."""
    rotate_retry_s: float = 60.0
    overlap_s: float = 1.0
    """Old and new connection both deliver for so long; update ids sort out the echo."""
    chunk: int = 200
    chunk_pause_s: float = 0.25
    """The venue allows 5 messages a second."""


class FeedHandler(Protocol):
    """Who listens to a stream. Nothing it does may block; what it raises ends `run`."""

    def on_data(self, frame: bytes, now_ns: int) -> None:
        """A data frame and when it came."""

    def on_up(self, symbols: tuple[str, ...]) -> None:
        """Subscribed; data before this are incomplete."""

    def on_down(self, symbols: tuple[str, ...], reason: str) -> None:
        """Lost; `on_up` follows when it is back."""


class FeedError(OSError):
    """A connection that could not be opened or subscribed, or that ended."""


class FeedStream:
    """The data of some symbols, over one connection at a time (two while it is replaced)."""

    def __init__(
        self,
        base_url: str,
        symbols: Sequence[str],
        handler: FeedHandler,
        clock: EngineClock,
        limits: FeedLimits | None = None,
    ) -> None:
        self.symbols = tuple(symbols)
        self.reconnects = 0
        self.rotations = 0
        self.stalls = 0
        self._link: _Link | None = None
        self._url = f"{base_url.rstrip('/')}/stream"
        self._handler = handler
        self._clock = clock
        self._limits = FeedLimits() if limits is None else limits

    async def run(self) -> None:
        """Keeps the stream up until cancelled. Raises only what the handler raised."""
        limits = self._limits
        backoff_s = limits.backoff_min_s
        stall_s = limits.stall_s
        while True:
            try:
                link = await self._open()
            except (FeedError, OSError, WSHandshakeError) as error:
                self._handler.on_down(self.symbols, f"not connected: {error or type(error)}")
                await asyncio.sleep(backoff_s)
                backoff_s = min(backoff_s * 2, limits.backoff_max_s)
                continue
            self._handler.on_up(self.symbols)
            opened_ns = self._clock.now_ns()
            self._link = link
            try:
                link, reason = await self._serve(link, stall_s)
            finally:
                self._link.drop()
            if link.failure is not None:
                raise link.failure
            self.reconnects += 1
            self._handler.on_down(self.symbols, reason)
            # A market in which nothing happens is not cured by connecting again and again.
            stall_s = limits.stall_s if link.data_frames else min(stall_s * 2, limits.stall_max_s)
            if self._clock.now_ns() - opened_ns >= limits.settled_s * NS_PER_S:
                backoff_s = limits.backoff_min_s
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, limits.backoff_max_s)

    async def _serve(self, link: _Link, stall_s: float) -> tuple[_Link, str]:
        """Watches a connection, and its successors, until one ends; (the last one, why)."""
        limits = self._limits
        rotate_at_ns = link.opened_ns + int(limits.rotate_s * NS_PER_S)
        while True:
            now_ns = self._clock.now_ns()
            if link.closed.done():
                return link, link.closed.result()
            quiet_s = (now_ns - link.data_ns) / NS_PER_S
            if quiet_s >= stall_s:
                self.stalls += 1
                return link, f"no data for {quiet_s:.1f} s"
            if link.leaving or now_ns >= rotate_at_ns:
                successor = await self._replace(link)
                if successor is not None:
                    link = self._link = successor
                    rotate_at_ns = link.opened_ns + int(limits.rotate_s * NS_PER_S)
                    continue
                link.leaving = False
                rotate_at_ns = self._clock.now_ns() + int(limits.rotate_retry_s * NS_PER_S)
                continue
            until_rotation_s = (rotate_at_ns - now_ns) / NS_PER_S
            await link.woken(min(stall_s - quiet_s, until_rotation_s) + 0.001)

    async def _replace(self, link: _Link) -> _Link | None:
        """Make before break: the successor is subscribed before the old one is closed."""
        try:
            successor = await self._open()
        except (FeedError, OSError, WSHandshakeError):
            return None
        self.rotations += 1
        if link.closed.done():
            # There was a hole between the two after all.
            self._handler.on_down(self.symbols, link.closed.result())
            self._handler.on_up(self.symbols)
        else:
            try:
                await asyncio.sleep(self._limits.overlap_s)
            except asyncio.CancelledError:
                successor.drop()
                raise
        link.drop()
        if link.failure is not None:
            successor.failure = link.failure
            successor.end("the handler failed")
        return successor

    async def _open(self) -> _Link:
        """A connected and subscribed link. Raises OSError (TimeoutError) or WSHandshakeError."""
        limits = self._limits
        secure = self._url.startswith("wss:")
        async with asyncio.timeout(limits.connect_s):
            _, listener = await ws_connect(
                lambda: _Link(self._handler.on_data, self._clock),
                self._url,
                ssl_context=tls_context() if secure else None,
                max_frame_size=MESSAGE_BYTES_MAX,
                websocket_handshake_timeout=limits.connect_s,
            )
        assert isinstance(listener, _Link)
        try:
            await self._subscribe(listener)
        except BaseException:
            listener.drop()
            raise
        return listener

    async def _subscribe(self, link: _Link) -> None:
        streams = [f"{symbol.lower()}@{kind}" for symbol in self.symbols for kind in STREAMS]
        chunk = self._limits.chunk
        for number, start in enumerate(range(0, len(streams), chunk), start=1):
            if number > 1:
                await asyncio.sleep(self._limits.chunk_pause_s)
            async with asyncio.timeout(self._limits.acknowledge_s):
                await link.subscribe(streams[start : start + chunk], number)


class _Link(WSListener):  # type: ignore[misc, unused-ignore]
    """One connection: hands data frames on, and knows when it last had one and why it ended."""

    def __init__(
        self,
        on_data: Callable[[bytes, int], None],
        clock: EngineClock,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._on_data = on_data
        self._now_ns = clock.now_ns
        self._transport: WSTransport | None = None
        self._parts: list[bytes] = []
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._wake = asyncio.Event()
        self._last_word: asyncio.Task[None] | None = None
        self.closed: asyncio.Future[str] = loop.create_future()
        """Why the connection ended, once it has."""
        self.opened_ns = self.data_ns = clock.now_ns()
        self.data_frames = 0
        self.leaving = False
        """The venue announced that it will close this connection."""
        self.failure: Exception | None = None

    # ---- picows

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport
        self._last_word = asyncio.get_running_loop().create_task(self._hear_the_end(transport))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind == _TEXT and frame.fin:
            self._take(frame.get_payload_as_bytes())
        elif kind in (_TEXT, WSMsgType.CONTINUATION):
            self._parts.append(frame.get_payload_as_bytes())
            if sum(map(len, self._parts)) > MESSAGE_BYTES_MAX:
                self._parts.clear()
                self.end("a message that is too long")
            elif frame.fin:
                whole = b"".join(self._parts)
                self._parts.clear()
                self._take(whole)
        elif kind == WSMsgType.CLOSE:
            code = frame.get_close_code()
            self.end(f"closed by the venue ({getattr(code, 'value', code)})")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.end("connection lost")

    # ---- the stream's side

    async def subscribe(self, streams: list[str], number: int) -> None:
        """Subscribes and waits for the acknowledgement. Raises FeedError when it is refused."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        if self._transport is None or self.closed.done():
            raise FeedError("connection lost")
        message = {"method": "SUBSCRIBE", "params": streams, "id": number}
        self._transport.send(_TEXT, orjson.dumps(message))
        try:
            refusal = await answer
        finally:
            del self._answers[number]
        if refusal is not None:
            raise FeedError(f"subscription refused: {refusal}")

    async def woken(self, timeout_s: float) -> None:
        """Waits until the connection ends or is announced to, or the time is over."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    def end(self, reason: str) -> None:
        """Notes why the connection is over, the first reason counts, and lets go of it."""
        if self.closed.done():
            return
        self.closed.set_result(reason)
        self._wake.set()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(FeedError(reason))
        if self._transport is not None:
            self._transport.disconnect()

    def drop(self) -> None:
        """Closes the connection from our side."""
        if self._transport is not None and not self.closed.done():
            self._transport.send_close(WSCloseCode.OK)
        self.end("closed by us")

    # ---- inside

    async def _hear_the_end(self, transport: WSTransport) -> None:
        """Takes what the library holds against the peer, such as a frame that is none; left with
        the library it would surface as an error of the loop."""
        try:
            await transport.wait_disconnected()
        except Exception as error:  # noqa: BLE001
            self.end(f"connection broken: {error or type(error).__name__}")

    def _take(self, message: bytes) -> None:
        now_ns = self._now_ns()
        if message.startswith(_DATA_FRAME) and message[11:12] != b"!":
            self.data_ns = now_ns
            self.data_frames += 1
        elif self._take_control(message):
            return
        if self.closed.done():
            return
        try:
            self._on_data(message, now_ns)
        except Exception as error:  # noqa: BLE001
            # Raised again by `run`: here it would only end in the library's log.
            self.failure = error
            self.end("the handler failed")

    def _take_control(self, message: bytes) -> bool:
        """Takes acknowledgements, refusals and announcements; False for anything else.

        That goes to the handler too, which counts and notes what it cannot read.
        """
        try:
            said = orjson.loads(message)
        except orjson.JSONDecodeError:
            return False
        if not isinstance(said, dict):
            return False
        data = said.get("data", said)
        if isinstance(data, dict) and data.get("e") == "serverShutdown":
            self.leaving = True
            self._wake.set()
            return True
        number = said.get("id")
        answer = self._answers.get(number) if isinstance(number, int) else None
        if answer is None:
            return False
        if not answer.done():
            answer.set_result(said.get("error"))
        return True
