"""Kept connections to one host: a request goes out on one that is open, or opens another.

A connection carries one request at a time. It is only used again after a whole answer, so that no
answer can ever be taken for that of another request.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlsplit

from shared.venues.feed.http import MAX_HEADER_BYTES, Answer, HttpError, read_answer, tls_context

IDLE_MAX: Final = 8

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Connections:
    """The open connections to one base address (http or https)."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            raise ValueError(f"not an http address: {base_url!r}")
        self.host = parts.netloc
        self.opened = 0
        self._name = parts.hostname
        self._secure = parts.scheme == "https"
        self._port = parts.port or (443 if self._secure else 80)
        self._idle: list[Stream] = []

    async def open(self) -> Stream:
        """A connection that nobody uses. Raises OSError."""
        while self._idle:
            reader, writer = self._idle.pop()
            # A server that has said goodbye meanwhile would not hear the request.
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer
            writer.close()
        self.opened += 1
        return await asyncio.open_connection(
            self._name,
            self._port,
            ssl=tls_context() if self._secure else None,
            limit=MAX_HEADER_BYTES,
        )

    async def answer(self, stream: Stream) -> Answer:
        """The answer to what was written to it. Raises OSError; the connection is then gone."""
        reader, writer = stream
        whole = False
        try:
            answer = await read_answer(reader)
            whole = True
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as error:
            raise HttpError(f"no HTTP answer from {self.host}: {error}") from error
        finally:
            if not whole:
                writer.close()
        if self._may_keep(answer):
            self._idle.append(stream)
        else:
            writer.close()
        return answer

    def close(self) -> None:
        """Closes what is idle; what is in use closes with its request."""
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()

    def _may_keep(self, answer: Answer) -> bool:
        framed = "content-length" in answer.headers or "transfer-encoding" in answer.headers
        closing = answer.headers.get("connection", "").lower() == "close"
        return framed and not closing and len(self._idle) < IDLE_MAX
