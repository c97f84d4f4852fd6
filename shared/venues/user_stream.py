"""The venue's user stream through ccxt: it connects and authenticates, we read each push."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from ccxt.base.errors import BaseError

from shared.clock import EngineClock
from shared.venues import stream_life
from shared.venues.credentials import Credentials
from shared.venues.redirect import RAISED_BY_CCXT, RecordedBinance
from shared.venues.stream_life import Quiet, StreamLife

CLOSE_S: Final = 1.0


class UserStream(StreamLife):
    """One account's pushes over a socket of ccxt's."""

    def __init__(
        self,
        exchange: RecordedBinance,
        credentials: Credentials,
        clock: EngineClock,
        quiet: Quiet,
    ) -> None:
        super().__init__(credentials, clock, quiet)
        self._exchange = exchange
        self._client: Any = None
        exchange.frames = self

    async def _live(self, lost: asyncio.Future[str]) -> str:
        exchange = self._exchange
        url = exchange.urls["api"]["ws"]["ws-api"]["spot"]
        # We pause between attempts ourselves; ccxt would add its own growing pause.
        (getattr(exchange, "ws_dial_backoff", None) or {}).pop(url, None)
        self._client = exchange.client(url)
        watcher: asyncio.Task[Any] | None = None
        try:
            async with asyncio.timeout(stream_life.AUTHENTICATE_S):
                await exchange.authenticate({"type": "spot"})
            watcher = asyncio.create_task(exchange.watch_orders())
            self._up()
            return await self._stay(watcher, lost)
        except TimeoutError:
            return "no answer to the subscription"
        except RAISED_BY_CCXT as error:
            origin = _origin(error)
            return f"{type(origin).__name__}: {origin}"
        finally:
            if watcher is not None:
                watcher.cancel()
                await asyncio.wait({watcher})
            await self._drop()

    async def _drop(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        if self._exchange.clients.get(client.url) is client:
            del self._exchange.clients[client.url]
        try:
            async with asyncio.timeout(CLOSE_S):
                await client.close()
        except (TimeoutError, *RAISED_BY_CCXT) as error:
            # A dead peer does not answer the closing handshake; the socket is given up anyway.
            self.last_malformed = f"close: {type(error).__name__}"

    # What ccxt's client tells (`redirect.Frames`).

    def touched(self, client: Any) -> None:
        """Any frame, a pong too, shows that the peer lives."""
        if client is self._client:
            self._touched()

    def malformed(self, client: Any, reason: str) -> None:
        """A frame that cannot be read; the stream goes on."""
        self._malformed(reason)

    def take(self, client: Any, message: dict[str, Any]) -> bool:
        """Delivers a push; True for everything that is not an answer to ccxt."""
        event = message.get("event", message)
        if not isinstance(event, dict) or "e" not in event:
            return False
        if client is self._client and self._deliver is not None:
            self._take_event(event)
        return True


def _origin(error: BaseException) -> BaseException:
    """The venue's refusal, which ccxt's own clean-up may have hidden behind a KeyError."""
    while not isinstance(error, BaseError) and error.__context__ is not None:
        error = error.__context__
    return error
