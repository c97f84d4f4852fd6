"""What waits for the next turn: messages in order, and the newest quote of each symbol."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from core_ext.errors import RecordRefused
from core_ext.quote import QUOTE_SIZE, unpack

SYMBOL_BYTES: Final = 20
"""A quote begins with its padded symbol."""

SEQUENCE: Final = slice(32, 40)
"""Where a quote's number stands; it rises for ever, over restarts of ingest too."""

QUOTES_PER_TURN_MIN: Final = 64
"""Places of a turn that a flood of messages cannot take from quotes."""


class Inbox:
    """Filled by sockets and tasks, emptied by turns."""

    def __init__(self, two_ways: bool = False) -> None:
        """`two_ways`: every quote comes twice, by the fast lane and by ZeroMQ."""
        self._newest: dict[bytes, int] | None = {} if two_ways else None
        self._messages: deque[Any] = deque()
        self._quotes: dict[bytes, bytes] = {}
        self.conflated = 0
        """Quotes that a newer one of the same symbol replaced before they were read."""
        self.malformed_quotes = 0
        self.repeated_quotes = 0
        """Quotes that had come the other way already."""

    def __len__(self) -> int:
        return len(self._messages) + len(self._quotes)

    def put(self, message: Any) -> None:
        """A message for the actor."""
        self._messages.append(message)

    def put_quote(self, frame: bytes) -> None:
        """A quote's bytes; it takes the place of an unread one of its symbol."""
        symbol = frame[:SYMBOL_BYTES]
        if self._newest is not None and len(frame) == QUOTE_SIZE:
            number = int.from_bytes(frame[SEQUENCE], "little")
            if number <= self._newest.get(symbol, -1):
                self.repeated_quotes += 1
                return
            self._newest[symbol] = number
        if symbol in self._quotes:
            self.conflated += 1
        self._quotes[symbol] = frame

    def take(self, limit: int) -> list[Any]:
        """Up to limit messages, the oldest first, quotes after the others."""
        quote_count = len(self._quotes)
        places = limit - min(quote_count, QUOTES_PER_TURN_MIN, limit // 2)
        messages = self._messages
        taken = [messages.popleft() for _ in range(min(places, len(messages)))]
        if quote_count:
            symbols = list(self._quotes)[: limit - len(taken)]
            for symbol in symbols:
                try:
                    taken.append(unpack(self._quotes.pop(symbol)))
                except RecordRefused:
                    self.malformed_quotes += 1
        return taken
