"""One connection of a feed: hands data frames on, and knows when it last had one and why it ended.

Where snapshots come in the stream, a connection keeps what arrives until it is `release`d: its
snapshots belong behind the word that it is up, and not among the frames of the one it replaces.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import orjson
from picows import WSFrame, WSMsgType, WSTransport

from shared.clock import EngineClock
from shared.venues.feed.dialect import Manners
from shared.venues.feed.websocket import WebSocketEnd

KEPT_BYTES_MAX: Final = 64 * 1024 * 1024
"""Of frames before a connection is released: far more than the snapshots of all its symbols."""

_TEXT: Final = WSMsgType.TEXT


class FeedError(OSError):
    """A connection that could not be opened or subscribed, or that ended."""


class RefusedError(FeedError):
    """The venue said no to a request."""


class Link(WebSocketEnd):
    """One connection of a feed."""

    def __init__(
        self,
        on_data: Callable[[bytes, int], None],
        clock: EngineClock,
        manners: Manners,
        keeps: bool,
    ) -> None:
        super().__init__()
        self._on_data = on_data
        self._now_ns = clock.now_ns
        self._manners = manners
        self._prefix = manners.data_prefix
        self._announcement = manners.announcement_prefix
        self._kept: list[tuple[bytes, int]] = []
        self._sink = self._keep if keeps else on_data
        self._kept_bytes = 0
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._asked = 0
        self._wake = asyncio.Event()
        self._next_ping: asyncio.TimerHandle | None = None
        self.opened_ns = self.data_ns = clock.now_ns()
        self.leaving = False
        """The venue announced that it will close this connection."""
        self.failure: Exception | None = None

    # ---- picows

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        message = self._message(frame)
        if message is None:
            return
        now_ns = self._now_ns()
        if message.startswith(self._prefix) and not message.startswith(self._announcement):
            self.data_ns = now_ns
        elif self._take_control(message):
            return
        try:
            self._sink(message, now_ns)
        except Exception as error:  # noqa: BLE001
            # Whatever the handler raises: `FeedStream.run` raises it again, the library would not.
            self._fail(error)

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
        if (transport := self._usable) is None:
            raise FeedError("connection lost")
        self._answers[number] = answer
        transport.send(_TEXT, self._manners.request(subscribe, topics, number))
        try:
            async with asyncio.timeout(timeout_s):
                refusal = await answer
        finally:
            del self._answers[number]
        if refusal is not None:
            raise RefusedError(f"subscription refused: {refusal}")

    def ping_every(self, seconds: float) -> None:
        """Sends the venue's own ping again and again, until the end."""
        if self._usable is not None:
            loop = asyncio.get_running_loop()
            self._next_ping = loop.call_later(seconds, self._ping, seconds)

    def release(self) -> None:
        """Hands on what was kept, in order, and from now on whatever comes."""
        if self.closed.done():
            return
        self._sink = self._on_data
        kept, self._kept = self._kept, []
        try:
            for message, at_ns in kept:
                self._sink(message, at_ns)
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

    # ---- inside

    def _ping(self, seconds: float) -> None:
        if (transport := self._usable) is not None:
            transport.send(_TEXT, self._manners.ping)
            self.ping_every(seconds)

    def _let_go(self, reason: str) -> None:
        # Frames that the library has already read come all the same.
        self._sink = _nowhere
        self._wake.set()
        if self._next_ping is not None:
            self._next_ping.cancel()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(FeedError(reason))

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


def _nowhere(message: bytes, at_ns: int) -> None:
    """Where the data of a connection go that is over."""
