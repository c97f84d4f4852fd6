"""HTTP connections kept within bounds: how large a head may be, how long a silent one may stay.

aiohttp closes connections that fall silent after a request; one that never sends a whole request
would stay for ever, and thousands of those would fill the venue's memory.
"""

from __future__ import annotations

import logging
import resource
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

FIRST_REQUEST_S: Final = 20.0
"""A connection that has not sent a whole request head by then is closed."""
KEEPALIVE_S: Final = 75.0
"""A connection is closed so long after its last answer."""
HEAD_LINE_MAX_BYTES: Final = 64 * 1024
"""A request line may name five hundred symbols."""
BODY_MAX_BYTES: Final = 1024 * 1024
LINGER_S: Final = 2.0
"""What is left of a refused body is read for so long, so that the client can read the answer."""
BACKLOG: Final = 1_024
"""Connections that wait to be accepted."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Connections:
    """Knows which connections have asked something; closes those that do not."""

    def __init__(self) -> None:
        self._asked: set[object] = set()
        self._first_seen_s: dict[object, float] = {}

    def application(self) -> web.Application:
        """An application whose requests are noticed."""
        return web.Application(middlewares=[self._notice], client_max_size=BODY_MAX_BYTES)

    def runner(self, app: web.Application, shutdown_s: float) -> web.AppRunner:
        """A runner of the application with these bounds."""
        logging.getLogger("aiohttp.server").addFilter(_is_ours)
        return web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=shutdown_s,
            keepalive_timeout=KEEPALIVE_S,
            lingering_time=LINGER_S,
            max_line_size=HEAD_LINE_MAX_BYTES,
        )

    def sweep(self, server: web.Server | None, now_s: float) -> int:
        """Closes connections that have been open for long and asked nothing; how many."""
        if server is None:
            return 0
        closed = 0
        first_seen_s: dict[object, float] = {}
        connections = server.connections
        for connection in connections:
            if connection in self._asked:
                continue
            since_s = self._first_seen_s.get(connection, now_s)
            if now_s - since_s > FIRST_REQUEST_S and connection.transport is not None:
                connection.transport.abort()
                closed += 1
                continue
            first_seen_s[connection] = since_s
        self._first_seen_s = first_seen_s
        self._asked.intersection_update(connections)
        return closed

    @web.middleware
    async def _notice(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._asked.add(request.protocol)
        return await handler(request)


def allow_open_files() -> None:
    """As many connections as the system lets a process have, not only a shell's usual few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether the log needs it: clients that speak no HTTP are answered, others hang up."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | ConnectionError)
