"""One connection of a feed: hands data frames on, and knows when it last had one and why it ended.

Where snapshots come in the stream, a connection keeps what arrives until it is `release`d: its
snapshots belong behind the word that it is up, and not among the frames of the one it replaces.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import orjson
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from shared.clock import EngineClock
from shared.venues.feed.dialect import Manners

MESSAGE_BYTES_MAX: Final = 8 * 1024 * 1024
KEPT_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of frames before a connection is released: far more than the snapshots of all its symbols."""

_TEXT: Final = WSMsgType.TEXT


class FeedError(OSError):
    """A connection that could not be opened or subscribed, or that ended."""


class RefusedError(FeedError):
    """The venue said no to a request."""


class Link(WSListener):  # type: ignore[misc, unused-ignore]
    """One connection; `end` may come from either side, the first reason counts."""

    def __init__(
        self,
        on_data: Callable[[bytes, int], None],
        clock: EngineClock,
        manners: Manners,
        keeps: bool,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._on_data = on_data
        self._now_ns = clock.now_ns
        self._manners = manners
        self._prefix = manners.data_prefix
        self._announcement = manners.announcement_prefix
        self._kept: list[tuple[bytes, int]] = []
        self._sink = self._keep if keeps else on_data
        self._kept_bytes = 0
        self._transport: WSTransport | None = None
        self._parts: list[bytes] = []
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._asked = 0
        self._wake = asyncio.Event()
        self._last_word: asyncio.Task[None] | None = None
        self._next_ping: asyncio.TimerHandle | None = None
        self._is_open = True
        self.closed: asyncio.Future[str] = loop.create_future()
        """Why the connection ended, once it has."""
        self.opened_ns = self.data_ns = clock.now_ns()
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
            message = frame.get_payload_as_bytes()
        elif kind in (_TEXT, WSMsgType.CONTINUATION):
            whole = self._joined(frame)
            if whole is None:
                return
            message = whole
        else:
            if kind == WSMsgType.CLOSE:
                code = frame.get_close_code()
                self.end(f"closed by the venue ({getattr(code, 'value', code)})")
            return
        now_ns = self._now_ns()
        if message.startswith(self._prefix) and not message.startswith(self._announcement):
            self.data_ns = now_ns
        elif self._take_control(message):
            return
        if not self._is_open:
            return
        try:
            self._sink(message, now_ns)
        except Exception as error:  # noqa: BLE001
            # Whatever the handler raises: `FeedStream.run` raises it again, the library would not.
            self._fail(error)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.end("connection lost")

    # ---- the stream's side

    @property
    def had_data(self) -> bool:
        """Whether a data frame ever came."""
        return self.data_ns > self.opened_ns

    async def ask(self, subscribe: bool, topics: list[str], timeout_s: float) -> None:
        """Adds or drops topics and waits for the answer. Raises RefusedError when it is refused,
        FeedError when the connection is gone, TimeoutError without an answer."""
        self._asked += 1
        number = self._asked
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._transport is None or self.closed.done():
            raise FeedError("connection lost")
        self._answers[number] = answer
        self._transport.send(_TEXT, self._manners.request(subscribe, topics, number))
        try:
            async with asyncio.timeout(timeout_s):
                refusal = await answer
        finally:
            del self._answers[number]
        if refusal is not None:
            raise RefusedError(f"subscription refused: {refusal}")

    def ping_every(self, seconds: float) -> None:
        """Sends the venue's own ping again and again, until the end."""
        if self.closed.done() or self._transport is None:
            return
        loop = asyncio.get_running_loop()
        self._next_ping = loop.call_later(seconds, self._ping, seconds)

    def release(self) -> None:
        """Hands on what was kept, in order, and from now on whatever comes."""
        self._sink = self._on_data
        kept, self._kept = self._kept, []
        for message, at_ns in kept:
            if self.closed.done():
                return
            try:
                self._on_data(message, at_ns)
            except Exception as error:  # noqa: BLE001
                # As in `on_ws_frame`: raised again by `FeedStream.run`, which watches its end.
                self._fail(error)

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
        self._is_open = False
        self.closed.set_result(reason)
        self._wake.set()
        if self._next_ping is not None:
            self._next_ping.cancel()
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

    def _ping(self, seconds: float) -> None:
        if self._transport is not None and not self.closed.done():
            self._transport.send(_TEXT, self._manners.ping)
            self.ping_every(seconds)

    async def _hear_the_end(self, transport: WSTransport) -> None:
        """Takes what the library holds against the peer, such as a frame that is none; left with
        the library it would surface as an error of the loop."""
        try:
            await transport.wait_disconnected()
        except Exception as error:  # noqa: BLE001
            # Whatever the library holds against the peer: it is told as the reason of the end.
            self.end(f"connection broken: {error or type(error).__name__}")

    def _joined(self, frame: WSFrame) -> bytes | None:
        """The message that its last part completes; None before, and when it is too long, which
        ends the connection."""
        self._parts.append(frame.get_payload_as_bytes())
        if sum(map(len, self._parts)) > MESSAGE_BYTES_MAX:
            self._parts.clear()
            self.end("a message that is too long")
        elif frame.fin:
            whole = b"".join(self._parts)
            self._parts.clear()
            return whole
        return None

    def _fail(self, error: Exception) -> None:
        """Raised again by `FeedStream.run`."""
        self.failure = error
        self.end("the handler failed")

    def _keep(self, message: bytes, at_ns: int) -> None:
        self._kept_bytes += len(message)
        if self._kept_bytes > KEPT_BYTES_MAX:
            self._kept.clear()
            self.end("more data than can be kept before it is up")
            return
        self._kept.append((message, at_ns))

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
        heard = self._manners.hear(said)
        if heard.what == "leaving":
            self.leaving = True
            self._wake.set()
            return True
        if heard.what == "answer":
            answer = self._answers.get(heard.number)
            if answer is None:
                return False
            if not answer.done():
                answer.set_result(heard.refusal)
            return True
        if heard.what == "data":
            self.data_ns = self._now_ns()
        return heard.what == "pong"
